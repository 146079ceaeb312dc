"""Mean Teacher (Tarvainen and Valpola, NeurIPS 2017) and UA-MT (Yu et al., MICCAI 2019)."""

from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn

from crln.methods.base import Seen, SemiSupervised, Step
from crln.methods.published import Published
from crln.methods.ramps import Ramped, gaussian_ramp
from crln.methods.teacher import Teacher
from crln.methods.totals import unheard, weighted
from crln.planning import Plan
from crln.planning.plan import Section


class MeanTeacher(SemiSupervised):
    """The student's softmax follows the teacher's on a noisy copy of the same unlabelled patch.

    L = seg(f(x), y) + w(t) mean (p_student(u) - p_teacher(u + n))^2; the student takes x and u in
    one batch, as published. With `uncertainty` (UA-MT) the mean is over the voxels where the
    entropy of the teacher's mean over several noisy passes with dropout is below
    (h + (1 - h) ramp(t)) ln K, h the `threshold`; published for K = 2.
    """

    deep = True
    overlapping = True
    published: ClassVar[Published] = Published(6000, 0.01, "step", "UA-MT's code for LA")

    class Options(Ramped):
        """Published constants (UA-MT and its baseline: 6,000 steps, the ramp over all of them)."""

        noise: float = Field(
            default=0.1,
            ge=0,
            description=(
                "standard deviation of the noise on the teacher's input, clipped at twice that"
            ),
        )
        uncertainty: bool = Field(
            default=False, description=("UA-MT: consistency counts only where the teacher is sure")
        )
        passes: int = Field(
            default=8, ge=2, description=("passes of the teacher that tell how sure it is")
        )
        threshold: float = Field(
            default=0.75,
            ge=0,
            le=1,
            description=("of the entropy at first, as a share of ln K; 1 at the end"),
        )

    options: Options

    def __init__(self, plan: Plan, options: Section) -> None:
        super().__init__(plan, options)
        self.student = self.new_network()
        self.teacher = Teacher(self.student, plan.teacher)

    def from_labels(self, images: Tensor, target: Tensor, step: Step) -> dict[str, Tensor]:
        """Supervised loss."""
        return unheard(self.supervise(self.student.every(images), target), "consistency")

    def from_both(self, seen: Seen, step: Step) -> dict[str, Tensor]:
        """Supervised loss and consistency."""
        images, target, weak, inside, _ = seen
        noise = step.generator("noise", weak.device)
        with torch.no_grad():
            taught = self.teacher.network(self._noisy(weak, noise))
            if self.options.uncertainty:
                inside = inside & self._sure(weak, noise, step)
        levels, known = self.student.every(torch.cat([images, weak])), len(images)
        supervised = self.supervise([z[:known] for z in levels], target)
        consistency = self.criteria.consistency(levels[0][known:], taught, inside)
        return weighted(supervised, self.weight(step), consistency=consistency)

    def _noisy(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """U + n, n Gaussian, clipped at two standard deviations."""
        noise = torch.empty_like(images).normal_(generator=generator).clamp_(-2, 2)
        return images + self.options.noise * noise

    def _sure(self, images: Tensor, generator: torch.Generator, step: Step) -> Tensor:
        """(B, X, Y, Z) bool: entropy of the mean over the passes is below the threshold."""
        passes = (
            self.criteria.probabilities(self.teacher.network(self._noisy(images, generator)))
            for _ in range(self.options.passes)
        )
        mean = sum(passes, torch.zeros((), device=images.device)) / self.options.passes
        first = self.options.threshold
        share = first + (1 - first) * gaussian_ramp(step.index, step.total)
        return self.criteria.entropy(mean) < share * self.criteria.disorder

    def update(self, step: Step) -> None:
        """The teacher's moving average."""
        self.teacher.update(self.student, step)

    def predictor(self) -> nn.Module:
        """The teacher's network."""
        return self.teacher.network
