from typing import Any

import pytest
import torch
from torch import nn

from crln.methods.crln.network import RectifiedNetwork, interleave, separate
from crln.networks.blocks import LAYOUT
from crln.planning import Plan

SMALL = (4, 4, 8, 8, 8)


def small_plan(classes: int = 3, channels: int = 2, **network: Any) -> Plan:
    return Plan.model_validate(
        {
            "channels": [f"c{i}" for i in range(channels)],
            "intensity": [{}] * channels,
            "labels": {"values": range(classes), "names": [f"k{i}" for i in range(classes)]},
            "patch_size": (16, 16, 16),
            "network": {"widths": SMALL, "prototypes": 2, "embedding": 5, **network},
        }
    )


@pytest.fixture
def network() -> RectifiedNetwork:
    torch.manual_seed(0)
    return RectifiedNetwork(small_plan())


def images(batch: int = 2, channels: int = 2) -> torch.Tensor:
    torch.manual_seed(1)
    return torch.randn(batch, channels, 16, 32, 16).contiguous(memory_format=LAYOUT)


@pytest.mark.slow
def test_rectification_is_f_plus_one_minus_a_times_m(network: RectifiedNetwork) -> None:
    assert network.rectifier.item() == 0
    network.eval()
    features = network.features(images())
    logits, relation = network.head(features[0]), network.relation(features)
    torch.testing.assert_close(network(images()), logits + relation)
    nn.init.constant_(network.rectifier, 0.25)
    torch.testing.assert_close(network(images()), logits + 0.75 * relation)
    torch.testing.assert_close(network.rectify(logits, relation), logits + 0.75 * relation)


@pytest.mark.slow
def test_detached_logits_and_relation_teach_a_only(network: RectifiedNetwork) -> None:
    features = network.features(images())
    logits, relation = network.head(features[0]).detach(), network.relation(features).detach()
    network.rectify(logits, relation).sum().backward()
    learnt = {name for name, p in network.named_parameters() if p.grad is not None}
    assert learnt == {"rectifier"}
    torch.testing.assert_close(network.rectifier.grad, -relation.sum(), rtol=1e-4, atol=1e-3)


def test_prototype_embeddings_are_the_mean_of_the_projected_prototypes(
    network: RectifiedNetwork,
) -> None:
    result = network.prototype_embeddings()
    assert result.shape == (3, 5)
    prototypes, layer = network.interaction.prototypes, network.to_embedding
    for k in range(3):
        total = torch.zeros(5)
        for n in range(2):
            total = total + layer.weight @ prototypes[k, n] + layer.bias
        torch.testing.assert_close(result[k], total / 2)
    result.sum().backward()
    assert prototypes.grad is None  # the prototypes learn from labels only


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["vnet", "unet"])
@pytest.mark.parametrize(("classes", "channels"), [(2, 1), (5, 4)])
def test_shapes_and_gradients(kind: str, classes: int, channels: int) -> None:
    torch.manual_seed(0)
    network = RectifiedNetwork(small_plan(classes, channels, kind=kind))
    features = network.features(images(channels=channels))
    logits, relation = network.head(features[0]), network.relation(features)
    assert logits.shape == relation.shape == (2, classes, 16, 32, 16)
    assert network.projection(features[0]).shape == (2, 5, 16, 32, 16)
    embedded = network.projection.at([features[0]], torch.arange(0, 8192, 100))
    terms = (logits, relation, network.rectify(logits, relation), embedded)
    loss = sum(t.square().mean() for t in terms) + network.prototype_embeddings().square().sum()
    loss.backward()
    without = [name for name, p in network.named_parameters() if p.grad is None]
    assert without == []
    assert all(p.grad.isfinite().all() for p in network.parameters())


@pytest.mark.slow
def test_the_relation_teaches_the_decoder_too(network: RectifiedNetwork) -> None:
    network.relation(network.features(images())).square().sum().backward()
    assert network.backbone.encoder.levels[0][0][0].weight.grad.abs().sum() > 0


@pytest.mark.slow
@pytest.mark.parametrize("batch", [1, 2])
def test_every_output_is_channels_last(network: RectifiedNetwork, batch: int) -> None:
    network.to(memory_format=LAYOUT).eval()  # type: ignore[call-overload]
    features = network.features(images(batch))
    relation = network.relation(features)
    for each in (*features, network.head(features[0]), relation, network(images(batch))):
        assert each.is_contiguous(memory_format=LAYOUT)


@pytest.mark.slow
def test_layouts_agree(network: RectifiedNetwork) -> None:
    network.eval()
    plain = network(images().contiguous())
    network.to(memory_format=LAYOUT)  # type: ignore[call-overload]
    torch.testing.assert_close(network(images()), plain, atol=1e-4, rtol=1e-4)


def test_meta_device_knows_the_shapes() -> None:
    with torch.device("meta"):
        network = RectifiedNetwork(small_plan(classes=4))
        patch = torch.empty(2, 2, 112, 112, 80)
        features = network.features(patch)
        assert network(patch).shape == (2, 4, 112, 112, 80)
        voxels = torch.empty(9, dtype=torch.int64)
        assert network.projection.at([features[0]], voxels).shape == (9, 5)


@pytest.mark.slow
def test_bfloat16_autocast(network: RectifiedNetwork) -> None:
    network.eval()
    exact = network(images())
    with torch.autocast("cpu", torch.bfloat16):
        rounded = network(images())
    assert rounded.dtype == torch.bfloat16
    assert (rounded.float() - exact).norm() < 0.1 * exact.norm()
    # No backward: torch's own bfloat16 convolution gradients are not reliable on a processor.
    with torch.autocast("cpu", torch.bfloat16):
        embedded = network.projection.at([network.features(images())[0]], torch.arange(50))
    assert embedded.isfinite().all()


@pytest.mark.parametrize(("first", "second"), [(2, 2), (2, 4), (3, 1), (4, 6), (1, 1)])
def test_separate_undoes_interleave(first: int, second: int) -> None:
    x, u = torch.randn(first, 3, 2, 2, 2), torch.randn(second, 3, 2, 2, 2)
    both = interleave(x, u)
    assert len(both) == first + second
    for whole, part in zip((x, u), separate(both, first, second), strict=True):
        assert torch.equal(whole, part)


def test_interleaving_keeps_the_layout() -> None:
    rows = torch.randn(4, 8, 4, 4, 4).contiguous(memory_format=LAYOUT)
    both = interleave(rows[:2], rows[2:])
    for part in (both, *separate(both, 2, 2)):
        assert part.is_contiguous(memory_format=LAYOUT)
