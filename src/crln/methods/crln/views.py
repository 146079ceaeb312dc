"""What CRLN's student sees of the unlabelled patches, and the detail views of both kinds."""

from dataclasses import replace

import torch
from torch import Tensor

from crln.augmentation import (
    CutMix,
    View,
    Views,
    carry_whole,
    draw_copy_paste_box,
    draw_focus,
    host_random,
    swap_box,
)
from crln.labels import IGNORE
from crln.losses import Criteria
from crln.losses.detail import Axes
from crln.losses.partial import without_partial
from crln.methods.crln.detail import any_thin, structures
from crln.methods.crln.options import CRLNOptions

Taught = tuple[Tensor, Tensor, Tensor]
"""Images (B, C, X, Y, Z), their pseudo-labels and the confidence in these, (B, X, Y, Z)."""

FAINT = 1e-9
"""Score of a voxel of a structure beside the 1 of a thin one: it decides where nothing is thin."""


class StudentViews:
    """The views of a step.

    Args:
        views: weak and strong ones.
        options: which there are.
        criteria: of the plan's classes.
        axes: along which thickness is seen, of `crln.losses.fine_axes`.
    """

    def __init__(self, views: Views, options: CRLNOptions, criteria: Criteria, axes: Axes) -> None:
        self.views, self.options, self.criteria, self.axes = views, options, criteria, axes

    def __call__(
        self, labelled: tuple[Tensor, Tensor], taught: Taught, generator: torch.Generator
    ) -> tuple[Tensor, ...]:
        """What the student sees of the unlabelled patches, view after view, and is taught there."""
        count = self.options.strong_views
        views = [self.strong(taught, generator) for _ in range(count)] or [taught]
        if self.options.copy_paste:
            views.append(self.pasted(labelled, taught, generator))
        return tuple(torch.cat(parts) for parts in zip(*views, strict=True))

    def strong(self, taught: Taught, generator: torch.Generator) -> Taught:
        """A strong view; a voxel that it brings in from outside is ignored, of confidence 0."""
        weak, pseudo, confidence = taught
        view = self.views.draw("strong", len(weak), weak.shape[1], generator)
        if self.options.whole_structures and isinstance(view.mix, CutMix):
            codes = replace(view, mix=None).maps(structure_codes(self.criteria, pseudo))
            view = replace(view, mix=carry_whole(view.mix, codes, host_random(generator)))
        return view.images(weak), view.labels(pseudo), view.maps(confidence)

    def pasted(
        self, labelled: tuple[Tensor, Tensor], taught: Taught, generator: torch.Generator
    ) -> Taught:
        """The weak views, each with the same box of a labelled patch in it: image and label.

        With `whole_structures` each box lies where it carries one.
        """
        random, side = host_random(generator), self.options.copy_paste
        box = draw_copy_paste_box(random, taught[0].shape[2:], side)
        images, target = labelled
        known = (images, target, (target != IGNORE).to(taught[2].dtype))
        count = len(taught[0])
        givers = [torch.cat([ours] * -(-count // len(images)))[:count] for ours in known]
        pairs = zip(givers, taught, strict=True)
        if not self.options.whole_structures:
            image, label, confidence = (swap_box(*pair, box)[1] for pair in pairs)
            return image, label, confidence
        mix = CutMix((None,) * count + (box,) * count, tuple(range(count)) * 2)
        structures = structure_codes(self.criteria, without_partial(givers[1]))
        mix = carry_whole(mix, structures, random)
        image, label, confidence = (mix(torch.cat(pair))[count:] for pair in pairs)
        return image, label, confidence

    def closer(
        self, images: Tensor, target: Tensor, rows: int, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """Labelled views and, behind them, the first rows of them zoomed in on thin parts.

        Args:
            images: (B, C, X, Y, Z).
            target: (B, X, Y, Z), as a labelled view gives it.
            rows: how many, from the first.
            generator: on their device.
        """
        scores = labelled_scores(self.criteria, without_partial(target[:rows]), self.axes)
        view = draw_focus(scores, self.options.detail_zoom, self.axes, generator)
        shown, theirs = view.images(images[:rows]), view.labels(target[:rows])
        return torch.cat([images, shown]), torch.cat([target, theirs])

    def doubtful(self, taught: Taught, generator: torch.Generator) -> View:
        """A view of the weak views, zoomed in on thin or doubtful parts; on their device."""
        scores = doubtful_scores(self.criteria, *taught[1:], axes=self.axes)
        return draw_focus(scores, self.options.detail_zoom, self.axes, generator)


def labelled_scores(criteria: Criteria, target: Tensor, axes: Axes) -> Tensor:
    """What a detail view of a labelled patch is drawn by, (B, X, Y, Z): thin parts.

    Where there are none, voxels of structures; without those, `draw_focus` takes any.

    Args:
        criteria: of the plan's classes.
        target: (B, X, Y, Z), class or IGNORE.
        axes: of `crln.losses.fine_axes`.
    """
    return any_thin(criteria, target, axes) + FAINT * structures(criteria, target).any(1)


def doubtful_scores(criteria: Criteria, pseudo: Tensor, confidence: Tensor, axes: Axes) -> Tensor:
    """The same of an unlabelled patch: half of the draws by doubt, half from thin parts.

    Args:
        criteria: of the plan's classes.
        pseudo: (B, X, Y, Z), class or IGNORE.
        confidence: in these, (B, X, Y, Z); doubt is what it lacks to 1.
        axes: of `crln.losses.fine_axes`.
    """
    doubt = (1 - confidence).masked_fill(pseudo == IGNORE, 0).clamp(min=0)
    thin = any_thin(criteria, pseudo, axes).to(doubt.dtype)
    parts = (doubt, thin)
    shares = [part / part.sum((1, 2, 3), True).clamp(min=FAINT) for part in parts]
    return torch.stack(shares).mean(0)


def structure_codes(criteria: Criteria, target: Tensor) -> Tensor:
    """Which structures a voxel is known to be of, as one integer, 0: of none, (B, X, Y, Z)."""
    held = structures(criteria, target)
    bits = torch.arange(held.shape[1], device=held.device).view(1, -1, 1, 1, 1)
    return (held.long() << bits).sum(1)
