"""Cooperative positive supervision of overlapping classes, against loops over the same draws."""

import math
from functools import partial

import numpy as np
import pytest
import torch
from torch import Tensor

from crln.labels import IGNORE, LabelSpace
from crln.methods.crln.contrastive import CooperativeTerms, cooperative_positive_supervision
from crln.methods.crln.overlap import OverlappingDraws, draw_others
from crln.methods.draws import draw_of_each

SHAPE, WIDTH = (2, 4, 3, 5), 3
SIZES = {"queries": 4, "negatives": 6, "pool": 8}
NESTED = LabelSpace.of([0, 1, 2], {}, regions={"whole": (1, 2), "core": (2,)})
SEPARATE = LabelSpace.of([0, 1, 2], {}, exclusive=False)


def seeded() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def make_case(space: LabelSpace) -> tuple[Tensor, Tensor, Tensor]:
    """Embeddings (V, E) in float64, probabilities, combinations, some of them unknown."""
    generator = seeded()
    kinds = torch.tensor([IGNORE, 0, 1, 3] if space.members else [IGNORE, 0, 1, 2, 3, 8, 9])
    target = kinds[torch.randint(len(kinds), SHAPE, generator=generator)]
    p = (3 * torch.randn(SHAPE[0], 3, *SHAPE[1:], generator=generator)).sigmoid()
    return torch.randn(math.prod(SHAPE), WIDTH, generator=generator, dtype=torch.float64), p, target


def supervise(
    space: LabelSpace, table: Tensor, p: Tensor, target: Tensor, prototypes: Tensor | None,
    **options: float,
) -> CooperativeTerms:  # fmt: skip
    return cooperative_positive_supervision(
        lambda v: table[v], p, target, prototypes, **{**SIZES, **options},
        draws=OverlappingDraws(space), generator=seeded(),
    )  # fmt: skip


def unit(vector: np.ndarray) -> np.ndarray:
    return vector / np.linalg.norm(vector)


@pytest.mark.parametrize("space", [NESTED, SEPARATE])
def test_the_loss_follows_its_equation(space: LabelSpace) -> None:
    table, p, target = make_case(space)
    prototypes = torch.randn(3, WIDTH, generator=seeded(), dtype=torch.float64)
    settings = {"xi": 0.6, "temperature": 0.5, "confidence": 0.8}
    terms = supervise(space, table, p, target, prototypes, **settings)
    generator = seeded()
    draw = partial(draw_of_each, generator=generator)
    held_by = torch.stack([space.holds(target, k) for k in range(3)])
    held, _ = draw(held_by, SIZES["pool"])
    asking, _ = draw(held_by & (p.movedim(1, 0) < 0.8), SIZES["queries"])
    embedding = [unit(row) for row in table.numpy()]
    means = np.stack([np.mean([embedding[v] for v in held[k]], axis=0) for k in range(3)])
    flat = target.flatten()
    others = torch.tensor([
        [[not bool(space.holds(flat[v], k)) and bool(space.knows(flat[v], k)) for v in held[j]]
         for j in range(3)] for k in range(3)
    ])  # fmt: skip
    pools = draw_others(torch.tensor(means), others, 0.5, generator)
    shape = (3, SIZES["queries"], SIZES["negatives"])
    drawn = torch.randint(SIZES["pool"], shape, generator=generator)
    total = 0.0
    for k in range(3):
        own = unit(prototypes[k].numpy())
        positive = unit((unit(means[k]) + 0.6 * own) / 1.6)
        for q in range(SIZES["queries"]):
            query = embedding[asking[k, q]]
            far = 0.0
            for place in drawn[k, q]:
                j, member = divmod(int(pools[k, place]), SIZES["pool"])
                voxel = int(flat[held[j, member]])
                assert not space.holds(np.array(voxel), k)
                assert space.knows(np.array(voxel), k)
                far += math.exp(query @ embedding[held[j, member]] / 0.5)
            near = math.exp(query @ positive / 0.5)
            total -= math.log(near / (near + far)) / SIZES["queries"]
    assert float(terms.loss) == pytest.approx(total / 3, rel=1e-9)
    assert terms.present.all()


def test_a_class_without_others_counts_nothing() -> None:
    """All voxels are of the whole: nothing can be told from it; the core can be, from its rest."""
    target = torch.ones(SHAPE, dtype=torch.int64)
    target[0] = 3
    table, p, _ = make_case(NESTED)
    terms = supervise(NESTED, table, p, target, None)
    assert terms.present.tolist() == [False, True, True]
    assert float(terms.loss) > 0
    target[1] = 3
    nothing = supervise(NESTED, table, p, target, None)
    assert float(nothing.loss) == 0
