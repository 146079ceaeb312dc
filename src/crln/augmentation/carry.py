"""Boxes that carry whole small structures: of CutMix and copy-paste, moved to where one is."""

from dataclasses import replace

import cc3d
import numpy as np
from torch import Tensor

from crln.augmentation.cutmix import Box, CutMix


def carry_whole(mix: CutMix, structures: Tensor, random: np.random.Generator) -> CutMix:
    """The mix, each box moved so that it takes a whole structure from its partner.

    Where a box lies by chance it cuts through what it meets, and seldom meets what is small. A box
    keeps its sides. Among the connected parts of the partner that fit into it, and do not touch the
    end of the patch, one is drawn, and a place of the box that holds it; without any the box
    stays. Parts are looked for on the host.

    Args:
        mix: as drawn.
        structures: (B, X, Y, Z), integers, 0: no structure; of the batch that is mixed, or of its
            first samples, if boxes are taken from these alone.
        random: a numpy generator.

    Examples:
        >>> structures = torch.zeros(2, 8, 8, 8, dtype=torch.int64)
        >>> structures[1, 5:7, 2, 2] = 1
        >>> mix = CutMix((Box((0, 0, 0), (3, 3, 3)), None), (1, 0))
        >>> moved = carry_whole(mix, structures, np.random.default_rng(0))
        >>> int(moved(structures)[0].sum())
        2
    """
    maps = structures.cpu().numpy()
    boxes = []
    for box, partner in zip(mix.boxes, mix.partners, strict=True):
        parts = [] if box is None else _fitting(maps[partner], box)
        if box is None or not parts:
            boxes.append(box)
            continue
        boxes.append(_around(parts[random.integers(len(parts))], box, maps.shape[1:], random))
    return replace(mix, boxes=tuple(boxes))


def _fitting(labels: np.ndarray, box: Box) -> list[tuple[slice, slice, slice]]:
    """Where the connected parts lie that fit into a box and are whole."""
    components, count = cc3d.connected_components(labels, connectivity=26, return_N=True)
    if not count:
        return []
    found = cc3d.statistics(components)["bounding_boxes"][1:]
    sides = [stop - start for start, stop in zip(box.start, box.stop, strict=True)]
    return [
        place
        for place in found
        if all(
            run.stop - run.start <= side and (side == n or (run.start > 0 and run.stop < n))
            for run, side, n in zip(place, sides, labels.shape, strict=True)
        )
    ]


def _around(
    part: tuple[slice, slice, slice],
    box: Box,
    shape: tuple[int, ...],
    random: np.random.Generator,
) -> Box:
    """A box of the same sides, anywhere that it holds a part and lies in the patch."""
    start, stop = [], []
    for run, first, last, n in zip(part, box.start, box.stop, shape, strict=True):
        side = last - first
        low, high = max(0, run.stop - side), min(run.start, n - side)
        begin = int(random.integers(low, high, endpoint=True))
        start.append(begin)
        stop.append(begin + side)
    return Box((start[0], start[1], start[2]), (stop[0], stop[1], stop[2]))
