"""What the tasks of a first stage share: copies of a method's backbones, and the way back."""

import copy
from typing import ClassVar

import torch
from torch import Tensor, nn

from crln.methods.base import Method
from crln.methods.batch import Batch, Step
from crln.networks import Backbone, Patchwise, Pointwise
from crln.planning import Plan
from crln.planning.plan import Section


class SurrogateNetwork(Patchwise):
    """A backbone, and a head that is thrown away with its task.

    Args:
        backbone: learns.
        outputs: channels of the result.
    """

    entries: ClassVar[tuple[str, ...]] = ("backbone",)
    exits: ClassVar[tuple[str, ...]] = ("head",)

    def __init__(self, backbone: Backbone, outputs: int) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = Pointwise(backbone.widths[0], outputs)

    def forward(self, images: Tensor) -> Tensor:
        """(B, C, X, Y, Z) -> (B, outputs, X, Y, Z)."""
        found: Tensor = self.head(self.backbone(images)[0])
        return found


class FirstStage(Method):
    """A task that scans set by themselves; no label is read.

    It learns as a method does: the loop never asks which it runs. Its backbones are copies of a
    method's, one of each that learns, from the method's own first weights; `give` takes what they
    have learnt back.

    Args:
        method: newly built; its plan is the plan.

    Attributes:
        views_a_patch: how often a step sees each of its patches.
    """

    uses_unlabelled = False
    views_a_patch: ClassVar[int] = 1

    def __init__(self, method: Method) -> None:
        super().__init__(method.plan, Section())
        self.networks = nn.ModuleList(
            SurrogateNetwork(copy.deepcopy(backbone), self.outputs(method.plan))
            for backbone in method.backbones()
        )

    @staticmethod
    def outputs(plan: Plan) -> int:
        """Channels of the task's result."""
        return len(plan.channels)

    @property
    def patches(self) -> int:
        """Patches of a step: all of the method's; in two views, as many as its labelled ones."""
        training = self.plan.training
        both = training.labelled + training.unlabelled
        return both if self.views_a_patch == 1 else training.labelled

    def losses(self, labelled: Batch, unlabelled: Batch | None, step: Step) -> dict[str, Tensor]:
        """The sum of what the task costs each network.

        Args:
            labelled: patches of any scans; their labels are not looked at.
            unlabelled: none.
            step: of the first stage.
        """
        return {"total": self.cost(labelled, step)}

    def cost(self, patches: Batch, step: Step) -> Tensor:
        """The sum of what the task costs each network."""
        raise NotImplementedError

    @torch.no_grad()
    def give(self, method: Method) -> None:
        """Hands what was learnt to the method's backbones, and to the teachers of each.

        Args:
            method: that the stage was made of, its weights as they were then: by these a teacher
                is known, which begins as its student.
        """
        frozen = [
            module
            for module in method.modules()
            if isinstance(module, Backbone)
            and not any(p.requires_grad for p in module.parameters())
        ]
        for ours, theirs in zip(self.networks, method.backbones(), strict=True):
            assert isinstance(ours, SurrogateNetwork)
            taught = [each for each in frozen if _alike(each, theirs)]
            for backbone in (theirs, *taught):
                backbone.load_state_dict(ours.backbone.state_dict())


def _alike(one: nn.Module, other: nn.Module) -> bool:
    """Whether two modules have the same weights."""
    ours, theirs = one.state_dict(), other.state_dict()
    return ours.keys() == theirs.keys() and all(
        tensor.shape == theirs[name].shape and torch.equal(tensor, theirs[name])
        for name, tensor in ours.items()
    )
