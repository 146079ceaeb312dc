"""The Dynamic Interaction Module in plain loops: docs/explanation/method.md, section 2."""

import math
from itertools import product

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from crln.methods.crln.dim import (
    DynamicInteractionModule,
    PairwiseInteraction,
    PrototypeUpdate,
    SpatialInteraction,
)
from crln.networks.blocks import LAYOUT, initialise

BATCH, CLASSES, NUMBER = 2, 3, 2


def settled(module: nn.Module, seed: int = 0) -> nn.Module:
    """In double precision, every weight and statistic drawn at random, in evaluation mode."""
    torch.manual_seed(seed)
    module = module.double()
    with torch.no_grad():
        for name, value in module.state_dict().items():
            if name.endswith("running_var"):
                value.uniform_(0.5, 2)
            elif value.is_floating_point():
                value.normal_(std=0.7)
    return module.eval()


def layer_norm(vector: Tensor, norm: nn.LayerNorm | None = None) -> Tensor:
    mean = sum(vector) / len(vector)
    variance = sum((v - mean) ** 2 for v in vector) / len(vector)
    result = torch.stack([(v - mean) / torch.sqrt(variance + 1e-5) for v in vector])
    return result if norm is None else result * norm.weight + norm.bias


def linear(vector: Tensor, layer: nn.Linear) -> Tensor:
    rows = [sum(w * v for w, v in zip(row, vector, strict=True)) for row in layer.weight]
    return torch.stack(rows) + (0 if layer.bias is None else layer.bias)


def loop_tokens(level: PairwiseInteraction, features: Tensor) -> list[Tensor]:
    """Tokens of one patch (C, X, Y, Z), in the order of a flattened map."""
    places = product(*(range(side) for side in features.shape[1:]))
    weight, bias = level.tokens.weight[:, :, 0, 0, 0], level.tokens.bias
    return [
        layer_norm(weight @ features[(slice(None), *p)] + bias, level.token_norm) for p in places
    ]


def loop_relation(level: PairwiseInteraction, prototypes: Tensor, tokens: list[Tensor]) -> Tensor:
    """A of one patch: (K N, C), V tokens -> (K N, V)."""
    rows = []
    for prototype in prototypes:
        query, keys = layer_norm(prototype, level.prototype_norm), tokens
        if level.map_queries is not None:
            query, keys = (
                linear(query, level.map_queries),
                [linear(t, level.map_keys) for t in keys],
            )
        rows.append(torch.stack([(query * k).sum() / math.sqrt(len(k)) for k in keys]))
    return torch.stack(rows)


def loop_update(layer: PrototypeUpdate, prototypes: Tensor, relation: Tensor, tokens: list[Tensor]) -> Tensor:  # fmt: skip  # noqa: E501
    result = []
    values = tokens
    if layer.map_values is not None:
        values = [linear(t, layer.map_values) for t in tokens]
    for prototype, row in zip(prototypes, relation, strict=True):
        weights = row.exp() / row.exp().sum()
        seen = sum(w * v for w, v in zip(weights, values, strict=True))
        seen = prototype + linear(seen, layer.value)
        norm, wide, _, narrow = layer.mlp
        hidden = linear(layer_norm(seen, norm), wide)
        hidden = hidden * (1 + torch.erf(hidden / math.sqrt(2))) / 2
        result.append(seen + linear(hidden, narrow))
    return torch.stack(result)


def loop_clue(layer: SpatialInteraction, relation: Tensor, size: tuple[int, ...]) -> Tensor:
    """One class of one patch: A (N, V) -> (X, Y, Z)."""
    depthwise, norm1, _, pointwise, norm2, _, last = layer.layers
    maps = torch.stack([row + layer_norm(row) for row in relation]).reshape(-1, *size)
    clue = torch.zeros(size, dtype=torch.double)

    def normalise(values: Tensor, norm: nn.BatchNorm3d) -> Tensor:
        values = (values - norm.running_mean) / torch.sqrt(norm.running_var + norm.eps)
        return (values * norm.weight + norm.bias).clamp(min=0)

    for place in product(*(range(side) for side in size)):
        hidden = torch.zeros(len(maps), dtype=torch.double)
        for n, step in product(range(len(maps)), product(range(3), repeat=3)):
            at = tuple(p + s - 1 for p, s in zip(place, step, strict=True))
            if all(0 <= a < side for a, side in zip(at, size, strict=True)):
                hidden[n] += depthwise.weight[(n, 0, *step)] * maps[(n, *at)]
        hidden = normalise(hidden, norm1)
        hidden = normalise(pointwise.weight[:, :, 0, 0, 0] @ hidden, norm2)
        clue[place] = last.weight[0, :, 0, 0, 0] @ hidden + last.bias[0]
    return clue


def loop_module(module: DynamicInteractionModule, coarse: Tensor, fine: Tensor) -> Tensor:
    """The whole module: (B, 64, 1/4), (B, 32, 1/2) -> M."""
    result = []
    for one_coarse, one_fine in zip(coarse, fine, strict=True):
        prototypes = module.prototypes.reshape(-1, module.prototypes.shape[-1])
        tokens = loop_tokens(module.coarse, one_coarse)
        relation = loop_relation(module.coarse, prototypes, tokens)
        prototypes = loop_update(module.update, prototypes, relation, tokens)
        prototypes = torch.stack([linear(p, module.to_fine) for p in prototypes])
        relation = loop_relation(module.fine, prototypes, loop_tokens(module.fine, one_fine))
        size = tuple(one_fine.shape[1:])
        number = module.prototypes.shape[1]
        clues = [
            loop_clue(module.spatial, relation[k * number : (k + 1) * number], size)
            for k in range(module.prototypes.shape[0])
        ]
        relation = torch.zeros(len(clues), *(2 * side for side in size), dtype=torch.double)
        for k, place in product(range(len(clues)), product(*(range(2 * s) for s in size))):
            half, corner = tuple(p // 2 for p in place), tuple(p % 2 for p in place)
            weights = module.upsample.weight[(slice(None), k, *corner)]
            relation[(k, *place)] = module.upsample.bias[k] + sum(
                w * clue[half] for w, clue in zip(weights, clues, strict=True)
            )
        result.append(relation)
    return torch.stack(result)


@pytest.fixture(params=[False, True], ids=["plain", "linear maps"])
def module(request: pytest.FixtureRequest) -> DynamicInteractionModule:
    return settled(DynamicInteractionModule((4, 3), CLASSES, NUMBER, linear_maps=request.param))


def features(size: tuple[int, int, int] = (2, 1, 2), seed: int = 1) -> tuple[Tensor, Tensor]:
    """Coarse and fine features of a patch four times `size`."""
    generator = torch.Generator().manual_seed(seed)
    fine = [2 * side for side in size]
    return (
        torch.randn(BATCH, 4, *size, dtype=torch.double, generator=generator),
        torch.randn(BATCH, 3, *fine, dtype=torch.double, generator=generator),
    )


def test_pairwise_interaction(module: DynamicInteractionModule) -> None:
    coarse, _ = features()
    prototypes = torch.randn(BATCH, 5, 4, dtype=torch.double)
    relation, tokens = module.coarse(prototypes, coarse)
    for b in range(BATCH):
        expected = loop_tokens(module.coarse, coarse[b])
        torch.testing.assert_close(tokens[b], torch.stack(expected))
        torch.testing.assert_close(
            relation[b], loop_relation(module.coarse, prototypes[b], expected)
        )


def test_prototype_update(module: DynamicInteractionModule) -> None:
    prototypes, relation = (torch.randn(BATCH, 5, n, dtype=torch.double) for n in (4, 6))
    tokens = torch.randn(BATCH, 6, 4, dtype=torch.double)
    result = module.update(prototypes, relation, tokens)
    for b in range(BATCH):
        expected = loop_update(module.update, prototypes[b], relation[b], list(tokens[b]))
        torch.testing.assert_close(result[b], expected)


def test_spatial_interaction(module: DynamicInteractionModule) -> None:
    size = torch.Size((2, 3, 2))
    relation = torch.randn(BATCH, CLASSES * NUMBER, 12, dtype=torch.double)
    result = module.spatial(relation, size)
    for b, k in product(range(BATCH), range(CLASSES)):
        own = relation[b, k * NUMBER : (k + 1) * NUMBER]
        torch.testing.assert_close(result[b, k], loop_clue(module.spatial, own, size))


@pytest.mark.slow
def test_the_whole_module(module: DynamicInteractionModule) -> None:
    coarse, fine = features()
    torch.testing.assert_close(module(coarse, fine), loop_module(module, coarse, fine))
    coarse, fine = (f.contiguous(memory_format=LAYOUT) for f in (coarse, fine))
    torch.testing.assert_close(module(coarse, fine), loop_module(module, coarse, fine))


def test_the_level_at_full_resolution_adds_its_clue() -> None:
    coarse, fine = features((1, 1, 1))
    finest = torch.randn(BATCH, 2, 4, 4, 4, dtype=torch.double)
    module = settled(DynamicInteractionModule((4, 3), CLASSES, NUMBER, finest=2))
    added = module(coarse, fine, finest) - loop_module(module, coarse, fine)
    level, size = module.detail, (4, 4, 4)
    for b in range(BATCH):
        prototypes = module.prototypes.reshape(-1, 4)
        tokens = loop_tokens(module.coarse, coarse[b])
        relation = loop_relation(module.coarse, prototypes, tokens)
        prototypes = loop_update(module.update, prototypes, relation, tokens)
        prototypes = torch.stack([linear(p, module.to_fine) for p in prototypes])
        tokens = loop_tokens(module.fine, fine[b])
        relation = loop_relation(module.fine, prototypes, tokens)
        prototypes = loop_update(level.update, prototypes, relation, tokens)
        prototypes = torch.stack([linear(p, level.to_finest) for p in prototypes])
        relation = loop_relation(level.pairs, prototypes, loop_tokens(level.pairs, finest[b]))
        for k in range(CLASSES):
            own = relation[k * NUMBER : (k + 1) * NUMBER]
            torch.testing.assert_close(added[b, k], loop_clue(level.spatial, own, size))


@pytest.mark.parametrize("training", [True, False])
def test_classes_stay_apart(module: DynamicInteractionModule, training: bool) -> None:
    module.train(training)
    maps = features()
    before = module.clues(*maps)
    order = torch.tensor([2, 0, 1])
    with torch.no_grad():
        module.prototypes.copy_(module.prototypes[order].clone())
    torch.testing.assert_close(module.clues(*maps), before[:, order])


def test_a_class_does_not_see_another_classs_prototypes(module: DynamicInteractionModule) -> None:
    maps = features()
    before = module.clues(*maps)
    with torch.no_grad():
        module.prototypes[1] += 1
    after = module.clues(*maps)
    torch.testing.assert_close(after[:, [0, 2]], before[:, [0, 2]])
    assert not torch.allclose(after[:, 1], before[:, 1])


def test_patches_of_a_batch_stay_apart_in_evaluation(module: DynamicInteractionModule) -> None:
    coarse, fine = features()
    together = module(coarse, fine)
    for b in range(BATCH):
        torch.testing.assert_close(module(coarse[b : b + 1], fine[b : b + 1])[0], together[b])


def test_relation_is_signed_and_finite_from_the_start() -> None:
    torch.manual_seed(0)
    module = DynamicInteractionModule((64, 32), 2, 16)
    initialise(module)
    relation = module(torch.rand(2, 64, 4, 4, 4), torch.rand(2, 32, 8, 8, 8))
    assert relation.isfinite().all()
    assert (relation < 0).any()
    assert (relation > 0).any()


def test_prototypes_start_small_and_no_two_alike() -> None:
    torch.manual_seed(0)
    prototypes = DynamicInteractionModule((64, 32), 4, 16).prototypes.detach()
    assert prototypes.shape == (4, 16, 64)
    assert prototypes.std().item() == pytest.approx(0.02, rel=0.1)
    assert torch.pdist(prototypes.flatten(0, 1)).min() > 0.1


def test_linear_maps_only_add_weights_and_only_those_that_reach_the_result() -> None:
    """The fine level's values reach nothing, so it has no map of them."""
    plain, mapped = (
        DynamicInteractionModule((4, 3), CLASSES, NUMBER, linear_maps=maps).state_dict()
        for maps in (False, True)
    )
    assert {name: tuple(mapped[name].shape) for name in mapped.keys() - plain.keys()} == {
        "coarse.map_queries.weight": (4, 4),
        "coarse.map_keys.weight": (4, 4),
        "update.map_values.weight": (4, 4),
        "fine.map_queries.weight": (3, 3),
        "fine.map_keys.weight": (3, 3),
    }
    assert plain.keys() <= mapped.keys()


@pytest.mark.slow
def test_every_weight_learns(module: DynamicInteractionModule) -> None:
    module.train()
    coarse, fine = (f.requires_grad_() for f in features((2, 2, 2)))
    (module(coarse, fine) * torch.randn(BATCH, CLASSES, 8, 8, 8).double()).sum().backward()
    assert coarse.grad is not None
    assert fine.grad is not None
    for name, parameter in module.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().max() > 0, name


@pytest.mark.slow
def test_gradients_are_those_of_finite_differences() -> None:
    module = settled(DynamicInteractionModule((4, 3), 2, 2))
    coarse, fine = (f[:1].requires_grad_() for f in features((1, 1, 1)))
    assert torch.autograd.gradcheck(module, (coarse, fine))


@settings(max_examples=8, deadline=None)
@given(
    size=st.tuples(*[st.integers(1, 3)] * 3),
    classes=st.integers(2, 5),
    number=st.integers(1, 5),
)
def test_any_patch_and_any_number_of_classes(
    size: tuple[int, int, int], classes: int, number: int
) -> None:
    module = DynamicInteractionModule((4, 3), classes, number).double().eval()
    relation = module(*features(size))
    assert relation.shape == (BATCH, classes, *(4 * side for side in size))


def test_relation_is_laid_out_like_the_logits() -> None:
    module = DynamicInteractionModule((4, 3), 2, 2).double()
    assert module(*features()).is_contiguous(memory_format=LAYOUT)
