"""SDCL: students' discrepancy-informed correction learning (Song and Wang, MICCAI 2024)."""

from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn

from crln.methods.base import Batch, Step
from crln.methods.bcp import BidirectionalCopyPaste, Mixture
from crln.methods.pairs import Outliner, outliner, unlike_backbone
from crln.methods.published import Published
from crln.methods.totals import summed
from crln.networks import SegmentationNetwork
from crln.planning import Plan
from crln.planning.plan import Section


class DiscrepancyCorrection(BidirectionalCopyPaste):
    """BCP with a second, unlike student, and a correction where the two disagree.

    Each student learns both mixes as in BCP; the teacher that labels is the first one's moving
    average. In stage 2, D being the voxels of a mix where the students' classes differ, y its
    label and w its voxels' weights (1 where labelled, `pseudo_weight` elsewhere), each pays

        c sum_D w mean_k (p_k - y_k)^2 / |D|  +  u sum_W w mean_k (-log p_k) / |W|

    W being where its own class is wrong besides: what is right is confirmed, and what is wrong is
    brought back to knowing nothing. D and W are of any number of classes. The students are the
    plan's network and a V-Net with a residual encoder, or a plain one where the plan has that
    (published: V-Net and ResNet-34 V-Net). Published with instance norm; here norms are the
    plan's network's.
    """

    published: ClassVar[Published] = Published(
        14200, 0.001, "constant",
        "code for LA, 355 epochs of about 40 steps; Adam without weight decay",
        weight_decay=0.0, optimiser="adam",
    )  # fmt: skip

    class Options(BidirectionalCopyPaste.Options):
        """Published constants for LA (80 epochs of stage 1 before 275 of stage 2)."""

        pretraining: float = Field(
            default=80 / 355,
            ge=0,
            lt=1,
            description=(
                "share of the training in the first stage, on mixtures of labelled patches"
            ),
        )
        correction: float = Field(
            default=0.5,
            ge=0,
            description="c, of the squared error where the students disagree; Pancreas: 0.3",
        )
        unlearning: float = Field(
            default=0.05,
            ge=0,
            description="u, of bringing what is wrong there to knowing nothing; Pancreas: 0.1",
        )
        predict: Outliner = Field(
            default="mean",
            description="outline with the `mean` of both students, as published, or the `first`",
        )

    options: Options

    def __init__(self, plan: Plan, options: Section) -> None:
        super().__init__(plan, options)
        self.other = SegmentationNetwork(unlike_backbone(plan), plan.classes)

    def losses(self, labelled: Batch, unlabelled: Batch | None, step: Step) -> dict[str, Tensor]:
        """Both mixes of the stage that the step is in, and the corrections of stage 2."""
        nothing = torch.zeros((), device=labelled.images.device)
        corrected = undone = nothing
        mixed = []
        for mix in self.mixtures(labelled, unlabelled, step):
            logits = [student(mix.images) for student in (self.student, self.other)]
            mixed.append(sum((self._mix_loss(z, mix) for z in logits), nothing))
            if not self._pretraining(step):
                here = self._corrections(logits, mix)
                corrected, undone = corrected + here[0], undone + here[1]
        return summed({
            "outward": mixed[0], "inward": mixed[1],
            "corrected": self.options.correction * corrected,
            "undone": self.options.unlearning * undone,
        })  # fmt: skip

    def _corrections(self, logits: list[Tensor], mix: Mixture) -> tuple[Tensor, Tensor]:
        """Of both students: the squared error where they disagree, and what undoes the wrong."""
        criteria, target, weights = self.criteria, self.certain(mix.labels), mix.weights
        labels = [criteria.label(z) for z in logits]
        disputed = criteria.differ(*labels) & criteria.known(target).any(1)
        error = undoing = torch.zeros((), device=target.device)
        for guess, label in zip(logits, labels, strict=True):
            wrong = disputed & criteria.differ(label, target)
            error = error + _mean(weights * criteria.squared_error(guess, target), disputed)
            undoing = undoing + _mean(weights * criteria.indecision(guess), wrong)
        return error, undoing

    def predictor(self) -> nn.Module:
        """The mean of both students, as published, or the first."""
        return outliner(
            [self.student, self.other], self.options.predict, self.plan.labels.exclusive
        )


def _mean(values: Tensor, mask: Tensor) -> Tensor:
    return (values * mask).sum() / mask.sum().clamp(min=1)
