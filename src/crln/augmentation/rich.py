"""Views with what nnU-Net does to a labelled patch (Isensee et al. 2021), on the device."""

from collections.abc import Sequence
from functools import partial
from math import ceil

import numpy as np
import torch
from torch import Tensor

from crln.augmentation.bend import Bend, draw_bend
from crln.augmentation.cutmix import SOLID, draw_cutmix
from crln.augmentation.geometry import Crop, Placed, Warp, affine_matrix, draw_turn
from crln.augmentation.recipe import Recipe, RichOptions, Tint, draw_tint
from crln.augmentation.views import (
    Kind,
    View,
    Views,
    factor,
    happens,
    host_random,
    slice_axis,
)
from crln.planning.plan import Plan, Section, Triple


class RichViews(Views):
    """Labelled: all of nnU-Net's changes. Weak: mild geometry. Strong: more intensity, and CutMix.

    Rotation, zoom, bending and crop are one resampling; mirroring and quarter turns are exact. The
    margin that is read around the patch serves labelled and weak views; what a strong view brings
    in from outside its patch is ignored.
    """

    Options = RichOptions
    options: RichOptions

    def __init__(self, plan: Plan, options: Section, size: Triple) -> None:
        super().__init__(plan, options, size)
        self.spacing = plan.spacing or (1.0, 1.0, 1.0)
        self.slices = slice_axis(size, self.spacing, self.options.anisotropy)
        self.odd_axis = odd_axis(size, self.spacing, self.options.anisotropy)
        self.read_size = margined(size, self.options.margin, self.slices)

    def draw(self, kind: Kind, samples: int, channels: int, generator: torch.Generator) -> View:
        """See `Views.draw`."""
        recipe: Recipe = getattr(self.options, kind)
        random = host_random(generator)
        placings = [self._draw_placing(recipe, random) for _ in range(samples)]
        mix = draw_cutmix(random, samples, self.size, SOLID, recipe.cutmix)
        coarse = () if self.odd_axis is None else (self.odd_axis,)
        changes = [
            partial(
                tint,
                [
                    draw_tint(self.options, recipe, random, self.size, coarse, self.slices)
                    for _ in range(channels)
                ],
            )
            for _ in range(samples)
        ]
        noise = int(random.integers(2**62))
        return View(self.size, placings, mix if any(mix.boxes) else None, changes, noise)

    def _draw_placing(self, recipe: Recipe, random: np.random.Generator) -> Placed:
        """An affine map, bent or not, or none where nothing asks for it; then a turn."""
        source: Crop | Warp = Crop(self.size)
        rotate, zoom = happens(random, recipe.rotation), happens(random, recipe.zoom)
        bent = recipe.bend > 0 and happens(random, recipe.bend)
        if rotate or zoom or bent:
            limit = recipe.degrees if rotate else 0.0
            degrees = random.uniform(-limit, limit, 3)
            if self.odd_axis is not None:
                degrees *= np.arange(3) == self.odd_axis
            enlarged = factor(random, *recipe.zoom_range) if zoom else 1.0
            zooms = [1.0 if axis == self.slices else enlarged for axis in range(3)]
            bend = self._draw_bend(random) if bent else None
            source = Warp(affine_matrix(degrees, zooms, self.spacing), self.size, bend)
        views = self.plan.views
        turn = draw_turn(random, self.size, views.rotate90, views.mirror_axes, self.plane)
        return Placed(source, turn)

    def _draw_bend(self, random: np.random.Generator) -> Bend:
        options = self.options
        return draw_bend(random, self.size, options.bend_distance, options.bend_reach, self.slices)


def margined(patch: Triple, margin: float, slices: int | None = None) -> Triple:
    """What to read for a patch: a margin of this share of each side on both of its ends.

    Args:
        patch: voxels along X, Y, Z.
        margin: the share.
        slices: the axis that needs none, as nothing is turned or zoomed along it.
    """
    x, y, z = (
        side if axis == slices else side + 2 * ceil(side * margin)
        for axis, side in enumerate(patch)
    )
    return x, y, z


def odd_axis(patch: Triple, spacing: Sequence[float], anisotropy: float) -> int | None:
    """The coarse or short axis of an anisotropic patch: rotation must not mix it with others.

    Patches and spacings more uneven than `anisotropy` are such, as in nnU-Net (there 3).
    """
    slices = slice_axis(patch, spacing, anisotropy)
    if slices is not None:
        return slices
    if max(patch) / min(patch) > anisotropy:
        return int(np.argmin(patch))
    return None


def tint(tints: Sequence[Tint], view: Tensor, noise: torch.Generator) -> None:
    """Changes the intensities of a sample (C, X, Y, Z) in place; one tint a channel."""
    for c, change in enumerate(tints):
        if change != Tint():
            view[c] = change(view[c], noise)
