"""How sure networks are, and how far several agree."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from crln.inference import score_slabs
from crln.inference.mean import Members, Network
from crln.inference.tally import Tally
from crln.labels import LabelSpace
from crln.planning import Plan

SPACES = {
    "exclusive": LabelSpace((0, 1, 2), ("background", "a", "b")),
    "regions": LabelSpace.of([0, 1, 2], {}, regions={"a": (1, 2), "b": (2,)}),
    "separate": LabelSpace((0, 1, 2), ("background", "a", "b"), exclusive=False),
}


def plan_of(kind: str, patch: int = 16) -> Plan:
    labels = SPACES[kind]
    changes = {"patch_size": (patch,) * 3, "inference": {"mirror_axes": (0,)}}
    return Plan(labels=labels).updated(changes)


def pointwise(seed: int) -> Network:
    """A network of which each voxel's logits depend on that voxel alone."""
    weights = torch.randn(3, 2, generator=torch.Generator().manual_seed(seed))

    def network(windows: Tensor) -> Tensor:
        both = torch.cat([windows, windows.square()], 1)
        return torch.einsum("kc,bcxyz->bkxyz", weights, both)

    return network


def dice(one: np.ndarray, other: np.ndarray) -> float:
    return 2 * (one & other).sum() / (one.sum() + other.sum())


@pytest.mark.parametrize("kind", SPACES)
@pytest.mark.parametrize("shape", [(24, 20, 17), (9, 24, 16)])
def test_windows_tell_what_the_whole_scan_would(kind: str, shape: tuple[int, ...]) -> None:
    plan, labels = plan_of(kind), SPACES[kind]
    image = np.random.default_rng(0).normal(size=(1, *shape)).astype(np.float32)
    networks = [pointwise(seed) for seed in range(3)]
    tally = Tally(labels)
    slabs = list(score_slabs(Members(networks, labels), image, plan, tally=tally))
    assert slabs
    found = tally.signals()
    probabilities = [labels.probabilities(n(torch.from_numpy(image)[None]))[0] for n in networks]
    decided = [labels.decide(p, 0) for p in probabilities]
    for k, name in ((1, "a"), (2, "b")):
        masks = [labels.holds(d, k).numpy() for d in decided]
        sure = [
            2 * p[k].numpy()[m].sum() / (p[k].sum().item() + m.sum())
            for p, m in zip(probabilities, masks, strict=True)
        ]
        assert found[name].sure == pytest.approx(np.mean(sure), rel=1e-4)
        pairs = [(0, 1), (0, 2), (1, 2)]
        both = sum(2 * (masks[i] & masks[j]).sum() for i, j in pairs)
        sizes = sum(masks[i].sum() + masks[j].sum() for i, j in pairs)
        assert found[name].agreement == pytest.approx(both / sizes, rel=1e-4)


@pytest.mark.parametrize("kind", SPACES)
def test_a_second_look_tells_how_far_another_network_agrees(kind: str) -> None:
    plan, labels = plan_of(kind), SPACES[kind]
    image = np.random.default_rng(0).normal(size=(1, 20, 18, 17)).astype(np.float32)
    networks, seconds = [pointwise(0), pointwise(1)], [pointwise(2), pointwise(3)]
    tally, plain = Tally(labels), Tally(labels)
    looked = score_slabs(Members(networks, labels, seconds), image, plan, tally=tally)
    alone = score_slabs(Members(networks, labels), image, plan, tally=plain)
    for one, other in zip(looked, alone, strict=True):
        assert torch.equal(one.scores, other.scores)  # it is not heard in the outline
    found = tally.signals()
    decided = [
        labels.decide(labels.probabilities(n(torch.from_numpy(image)[None]))[0], 0)
        for n in (*networks, *seconds)
    ]
    for k, name in ((1, "a"), (2, "b")):
        masks = [labels.holds(d, k).numpy() for d in decided]
        wanted = np.mean([dice(masks[0], masks[2]), dice(masks[1], masks[3])])
        assert found[name].second == pytest.approx(wanted, rel=1e-4)
        assert math.isnan(plain.signals()[name].second)


def test_one_network_has_nobody_to_agree_with_and_the_same_scores() -> None:
    plan, labels = plan_of("exclusive"), SPACES["exclusive"]
    image = np.random.default_rng(0).normal(size=(1, 20, 20, 20)).astype(np.float32)
    tally = Tally(labels)
    counted = [s.scores.clone() for s in score_slabs(pointwise(0), image, plan, tally=tally)]
    alone = [slab.scores.clone() for slab in score_slabs(pointwise(0), image, plan)]
    for one, other in zip(counted, alone, strict=True):
        assert torch.equal(one, other)
    assert all(math.isnan(signals.agreement) for signals in tally.signals().values())


def test_members_that_decide_alike_agree_whatever_they_doubt() -> None:
    labels = SPACES["separate"]
    plan = plan_of("separate")
    image = np.random.default_rng(0).normal(size=(1, 16, 16, 16)).astype(np.float32)
    sharper = [pointwise(1), lambda windows: 3 * pointwise(1)(windows)]
    tally = Tally(labels)
    list(score_slabs(Members(sharper, labels), image, plan, tally=tally))
    assert [signals.agreement for signals in tally.signals().values()] == pytest.approx([1, 1])


def test_a_structure_that_nobody_decides_for_is_not_sure_at_all() -> None:
    labels = SPACES["exclusive"]
    tally = Tally(labels)

    def nothing(windows: Tensor) -> Tensor:
        logits = torch.zeros(len(windows), 3, *windows.shape[2:])
        logits[:, 0] = 5
        return logits

    image = np.zeros((1, 16, 16, 16), np.float32)
    list(score_slabs(Members([nothing] * 2, labels), image, plan_of("exclusive"), tally=tally))
    assert {(s.sure, s.agreement) for s in tally.signals().values()} == {(0.0, 0.0)}
