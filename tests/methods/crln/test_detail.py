"""Thin parts, edges and what CRLN makes of them, against masks worked out with scipy."""

from collections.abc import Callable
from dataclasses import asdict
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from scipy import ndimage
from torch import Tensor

from crln.labels import IGNORE, LabelSpace
from crln.losses import criteria_of
from crln.methods import Step
from crln.methods.crln.contrastive import EXCLUSIVE
from crln.methods.crln.detail import (
    DetailDraws,
    surer_where_thin,
    thin_or_edge,
    thin_target,
    thin_voxels,
)
from crln.testing import MethodTests
from crln.testing.patches import FIRST, THICK

ALL = (0, 1, 2)
CRITERIA = criteria_of(LabelSpace.of([0, 1, 2], {}))


def block_with_twig() -> np.ndarray:
    """Class 1: a block of 7^3 with a twig of one voxel across; class 2: a plate of four."""
    classes = np.zeros((20, 12, 12), np.int64)
    classes[1:8, 2:9, 2:9] = 1
    classes[8:14, 5, 5] = 1
    classes[15:19, 1:11, 1:11] = 2
    return classes


def opened(mask: np.ndarray, side: int) -> np.ndarray:
    cube = np.ones((side,) * 3)
    eroded = ndimage.binary_erosion(mask, cube, border_value=1)
    return ndimage.binary_dilation(eroded, cube)


def as_target(*classes: np.ndarray) -> Tensor:
    return torch.from_numpy(np.stack(classes))


def test_thin_is_what_openings_of_three_and_five_voxels_take_away() -> None:
    classes = block_with_twig()
    found = thin_voxels(CRITERIA, as_target(classes), ALL)[0]
    for k in (1, 2):
        mask = classes == k
        expected = 2 * mask - (opened(mask, 3).astype(int) + opened(mask, 5)) * mask
        np.testing.assert_array_equal(found[k - 1], expected)
    assert set(found[0].unique().tolist()) == {0, 2}
    assert set(found[1].unique().tolist()) == {0, 1}


def test_thin_prototypes_are_taught_background_and_thin_parts_alone() -> None:
    classes = block_with_twig()
    classes[0] = IGNORE
    target = thin_target(CRITERIA, as_target(classes), ALL)[0].numpy()
    twig = np.zeros(classes.shape, bool)
    twig[8:14, 5, 5] = True
    expected = np.where(twig | (classes == 2) | (classes == 0), classes, IGNORE)
    np.testing.assert_array_equal(target, expected)


@pytest.mark.parametrize("exclusive", [True, False])
def test_what_is_thin_is_trusted_sooner_and_keeps_its_label(exclusive: bool) -> None:
    space = LabelSpace.of([0, 1, 2], {}, exclusive=exclusive)
    criteria = criteria_of(space)
    classes = block_with_twig()
    held = np.stack([classes == k for k in range(3)])
    probabilities = torch.from_numpy(np.where(held, 0.6, 0.2)[None]).float()
    found = surer_where_thin(criteria, probabilities, ALL, 0.3)
    assert torch.equal(criteria.confident(found)[1], criteria.confident(probabilities)[1])
    expected = np.where(held, 0.6, 0.2)
    expected[1, 8:14, 5, 5] = 0.9  # one voxel across
    expected[2, classes == 2] = 0.75  # four
    np.testing.assert_allclose(found[0], expected, rtol=1e-6)
    assert surer_where_thin(criteria, probabilities, ALL, 1.0).max() == 1


def test_edges_lie_beside_another_class_and_not_beside_the_unknown() -> None:
    classes = np.zeros((12, 12, 12), np.int64)
    classes[2:10, 2:10, 2:10] = 1
    classes[:, :, 8:] = IGNORE
    found = thin_or_edge(CRITERIA, as_target(classes), ALL)[0].numpy()
    expected = np.zeros(classes.shape, bool)
    for k in (0, 1):
        others = ndimage.binary_dilation((classes == 1 - k), np.ones((3, 3, 3)))
        expected |= (classes == k) & others
    np.testing.assert_array_equal(found, expected)
    assert not found[5, 5, 7]


def drawn(share: float, classes: Tensor, sure: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """The queries of each class, and which classes have any; the student is sure of nothing."""
    probabilities = torch.full((len(classes), 3, *classes.shape[1:]), 1 / 3)
    if sure is not None:
        probabilities = probabilities.masked_fill(sure.unsqueeze(1), 1.0)
    base = DetailDraws(EXCLUSIVE, CRITERIA, ALL, share) if share else EXCLUSIVE
    generator = torch.Generator().manual_seed(0)
    return base.voxels(
        probabilities, classes, pool=4, queries=400, confidence=0.97, generator=generator
    )[1]


def test_a_share_of_the_queries_is_thin_or_at_an_edge() -> None:
    classes = block_with_twig()
    target = as_target(classes)
    detail = thin_or_edge(CRITERIA, target, ALL).flatten()
    for k in (0, 1):
        usual = detail.numpy()[(classes == k).ravel()].mean()
        for share in (0.5, 1.0):
            voxels = drawn(share, target)[0][k]
            assert (target.flatten()[voxels] == k).all()
            found = detail[voxels].float().mean().item()
            assert found == pytest.approx(share + (1 - share) * usual, abs=0.06)


def test_a_class_without_unsure_detail_is_drawn_from_as_ever() -> None:
    target = as_target(block_with_twig())
    sure = thin_or_edge(CRITERIA, target, ALL)
    ours, theirs = (drawn(share, target, sure) for share in (0.5, 0.0))
    assert torch.equal(ours[0][1], theirs[0][1])
    assert torch.equal(ours[1], theirs[1])
    assert not ours[1][2]  # of the plate, all of which is thin, no voxel is unsure


OPTIONS: dict[str, dict[str, Any]] = {
    "full_resolution": {"full_resolution": True},
    "thin_prototypes": {"thin_prototypes": 2},
    "thin_confidence": {"thin_confidence": 0.3},
    "detail_queries": {"detail_queries": 0.5},
}


@pytest.mark.slow
def test_each_option_changes_what_is_learnt(
    make_method: Callable[..., Any], make_patches: Callable[..., Any]
) -> None:
    """Patches hold noise, all of which is thin; a teacher that guesses is trusted."""

    def terms(**options: Any) -> dict[str, Tensor]:
        method = make_method("crln", valid_confidence=0.5, warmup=0, **options)
        if options.get("full_resolution"):
            torch.nn.init.normal_(method.student.interaction.detail.spatial.layers[-1].weight)
        torch.manual_seed(0)
        found = method.losses(make_patches(method, 1), make_patches(method, 2), Step(9, 10, 0))
        if {"full_resolution", "thin_prototypes"} & options.keys():
            found["total"].backward()
            for module in ("interaction", "thin_interaction"):
                for parameter in getattr(method.student, module).parameters():
                    assert parameter.grad is not None
        return found  # type: ignore[no-any-return]

    usual = terms()
    for name, options in OPTIONS.items():
        ours = terms(**options)
        assert ours["total"] != usual["total"], name
        assert ("thin" in ours) == (name == "thin_prototypes")


class Detailed(MethodTests):
    """All options at once."""

    name = "crln"
    options: ClassVar[dict[str, Any]] = {
        "queries": 8, "negatives": 16, "detail_zoom": 2.0, "whole_structures": True,
        **{name: each[name] for name, each in OPTIONS.items()},
    }  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("exclusive", [True, False])
def test_with_all_options_it_learns_of_thick_slices_and_of_classes_that_overlap(
    exclusive: bool,
) -> None:
    tests, space = Detailed(), LabelSpace.of([0, 1, 2], {}, exclusive=exclusive)
    method = tests.build(tests.plan(3, **THICK, labels=asdict(space)))
    losses = tests.losses(method)
    losses["total"].backward()
    assert all(loss.isfinite() for loss in losses.values())
    assert losses.keys() == tests.losses(method, FIRST).keys()


def test_the_level_at_full_resolution_starts_by_saying_nothing(
    make_method: Callable[..., Any],
) -> None:
    network = make_method("crln", full_resolution=True).student.eval()
    features = network.features(torch.randn(1, 1, 16, 16, 16))
    detail, network.interaction.detail = network.interaction.detail, None
    without = network.relation(features)
    network.interaction.detail = detail
    assert torch.equal(network.relation(features), without)


def test_thin_prototypes_add_their_relation(make_method: Callable[..., Any]) -> None:
    network = make_method("crln", thin_prototypes=3).student.eval()
    features = network.features(torch.randn(1, 1, 16, 16, 16))
    both, thin = network.relations(features)
    assert thin is not None
    torch.testing.assert_close(both - thin, network.interaction(*features[2:0:-1]))
    (theirs,) = network.thin_interaction
    assert theirs.prototypes.shape[1] == 3
    torch.testing.assert_close(thin, theirs(*features[2:0:-1]))
