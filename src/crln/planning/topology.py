"""Which axes a network halves from level to level, and along which its kernels reach.

nnU-Net's rules (Isensee et al., Nature Methods 2021): neighbours are mixed, and an axis is halved,
once their voxels lie about as far apart as those of the finest axis.
"""

from collections.abc import Sequence

from crln.planning.sections import NetworkPlan, Triple

NEAR = 2.0
"""An axis whose voxels are at most so many times as long as the finest axis' is halved with it."""

NEARLY = 1e-3
"""Spacings come from headers of few digits."""

FEWEST = 4
"""Voxels that halving leaves of an axis of a patch at least."""

SHALLOWEST = 3
"""Halvings of the finest axes, whatever their size: methods read three levels of features. Not of
an axis that is short beside another."""

SHORT, LONGER = FEWEST * 2**4, 3.0
"""A side below the first, of which four halvings leave fewer than 4 voxels, makes a scan uneven
where another is so many times as long."""


def is_uneven(spacing: Sequence[float], size: Sequence[float]) -> bool:
    """Whether a network that halves all axes alike is wrong: thick slices, or only a few.

    Args:
        spacing: mm of a prepared voxel along X, Y, Z.
        size: voxels of the median prepared scan.

    Examples:
        >>> is_uneven((1, 1, 1), (100, 90, 80)), is_uneven((1.5, 1.5, 10), (216, 256, 9))
        (False, True)
    """
    flat = min(size) < SHORT and max(size) > LONGER * min(size)
    return flat or not all(_near(spacing, spacing))


def topology(spacing: Sequence[float], size: Sequence[float]) -> NetworkPlan:
    """Strides and kernels of a network for such patches, and as many levels as they allow.

    An axis is halved once its voxels are at most twice as long as the finest of those that can be
    halved, and while 4 are left. A kernel is 3 along an axis from the level on where its voxels
    are at most twice as long as the finest; 1 before, and where there is a single voxel.

    Args:
        spacing: mm of a voxel along X, Y, Z.
        size: voxels of a patch, about.

    Examples:
        >>> topology((1.5, 1.5, 10), (224, 256, 8)).strides
        ((2, 2, 1), (2, 2, 1), (2, 2, 2), (2, 2, 1))
    """
    widths = NetworkPlan().widths
    lengths, sides = list(spacing), list(size)
    solid = [side > 1 for side in sides]
    near = _near(lengths, [mm for mm, real in zip(lengths, solid, strict=True) if real])
    least = FEWEST * 2**SHALLOWEST
    sides = [
        max(side, least)
        if real and (side == max(size) or (close and LONGER * side > max(size)))
        else side
        for side, close, real in zip(sides, near, solid, strict=True)
    ]
    reaching = [False] * 3
    strides: list[Triple] = []
    kernels: list[Triple] = []
    for _ in widths:
        apart = [mm for mm, real in zip(lengths, solid, strict=True) if real]
        close = _near(lengths, apart)
        reaching = [r or (c and s) for r, c, s in zip(reaching, close, solid, strict=True)]
        kernels.append(_triple([3 if reach else 1 for reach in reaching]))
        able = [side >= 2 * FEWEST for side in sides]
        halved = _near(lengths, [mm for mm, can in zip(lengths, able, strict=True) if can])
        stride = [2 if can and yes else 1 for can, yes in zip(able, halved, strict=True)]
        if max(stride) == 1 or len(kernels) == len(widths):
            break
        strides.append(_triple(stride))
        lengths = [mm * step for mm, step in zip(lengths, stride, strict=True)]
        sides = [side / step for side, step in zip(sides, stride, strict=True)]
    return NetworkPlan(
        widths=widths[: len(kernels)],
        strides=tuple(strides),  # type: ignore[arg-type]
        kernels=tuple(kernels),  # type: ignore[arg-type]
    )


def _near(lengths: Sequence[float], among: Sequence[float]) -> list[bool]:
    """Which lengths are at most `NEAR` times the smallest of some."""
    finest = min(among, default=0.0)
    return [length <= (NEAR + NEARLY) * finest for length in lengths]


def _triple(values: list[int]) -> Triple:
    x, y, z = values
    return x, y, z
