"""Mean Teacher (Tarvainen and Valpola, NeurIPS 2017) and UA-MT (Yu et al., MICCAI 2019)."""

import math
from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn

from crln.augmentation import Views
from crln.losses import consistency_loss, entropy, segmentation_loss
from crln.methods.base import Batch, SemiSupervised, Step, gaussian_ramp
from crln.methods.published import Published
from crln.methods.teacher import Teacher
from crln.networks import SegmentationNetwork, build_backbone
from crln.planning import Plan
from crln.planning.plan import Section


class MeanTeacher(SemiSupervised):
    """The student's softmax follows the teacher's on a noisy copy of the same unlabelled patch.

    L = seg(f(x), y) + w(t) mean (p_student(u) - p_teacher(u + n))^2; the student takes x and u in
    one batch, as published. With `uncertainty` (UA-MT) the mean is over the voxels where the
    entropy of the teacher's mean over several noisy passes with dropout is below
    (0.75 + 0.25 ramp(t)) ln K; published for K = 2.
    """

    published: ClassVar[Published] = Published(6000, 0.01, "step", "UA-MT's code for LA")

    class Options(Section):
        """Published constants (UA-MT and its baseline: 6,000 steps, the ramp over all of them)."""

        weight: float = Field(default=0.1, ge=0, description="w, when the ramp is over")
        ramp: float = Field(default=1.0, gt=0, description="share of training that w ramps up over")
        noise: float = Field(default=0.1, ge=0, description="std of n, clipped at twice that")
        uncertainty: bool = Field(
            default=False, description="UA-MT: only where the teacher is sure"
        )
        passes: int = Field(default=8, ge=2, description="teacher passes for the uncertainty")

    options: Options

    def __init__(self, plan: Plan, options: Section, views: Views) -> None:
        super().__init__(plan, options, views)
        backbone = build_backbone(plan.network, len(plan.channels))
        self.student = SegmentationNetwork(backbone, plan.classes)
        self.teacher = Teacher(self.student, plan.teacher)

    def from_labels(self, images: Tensor, target: Tensor, step: Step) -> dict[str, Tensor]:
        """Supervised loss."""
        supervised = segmentation_loss(self.student(images), target)
        nothing = torch.zeros_like(supervised)
        return {"total": supervised, "supervised": supervised, "consistency": nothing}

    def from_both(self, labelled: Batch, unlabelled: Batch, step: Step) -> dict[str, Tensor]:
        """Supervised loss and consistency."""
        generator = step.generator("views", "cpu")
        images, target = self.views.labelled(labelled.images, labelled.labels, generator)
        weak, inside = self.weak_view(unlabelled, generator)
        noise = step.generator("noise", weak.device)
        with torch.no_grad():
            taught = self.teacher.network(self._noisy(weak, noise))
            if self.options.uncertainty:
                inside = inside & self._sure(weak, noise, step)
        logits, known = self.student(torch.cat([images, weak])), len(images)
        supervised = segmentation_loss(logits[:known], target)
        consistency = consistency_loss(logits[known:], taught, inside)
        weight = self.options.weight * self.ramp(step, self.options.ramp)
        return {
            "total": supervised + weight * consistency,
            "supervised": supervised,
            "consistency": consistency,
        }

    def _noisy(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """U + n, n Gaussian, clipped at two standard deviations."""
        noise = torch.empty_like(images).normal_(generator=generator).clamp_(-2, 2)
        return images + self.options.noise * noise

    def _sure(self, images: Tensor, generator: torch.Generator, step: Step) -> Tensor:
        """(B, X, Y, Z) bool: entropy of the mean over the passes is below the threshold."""
        passes = (
            self.teacher.network(self._noisy(images, generator)).float().softmax(1)
            for _ in range(self.options.passes)
        )
        mean = sum(passes, torch.zeros((), device=images.device)) / self.options.passes
        share = 0.75 + 0.25 * gaussian_ramp(step.index, step.total)
        return entropy(mean) < share * math.log(self.plan.classes)

    def update(self, step: Step) -> None:
        """The teacher's moving average."""
        self.teacher.update(self.student, step)

    def predictor(self) -> nn.Module:
        """The teacher's network."""
        return self.teacher.network
