import numpy as np
import pytest
import torch
from torch import Tensor

from crln.labels import IGNORE, LabelSpace
from crln.losses import criteria_of, detail_loss, voxel_edges
from crln.losses.boundary import REACH, boundary_loss, distance_to, signed_distance

CUBES = (1.0, 1.0, 1.0)


def _by_pairs(mask: np.ndarray, edges: tuple[float, ...]) -> np.ndarray:
    """The distance of every voxel to every voxel of the mask, the least of them."""
    everywhere = np.argwhere(np.ones_like(mask)) * edges
    of_mask = np.argwhere(mask) * edges
    gaps = np.linalg.norm(everywhere[:, None] - of_mask[None], axis=-1)
    return gaps.min(1, initial=REACH).reshape(mask.shape)


def _signed_by_pairs(g: np.ndarray, known: np.ndarray, edges: tuple[float, ...]) -> np.ndarray:
    inside, outside = g & known, known & ~g
    if not inside.any() or not outside.any():
        return np.zeros(g.shape)
    found = np.where(g, -_by_pairs(outside, edges), _by_pairs(inside, edges))
    return np.where(known, found, 0)


def _random(shape: tuple[int, int, int], share: float, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).random(shape) < share


def _maps(*masks: np.ndarray) -> Tensor:
    return torch.from_numpy(np.stack(masks)[None])


@pytest.mark.parametrize(
    ("shape", "edges"),
    [
        ((7, 6, 5), CUBES),
        ((12, 3, 4), (1.0, 1.0, 4.0)),
        ((5, 9, 1), (1.3, 1.0, 3.0)),
        ((20, 4, 1), CUBES),
    ],
    ids=["cubes", "thick", "slice", "far"],
)
def test_distances_are_those_of_all_pairs_of_voxels(
    shape: tuple[int, int, int], edges: tuple[float, ...]
) -> None:
    masks = [_random(shape, share, seed) for seed, share in enumerate((0.02, 0.1, 0.5))]
    masks.append(np.zeros(shape, bool))
    found = distance_to(_maps(*masks), edges)[0]
    np.testing.assert_allclose(found, [_by_pairs(m, edges) for m in masks], rtol=1e-6)


def test_the_loss_is_the_formula_where_voxels_are_unknown_and_a_class_is_absent() -> None:
    shape, edges = (6, 5, 4), (1.0, 1.0, 2.5)
    classes = np.random.default_rng(0).integers(0, 3, (2, *shape))
    classes[1][classes[1] == 2] = 0  # the second patch is without the last class
    unknown = _random((2, *shape), 0.2, 1)  # type: ignore[arg-type]
    target = torch.from_numpy(np.where(unknown, IGNORE, classes))
    logits = torch.randn(2, 3, *shape, generator=torch.Generator().manual_seed(0))
    p = logits.softmax(1).numpy()
    total = 0.0
    for b in range(2):
        for k in (1, 2):
            g = (classes[b] == k) & ~unknown[b]
            distance = _signed_by_pairs(g, ~unknown[b], edges)
            total += float((distance * (p[b, k] - g)).sum())
    expected = 0.5 * total / (2 * (~unknown).sum())
    criteria = criteria_of(LabelSpace.of([0, 1, 2], {}))
    found = detail_loss(["boundary"], criteria, logits, target, (0, 1, 2), edges)
    assert found.item() == pytest.approx(expected, rel=1e-5)


def test_overlapping_classes_are_measured_each_for_itself() -> None:
    space = LabelSpace.of([0, 1, 2], {}, exclusive=False)
    criteria = criteria_of(space)
    first, second = (_random((6, 5, 4), 0.4, seed) for seed in (1, 2))
    target = torch.from_numpy(first * 1 + second * 2)[None].long()
    target[0, 0, 0, 0] |= 8  # of this voxel nobody knows whether it is of the second
    known = np.ones(first.shape, bool), np.ones(first.shape, bool)
    known[1][0, 0, 0] = False
    logits = torch.randn(1, 3, 6, 5, 4, generator=torch.Generator().manual_seed(0))
    p = logits.sigmoid()[0, 1:].numpy()
    total = sum(
        float((_signed_by_pairs(g & there, there, CUBES) * (prob - g)).sum())
        for g, there, prob in zip((first, second), known, p, strict=True)
    )
    found = detail_loss(["boundary"], criteria, logits, target, (0, 1, 2))
    assert found.item() == pytest.approx(0.5 * total / (2 * first.size - 1), rel=1e-5)


def test_a_perfect_outline_has_none_and_an_island_costs_the_more_the_farther_it_is() -> None:
    g = np.zeros((24, 6, 6), bool)
    g[1:4, 2:4, 2:4] = True
    costs = []
    for away in (5, 7, 9, 20):
        island = g.copy()
        island[away, 2, 2] = True
        costs.append(_loss(island, g))
    assert _loss(g, g) == 0
    assert costs == pytest.approx([away / g.size for away in (2, 4, 6, REACH)])


def _loss(p: np.ndarray, g: np.ndarray) -> float:
    known = torch.ones(1, 1, *g.shape, dtype=torch.bool)
    return boundary_loss(_maps(p).float(), _maps(g).float(), known, CUBES).item()


def test_the_slope_is_the_signed_distance() -> None:
    g = _random((6, 5, 4), 0.3, 0)
    p = torch.rand(1, 1, 6, 5, 4, requires_grad=True)
    known = torch.ones(p.shape, dtype=torch.bool)
    boundary_loss(p, _maps(g).float(), known, CUBES).backward()
    assert p.grad is not None
    expected = _signed_by_pairs(g, known[0, 0].numpy(), CUBES) / g.size
    np.testing.assert_allclose(p.grad[0, 0], expected, rtol=1e-5)


@pytest.mark.parametrize("value", [False, True])
def test_a_class_without_a_boundary_in_the_patch_teaches_nothing(value: bool) -> None:
    g = _maps(np.full((4, 4, 4), value))
    known = torch.ones_like(g)
    known[..., 0] = False
    assert not signed_distance(g, known, CUBES).any()


def test_its_weight_is_the_share_of_the_training_that_is_done() -> None:
    criteria = criteria_of(LabelSpace.of([0, 1], {}))
    target = torch.from_numpy(_random((6, 5, 4), 0.3, 0)).long()[None]
    logits = torch.zeros(1, 2, 6, 5, 4)
    whole, half, none = (
        detail_loss(["boundary"], criteria, logits, target, (0, 1, 2), CUBES, share).item()
        for share in (1.0, 0.5, 0.0)
    )
    assert whole > 0
    assert half == pytest.approx(whole / 2)
    assert none == 0


def test_edges_are_in_units_of_the_finest_and_grow_with_the_stride() -> None:
    assert voxel_edges((96, 96, 8), (96, 96, 8), (2.5, 2.5, 10.0)) == (1, 1, 4)
    assert voxel_edges((24, 24, 8), (96, 96, 8), (2.5, 2.5, 10.0)) == (1, 1, 1)
    assert voxel_edges((8, 8, 8), (8, 8, 8), None) == CUBES
    assert voxel_edges((8, 8, 1), (8, 8, 1), (2.0, 2.0, 0.5))[:2] == (1, 1)
