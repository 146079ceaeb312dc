"""What the methods ask of a set of views."""

from typing import Protocol

import torch
from torch import Tensor

from crln.planning.plan import Triple


class Views(Protocol):
    """Random changes of a batch, drawn from the generator, computed on the batch's device.

    Images are (B, C, X, Y, Z) float32; targets (B, X, Y, Z) int64 with IGNORE where a voxel comes
    from outside the scan; confidence (B, X, Y, Z) float32. Inputs are never changed in place.
    """

    read_size: Triple
    """What the stream must cut: the patch and the margin that rotation and zoom need."""

    def labelled(
        self, images: Tensor, target: Tensor, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """The view that supervised learning sees: `read_size` in, patch out."""
        ...

    def weak(
        self, images: Tensor, target: Tensor, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """The view that the teacher labels: `read_size` in, patch out."""
        ...

    def strong(
        self, images: Tensor, target: Tensor, confidence: Tensor, generator: torch.Generator
    ) -> tuple[Tensor, Tensor, Tensor]:
        """On top of weak, for the student: patch in, patch out; target is the pseudo-label."""
        ...
