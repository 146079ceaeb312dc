"""Views of a batch: weak, strong, labelled; drawn on the host, computed on the device."""

from crln.augmentation.build import build_views
from crln.augmentation.cutmix import (
    IN_PLANE,
    SOLID,
    Box,
    CutMix,
    draw_copy_paste_box,
    draw_cutmix,
    draw_cutmix_box,
    swap_box,
)
from crln.augmentation.draws import device_generator, happens, host_random
from crln.augmentation.intensity import add_noise, brightness_contrast
from crln.augmentation.paper import PaperViews
from crln.augmentation.recipe import Recipe
from crln.augmentation.rich import RichViews
from crln.augmentation.views import Views

__all__ = [
    "IN_PLANE",
    "SOLID",
    "Box",
    "CutMix",
    "PaperViews",
    "Recipe",
    "RichViews",
    "Views",
    "add_noise",
    "brightness_contrast",
    "build_views",
    "device_generator",
    "draw_copy_paste_box",
    "draw_cutmix",
    "draw_cutmix_box",
    "happens",
    "host_random",
    "swap_box",
]
