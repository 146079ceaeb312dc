"""Which supervoxels an episode is about, and how they are found again."""

import numpy as np
import pytest
import torch

from crln.labels import IGNORE
from crln.methods.first_stages.episodes import draw_classes, prototype_loss, renumbered


def test_classes_are_drawn_among_what_may_be_and_too_few_are_none() -> None:
    eligible = torch.tensor([[True, False, True, True], [False, False, True, False]])
    generator = torch.Generator().manual_seed(0)
    seen = set()
    for _ in range(20):
        chosen = draw_classes(eligible, 2, generator)
        assert len(set(chosen[0].tolist())) == 2
        assert set(chosen[0].tolist()) <= {0, 2, 3}
        assert chosen[1].tolist() == [2, -2]
        seen |= set(chosen[0].tolist())
    assert seen == {0, 2, 3}
    assert draw_classes(eligible[:1, :1], 3, generator).tolist() == [[0, -2, -2]]


def test_chosen_supervoxels_are_classes_and_all_others_background() -> None:
    parts = torch.tensor([0, 3, 5, IGNORE, 3, 1]).view(1, 6, 1, 1)
    found = renumbered(parts, torch.tensor([[3, -2, 1]]))
    assert found.flatten().tolist() == [0, 1, 0, IGNORE, 1, 3]


def test_the_loss_is_the_weighted_surprise_of_cosines_with_prototypes() -> None:
    generator = torch.Generator().manual_seed(1)
    support, query = torch.randn(2, 2, 3, 2, 2, 3, generator=generator)
    told = (
        torch.tensor([0, 1, 1, 2, 0, 2, IGNORE, 1, 0, 0, 1, 2]).view(1, 2, 2, 3).repeat(2, 1, 1, 1)
    )
    told[1][told[1] == 2] = 0  # of the second patch the support does not show class 2
    asked = told.flip(1).clone()
    asked[1, 0, 0, 0] = 2  # so that it cannot be asked for
    threshold = torch.tensor(7.0)
    surprises, weights = [], []
    for b in range(2):
        classes = [k for k in (1, 2) if (told[b] == k).any()]
        centres = {k: support[b][:, told[b] == k].mean(1).numpy() for k in classes}
        for place in np.ndindex(2, 2, 3):
            k = int(asked[(b, *place)])
            if k == IGNORE or (k and k not in classes):
                continue
            voxel = query[b][:, place[0], place[1], place[2]].numpy()
            scores = {0: 7.0} | {
                n: 20 * voxel @ c / np.linalg.norm(voxel) / np.linalg.norm(c)
                for n, c in centres.items()
            }
            total = sum(np.exp(score) for score in scores.values())
            surprises.append(-np.log(np.exp(scores[k]) / total))
            weights.append(1.0 if k else 0.1)
    loss = prototype_loss(support, told, query, asked, 2, threshold)
    assert float(loss) == pytest.approx(np.average(surprises, weights=weights), rel=1e-4)
