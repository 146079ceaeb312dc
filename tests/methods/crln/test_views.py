"""Detail views and boxes that carry whole structures; other views are tested in test_method.py."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from scipy import ndimage
from torch import Tensor

from crln.labels import IGNORE, LabelSpace
from crln.losses import criteria_of
from crln.methods import Step
from crln.methods.crln.views import doubtful_scores, labelled_scores, structure_codes
from crln.planning import Plan

ALL = (0, 1, 2)
CRITERIA = criteria_of(LabelSpace.of([0, 1, 2], {}))
Make = Callable[..., Any]


def block_with_twig() -> Tensor:
    """Class 1: a block of 7^3 with a twig of one voxel across."""
    classes = torch.zeros(1, 16, 16, 16, dtype=torch.int64)
    classes[0, 1:8, 2:9, 2:9] = 1
    classes[0, 8:14, 5, 5] = 1
    return classes


def test_a_labelled_patch_is_shown_by_its_thin_parts_else_by_its_structures() -> None:
    twig = torch.zeros(1, 16, 16, 16, dtype=torch.bool)
    twig[0, 8:14, 5, 5] = True
    scores = labelled_scores(CRITERIA, block_with_twig(), ALL)
    assert scores[twig].sum() / scores.sum() > 0.999
    thick = block_with_twig().masked_fill(twig, 0)
    scores = labelled_scores(CRITERIA, thick, ALL)
    assert torch.equal(scores > 0, thick == 1)
    assert not labelled_scores(CRITERIA, torch.full_like(thick, IGNORE), ALL).any()


def test_an_unlabelled_patch_is_shown_as_often_by_doubt_as_by_thin_parts() -> None:
    pseudo = block_with_twig()
    pseudo[0, 15] = IGNORE
    confidence = torch.full(pseudo.shape, 1.0)
    confidence[0, :, :, 12] = 0.6
    confidence[0, 3, 3, 3] = 0.2  # as doubtful as two others
    scores = doubtful_scores(CRITERIA, pseudo, confidence, ALL)
    thin = torch.zeros_like(pseudo, dtype=torch.bool)
    thin[0, 8:14, 5, 5] = True
    assert scores[thin].sum().item() == pytest.approx(0.5)
    assert scores.sum().item() == pytest.approx(1)
    assert (scores[0, 3, 3, 3] / scores[0, 3, 3, 12]).item() == pytest.approx(2, rel=1e-4)
    assert not scores[pseudo == IGNORE].any()


@pytest.mark.parametrize("exclusive", [True, False])
def test_codes_tell_structures_apart(exclusive: bool) -> None:
    criteria = criteria_of(LabelSpace.of([0, 1, 2], {}, exclusive=exclusive))
    target = torch.tensor([0, 1, 2, IGNORE] if exclusive else [0, 1, 2, 3]).view(1, 1, 1, 4)
    assert structure_codes(criteria, target).flatten().tolist() == [0, 1, 2, 0 if exclusive else 3]


@pytest.mark.slow
def test_the_teacher_labels_a_detail_view_at_its_own_scale(
    make_method: Make, make_patches: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the student is shown it, of labelled patches too, in both stages of a training."""
    method = make_method("crln", detail_zoom=2.0, strong_views=0, copy_paste=0)
    seen: dict[str, list[Tensor]] = {"student": [], "teacher": []}
    for name, network in (("student", method.student), ("teacher", method.teacher.network)):
        monkeypatch.setattr(
            network, "features",
            lambda x, name=name, run=network.features: (seen[name].append(x), run(x))[1],
        )  # fmt: skip
    patches = make_patches(method, 1), make_patches(method, 2)
    losses = method.losses(*patches, Step(9, 10, 0))
    assert losses["total"].isfinite()
    weak, closer = seen["teacher"]
    assert weak.shape == closer.shape
    (student,) = seen["student"]
    assert len(student) == 2 + 2 + 2 + 2
    # an enlarged part of noise is smoother than noise
    rough = [float((x[..., 1:] - x[..., :-1]).square().mean()) for x in (weak, closer)]
    assert rough[1] < 0.6 * rough[0]
    assert sum(torch.equal(row, other) for row in student for other in closer) == 2

    seen["student"].clear()
    method.losses(*patches, Step(0, 10, 0))
    assert [len(x) for x in seen["student"]] == [6]  # two views of two patches, and two closer


def test_boxes_carry_whole_structures_of_labelled_patches(
    make_method: Make, tiny_plan: Plan
) -> None:
    size = tiny_plan.patch_size
    target = torch.zeros(2, *size, dtype=torch.int64)
    target[0, 3:6, 9:11, 4] = 1
    target[1, 10:13, 2:5, 8:12] = 2
    taught = (torch.zeros(3, 1, *size), torch.zeros(3, *size).long(), torch.full((3, *size), 0.9))
    options = {"strong_views": 0, "copy_paste": 0.4, "whole_structures": True}
    method = make_method("crln", **options)
    for seed in range(8):
        generator = torch.Generator().manual_seed(seed)
        image, label, sure = method._student_views(
            (torch.ones(2, 1, *size), target), taught, generator
        )
        for row, partner in ((3, 0), (4, 1), (5, 0)):
            assert (label[row] > 0).sum() == (target[partner] > 0).sum()
            box = image[row, 0] == 1
            assert box.sum() == np.prod([int(0.4 * side) for side in size])
            assert torch.equal(sure[row] == 1, box)
            assert torch.equal(label[row] > 0, box & (target[partner] > 0))


@pytest.mark.slow
def test_cutmix_carries_whole_structures_of_pseudo_labels(make_method: Make) -> None:
    """More of the small balls that a mixed view shows are whole than where boxes lie by chance."""
    size = (16, 16, 16)
    x, y, z = torch.meshgrid(*[torch.arange(16)] * 3, indexing="ij")
    balls = torch.zeros(2, *size, dtype=torch.int64)
    for at in ((4, 4, 4), (11, 11, 11), (4, 11, 8)):
        balls[1][(x - at[0]) ** 2 + (y - at[1]) ** 2 + (z - at[2]) ** 2 < 5] = 1
    taught = (torch.zeros(2, 1, *size), balls, torch.ones(2, *size))
    recipe = {"rotation": 0.0, "zoom": 0.0}

    def whole(options: dict[str, Any]) -> int:
        method = make_method("crln", **options)
        method.views.options = method.views.options.model_copy(
            update={"strong": method.views.options.strong.model_copy(update=recipe)}
        )
        found = 0
        for seed in range(30):
            generator = torch.Generator().manual_seed(seed)
            label = method._student_views.strong(taught, generator)[1][0].numpy()
            parts, count = ndimage.label(label == 1, np.ones((3, 3, 3)))
            found += sum(int((parts == k).sum() == 33) for k in range(1, count + 1))
        return found

    by_chance = whole({})
    assert (balls[1] == 1).sum() == 3 * 33
    assert whole({"whole_structures": True}) >= max(30, 1.2 * by_chance)


def test_a_zoom_that_does_not_enlarge_is_refused(make_method: Make) -> None:
    with pytest.raises(
        Exception, match=r"detail_zoom: enlarges, by more than 1, or is 0, got 0\.5"
    ):
        make_method("crln", detail_zoom=0.5)
