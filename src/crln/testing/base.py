"""A method in the small: its plan, its patches, its losses."""

from typing import Any, ClassVar

import torch
from torch import Tensor

from crln.labels import LabelSpace
from crln.methods import Batch, Method, Step, build_method
from crln.planning import Plan
from crln.testing.patches import LAST, make_batch


class MethodBase:
    """What tests of a method are made of.

    Attributes:
        name: under which the method is installed.
        options: of the method, in every test.
        device_options: besides, where nothing may wait for the device.
        unheard: how many of its networks unlabelled patches do not teach in a step, such as one
            that labels them for the others.
    """

    name: ClassVar[str]
    options: ClassVar[dict[str, Any]] = {}
    device_options: ClassVar[dict[str, Any]] = {}
    unheard: ClassVar[int] = 0

    def plan(self, classes: int = 2, **changes: Any) -> Plan:
        """A plan with networks of few filters and patches of 16^3."""
        names = tuple(f"class {k}" for k in range(classes))
        plan = Plan(
            labels=LabelSpace(tuple(range(classes)), names),
            patch_size=(16, 16, 16),
            network={"widths": (4, 4, 8, 8, 8), "prototypes": 2, "embedding": 4},  # type: ignore[arg-type]
            training={"iterations": 4},  # type: ignore[arg-type]
            options={self.name: self.options},
        )
        return plan.updated(changes)

    def build(self, plan: Plan | None = None) -> Method:
        """The method with the same first weights each time."""
        torch.manual_seed(0)
        return build_method(self.name, plan or self.plan())

    def batches(self, method: Method, size: int = 2) -> tuple[Batch, Batch | None]:
        """What a step is given."""
        unlabelled = make_batch(method, 2, labelled=False, size=size)
        return make_batch(method, 1, size=size), unlabelled if method.uses_unlabelled else None

    def losses(self, method: Method, step: Step = LAST, size: int = 2) -> dict[str, Tensor]:
        """The terms of one step."""
        return self.losses_of(method, *self.batches(method, size), step)

    def losses_of(
        self, method: Method, labelled: Batch, unlabelled: Batch | None, step: Step = LAST
    ) -> dict[str, Tensor]:
        """The terms of one step on these patches."""
        torch.manual_seed(step.derive("dropout"))
        return method.losses(labelled, unlabelled, step)
