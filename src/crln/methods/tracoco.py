"""Translation-consistent co-training (TraCoCo, Liu et al., arXiv 2203.14523)."""

from typing import ClassVar

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn

from crln.augmentation import CutMix, draw_cutmix, host_random
from crln.labels import IGNORE
from crln.losses import SMALLEST, full_precision
from crln.methods.base import Batch, Seen, SemiSupervised, Step
from crln.methods.published import Published
from crln.methods.ramps import Ramped
from crln.methods.totals import unheard, weighted
from crln.planning import Plan
from crln.planning.plan import Section, Triple


class TraCoCo(SemiSupervised):
    """Two networks supervise each other, and overlapping crops of a scan must agree.

    L_k = seg(f_k(x), y) + w(t) [CRC_k + s KL(p_k(crop 1) || p_k(crop 2)) - h H(p_k)]; KL and
    entropy are over the voxels that both crops hold; CRC, the confident regional cross-entropy, is
    on unlabelled crops against the other network, the second network's on CutMixed ones. The
    released code takes the KL's softmax over an image axis; here it is over classes.
    """

    overlapping = True
    published: ClassVar[Published] = Published(
        9000, 0.05, "poly", "documentation of the code for LA"
    )

    class Options(Ramped):
        """Published constants for LA with 8 labels (9,000 steps, the ramp over the first 160)."""

        weight: float = Field(
            default=0.3, ge=0, description=("of the unsupervised losses, once the ramp is over")
        )
        ramp: float = Field(
            default=160 / 9000,
            gt=0,
            description=("share of the training that the weight ramps up over"),
        )
        translation: float = Field(
            default=0.3, ge=0, description=("weight of the consistency between overlapping crops")
        )
        entropy: float = Field(
            default=0.1, ge=0, description=("weight of the entropy in the consistency")
        )
        positive: float = Field(
            default=0.65,
            ge=0,
            le=1,
            description=("confidence from which a voxel counts as one of a class"),
        )
        negative: float = Field(
            default=0.1, ge=0, le=1, description=("confidence below which it counts as none of it")
        )
        noise: float = Field(default=0.2, ge=0, description="largest uniform noise on the inputs")
        shift: int = Field(
            default=16,
            ge=0,
            description=(
                "voxels per axis by which the field that the crops are cut from exceeds a patch"
            ),
        )

    options: Options

    def __init__(self, plan: Plan, options: Section) -> None:
        super().__init__(plan, options)
        self.students = nn.ModuleList(self.new_network() for _ in range(2))

    @property
    def view_size(self) -> Triple:
        """The field that two crops are cut from."""
        x, y, z = self.plan.patch_size + self._shift
        return int(x), int(y), int(z)

    @property
    def _shift(self) -> np.ndarray:
        """Voxels along X, Y, Z by which the field exceeds a patch; none along a single voxel."""
        patch = np.array(self.plan.patch_size)
        return np.where(patch > 1, np.minimum(patch, self.options.shift), 0)

    def from_labels(self, images: Tensor, target: Tensor, step: Step) -> dict[str, Tensor]:
        """Supervision of both networks on two crops."""
        generator = step.generator("crops", "cpu")
        _, crops, truths = self._crops(images, target, host_random(generator), step)
        logits = self._logits(crops)
        supervised = self._supervised(logits, truths)
        return unheard(supervised, "crossed", "translation")

    def see(self, labelled: Batch, unlabelled: Batch, generator: torch.Generator) -> Seen:
        """Both views of a step, drawn after where the crops start (`from_both`)."""
        host_random(generator)
        return super().see(labelled, unlabelled, generator)

    def from_both(self, seen: Seen, step: Step) -> dict[str, Tensor]:
        """Supervision, cross supervision and translation consistency of both networks."""
        random = host_random(step.generator("views", "cpu"))
        images, target, weak, inside, _ = seen
        known = len(images)
        starts, crops, truths = self._crops(
            torch.cat([images, weak]), torch.cat([target, inside.long() + IGNORE]), random, step
        )
        logits = self._logits(crops)
        supervised = self._supervised(
            [[z[:known] for z in pair] for pair in logits], [y[:known] for y in truths]
        )
        translation = sum(self._translation(pair, starts, truths[0]) for pair in logits)
        mix = draw_cutmix(random, len(weak), self.plan.patch_size)
        crossed = self._crossed(logits, crops, truths, known, mix)
        return weighted(
            supervised, self.weight(step), crossed=crossed, translation=torch.as_tensor(translation)
        )

    def _crops(
        self, images: Tensor, truth: Tensor, random: np.random.Generator, step: Step
    ) -> tuple[np.ndarray, list[Tensor], list[Tensor]]:
        """Where two crops of the noisy field start, their images and what is true in them."""
        field = self._noisy(images, step)
        most = self.options.shift
        starts = random.integers(0, most, (2, 3), endpoint=True) * self._shift // max(1, most)
        crops = [_cut(field, start, self.plan.patch_size) for start in starts]
        return starts, crops, [_cut(truth, start, self.plan.patch_size) for start in starts]

    def _logits(self, crops: list[Tensor]) -> list[list[Tensor]]:
        """Of each network, for each crop."""
        return [[full_precision(student(crop)) for crop in crops] for student in self.students]

    def _supervised(self, logits: list[list[Tensor]], truths: list[Tensor]) -> Tensor:
        """sum_k seg(f_k(x), y), mean over the crops."""
        pairs = [pair for own in logits for pair in zip(own, truths, strict=True)]
        return torch.stack([self.supervise(z, y) for z, y in pairs]).sum() / len(truths)

    def _noisy(self, images: Tensor, step: Step) -> Tensor:
        """Inputs + U(-noise, noise)."""
        noise = torch.empty_like(images)
        noise.uniform_(-1, 1, generator=step.generator("noise", images.device))
        return images + self.options.noise * noise

    def _translation(self, pair: list[Tensor], starts: np.ndarray, truth: Tensor) -> Tensor:
        """S KL(p(crop 1) || p(crop 2)) - h H(p) over the valid voxels that both hold."""
        first, second = starts
        size = np.array(self.plan.patch_size)
        low, high = np.maximum(first, second), np.minimum(first, second) + size
        overlap = _triple(high - low)
        here = _cut(pair[0], low - first, overlap)
        there = _cut(pair[1], low - second, overlap)
        valid = _cut(truth, low - first, overlap) != IGNORE
        count = valid.sum().clamp(min=1)
        divergence, disorder = self.criteria.divergence(here, there)
        mean = (
            (self.options.translation * divergence - self.options.entropy * disorder) * valid
        ).sum()
        return mean / count

    def _crossed(
        self,
        logits: list[list[Tensor]],
        crops: list[Tensor],
        truths: list[Tensor],
        known: int,
        mix: CutMix,
    ) -> Tensor:
        """CRC of each network against the other, mean over the two crops."""
        total = torch.zeros((), device=crops[0].device)
        for index, (crop, truth) in enumerate(zip(crops, truths, strict=True)):
            outside = truth[known:] == IGNORE
            first, second = logits[0][index][known:], logits[1][index][known:]
            total = total + self._confident(
                first, self.criteria.probabilities(second.detach()), outside
            )
            mixed = full_precision(self.students[1](mix(crop[known:])))
            taught = mix(self.criteria.probabilities(first.detach()))
            total = total + self._confident(mixed, taught, mix(outside))
        return total / len(crops)

    def _confident(self, logits: Tensor, taught: Tensor, outside: Tensor) -> Tensor:
        """Confident regional cross-entropy, weighted by the confidence.

        Mean over voxels with max p >= positive of max p * CE, plus mean over those with
        min p < negative of min p * -log(1 - p_student of that class).
        """
        highest, label = self.criteria.confident(taught)
        lowest, absent = taught.min(1)
        agrees, present = self.criteria.for_and_against(logits, label, absent)
        denies = -torch.log1p(-present.clamp(max=1 - SMALLEST))
        sure, sure_absent = highest >= self.options.positive, lowest < self.options.negative
        return _mean(highest * agrees, sure & ~outside) + _mean(
            lowest * denies, sure_absent & ~outside
        )

    def predictor(self) -> nn.Module:
        """The first network."""
        return self.students[0]


def _mean(values: Tensor, mask: Tensor) -> Tensor:
    return (values * mask).sum() / mask.sum().clamp(min=1)


def _cut(volumes: Tensor, start: np.ndarray, size: Triple) -> Tensor:
    """A crop of (..., X, Y, Z)."""
    x, y, z = (slice(int(s), int(s) + n) for s, n in zip(start, size, strict=True))
    return volumes[..., x, y, z]


def _triple(values: np.ndarray) -> Triple:
    x, y, z = (int(v) for v in values)
    return x, y, z
