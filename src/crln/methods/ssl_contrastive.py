"""Two unlike networks, targeted verification, uncertain voxels drawn to class centres.

Karimijafarbigloo, Azad, Velichko, Bagci and Merhof, ISBI 2024 (arXiv 2311.12617).
"""

from typing import ClassVar, cast

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from crln.labels import IGNORE
from crln.losses import Criteria, full_precision
from crln.methods.base import Seen, SemiSupervised, Step
from crln.methods.draws import draw_of_each
from crln.methods.pairs import Outliner, outliner, unlike_backbone
from crln.methods.published import Published
from crln.methods.ramps import Ramped
from crln.methods.totals import unheard, weighted
from crln.networks import Backbone, SegmentationNetwork
from crln.planning import Plan
from crln.planning.plan import Section

MEMORY = 0.98
"""Of the mean labelled loss of each network, that tells which of them labels: some fifty steps."""


class EmbeddingNetwork(SegmentationNetwork):
    """Logits, and the finest decoder features, which are the embedding of each voxel.

    Args:
        backbone: gives decoder features, finest first.
        classes: K, background included.
    """

    exits = (*SegmentationNetwork.exits, "embedding")

    def __init__(self, backbone: Backbone, classes: int) -> None:
        super().__init__(backbone, classes)
        self.embedding = nn.Identity()

    def both(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """(B, C, X, Y, Z) -> logits (B, K, X, Y, Z) and embeddings (B, E, X, Y, Z)."""
        finest = self.backbone(images)[0]
        return self.head(finest), self.embedding(finest)


class VerifiedContrast(SemiSupervised):
    """Two unlike networks verify each other on labels; the better one labels for the other.

        L = sum_i [seg(f_i(x), y) + v V_i] + w(t) [U + c C]

    V_i: mean over D of mean_k (p_k - y_k)^2, D the labelled voxels where the two networks' classes
    differ and one of them at least has confidence 0.6 or more. The *winner*, the network with the
    lower labelled loss of late, labels the unlabelled patches; the other learns: U is its
    cross-entropy and Dice with the winner's class where that is reliable, which is where the
    entropy is among the lowest share of the voxels of that class. C is -log softmax_k(cos(e, c_k) /
    tau) of the class that the winner gives an uncertain voxel of embedding e; c_k is the mean
    embedding of labelled and reliable voxels of class k, without gradient.

    As the paper means it, not as its code has it. There both unlabelled terms are of detached
    tensors or within `no_grad`, so that labels alone teach; here each has its gradient. Ours, too:
    the winner's label rather than the bitwise OR of both; the share of reliable voxels is each
    class's own and grows; logits, not probabilities, enter the cross-entropy; C tells classes apart
    where the code draws their centres together; no weight is multiplied by the inverse of the share
    that is kept. w, c, tau and the shares are not tuned. Published with 2 classes; here any number.
    """

    overlapping = True
    published: ClassVar[Published] = Published(6000, 0.01, "step", "code for LA and Pancreas")

    class Options(Ramped):
        """Published constants where there are any that had an effect."""

        weight: float = Field(
            default=1.0, ge=0, description="w, of what unlabelled patches teach, after the ramp"
        )
        verification: float = Field(
            default=0.5, ge=0, description="v, of the error where the networks disagree on labels"
        )
        sure: float = Field(
            default=0.6,
            ge=0,
            le=1,
            description="confidence that one of two disagreeing networks must have",
        )
        reliable: float = Field(
            default=0.2,
            ge=0,
            le=1,
            description="share of each class's voxels that are pseudo-labels at first",
        )
        reliable_at_end: float = Field(default=0.8, ge=0, le=1, description="the same at the end")
        contrast: float = Field(default=0.1, ge=0, description="c, of the contrast")
        temperature: float = Field(default=0.2, gt=0, description="tau of the contrast")
        voxels: int = Field(
            default=256, ge=1, description="of each class, drawn for centres, limits and contrast"
        )
        predict: Outliner = Field(
            default="mean",
            description="outline with the `mean` of both networks, as published, or the `first`",
        )

    options: Options

    def __init__(self, plan: Plan, options: Section) -> None:
        super().__init__(plan, options)
        kinds = (self.new_backbone(), unlike_backbone(plan))
        self.students = nn.ModuleList(EmbeddingNetwork(kind, plan.classes) for kind in kinds)
        self.register_buffer("lately", torch.zeros(2))
        self.lately: Tensor

    def from_labels(self, images: Tensor, target: Tensor, step: Step) -> dict[str, Tensor]:
        """Both supervised losses and the verification."""
        supervised = self._supervised([z for z, _ in self._both(images)], target)
        return unheard(supervised, "unsupervised", "contrast")

    def from_both(self, seen: Seen, step: Step) -> dict[str, Tensor]:
        """Labelled terms, the pseudo-label loss and the contrast."""
        images, target, weak, inside, _ = seen
        known = len(images)
        (first, ours), (second, theirs) = self._both(torch.cat([images, weak]))
        supervised = self._supervised([first[:known], second[:known]], target)
        wins = self.lately[0] <= self.lately[1]
        winner = torch.where(wins, first[known:], second[known:]).detach()
        learner = torch.where(wins, second[known:], first[known:])
        label = self.criteria.label(winner).masked_fill(~inside, IGNORE)
        draws = step.generator("contrast", weak.device)
        reliable = self._reliable(winner, label, step, draws)
        sure = label.masked_fill(~reliable, IGNORE)
        unsupervised = self.criteria.segmentation(learner, sure, ("dice_ce",), None)
        contrast = class_contrast(
            torch.where(wins, theirs, ours),
            torch.cat([self.certain(target), sure]),
            torch.cat([torch.full_like(target, IGNORE), label.masked_fill(reliable, IGNORE)]),
            self.criteria, self.options.voxels, self.options.temperature, draws,
        )  # fmt: skip
        contrast = self.options.contrast * contrast
        return weighted(supervised, self.weight(step), unsupervised=unsupervised, contrast=contrast)

    def _both(self, images: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Logits and embeddings of either network."""
        return [cast(EmbeddingNetwork, student).both(images) for student in self.students]

    def _supervised(self, logits: list[Tensor], target: Tensor) -> Tensor:
        """sum_i [seg(f_i(x), y) + v V_i]; keeps in mind how either network does on labels."""
        losses = torch.stack([self.supervise(z, target) for z in logits])
        with torch.no_grad():
            self.lately.lerp_(losses.detach().to(self.lately), 1 - MEMORY)
        verified = self._verification(logits, self.certain(target))
        return losses.sum() + self.options.verification * verified

    def _verification(self, logits: list[Tensor], target: Tensor) -> Tensor:
        """V_1 + V_2."""
        criteria = self.criteria
        guesses = [criteria.confident(criteria.probabilities(z.detach())) for z in logits]
        (sure, label), (surer, other) = guesses
        confident = torch.maximum(sure, surer) >= self.options.sure
        disputed = criteria.differ(label, other) & criteria.known(target).any(1) & confident
        errors = torch.stack([criteria.squared_error(z, target) for z in logits]).sum(0)
        return (errors * disputed).sum() / disputed.sum().clamp(min=1)

    def _reliable(
        self, logits: Tensor, label: Tensor, step: Step, draws: torch.Generator
    ) -> Tensor:
        """(B, X, Y, Z) bool: entropy is among the lowest share of the voxels of a class."""
        criteria, options = self.criteria, self.options
        share = options.reliable + (options.reliable_at_end - options.reliable) * step.progress
        entropy = criteria.entropy(criteria.probabilities(logits))
        held = criteria.held(label).movedim(1, 0)  # (K, B, X, Y, Z)
        voxels, _ = draw_of_each(held, options.voxels, draws)
        lowest = entropy.flatten()[voxels].sort(1).values
        limit = lowest[:, round(share * (options.voxels - 1))]
        return (held & (entropy <= limit[:, None, None, None, None])).any(0)

    def predictor(self) -> nn.Module:
        """The mean of both networks, as published, or the first."""
        return outliner(list(self.students), self.options.predict, self.plan.labels.exclusive)


def class_contrast(
    features: Tensor,
    classes: Tensor,
    doubted: Tensor,
    criteria: Criteria,
    voxels: int,
    temperature: float,
    generator: torch.Generator,
) -> Tensor:
    """-log softmax_k(cos(e, c_k) / tau) of uncertain voxels, each class's mean, then over classes.

    Where classes overlap, a voxel is told from the centres of those alone that it is not of.

    Args:
        features: embeddings, (B, E, X, Y, Z); those of the centres get no gradient.
        classes: (B, X, Y, Z), class, or IGNORE, of voxels that the centres are the mean of.
        doubted: of the same shape: class of uncertain voxels, IGNORE elsewhere.
        criteria: say which voxels are of a class.
        voxels: drawn of each class for either.
        temperature: tau.
        generator: on the same device.
    """
    rows = features.movedim(1, -1).flatten(0, 3)
    held, there = draw_of_each(criteria.held(classes).movedim(1, 0), voxels, generator)
    unsure, asked = draw_of_each(criteria.held(doubted).movedim(1, 0), voxels, generator)
    number = len(held)
    members = full_precision(rows.detach()[held.flatten()]).unflatten(0, (number, voxels))
    centres = F.normalize(members.mean(1), dim=1)
    chosen = F.normalize(full_precision(rows.index_select(0, unsure.flatten())), dim=1)
    likeness = full_precision(chosen @ centres.T) / temperature
    each = doubted.flatten()[unsure.flatten()]
    itself = torch.eye(number, dtype=torch.bool, device=rows.device).repeat_interleave(voxels, 0)
    others = criteria.known(each) & ~criteria.held(each)
    told = there & (others | itself)
    chance = likeness.masked_fill(~told, -1e4).log_softmax(1)
    own = -(chance * itself).sum(1).unflatten(0, (number, voxels)).mean(1)
    heard = there & asked
    return (own * heard).sum() / heard.sum().clamp(min=1)
