"""What every way of learning answers, so that the training loop never asks which one it runs."""

import math
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from crln.augmentation import Views
from crln.labels import IGNORE
from crln.methods.published import Published
from crln.planning import Plan
from crln.planning.plan import Section, Triple
from crln.seeding import derive


class Batch(NamedTuple):
    """Patches as the stream delivers them, on the device, before any view.

    Attributes:
        images: (B, C, X, Y, Z), float32, prepared intensities; X, Y, Z is the method's `read_size`.
        labels: (B, X, Y, Z), int64: class, or IGNORE where nobody knows: outside the scan, and
            everywhere in an unlabelled patch.
        inside: (B, X, Y, Z), bool: in the scan.
    """

    images: Tensor
    labels: Tensor
    inside: Tensor


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


class Method(nn.Module):
    """A way of learning: owns its networks, turns batches into losses.

    Attributes:
        Options: its hyper-parameters; the plan's `options[name]` overrides the defaults.
        uses_unlabelled: False: the stream delivers labelled patches only.
        published: the optimiser and rates of its paper, for who asks for them.
    """

    class Options(Section):
        """No options."""

    uses_unlabelled: ClassVar[bool] = True
    published: ClassVar[Published]

    def __init__(self, plan: Plan, options: Section, views: Views) -> None:
        super().__init__()
        self.plan = plan
        self.options = options
        self.views = views

    @property
    def read_size(self) -> Triple:
        """Voxels along X, Y, Z that the stream must cut, at least the patch."""
        return self.views.read_size

    def weak_view(self, patches: Batch, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """The weak view of unlabelled patches, and which of its voxels are in the scan (bool)."""
        known = patches.inside.long() + IGNORE  # 0 inside, IGNORE outside, as views carry labels
        images, known = self.views.weak(patches.images, known, generator)
        return images, known != IGNORE

    def losses(self, labelled: Batch, unlabelled: Batch | None, step: Step) -> dict[str, Tensor]:
        """The loss terms of one step; `total` is what is minimised, the others are logged."""
        raise NotImplementedError

    def update(self, step: Step) -> None:
        """What follows the optimiser's step, such as the teacher's moving average."""

    def predictor(self) -> nn.Module:
        """The network that outlines scans: (B, C, X, Y, Z) -> logits (B, K, X, Y, Z)."""
        raise NotImplementedError

    def logits(self, patch: Tensor) -> Tensor:
        """Logits (B, K, X, Y, Z) of a patch, as used at prediction."""
        return self.predictor()(patch)


class SemiSupervised(Method):
    """Learns from labels alone for `training.labelled_start` of the steps, then from all patches.

    In the start each labelled patch is seen in two views, so that a step has as many patches as
    later.
    """

    def losses(self, labelled: Batch, unlabelled: Batch | None, step: Step) -> dict[str, Tensor]:
        """The terms of one step; both stages have the same ones, since the log is a table."""
        assert unlabelled is not None
        if step.progress >= self.plan.training.labelled_start:
            return self.from_both(labelled, unlabelled, step)
        images, labels = (torch.cat([part, part]) for part in labelled[:2])
        generator = step.generator("views", "cpu")
        return self.from_labels(*self.views.labelled(images, labels, generator), step)

    def from_labels(self, images: Tensor, target: Tensor, step: Step) -> dict[str, Tensor]:
        """The terms where labels alone teach; those that need unlabelled patches are 0.

        Args:
            images: (2B, C, X, Y, Z), two views of each labelled patch, at the views' output size.
            target: (2B, X, Y, Z), class or IGNORE.
            step: where the training stands.
        """
        raise NotImplementedError

    def from_both(self, labelled: Batch, unlabelled: Batch, step: Step) -> dict[str, Tensor]:
        """The terms of the paper, from patches as the stream delivers them."""
        raise NotImplementedError

    def ramp(self, step: Step, share: float) -> float:
        """The Gaussian ramp over `share` of the training, 0..1, of what unlabelled patches teach.

        One that would be over before the first of them starts with it, and is as much shorter as
        the rest of the training: at full weight at once, labels are unlearnt; see
        docs/explanation/decisions/ramps.md.
        """
        start = self.plan.training.labelled_start
        first = 0.0 if share > start else start
        return gaussian_ramp(step.index - first * step.total, share * (1 - first) * step.total)


def gaussian_ramp(step: float, length: float) -> float:
    """exp(-5 (1 - min(t, L) / L)^2): from about 0 at the start to 1 at `length`."""
    if length <= 0:
        return 1.0
    return math.exp(-5 * (1 - min(max(step, 0.0), length) / length) ** 2)
