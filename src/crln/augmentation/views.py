"""A view is drawn, then applied: what all sets of views share.

Parameters are drawn on the host, which costs no synchronisation: what a sample does not need is
skipped by plain `if`, and scalars reach the device as kernel arguments. Only noise fields are drawn
on the device, by a generator whose seed was drawn on the host.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import ClassVar, Literal, Protocol

import numpy as np
import torch
from torch import Tensor

from crln.labels import IGNORE
from crln.planning.plan import Plan, Section, Triple

Plane = tuple[int, int]
IN_PLANE: Plane = (0, 1)
"""X and Y: a slice of a scan whose slices follow each other along Z."""
PLANES: tuple[Plane, ...] = ((1, 2), (0, 2), IN_PLANE)
"""A slice where slices follow each other along X, Y or Z."""

THICK = 3.0
"""Slices of more than so many times the finest voxels' length are not mixed (nnU-Net's 3)."""

Kind = Literal["labelled", "weak", "strong"]
"""What a view is for: supervised learning, the teacher's label, or, on top of weak, the student."""

Change = Callable[[Tensor, torch.Generator], None]
"""Changes one sample's (C, X, Y, Z) intensities in place; noise comes from the generator."""


class Placing(Protocol):
    """Where the voxels of one sample's view come from."""

    def image(self, image: Tensor) -> Tensor:
        """(C, X, Y, Z) -> (C, *size), interpolated; 0 from outside."""
        ...

    def map(self, values: Tensor, outside: float) -> Tensor:
        """(..., X, Y, Z) of any type -> (..., *size), the nearest voxel; `outside` from outside."""
        ...


@dataclass(frozen=True)
class View:
    """One random change of a batch, drawn; the same for the images and whatever travels with them.

    Inputs are never changed in place, and it may be applied as often as there are maps:

        view = views.draw("weak", len(images), images.shape[1], generator)
        weak, inside = view.images(images), view.maps(inside, outside=False)

    Attributes:
        size: X, Y, Z of the view.
        placings: where each sample's voxels come from.
        mix: puts parts of samples into others, after the placing; None: nothing is mixed.
        changes: of each sample's intensities, at last; None: they stay.
        noise: seed of the noise fields.
    """

    size: Triple
    placings: Sequence[Placing]
    mix: Callable[[Tensor], Tensor] | None
    changes: Sequence[Change | None]
    noise: int = 0

    def images(self, images: Tensor) -> Tensor:
        """The view of (B, C, X, Y, Z) float32: (B, C, *size), channels last."""
        with exact(images):
            views = empty_views(images, self.size)
            for view, image, placing in zip(views, images, self.placings, strict=True):
                view.copy_(placing.image(image))
            if self.mix is not None:
                views = self.mix(views)
            generator = torch.Generator(images.device).manual_seed(self.noise)
            for view, change in zip(views, self.changes, strict=True):
                if change is not None:
                    change(view, generator)
            return views

    def labels(self, labels: Tensor) -> Tensor:
        """The view of (B, X, Y, Z) classes; IGNORE where it shows no voxel of the patch."""
        return self.maps(labels, IGNORE)

    def maps(self, maps: Tensor, outside: float = 0) -> Tensor:
        """What each voxel of the view was before, in any map of the patches.

        Args:
            maps: (B, ..., X, Y, Z) of any type; values are taken, never computed with.
            outside: for voxels that the patches do not have.
        """
        with exact(maps):
            views = maps.new_empty(*maps.shape[:-3], *self.size)
            for view, values, placing in zip(views, maps, self.placings, strict=True):
                view.copy_(placing.map(values, outside))
            return views if self.mix is None else self.mix(views)


class Views(ABC):
    """A set of random changes; a package adds one by an entry point of the group `crln.views`.

    Args:
        plan: patch, spacing, and which axes may be mirrored or turned.
        options: of this set, the plan's `views.options` over its defaults.
        size: X, Y, Z of a view.

    Attributes:
        Options: its numbers.
        read_size: what the stream must cut: `size` and the margin that rotation and zoom need.
        slices: the axis that thick slices, or a single one, follow each other along; None: none.
            No view mixes voxels along it.
    """

    Options: ClassVar[type[Section]] = Section
    read_size: Triple

    def __init__(self, plan: Plan, options: Section, size: Triple) -> None:
        self.plan = plan
        self.options = options
        self.size = self.read_size = size
        self.slices = slice_axis(size, plan.spacing or (1.0, 1.0, 1.0))

    @property
    def plane(self) -> Plane:
        """The axes within a slice; X and Y where there are no slices."""
        return IN_PLANE if self.slices is None else PLANES[self.slices]

    @abstractmethod
    def draw(self, kind: Kind, samples: int, channels: int, generator: torch.Generator) -> View:
        """Draws a view; a labelled or weak one takes patches of `read_size`, a strong one `size`.

        Args:
            kind: what it is for.
            samples: B.
            channels: C.
            generator: on the CPU, whatever the batch's device; each call advances it.
        """


def slice_axis(
    size: Sequence[int], spacing: Sequence[float], anisotropy: float = THICK
) -> int | None:
    """The axis of a single voxel, or else of voxels that are much longer than the shortest.

    Args:
        size: voxels along X, Y, Z.
        spacing: mm of a voxel.
        anisotropy: how many times longer.
    """
    if min(size) == 1 < max(size):
        return int(np.argmin(size))
    if max(spacing) > anisotropy * min(spacing):
        return int(np.argmax(spacing))
    return None


@contextmanager
def exact(values: Tensor) -> Iterator[None]:
    """Within, nothing is recorded for gradients, and precision is that of the inputs.

    Views are made inside the training step, where autocast would take their matrix products (and
    with them the intensities) to bfloat16.
    """
    with torch.no_grad(), torch.autocast(values.device.type, enabled=False):
        yield


def empty_views(images: Tensor, size: Triple) -> Tensor:
    """(B, C, *size), channels last, for the views of `images` (B, C, X, Y, Z)."""
    return torch.empty(
        *images.shape[:2],
        *size,
        dtype=images.dtype,
        device=images.device,
        memory_format=torch.channels_last_3d,
    )


def host_random(generator: torch.Generator) -> np.random.Generator:
    """A numpy generator seeded by one draw from `generator`, a generator on the CPU.

    Each call advances `generator`, so that successive views of one step differ.
    """
    seed = torch.randint(2**62, (1,), generator=generator, device=generator.device)
    return np.random.default_rng(seed.numpy())


def device_generator(random: np.random.Generator, device: torch.device) -> torch.Generator:
    """A torch generator on `device` for noise fields, seeded by one draw from `random`."""
    return torch.Generator(device).manual_seed(int(random.integers(2**62)))


def happens(random: np.random.Generator, probability: float) -> bool:
    """True with this probability."""
    return bool(random.random() < probability)


def factor(random: np.random.Generator, low: float, high: float) -> float:
    """A factor from low < 1 < high: below and above 1 equally often, uniform on either side."""
    ends = (low, 1.0) if random.random() < 0.5 else (1.0, high)
    return float(random.uniform(*ends))
