"""Methods and patches for their tests."""

from collections.abc import Callable
from typing import Any

import pytest
import torch

from crln.methods import Batch, Method, build_method
from crln.planning import Plan


@pytest.fixture
def make_method(tiny_plan: Plan) -> Callable[..., Any]:
    """A method of a name, with the same first weights each time; its options by keyword."""

    def make(name: str, plan: Plan = tiny_plan, **options: Any) -> Method:
        torch.manual_seed(0)
        return build_method(name, plan.updated({"options": {name: options}}))

    return make


@pytest.fixture
def make_patches() -> Callable[[Method, int], Batch]:
    """Two patches as the stream would cut them for a method; class 1 is what is bright."""

    def make(method: Method, seed: int) -> Batch:
        generator = torch.Generator().manual_seed(seed)
        images = torch.randn(2, 1, *method.read_size, generator=generator)
        labels = (images[:, 0] > 0.5).long()
        return Batch(images, labels, torch.ones_like(labels, dtype=torch.bool))

    return make
