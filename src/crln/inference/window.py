"""Where the windows of a prediction lie, and how much each of their voxels counts."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import torch
from torch import Tensor

from crln.planning.plan import InferencePlan, Triple


def window_stride(plan: InferencePlan, patch: Triple) -> Triple:
    """Voxels from one window to the next along X, Y, Z; at most the patch, so none is missed."""
    if plan.stride is not None:
        x, y, z = (min(step, side) for step, side in zip(plan.stride, patch, strict=True))
    else:
        x, y, z = (max(1, int(side * (1 - plan.overlap))) for side in patch)
    return x, y, z


def window_starts(length: int, side: int, stride: int) -> list[int]:
    """First voxels of the windows along one axis; the last is shifted back to the border.

    Args:
        length: voxels of the scan, at least `side`.
        side: voxels of the window.
        stride: voxels from one window to the next.
    """
    return [*range(0, length - side, stride), length - side]


@dataclass(frozen=True)
class Tiling:
    """The windows over one scan.

    Attributes:
        shape: of the scan (X, Y, Z).
        margin: zeros to put before and behind the scan along each axis, where it is smaller than
            the window.
        patch: of a window (X, Y, Z).
        starts: first voxels of the windows along each axis of the padded scan.
    """

    shape: Triple
    margin: tuple[tuple[int, int], ...]
    patch: Triple
    starts: tuple[list[int], ...]

    @classmethod
    def of(cls, shape: Sequence[int], patch: Triple, plan: InferencePlan) -> "Tiling":
        """The windows that the plan lays over a scan of `shape`."""
        missing = [max(side - length, 0) for side, length in zip(patch, shape, strict=True)]
        margin = tuple((n // 2, n - n // 2) for n in missing)
        starts = tuple(
            window_starts(length + n, side, step)
            for length, n, side, step in zip(
                shape, missing, patch, window_stride(plan, patch), strict=True
            )
        )
        x, y, z = shape
        return cls((x, y, z), margin, patch, starts)

    @property
    def padded(self) -> Triple:
        """The scan's shape with its margins."""
        x, y, z = (n + sum(m) for n, m in zip(self.shape, self.margin, strict=True))
        return x, y, z

    @property
    def count(self) -> int:
        """How many windows there are."""
        x, y, z = (len(starts) for starts in self.starts)
        return x * y * z

    @property
    def slab_axis(self) -> int:
        """The axis along which a slab as thick as a window holds the fewest voxels."""
        return min(range(3), key=lambda axis: self.patch[axis] / self.padded[axis])

    def along(self, axis: int) -> list[tuple[int, list[Triple]]]:
        """The windows by their start along `axis`: (start, [(x, y, z), ...]), ascending."""
        groups: dict[int, list[Triple]] = {start: [] for start in self.starts[axis]}
        for x, y, z in product(*self.starts):
            groups[(x, y, z)[axis]].append((x, y, z))
        return list(groups.items())


def window_weights(plan: InferencePlan, patch: Triple, device: torch.device) -> Tensor:
    """How much each voxel of a window counts, (X, Y, Z), float32, above 0.

    `uniform`: 1. `gaussian`: a Gaussian about the window's centre, sigma an eighth of its side
    (Isensee et al., Nature Methods 2021), at least 1e-3 of its peak.
    """
    weights = torch.ones(patch, device=device)
    if plan.weighting == "gaussian":
        for axis, side in enumerate(patch):
            weights *= _bell(side, device).reshape([side if i == axis else 1 for i in range(3)])
    return weights.clamp_(min=1e-3)


def window_shares(
    tiling: Tiling, plan: InferencePlan, device: torch.device
) -> list[dict[int, Tensor]]:
    """What share each voxel of a window has in the scan's voxel there, along each axis.

    The products over the axes sum up to 1 in each voxel of the scan, over all windows; in margins
    they are 0.

    Returns:
        For X, Y and Z: first voxel of a window to (side,) float32.
    """
    shares = []
    for axis, side in enumerate(tiling.patch):
        bell = (
            _bell(side, device) if plan.weighting == "gaussian" else torch.ones(side, device=device)
        )
        total = torch.zeros(tiling.padded[axis], device=device)
        for start in tiling.starts[axis]:
            total[start : start + side] += bell
        before, behind = tiling.margin[axis]
        inside = torch.ones_like(total)
        inside[:before], inside[len(total) - behind :] = 0, 0
        shares.append({s: bell / total[s : s + side] * inside[s : s + side]
                       for s in tiling.starts[axis]})  # fmt: skip
    return shares


def _bell(side: int, device: torch.device) -> Tensor:
    apart = torch.arange(side, device=device) - (side - 1) / 2
    return torch.exp(-(apart**2) / (2 * (side / 8) ** 2))
