import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy.stats import chisquare
from torch import Tensor

from crln.labels import IGNORE
from crln.methods.crln.contrastive import (
    CooperativeTerms,
    cooperative_positive_supervision,
    draw_candidates,
    prototype_alignment,
)
from crln.methods.draws import draw_voxels

SHAPE = (2, 4, 3, 5)
SIZES = {"queries": 4, "negatives": 6, "pool": 8}
WIDTH = 3


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def make_case(number: int = 3, absent: tuple[int, ...] = ()) -> tuple[Tensor, Tensor, Tensor]:
    """Embeddings (V, E) in float64, probabilities, classes."""
    generator = seeded(number)
    classes = torch.randint(IGNORE, number, SHAPE, generator=generator)
    for k in absent:
        classes[classes == k] = IGNORE
    scores = 3 * torch.randn(SHAPE[0], number, *SHAPE[1:], generator=generator)
    table = torch.randn(math.prod(SHAPE), WIDTH, generator=generator, dtype=torch.float64)
    return table, scores.softmax(1), classes


def supervise(
    project: Callable[[Tensor], Tensor],
    probabilities: Tensor,
    classes: Tensor,
    prototypes: Tensor | None = None,
    **options: float,
) -> CooperativeTerms:
    return cooperative_positive_supervision(
        project, probabilities, classes, prototypes, **{**SIZES, **options}, generator=seeded()
    )


def unit(vector: np.ndarray) -> np.ndarray:
    return vector / np.linalg.norm(vector)


def plain(
    table: Tensor,
    probabilities: Tensor,
    classes: Tensor,
    prototypes: Tensor | None,
    xi: float,
    temperature: float,
    confidence: float,
) -> float:
    """The loss written as loops over the same draws."""
    generator, number = seeded(), probabilities.shape[1]
    uncertain = classes.clone()
    for b, x, y, z in np.ndindex(*SHAPE):
        k = int(classes[b, x, y, z])
        if k != IGNORE and probabilities[b, k, x, y, z] >= confidence:
            uncertain[b, x, y, z] = IGNORE
    held, _ = draw_voxels(classes, number, SIZES["pool"], generator)
    asking, _ = draw_voxels(uncertain, number, SIZES["queries"], generator)
    embedding = [unit(row) for row in table.numpy()]
    present = [k for k in range(number) if (classes == k).any()]
    means = np.zeros((number, WIDTH))
    for k in present:
        means[k] = np.mean([embedding[v] for v in held[k]], axis=0)
    there = torch.tensor([k in present for k in range(number)])
    pools = draw_candidates(torch.tensor(means), there, SIZES["pool"], temperature, generator)
    shape = (number, SIZES["queries"], SIZES["negatives"])
    drawn = torch.randint(SIZES["pool"], shape, generator=generator)
    total = 0.0
    for k in present:
        if not (uncertain == k).any() or len(present) == 1:
            continue
        positive = unit(means[k])
        if prototypes is not None:
            positive = unit((positive + xi * unit(prototypes[k].numpy())) / (1 + xi))
        for q in range(SIZES["queries"]):
            query = embedding[asking[k, q]]
            near = math.exp(query @ positive / temperature)
            far = 0.0
            for place in drawn[k, q]:
                other, member = divmod(int(pools[k, place]), SIZES["pool"])
                assert other != k
                assert other in present
                far += math.exp(query @ embedding[held[other, member]] / temperature)
            total -= math.log(near / (near + far)) / SIZES["queries"]
    return total / max(len(present), 1)


@pytest.mark.parametrize("with_prototypes", [True, False])
@pytest.mark.parametrize(("number", "absent"), [(2, ()), (4, ()), (4, (1, 3)), (3, (0, 2))])
def test_the_loss_follows_its_equation(
    number: int, absent: tuple[int, ...], with_prototypes: bool
) -> None:
    table, probabilities, classes = make_case(number, absent)
    prototypes = torch.randn(number, WIDTH, dtype=torch.float64) if with_prototypes else None
    options = {"xi": 0.6, "temperature": 0.5, "confidence": 0.8}
    terms = supervise(lambda v: table[v], probabilities, classes, prototypes, **options)
    expected = plain(table, probabilities, classes, prototypes, **options)
    assert float(terms.loss) == pytest.approx(expected, rel=1e-9)
    assert terms.present.tolist() == [k not in absent for k in range(number)]


def test_a_class_without_uncertain_voxels_counts_zero_in_the_mean() -> None:
    table, probabilities, classes = make_case()
    probabilities[:, 1] = 1.0
    options = {"xi": 0.6, "temperature": 0.3, "confidence": 0.9}
    terms = supervise(lambda v: table[v], probabilities, classes, **options)
    expected = plain(table, probabilities, classes, None, **options)
    assert float(terms.loss) == pytest.approx(expected, rel=1e-9)
    assert terms.present.all()


def test_two_classes_of_one_embedding_each_give_a_known_number() -> None:
    classes = torch.zeros(SHAPE, dtype=torch.long)
    classes[:, 0] = 1
    corner = torch.tensor([[1.0, 0.0], [0.0, 2.0]])
    prototypes = torch.tensor([[0.0, 1.0], [0.0, 5.0]])
    terms = supervise(
        lambda v: corner[classes.flatten()[v]],
        torch.full((2, 2, *SHAPE[1:]), 0.5),
        classes,
        prototypes,
        xi=1.0,
        temperature=0.5,
    )
    # Class 0: the positive is halfway to its prototype, cos 45 degrees; negatives at 90 degrees.
    first = math.log(1 + SIZES["negatives"] / math.exp(math.sqrt(0.5) / 0.5))
    second = math.log(1 + SIZES["negatives"] / math.exp(1 / 0.5))
    assert float(terms.loss) == pytest.approx((first + second) / 2, rel=1e-6)
    torch.testing.assert_close(terms.means, torch.eye(2))


def test_the_gradient_reaches_uncertain_voxels_only() -> None:
    table, probabilities, classes = make_case()
    table.requires_grad_()
    prototypes = torch.randn(3, WIDTH, requires_grad=True)
    terms = supervise(
        lambda v: table[v], probabilities, classes, prototypes, queries=200, confidence=0.6
    )
    terms.loss.backward()
    own = probabilities.gather(1, classes.clamp(min=0)[:, None])[:, 0]
    uncertain = ((classes != IGNORE) & (own < 0.6)).flatten()
    assert table.grad is not None
    touched = table.grad.ne(0).any(1)
    assert 0 < uncertain.sum() < len(uncertain)
    torch.testing.assert_close(touched, uncertain)
    assert prototypes.grad is None
    assert not terms.means.requires_grad


@pytest.mark.slow
def test_the_gradient_of_queries_is_right() -> None:
    table, probabilities, classes = make_case()
    fixed = table.clone()

    def loss(table: Tensor) -> Tensor:
        def project(voxels: Tensor) -> Tensor:
            rows = voxels.unflatten(0, (3, -1))
            parts = [fixed[rows[:, : SIZES["pool"]]], table[rows[:, SIZES["pool"] :]]]
            return torch.cat(parts, 1).flatten(0, 1)

        return supervise(project, probabilities, classes, fixed[:3], confidence=0.7).loss

    assert torch.autograd.gradcheck(loss, table.requires_grad_())


def test_one_call_embeds_as_many_voxels_whatever_the_patch() -> None:
    asked: list[Tensor] = []

    def project(voxels: Tensor) -> Tensor:
        asked.append(voxels)
        return torch.ones(len(voxels), WIDTH, requires_grad=True)

    for side in (4, 16):
        classes = torch.randint(2, (2, side, side, side), generator=seeded())
        supervise(project, torch.full((2, 2, side, side, side), 0.5), classes)
    assert [len(voxels) for voxels in asked] == [2 * (SIZES["pool"] + SIZES["queries"])] * 2


@pytest.mark.parametrize("kept", [(), (1,)])
def test_nothing_to_tell_apart_gives_zero_and_a_zero_gradient(kept: tuple[int, ...]) -> None:
    table, probabilities, classes = make_case(3, tuple(k for k in range(3) if k not in kept))
    table.requires_grad_()
    terms = supervise(lambda v: table[v], probabilities, classes, torch.ones(3, WIDTH))
    terms.loss.backward()
    assert float(terms.loss.detach()) == 0
    assert table.grad is not None
    assert table.grad.eq(0).all()
    absent = [k for k in range(3) if k not in kept]
    assert terms.means[absent].eq(0).all()


def test_alignment_is_one_minus_the_cosine_of_the_classes_present() -> None:
    means = torch.tensor([[1.0, 0.0], [0.0, 0.0], [0.0, 3.0]])
    terms = CooperativeTerms(torch.zeros(()), means, torch.tensor([True, False, True]))
    prototypes = torch.tensor([[2.0, 2.0], [1.0, 0.0], [0.0, -1.0]], requires_grad=True)
    value = prototype_alignment(prototypes, terms)
    value.backward()
    assert value.item() == pytest.approx(((1 - math.sqrt(0.5)) + 2) / 2, rel=1e-6)
    assert prototypes.grad is not None
    assert prototypes.grad[0].ne(0).any()
    assert prototypes.grad[1].eq(0).all()
    nothing = CooperativeTerms(terms.loss, 0 * means, torch.zeros(3, dtype=torch.bool))
    assert prototype_alignment(prototypes, nothing).item() == 0


def test_classes_of_negatives_follow_the_softmax_of_similarities() -> None:
    means = torch.randn(5, WIDTH, generator=seeded(8), dtype=torch.float64)
    present = torch.tensor([True, True, False, True, True])
    means[2] = 0
    draws = draw_candidates(means, present, 40_000, 0.5, seeded(9))
    for k in (0, 1, 3, 4):
        others = [j for j in (0, 1, 3, 4) if j != k]
        cosines = [unit(means[k].numpy()) @ unit(means[j].numpy()) for j in others]
        weights = np.exp(np.array(cosines) / 0.5)
        counts = torch.bincount(draws[k] // 40_000, minlength=5).numpy()
        assert counts[[k, 2]].sum() == 0
        assert chisquare(counts[others], 40_000 * weights / weights.sum()).pvalue > 1e-3


def test_places_within_a_pool_are_uniform() -> None:
    draws = torch.cat(
        [draw_candidates(torch.eye(2), torch.ones(2) > 0, 50, 0.5, seeded(s)) for s in range(400)],
        1,
    )
    assert chisquare(torch.bincount(draws[0] - 50, minlength=50).numpy()).pvalue > 1e-3


def test_the_same_generator_gives_the_same_loss() -> None:
    table, probabilities, classes = make_case()
    once, again = (supervise(lambda v: table[v], probabilities, classes) for _ in range(2))
    assert once.loss == again.loss
