"""Sliding-window prediction whose memory is one slab, not one score per class and voxel."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import chain, combinations
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from crln.inference.maps import Maps, Probabilities
from crln.inference.mean import Network, networks_of
from crln.inference.tally import Tally
from crln.inference.window import Tiling, window_weights
from crln.labels import LabelSpace
from crln.planning import Plan
from crln.planning.plan import Triple

Precision = Literal["32", "bf16", "16"]

AUTOCAST = {"bf16": torch.bfloat16, "16": torch.float16}
BATCH = {"cpu": 1}
"""Windows in one forward pass; 4 on any other device."""
WORKERS = 4
"""Windows at a time on a processor, at most; each takes the memory of a forward pass."""

_Scored = tuple[Tensor, Tensor | None]
_Score = Callable[[list[Triple]], _Scored]
_Map = Callable[[_Score, Iterable[list[Triple]]], Iterable[_Scored]]


@dataclass(frozen=True)
class Slab:
    """Finished planes of the scan.

    Attributes:
        axis: 0, 1 or 2: along which axis the planes follow each other.
        start: index of the first plane.
        scores: (K, X, Y, Z), class probabilities, then maps that were asked for; `axis` is as long
            as there are planes, the others are the scan's. Valid until the next slab is asked for.
    """

    axis: int
    start: int
    scores: Tensor

    @property
    def index(self) -> tuple[slice, ...]:
        """Where the planes lie in the scan (X, Y, Z)."""
        index = [slice(None)] * 3
        index[self.axis] = slice(self.start, self.start + self.scores.shape[self.axis + 1])
        return tuple(index)


@torch.inference_mode()
def score_slabs(
    network: Network,
    image: np.ndarray | Tensor,
    plan: Plan,
    device: torch.device | str = "cpu",
    precision: Precision = "32",
    tally: Tally | None = None,
    maps: Maps | None = None,
) -> Iterator[Slab]:
    """Class probabilities of a scan, finished planes first.

    Each window's probabilities are added, weighted, to a buffer as thick as a window. Planes that
    no further window reaches are divided by the sum of their weights, handed out and dropped.

    Args:
        network: (B, C, *plan.patch_size) -> logits (B, K, *plan.patch_size), in evaluation mode.
        image: (C, X, Y, Z), prepared; a side shorter than the patch is padded with zeros.
        plan: gives patch, stride or overlap, weighting and mirroring.
        device: where `network` is.
        precision: of the network's arithmetic; scores are float32.
        tally: counts how sure the network is; its sums are whole after the last slab.
        maps: further channels of the scores, after those of the classes.

    Yields:
        Slabs in ascending order; together they are the whole scan.
    """
    device = torch.device(device)
    patch = plan.patch_size
    tiling = Tiling.of(image.shape[1:], patch, plan.inference)
    axis = tiling.slab_axis
    padded = torch.as_tensor(image, dtype=torch.float32).to(device)
    if tiling.padded != tiling.shape:
        padded = F.pad(padded, list(chain.from_iterable(reversed(tiling.margin))))
    weights = window_weights(plan.inference, patch, device).movedim(axis, 0)
    across = [length for i, length in enumerate(tiling.padded) if i != axis]
    channels = plan.classes + (len(maps.names) if maps else 0)
    sums = torch.zeros(patch[axis], channels, *across, device=device)
    counts = torch.zeros(patch[axis], 1, *across, device=device)
    groups = tiling.along(axis)
    ends = [start for start, _ in groups[1:]] + [tiling.padded[axis]]
    if tally:
        tally.begin(tiling, plan, device)
    score = partial(_scores, networks_of(network), padded, plan, precision, tally, maps)
    size = BATCH.get(device.type, 4)
    with _mapping(device, max(len(corners) for _, corners in groups)) as each:
        for (start, corners), end in zip(groups, ends, strict=True):
            batches = [corners[i : i + size] for i in range(0, len(corners), size)]
            for batch, (results, counted) in zip(batches, each(score, batches), strict=True):
                if tally and counted is not None:
                    tally.add(counted)
                for at, scores in zip(batch, results, strict=True):
                    place = _across(at, patch, axis)
                    sums[place].addcmul_(scores.movedim(axis + 1, 0), weights[:, None])
                    counts[place].add_(weights[:, None])
            finished = end - start
            sums[:finished] /= counts[:finished]
            yield from _cropped(sums[:finished], start, axis, tiling)
            for buffer in (sums, counts):
                _advance(buffer, finished)


def sliding_window(
    network: Network,
    image: np.ndarray | Tensor,
    plan: Plan,
    device: torch.device | str = "cpu",
    precision: Precision = "32",
) -> np.ndarray:
    """The most probable class, or combination, of every voxel, (X, Y, Z).

    Arguments are as for `score_slabs`.
    """
    classes = np.empty(image.shape[1:], np.min_scalar_type(plan.labels.highest))
    for slab in score_slabs(network, image, plan, device, precision):
        classes[slab.index] = plan.labels.decide(slab.scores, 0).cpu().numpy()
    return classes


@contextmanager
def _mapping(device: torch.device, most: int) -> Iterator[_Map]:
    """A `map` over batches of windows, at most `most` at a time; results in order.

    On a processor several windows are computed side by side, each by its share of the threads: they
    need not wait for each other after every layer, as the threads of one window must.
    """
    threads = torch.get_num_threads()
    workers = min(threads, WORKERS, most)
    if device.type != "cpu" or workers == 1:
        yield map
        return
    pool = ThreadPoolExecutor(workers, "window", torch.set_num_threads, (threads // workers,))
    try:
        yield pool.map
    finally:
        pool.shutdown(cancel_futures=True)
        torch.set_num_threads(threads)  # what a worker sets is the default of threads to come


@torch.inference_mode()
def _scores(
    networks: Sequence[tuple[Network, Network | None]],
    image: Tensor,
    plan: Plan,
    precision: Precision,
    tally: Tally | None,
    maps: Maps | None,
    corners: list[Triple],
) -> _Scored:
    """Mean probabilities (B, K, *patch) of the windows at `corners`, and what was counted there.

    Networks see the windows one after the other, so that the memory is that of one.
    """
    windows = torch.stack([image[(slice(None), *_box(at, plan.patch_size))] for at in corners])
    lower, votes = precision in AUTOCAST, tally.windows(corners) if tally else None
    told = maps.windows() if maps and maps.names else None
    total: Tensor | None = None
    axes = plan.inference.mirror_axes
    for network, second in networks:
        with torch.autocast(image.device.type, AUTOCAST.get(precision), enabled=lower):
            asked = told.asking(network) if told else _asking(network, plan.labels)
            scores = _mirrored(asked, windows, axes)
            if told:
                scores = told.add(scores)
            if votes:
                other = _mirrored(_asking(second, plan.labels), windows, axes) if second else None
                votes.add(scores, other)
        total = scores if total is None else total.add_(scores)
    assert total is not None
    if len(networks) > 1:
        total = total.div_(len(networks))
    counted = votes.sums() if votes else None
    return torch.cat([total, told.channels(total)], 1) if told else total, counted


def _asking(network: Network, labels: LabelSpace) -> Probabilities:
    return lambda windows: labels.probabilities(network(windows))


def _mirrored(asked: Probabilities, windows: Tensor, axes: tuple[int, ...]) -> Tensor:
    """What is asked of windows, (B, ..., *patch), averaged over all flips along subsets of axes."""
    spatial = [axis + 2 for axis in axes]
    subsets = [s for n in range(1, len(spatial) + 1) for s in combinations(spatial, n)]
    total = asked(windows)
    for subset in subsets:
        total += asked(windows.flip(subset)).flip(subset)
    return total.div_(1 + len(subsets)) if subsets else total


def _box(at: Triple, patch: Triple) -> tuple[slice, ...]:
    return tuple(slice(start, start + side) for start, side in zip(at, patch, strict=True))


def _across(at: Triple, patch: Triple, axis: int) -> tuple[slice, ...]:
    """A window's place in the buffer (planes, K, ...)."""
    box = [side for i, side in enumerate(_box(at, patch)) if i != axis]
    return slice(None), slice(None), *box


def _cropped(planes: Tensor, start: int, axis: int, tiling: Tiling) -> Iterator[Slab]:
    """The slab without the scan's zero margins; none where it lies in them altogether."""
    scores = planes.movedim(0, axis + 1)  # (n, K, ...) -> (K, X, Y, Z)
    index = [slice(None)]
    for i, (length, (before, _)) in enumerate(zip(tiling.shape, tiling.margin, strict=True)):
        offset = start if i == axis else 0
        index.append(slice(max(before - offset, 0), max(before + length - offset, 0)))
    scores = scores[tuple(index)]
    if scores.shape[axis + 1]:
        yield Slab(axis, max(start - tiling.margin[axis][0], 0), scores)


def _advance(buffer: Tensor, step: int) -> None:
    """Moves planes `step`... to the front, in place, and clears the rest."""
    kept = buffer.shape[0] - step
    for first in range(0, kept, step):  # pieces of `step` do not overlap their destination
        last = min(first + step, kept)
        buffer[first:last] = buffer[first + step : last + step]
    buffer[kept:] = 0
