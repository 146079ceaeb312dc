"""Views with what nnU-Net does to a labelled patch (Isensee et al. 2021), on the device."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

import numpy as np
import torch
from torch import Tensor

from crln.augmentation.batch import empty_views, exact
from crln.augmentation.cutmix import SOLID, draw_cutmix
from crln.augmentation.draws import device_generator, factor, happens, host_random
from crln.augmentation.geometry import (
    Matrix,
    Turn,
    affine_matrix,
    centre_crop,
    draw_turn,
    warp,
)
from crln.augmentation.recipe import LABELLED, STRONG, WEAK, Recipe, Tint, draw_tint
from crln.planning.plan import Plan, Triple

MARGIN = 1 / 8
"""Read beyond the patch on each side, as a share of it, for rotation and zoom to draw from.

Of a labelled view 2 % of the voxels then lie outside on average, of a weak view 0.3 %, for twice
the patch's voxels read; without a margin 9 and 8 %; with 1/4, 0.2 and 0.01 % for 3.4 times.
"""

ANISOTROPY = 3
"""A patch or spacing more uneven than this is turned about its odd axis only (as in nnU-Net)."""


@dataclass(frozen=True)
class Placement:
    """Where a view's voxels come from: an affine map (None: the centre crop), then a turn."""

    matrix: Matrix | None
    turn: Turn


class RichViews:
    """Labelled: all of nnU-Net's changes. Weak: mild geometry. Strong: more intensity, and CutMix.

    Rotation, zoom and crop are one resampling; mirroring and quarter turns are exact. The margin
    that is read around the patch serves labelled and weak views; what a strong view brings in from
    outside its patch is ignored. Parameters are drawn on the host: the generator is a CPU
    generator.

    Args:
        plan: patch, spacing, and which axes may be mirrored or turned.
        labelled, weak, strong: how often and how far.
    """

    def __init__(
        self,
        plan: Plan,
        labelled: Recipe = LABELLED,
        weak: Recipe = WEAK,
        strong: Recipe = STRONG,
    ) -> None:
        self.plan = plan.views
        self.patch = plan.patch_size
        self.spacing = plan.spacing or (1.0, 1.0, 1.0)
        self.read_size = margined(plan.patch_size)
        self.odd_axis = odd_axis(plan.patch_size, self.spacing)
        self.recipes = (labelled, weak, strong)

    @exact
    def labelled(
        self, images: Tensor, target: Tensor, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """See `Views.labelled`."""
        return self._view(self.recipes[0], images, target, None, generator)[:2]

    @exact
    def weak(
        self, images: Tensor, target: Tensor, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """See `Views.weak`."""
        return self._view(self.recipes[1], images, target, None, generator)[:2]

    @exact
    def strong(
        self, images: Tensor, target: Tensor, confidence: Tensor, generator: torch.Generator
    ) -> tuple[Tensor, Tensor, Tensor]:
        """See `Views.strong`."""
        views, targets, confidences = self._view(
            self.recipes[2], images, target, confidence, generator
        )
        assert confidences is not None
        return views, targets, confidences

    def _view(
        self,
        recipe: Recipe,
        images: Tensor,
        target: Tensor,
        confidence: Tensor | None,
        generator: torch.Generator,
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        """Draws everything, then places, mixes and tints."""
        random = host_random(generator)
        samples, channels = images.shape[:2]
        placements = [self._draw_placement(recipe, random) for _ in range(samples)]
        mix = draw_cutmix(random, samples, self.patch, SOLID, recipe.cutmix)
        coarse = () if self.odd_axis is None else (self.odd_axis,)
        tints = [
            [draw_tint(recipe, random, self.patch, coarse) for _ in range(channels)]
            for _ in range(samples)
        ]
        views, targets, confidences = place(images, target, confidence, placements, self.patch)
        if any(mix.boxes):
            views, targets = mix(views), mix(targets)
            confidences = None if confidences is None else mix(confidences)
        tint(views, tints, device_generator(random, images.device))
        return views, targets, confidences

    def _draw_placement(self, recipe: Recipe, random: np.random.Generator) -> Placement:
        rotate, zoom = happens(random, recipe.rotation), happens(random, recipe.zoom)
        matrix = None
        if rotate or zoom:
            limit = recipe.degrees if rotate else 0.0
            degrees = random.uniform(-limit, limit, 3)
            if self.odd_axis is not None:
                degrees *= np.arange(3) == self.odd_axis
            enlarged = factor(random, *recipe.zoom_range) if zoom else 1.0
            matrix = affine_matrix(degrees, enlarged, self.spacing)
        turn = draw_turn(random, self.patch, self.plan.rotate90, self.plan.mirror_axes)
        return Placement(matrix, turn)


def margined(patch: Triple) -> Triple:
    """What to read for a patch: a margin of `MARGIN` of each side on both of its ends."""
    x, y, z = (side + 2 * ceil(side * MARGIN) for side in patch)
    return x, y, z


def odd_axis(patch: Triple, spacing: Sequence[float]) -> int | None:
    """The coarse or short axis of an anisotropic patch: rotation must not mix it with others."""
    if max(spacing) / min(spacing) > ANISOTROPY:
        return int(np.argmax(spacing))
    if max(patch) / min(patch) > ANISOTROPY:
        return int(np.argmin(patch))
    return None


def place(
    images: Tensor,
    target: Tensor,
    confidence: Tensor | None,
    placements: Sequence[Placement],
    size: Triple,
) -> tuple[Tensor, Tensor, Tensor | None]:
    """Cuts each sample's view of `size` out of what was read, by its placement.

    Args:
        images: (B, C, X, Y, Z).
        target: (B, X, Y, Z).
        confidence: (B, X, Y, Z) or None.
        placements: one a sample.
        size: of the views.
    """
    views = empty_views(images, size)
    targets = target.new_empty(len(images), *size)
    confidences = None if confidence is None else confidence.new_empty(len(images), *size)
    for b, placement in enumerate(placements):
        image, label = images[b], target[b]
        sure = None if confidence is None else confidence[b]
        if placement.matrix is None:
            image, label = centre_crop(image, size), centre_crop(label, size)
            sure = None if sure is None else centre_crop(sure, size)
        else:
            image, label, sure = warp(image, label, sure, placement.matrix, size)
        views[b], targets[b] = placement.turn(image), placement.turn(label)
        if confidences is not None and sure is not None:
            confidences[b] = placement.turn(sure)
    return views, targets, confidences


def tint(views: Tensor, tints: Sequence[Sequence[Tint]], noise: torch.Generator) -> None:
    """Changes the intensities of `views` (B, C, X, Y, Z) in place; one tint per channel."""
    for view, channels in zip(views, tints, strict=True):
        for c, change in enumerate(channels):
            if change != Tint():
                view[c] = change(view[c], noise)
