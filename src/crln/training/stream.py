"""Patches for each step, cut from the cache ahead of time."""

from collections.abc import Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import lru_cache

import numpy as np
import torch

from crln.labels import IGNORE
from crln.methods import Batch
from crln.planning.plan import Triple
from crln.preparation import PreparedCase
from crln.seeding import numpy_generator
from crln.training.thin import ThinParts, draw_voxel


class PatchStream:
    """Endless patches of a list of cases; patch n is the same whoever asks for it and when.

    Every case is seen once before any is seen twice; the order and the crop come from (seed, n).
    Process `rank` of `world` cuts its own share of a step's patches.

    Args:
        cases: prepared cases.
        patch: voxels along X, Y, Z that training sees.
        read: voxels to cut, at least the patch; the margin is shared between both sides.
        count: patches a step, over all processes.
        seed: of the run.
        purpose: names the stream, so that two streams of one run differ.
        foreground: share of the patches that are centred on a foreground voxel.
        pin: deliver batches in memory that a GPU copies from without waiting.
        thin: parts that others of the patches are centred on, and which share of them.
    """

    def __init__(
        self,
        cases: Sequence[PreparedCase],
        patch: Triple,
        read: Triple,
        count: int,
        seed: int,
        purpose: str,
        foreground: float = 0.0,
        rank: int = 0,
        world: int = 1,
        pin: bool = False,
        thin: ThinParts | None = None,
    ) -> None:
        self.cases = cases
        self.patch = np.array(patch)
        self.read = np.array(read)
        self.count, self.rank, self.world, self.pin = count, rank, world, pin
        self.seed, self.purpose = seed, purpose
        self.foreground, self.thin = foreground, thin
        self._drafted = any(case.drafted for case in cases)
        self._order = lru_cache(maxsize=2)(self._draw_order)

    def _draw_order(self, epoch: int) -> np.ndarray:
        return numpy_generator(self.seed, epoch, f"{self.purpose} order").permutation(
            len(self.cases)
        )

    def cases_of(self, step: int) -> list[str]:
        """The cases of one step's patches, those of all processes."""
        return [self._case(n).id for n in range(step * self.count, (step + 1) * self.count)]

    def _case(self, n: int) -> PreparedCase:
        """The case of patch n."""
        epoch, place = divmod(n, len(self.cases))
        return self.cases[self._order(epoch)[place]]

    def cut(self, step: int) -> Batch:
        """This process's patches of one step.

        NumPy puts them together: for a copy by torch in the thread that reads ahead, OpenMP would
        keep a second team of threads; with more threads than cores it soon puts those of the main
        thread to sleep after every operator, and a step is slower: docs/explanation/performance.md.
        """
        share = self.count // self.world
        first = step * self.count + self.rank * share
        images, labels, insides, knowns, drafts = [], [], [], [], []
        for n in range(first, first + share):
            case = self._case(n)
            start = self._start(case, numpy_generator(self.seed, n, f"{self.purpose} crop"))
            image, label, where = case.read(_triple(start), _triple(self.read))
            images.append(np.moveaxis(image, 0, -1))
            labels.append(np.full_like(label, IGNORE) if case.drafted else label)
            insides.append(where)
            knowns.append(case.known)
            if self._drafted:
                drafts.append(_draft(case, label))
        channels_last = torch.from_numpy(np.stack(images)).movedim(-1, 1)
        targets, inside = (torch.from_numpy(np.stack(part)) for part in (labels, insides))
        draft = torch.from_numpy(np.stack(drafts)) if drafts else None
        batch = Batch(channels_last, targets, inside, self._known(knowns), draft)
        return batch.each(torch.Tensor.pin_memory) if self.pin else batch

    def _known(self, knowns: Sequence[tuple[bool, ...] | None]) -> torch.Tensor | None:
        """(B, K), which classes are known of each patch; None where every case knows all."""
        known_of = (case.known for case in self.cases if not case.drafted)
        count = next((len(known) for known in known_of if known is not None), None)
        if count is None:
            return None
        return torch.tensor([[True] * count if known is None else known for known in knowns])

    def _start(self, case: PreparedCase, random: np.random.Generator) -> np.ndarray:
        """First voxel to read: a uniform patch position, or one around a foreground voxel.

        Where little of a case is known, every patch holds a voxel that is; without one it would
        teach nothing.
        """
        slack = np.array(case.shape) - self.patch
        low, high = np.minimum(slack, 0), np.maximum(slack, 0)
        start = random.integers(low, high, endpoint=True)
        known = case.known_voxels
        if known is not None and not self._holds(start, known).any():
            voxel = known[random.integers(len(known))]
            start = np.clip(voxel - random.integers(self.patch), low, high)
        centre = self._centre(case, random)
        if centre is not None:
            start = np.clip(centre - self.patch // 2, low, high)
        return start - (self.read - self.patch) // 2

    def _centre(self, case: PreparedCase, random: np.random.Generator) -> np.ndarray | None:
        """The voxel to centre a patch on, (3,); None: it lies anywhere."""
        number = random.random()
        if number < self.foreground:
            return draw_voxel(case.foreground, random)
        if self.thin and number < self.foreground + self.thin.share:
            return self.thin.draw(case, random)
        return None

    def _holds(self, start: np.ndarray, voxels: np.ndarray) -> np.ndarray:
        """Which of some voxels, (n, 3), a patch holds."""
        held: np.ndarray = ((voxels >= start) & (voxels < start + self.patch)).all(1)
        return held

    def ahead(self, first: int, last: int, depth: int = 2) -> Generator[Batch]:
        """The cuts of steps first..last-1, each begun `depth` steps before it is due."""
        with ThreadPoolExecutor(1, thread_name_prefix=f"{self.purpose} stream") as pool:
            due: list[Future[Batch]] = []
            try:
                for step in range(first, last + depth):
                    if step < last:
                        due.append(pool.submit(self.cut, step))
                    if step >= first + depth:
                        yield due.pop(0).result()
            finally:
                for future in due:
                    future.cancel()


def _draft(case: PreparedCase, found: np.ndarray) -> np.ndarray:
    """The draft of a patch; IGNORE where there is none, or the tool looked for some classes alone.

    Background may then be any of the others.
    """
    if not case.drafted:
        return np.full_like(found, IGNORE)
    return found if case.known is None else np.where(found == 0, IGNORE, found)


def _triple(values: np.ndarray) -> Triple:
    x, y, z = (int(v) for v in values)
    return x, y, z


def batches_ahead(
    streams: Sequence[PatchStream], first: int, last: int
) -> Generator[tuple[Batch, ...]]:
    """Each step's batches, one per stream."""
    ahead = [stream.ahead(first, last) for stream in streams]
    try:
        yield from zip(*ahead, strict=True)
    finally:
        for stream in ahead:
            stream.close()
