"""What logits mean, and what they are compared by: of exclusive classes or of overlapping ones.

Methods ask their criteria, so that none of them asks which of the two it learns.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from crln.labels import LabelSpace
from crln.losses import overlap, terms
from crln.losses.terms import full_precision


class Criteria(ABC):
    """Of the classes of one plan.

    Targets and labels are (B, X, Y, Z), int64: class, or combination of classes, or IGNORE; logits
    and probabilities are (B, K, X, Y, Z).

    Args:
        labels: the plan's.

    Attributes:
        disorder: the largest entropy that there is, in nats.
    """

    disorder: float

    def __init__(self, labels: LabelSpace) -> None:
        self.labels = labels

    @abstractmethod
    def probabilities(self, logits: Tensor) -> Tensor:
        """Of each class; in float32, or float64 if that is how they came."""

    @abstractmethod
    def confident(self, probabilities: Tensor, least: float | None = None) -> tuple[Tensor, Tensor]:
        """The confidence of the likeliest label, (B, X, Y, Z), and that label.

        Args:
            probabilities: of each class.
            least: of overlapping classes, a class that is less sure than this is left unknown in
                the label, and confidence is that of the surest class; None: of the least sure one.
        """

    @abstractmethod
    def segmentation(
        self, logits: Tensor, target: Tensor, shares: Sequence[str], weights: Tensor | None
    ) -> Tensor:
        """What a label teaches, by the terms of a plan (`segmentation_loss`)."""

    @abstractmethod
    def cross_entropy(self, logits: Tensor, target: Tensor) -> Tensor:
        """The mean over what is known."""

    @abstractmethod
    def voxel_cross_entropy(self, logits: Tensor, target: Tensor) -> Tensor:
        """Of each voxel, (B, X, Y, Z); 0 where nothing is known."""

    @abstractmethod
    def own(self, logits: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """The probability of the class that a voxel is of, and that class, 0 for none.

        Of exclusive classes (B, X, Y, Z) each; of overlapping ones (B (K - 1), X, Y, Z), each
        class's map by itself. What nobody knows is of no class.
        """

    @abstractmethod
    def dice(self, logits: Tensor, target: Tensor, **how: Any) -> Tensor:
        """Soft Dice; `how` as of `soft_dice_loss`."""

    @abstractmethod
    def entropy(self, probabilities: Tensor) -> Tensor:
        """Of each voxel in nats, (B, X, Y, Z), 0 to `disorder`."""

    @abstractmethod
    def divergence(self, first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
        """KL(p || q) and the entropy of p, of two logits, (B, X, Y, Z) each."""

    @abstractmethod
    def for_and_against(
        self, logits: Tensor, label: Tensor, absent: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Cross-entropy with a label, and the probability of a class, (B, X, Y, Z) each.

        Args:
            logits: of each class.
            label: known everywhere.
            absent: (B, X, Y, Z), a class, of overlapping ones too.
        """

    @abstractmethod
    def sharpen(self, probabilities: Tensor, temperature: float) -> Tensor:
        """Nearer to certainty the lower the temperature."""

    @abstractmethod
    def consistency(self, student: Tensor, teacher: Tensor, valid: Tensor) -> Tensor:
        """Mean over classes and valid voxels of (p - q)^2; the teacher's logits get no gradient."""

    @abstractmethod
    def indecision(self, logits: Tensor) -> Tensor:
        """Of each voxel, (B, X, Y, Z): cross-entropy with knowing nothing; least where unsure."""

    def squared_error(self, logits: Tensor, target: Tensor) -> Tensor:
        """Of each voxel, (B, X, Y, Z): mean over the known classes of (p_k - y_k)^2."""
        known, held = self.known(target), self.held(target)
        squares = (self.probabilities(logits) - held.float()).square() * known
        return squares.sum(1) / known.sum(1).clamp(min=1)

    def differ(self, first: Tensor, second: Tensor) -> Tensor:
        """Where two labels tell of different classes, (B, X, Y, Z) bool; the unknown tells none."""
        known = self.known(first) & self.known(second)
        return (known & (self.held(first) ^ self.held(second))).any(1)

    def label(self, logits: Tensor) -> Tensor:
        """The likeliest label."""
        return self.labels.decide(self.probabilities(logits.detach()))

    def known(self, target: Tensor) -> Tensor:
        """Of which voxels it is known whether they are of each class, (B, K, X, Y, Z) bool."""
        return torch.stack([self.labels.knows(target, k) for k in range(self.labels.classes)], 1)

    def held(self, target: Tensor) -> Tensor:
        """Where each class is, (B, K, X, Y, Z) bool."""
        return torch.stack([self.labels.holds(target, k) for k in range(self.labels.classes)], 1)


class ExclusiveCriteria(Criteria):
    """Every voxel is of one class: softmax."""

    def __init__(self, labels: LabelSpace) -> None:
        super().__init__(labels)
        self.disorder = math.log(labels.classes)

    def probabilities(self, logits: Tensor) -> Tensor:
        """Softmax."""
        return full_precision(logits).softmax(1)

    def confident(self, probabilities: Tensor, least: float | None = None) -> tuple[Tensor, Tensor]:
        """The largest probability and its class."""
        confidence, label = probabilities.max(1)
        return confidence, label

    def segmentation(
        self, logits: Tensor, target: Tensor, shares: Sequence[str], weights: Tensor | None
    ) -> Tensor:
        """Cross-entropy and soft Dice."""
        return terms.segmentation_loss(logits, target, shares, weights)

    def cross_entropy(self, logits: Tensor, target: Tensor) -> Tensor:
        """Over all classes at once."""
        return terms.cross_entropy(logits, target)

    def voxel_cross_entropy(self, logits: Tensor, target: Tensor) -> Tensor:
        """Over all classes at once."""
        return terms.voxel_cross_entropy(logits, target)

    def own(self, logits: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """By cross-entropy, which makes no map of every class."""
        return (-terms.voxel_cross_entropy(logits, target)).exp(), target.clamp(min=0)

    def dice(self, logits: Tensor, target: Tensor, **how: Any) -> Tensor:
        """Of the softmax."""
        return terms.soft_dice_loss(logits, target, **how)

    def entropy(self, probabilities: Tensor) -> Tensor:
        """-sum_k p_k log p_k."""
        return terms.entropy(probabilities)

    def divergence(self, first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
        """Sum_k p_k (log p_k - log q_k), and -sum_k p_k log p_k."""
        here, there = first.log_softmax(1), second.log_softmax(1)
        return (here.exp() * (here - there)).sum(1), terms.entropy(here.exp())

    def for_and_against(
        self, logits: Tensor, label: Tensor, absent: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Both from one softmax."""
        log_probability = logits.log_softmax(1)
        agrees = -log_probability.gather(1, label.unsqueeze(1)).squeeze(1)
        return agrees, log_probability.gather(1, absent.unsqueeze(1)).squeeze(1).exp()

    def consistency(self, student: Tensor, teacher: Tensor, valid: Tensor) -> Tensor:
        """Of the softmax."""
        return terms.consistency_loss(student, teacher, valid)

    def indecision(self, logits: Tensor) -> Tensor:
        """-mean_k log p_k."""
        return -full_precision(logits).log_softmax(1).mean(1)

    def label(self, logits: Tensor) -> Tensor:
        """The class of the largest logit."""
        return logits.detach().argmax(1)

    def sharpen(self, probabilities: Tensor, temperature: float) -> Tensor:
        """p_k^(1/T) / sum_j p_j^(1/T)."""
        return terms.sharpen(probabilities, temperature)


class OverlappingCriteria(Criteria):
    """Each class for itself: sigmoid, binary cross-entropy, means over classes."""

    disorder = math.log(2)

    def probabilities(self, logits: Tensor) -> Tensor:
        """Sigmoid."""
        return full_precision(logits).sigmoid()

    def confident(self, probabilities: Tensor, least: float | None = None) -> tuple[Tensor, Tensor]:
        """How probable each class but the background is to be, or not to be, as labelled."""
        label = self.labels.decide(probabilities)
        sure = torch.where(self.held(label), probabilities, 1 - probabilities)[:, 1:]
        if least is None:
            return sure.amin(1), label
        others = sure.shape[1]
        for k, unsure in enumerate((sure < least).unbind(1)):
            label = label | unsure.long() << others + k
        return sure.amax(1), label

    def segmentation(
        self, logits: Tensor, target: Tensor, shares: Sequence[str], weights: Tensor | None
    ) -> Tensor:
        """Binary cross-entropy and soft Dice of each class."""
        return overlap.overlapping_loss(
            logits, self.held(target), self.known(target), shares, weights
        )

    def cross_entropy(self, logits: Tensor, target: Tensor) -> Tensor:
        """Binary, the mean over classes."""
        voxels = overlap.binary_cross_entropy(logits, self.held(target))
        return overlap.mean_where(voxels, self.known(target))

    def voxel_cross_entropy(self, logits: Tensor, target: Tensor) -> Tensor:
        """Binary, the mean over the classes that are known."""
        known = self.known(target)
        voxels = overlap.binary_cross_entropy(logits, self.held(target)) * known
        return voxels.sum(1) / known.sum(1).clamp(min=1)

    def own(self, logits: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """Of each class but the background."""
        places = torch.arange(1, self.labels.classes, device=target.device).view(-1, 1, 1, 1)
        there = self.held(target)[:, 1:] & self.known(target)[:, 1:]
        return self.probabilities(logits)[:, 1:].flatten(0, 1), (there * places).flatten(0, 1)

    def dice(self, logits: Tensor, target: Tensor, **how: Any) -> Tensor:
        """Of each class's sigmoid."""
        p = self.probabilities(logits)
        return overlap.soft_dice(p, self.held(target), self.known(target), **how)

    def entropy(self, probabilities: Tensor) -> Tensor:
        """The mean over classes of -p log p - (1 - p) log(1 - p)."""
        return overlap.binary_entropy(probabilities)

    def divergence(self, first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
        """The means over classes."""
        disorder = overlap.binary_entropy(first.sigmoid())
        return overlap.binary_divergence(first, second), disorder

    def for_and_against(
        self, logits: Tensor, label: Tensor, absent: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Of the combination, and of one class."""
        there = logits.gather(1, absent.unsqueeze(1)).squeeze(1).sigmoid()
        return self.voxel_cross_entropy(logits, label), there

    def consistency(self, student: Tensor, teacher: Tensor, valid: Tensor) -> Tensor:
        """Of the sigmoids."""
        ours, theirs = self.probabilities(student), self.probabilities(teacher.detach())
        return terms.mean_squared_difference(ours, theirs, valid)

    def indecision(self, logits: Tensor) -> Tensor:
        """The mean over classes of -(log p + log(1 - p)) / 2."""
        logits = full_precision(logits)
        return -(F.logsigmoid(logits) + F.logsigmoid(-logits)).mean(1) / 2

    def sharpen(self, probabilities: Tensor, temperature: float) -> Tensor:
        """p^(1/T) / (p^(1/T) + (1 - p)^(1/T))."""
        return overlap.binary_sharpen(probabilities, temperature)


def criteria_of(labels: LabelSpace) -> Criteria:
    """What suits a plan's classes."""
    return ExclusiveCriteria(labels) if labels.exclusive else OverlappingCriteria(labels)
