"""A detail view: zoomed in where a map says that it matters, on the device and without a wait."""

from collections.abc import Sequence

import torch
from torch import Tensor

from crln.augmentation.geometry import Zoom
from crln.augmentation.views import View


class Focus(Zoom):
    """Enlarges a part of one sample to the sample's size; the part lies wholly inside.

    Images by cubic convolution, maps by the nearest voxel.

    Args:
        centre: (3,), the voxel in the middle of the part, moved inwards where it lies too near to
            the border; a tensor on the sample's device.
        zoom: the factor, 1 or more.
        axes: along which it enlarges; along the others the sample stays whole.
    """

    def __init__(self, centre: Tensor, zoom: float, axes: Sequence[int]) -> None:
        self.centre, self.zoom, self.axes = centre, zoom, tuple(axes)

    def _positions(self, volume: Tensor) -> dict[int, Tensor]:
        found = {}
        for axis in self.axes:
            side = volume.shape[axis - 3]
            half = (side - 1) / 2
            offsets = torch.arange(side, device=volume.device, dtype=torch.float32) - half
            reach = half / self.zoom
            centre = self.centre[axis].float().clamp(reach, side - 1 - reach)
            found[axis] = (offsets / self.zoom + centre).clamp(0, side - 1)
        return found


def draw_focus(
    scores: Tensor, zoom: float, axes: Sequence[int], generator: torch.Generator
) -> View:
    """A view of each patch, zoomed in around a voxel that is drawn by its score.

    Any method may use it, for what a map of its own says: thin parts of a label, doubt of a
    teacher. The same view is applied to images, labels and maps, as any other.

    Args:
        scores: (B, X, Y, Z), 0 or more: a voxel is drawn with probability score / sum; where a
            patch has none above 0, from anywhere.
        zoom: how much is enlarged, 1 or more.
        axes: along which, such as those of `crln.losses.fine_axes`.
        generator: on the scores' device.

    Examples:
        >>> scores = torch.zeros(1, 8, 8, 8)
        >>> scores[0, 5, 2, 4] = 1
        >>> view = draw_focus(scores, 4.0, (0, 1, 2), torch.Generator().manual_seed(0))
        >>> bool((view.labels(scores)[0, 3:5, 3:5, 3:5] == 1).any())
        True
    """
    batch, *size = scores.shape
    flat = scores.flatten(1)
    # float32 has too few values to reach every voxel; Apple's GPUs have no other
    kind = torch.float32 if scores.device.type == "mps" else torch.float64
    until = flat.to(kind).cumsum(1)
    total = until[:, -1:]
    drawn = torch.rand((batch, 1), generator=generator, device=scores.device, dtype=kind)
    voxels = flat.shape[1]
    scored = torch.searchsorted(until, drawn * total, right=True).clamp(max=voxels - 1)
    place = torch.where(total > 0, scored, (drawn * voxels).long())[:, 0]
    x, y, z = size
    centres = torch.stack([place // (y * z), place // z % y, place % z], 1)
    return View((x, y, z), [Focus(centre, zoom, axes) for centre in centres], None, [None] * batch)
