"""What a step of a training is given: its patches, and where the training stands."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from crln.seeding import derive


class Batch(NamedTuple):
    """Patches as the stream delivers them, on the device, before any view.

    Attributes:
        images: (B, C, X, Y, Z), float32, prepared intensities; X, Y, Z is the method's `read_size`.
        labels: (B, X, Y, Z), int64: class, or IGNORE where nobody knows: outside the scan, and
            everywhere in an unlabelled patch.
        inside: (B, X, Y, Z), bool: in the scan.
        known: (B, K), bool: the classes that somebody looked for in the patch's case, background
            among them; what is labelled background there is none of these. None: all, everywhere.
        draft: (B, X, Y, Z), int64: class of a draft, which may be wrong, of unlabelled patches;
            IGNORE where there is none. None: nowhere.
    """

    images: Tensor
    labels: Tensor
    inside: Tensor
    known: Tensor | None = None
    draft: Tensor | None = None

    def each(self, change: Callable[[Tensor], Tensor]) -> "Batch":
        """The batch with each of its tensors changed."""
        return Batch._make(None if part is None else change(part) for part in self)


@dataclass
class Step:
    """Where the training stands.

    Attributes:
        index: 0 for the first step.
        total: how many steps the run has.
        seed: of the run.
    """

    index: int
    total: int
    seed: int

    @property
    def progress(self) -> float:
        """Share of the training done, 0..1."""
        return self.index / self.total

    def generator(self, purpose: str, device: torch.device | str) -> torch.Generator:
        """A generator of this step's own for one purpose."""
        return torch.Generator(device).manual_seed(self.derive(purpose))

    def derive(self, purpose: str) -> int:
        """A seed of this step's own for one purpose."""
        return derive(self.seed, self.index, purpose)
