"""Learning from the labelled scans alone: the lower bound, and with all labels the upper one."""

from typing import ClassVar

from torch import Tensor, nn

from crln.methods.base import Batch, Method, Step
from crln.methods.published import Published
from crln.planning import Plan
from crln.planning.plan import Section


class Supervised(Method):
    """Cross-entropy and soft Dice on labelled patches, nothing else."""

    uses_unlabelled: ClassVar[bool] = False
    deep = True
    overlapping = True
    published: ClassVar[Published] = Published(
        6000, 0.01, "step", "the labelled-only V-Net of UA-MT's code, the field's lower bound"
    )

    def __init__(self, plan: Plan, options: Section) -> None:
        super().__init__(plan, options)
        self.student = self.new_network()

    def losses(self, labelled: Batch, unlabelled: Batch | None, step: Step) -> dict[str, Tensor]:
        """seg(f(x), y)."""
        images, target = self.labelled_view(labelled, step.generator("views", "cpu"))
        return {"total": self.supervise(self.student.every(images), target)}

    def predictor(self) -> nn.Module:
        """The trained network."""
        return self.student
