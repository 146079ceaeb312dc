"""Views of a batch: labelled, weak, strong; drawn on the host, computed on the device."""

from crln.augmentation.carry import carry_whole
from crln.augmentation.cutmix import (
    SOLID,
    Box,
    CutMix,
    draw_copy_paste_box,
    draw_cutmix,
    draw_cutmix_box,
    swap_box,
)
from crln.augmentation.focus import draw_focus
from crln.augmentation.intensity import add_noise
from crln.augmentation.views import (
    IN_PLANE,
    Kind,
    View,
    Views,
    device_generator,
    happens,
    host_random,
)
from crln.planning.plan import Plan, Section, Triple, options_of
from crln.registry import VIEWS


def build_views(plan: Plan, size: Triple | None = None) -> Views:
    """The views of `plan.views.kind`.

    Args:
        plan: patch, spacing, and what its views may do.
        size: X, Y, Z of a view; default the patch.

    Raises:
        CrlnError: no such views, or an option that they do not have.
    """
    kind: type[Views] = VIEWS[plan.views.kind]
    return kind(plan, views_options(plan), size or plan.patch_size)


def views_options(plan: Plan) -> Section:
    """The plan's `views.options` over the defaults of its views."""
    kind: type[Views] = VIEWS[plan.views.kind]
    return options_of(kind.Options, plan.views.options, "views.options", plan.views.kind)


__all__ = [
    "IN_PLANE",
    "SOLID",
    "Box",
    "CutMix",
    "Kind",
    "View",
    "Views",
    "add_noise",
    "build_views",
    "carry_whole",
    "device_generator",
    "draw_copy_paste_box",
    "draw_cutmix",
    "draw_cutmix_box",
    "draw_focus",
    "happens",
    "host_random",
    "swap_box",
    "views_options",
]
