"""What the voxels of a patch are like that lie in the scan."""

from torch import Tensor


def mean_inside(values: Tensor, inside: Tensor) -> Tensor:
    """The mean of each patch and channel over the voxels in the scan, (B, C, 1, 1, 1).

    Args:
        values: (B, C, X, Y, Z).
        inside: (B, X, Y, Z), bool: in the scan; where a patch has no such voxel the mean is 0.
    """
    counted = inside[:, None].to(values)
    count = counted.sum((2, 3, 4), keepdim=True).clamp(min=1)
    return (values * counted).sum((2, 3, 4), keepdim=True) / count


def mean_and_deviation(values: Tensor, inside: Tensor) -> tuple[Tensor, Tensor]:
    """That mean, and the standard deviation about it, 0.001 at least, both (B, C, 1, 1, 1)."""
    mean = mean_inside(values, inside)
    deviation = mean_inside((values - mean).square(), inside).sqrt()
    return mean, deviation.clamp(min=1e-3)
