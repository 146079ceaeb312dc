"""Learning from the labelled scans alone: the lower bound, and with all labels the upper one."""

from typing import ClassVar

from torch import Tensor, nn

from crln.augmentation import Views
from crln.losses import segmentation_loss
from crln.methods.base import Batch, Method, Step
from crln.methods.published import Published
from crln.networks import SegmentationNetwork, build_backbone
from crln.planning import Plan
from crln.planning.plan import Section


class Supervised(Method):
    """Cross-entropy and soft Dice on labelled patches, nothing else."""

    uses_unlabelled: ClassVar[bool] = False
    published: ClassVar[Published] = Published(
        6000, 0.01, "step", "the labelled-only V-Net of UA-MT's code, the field's lower bound"
    )

    def __init__(self, plan: Plan, options: Section, views: Views) -> None:
        super().__init__(plan, options, views)
        backbone = build_backbone(plan.network, len(plan.channels))
        self.student = SegmentationNetwork(backbone, plan.classes)

    def losses(self, labelled: Batch, unlabelled: Batch | None, step: Step) -> dict[str, Tensor]:
        """seg(f(x), y)."""
        generator = step.generator("views", "cpu")
        images, target = self.views.labelled(labelled.images, labelled.labels, generator)
        return {"total": segmentation_loss(self.student(images), target)}

    def predictor(self) -> nn.Module:
        """The trained network."""
        return self.student
