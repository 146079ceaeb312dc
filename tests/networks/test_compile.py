"""The networks compile whole, whichever method owns them."""

import copy
import warnings
from collections.abc import Iterator

import pytest
import torch
from torch._dynamo.utils import counters

from crln.methods import METHODS, Batch, Method, Step, build_method
from crln.methods.crln.network import RectifiedNetwork
from crln.networks import VNet
from crln.networks.compile import compile_networks
from crln.planning import Plan


@pytest.fixture(autouse=True)
def _fresh_compiler() -> Iterator[None]:
    """No graph of another test, and no fall-back to plain Python that nobody would notice."""
    torch._dynamo.reset()
    counters.clear()
    with torch._dynamo.config.patch(fail_on_recompile_limit_hit=True):
        yield
    torch._dynamo.reset()


def losses(method: Method) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(2, 1, *method.read_size, generator=generator)
    labels = (images[:, 0] > 0.5).long()
    unlabelled = Batch(images.flip(0), torch.zeros_like(labels))
    torch.manual_seed(0)
    batches = (Batch(images, labels), unlabelled if method.uses_unlabelled else None)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return method.losses(*batches, Step(3, 4, 0))


@pytest.mark.parametrize("name", sorted(METHODS))
def test_every_method_compiles_without_a_graph_break(name: str, tiny_plan: Plan) -> None:
    torch.manual_seed(0)
    plain = build_method(name, tiny_plan)
    compiled = copy.deepcopy(plain)
    compile_networks(compiled, backend="eager")
    expected, found = losses(plain), losses(compiled)
    found["total"].backward()
    assert sum(counters["graph_break"].values()) == 0
    assert counters["frames"]["ok"] > 0
    for term in expected:
        torch.testing.assert_close(found[term], expected[term], msg=term)


def test_weights_keep_their_names_and_copies_are_plain(tiny_plan: Plan) -> None:
    network = RectifiedNetwork(tiny_plan)
    names = list(network.state_dict())
    compile_networks(network, backend="eager")
    assert list(network.state_dict()) == names
    assert isinstance(network.backbone, VNet)
    assert network.backbone._compiled_call_impl is not None
    assert copy.deepcopy(network).backbone._compiled_call_impl is None
