"""Linear maps of a volume that go axis by axis."""

from collections.abc import Sequence

from torch import Tensor


def separable(volume: Tensor, matrices: Sequence[Tensor | None]) -> Tensor:
    """Applies one linear map per axis to (C, X, Y, Z); None leaves an axis as it is.

    Args:
        volume: (C, X, Y, Z).
        matrices: for X, Y, Z; each (output side, input side).
    """
    along_x, along_y, along_z = matrices
    if along_x is not None:
        _, x, y, z = volume.shape
        volume = (along_x @ volume.reshape(-1, x, y * z)).view(-1, len(along_x), y, z)
    if along_y is not None:
        volume = along_y @ volume
    if along_z is not None:
        volume = volume @ along_z.T
    return volume
