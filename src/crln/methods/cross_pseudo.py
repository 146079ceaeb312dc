"""Cross Pseudo Supervision (Chen et al., CVPR 2021): two networks teach each other."""

from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn

from crln.augmentation import Views, draw_cutmix, host_random
from crln.labels import IGNORE
from crln.losses import cross_entropy, segmentation_loss
from crln.methods.base import Batch, SemiSupervised, Step
from crln.methods.published import Published
from crln.networks import SegmentationNetwork, build_backbone
from crln.planning import Plan
from crln.planning.plan import Section


class CrossPseudo(SemiSupervised):
    """Two networks from different starts; each learns the other's hard pseudo-label.

    L = sum_k seg(f_k(x), y) + w(t) CE(f_k(u), argmax f_j(u)); a network takes x and u in one
    batch, as in the released 3D version. With `cutmix`, as in the 2D original, the pseudo-labels
    are of the plain patches and mixed together with them; the 3D version does without.
    """

    published: ClassVar[Published] = Published(
        30000, 0.01, "poly", "SSL4MIS, the 3D version's default"
    )

    class Options(Section):
        """Constants of the published 3D version (30,000 steps, the ramp over all of them)."""

        weight: float = Field(default=0.1, ge=0, description="w, when the ramp is over")
        ramp: float = Field(default=1.0, gt=0, description="share of training that w ramps up over")
        cutmix: bool = Field(default=False, description="mix unlabelled patches and pseudo-labels")

    options: Options

    def __init__(self, plan: Plan, options: Section, views: Views) -> None:
        super().__init__(plan, options, views)
        self.students = nn.ModuleList(
            SegmentationNetwork(build_backbone(plan.network, len(plan.channels)), plan.classes)
            for _ in range(2)
        )
        # Different kinds of start, as published: Kaiming for the first, Xavier for the second.
        for module in self.students[1].modules():
            if isinstance(module, nn.Conv3d | nn.ConvTranspose3d):
                nn.init.xavier_normal_(module.weight)

    def from_labels(self, images: Tensor, target: Tensor, step: Step) -> dict[str, Tensor]:
        """Both supervised losses."""
        supervised = self._supervised([student(images) for student in self.students], target)
        return {
            "total": supervised,
            "supervised": supervised,
            "crossed": torch.zeros_like(supervised),
        }

    def from_both(self, labelled: Batch, unlabelled: Batch, step: Step) -> dict[str, Tensor]:
        """Both supervised losses and both cross-entropies."""
        generator = step.generator("views", "cpu")
        images, target = self.views.labelled(labelled.images, labelled.labels, generator)
        weak, inside = self.weak_view(unlabelled, generator)
        if self.options.cutmix:
            with torch.no_grad():
                labels = self._labels([student(weak) for student in self.students], inside)
            mix = draw_cutmix(host_random(generator), len(weak), self.plan.patch_size)
            weak, labels = mix(weak), [mix(label) for label in labels]
        logits = [student(torch.cat([images, weak])) for student in self.students]
        known = len(images)
        guesses = [z[known:] for z in logits]
        if not self.options.cutmix:
            labels = self._labels(guesses, inside)
        supervised = self._supervised([z[:known] for z in logits], target)
        crossed = torch.stack(
            [cross_entropy(guesses[0], labels[1]), cross_entropy(guesses[1], labels[0])]
        )
        weight = self.options.weight * self.ramp(step, self.options.ramp)
        return {
            "total": supervised + weight * crossed.sum(),
            "supervised": supervised,
            "crossed": crossed.sum(),
        }

    @staticmethod
    def _supervised(logits: list[Tensor], target: Tensor) -> Tensor:
        """sum_k seg(f_k(x), y)."""
        return torch.stack([segmentation_loss(z, target) for z in logits]).sum()

    @staticmethod
    def _labels(guesses: list[Tensor], inside: Tensor) -> list[Tensor]:
        """Each network's hard pseudo-label, IGNORE outside the scan."""
        return [g.detach().argmax(1).masked_fill(~inside, IGNORE) for g in guesses]

    def predictor(self) -> nn.Module:
        """The first network."""
        return self.students[0]
