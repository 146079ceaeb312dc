from typing import Any

import numpy as np
import pytest
import torch
from scipy.interpolate import BSpline

from crln.augmentation import build_views
from crln.augmentation.bend import FOLDS, Bend, draw_bend, spline_matrix
from crln.augmentation.geometry import Warp, affine_matrix
from crln.planning import Plan

CPU = torch.device("cpu")
IDENTITY = affine_matrix((0, 0, 0), 1.0, (1, 1, 1))


@pytest.mark.parametrize(("side", "distance"), [(33, 8.0), (20, 6.5), (5, 16.0)])
def test_the_weights_are_those_of_a_uniform_cubic_spline(side: int, distance: float) -> None:
    points = int((side - 1) // distance) + 4
    found = spline_matrix(side, points, distance, CPU)
    knots = distance * np.arange(-4, points + 4, dtype=float)
    places = np.arange(side, dtype=float)
    for n in range(points):
        # its support is centred on the control point n, which lies at (n - 1) distances
        first = n + 1
        basis = BSpline.basis_element(knots[first : first + 5], extrapolate=False)
        np.testing.assert_allclose(found[:, n], np.nan_to_num(basis(places)), atol=1e-6)
    np.testing.assert_allclose(found.sum(1), 1, atol=1e-6)


def test_the_largest_displacements_fold_nothing() -> None:
    """The Jacobian of place + displacement stays positive, by finite differences."""
    for seed in range(5):
        random = np.random.default_rng(seed)
        bend = draw_bend(random, (24, 24, 24), 8.0, FOLDS)
        extreme = Bend(np.sign(bend.control) * FOLDS * 8, 8.0)
        field = extreme.field((24, 24, 24), CPU).numpy()
        jacobian = np.stack([np.stack(np.gradient(each), -1) for each in field], -2) + np.eye(3)
        assert np.linalg.det(jacobian).min() > 0
        assert np.abs(field).max() > 0.5


def test_a_bent_view_takes_what_its_field_says() -> None:
    size = (17, 15, 13)
    bend = draw_bend(np.random.default_rng(1), size, 6.0, 0.3)
    field = bend.field(size, CPU).numpy()
    labels = torch.arange(int(np.prod(size))).view(size)
    found = Warp(IDENTITY, size, bend).map(labels, -1).numpy()
    for place in ((8, 7, 6), (3, 11, 9), (12, 4, 2)):
        there = np.round(np.array(place) + field[(slice(None), *place)]).astype(int)
        assert found[place] == labels[tuple(there)]
    image = labels.float()[None] / labels.max()
    moved = Warp(IDENTITY, size, bend).image(image)[0].numpy()
    there = np.array((8, 7, 6)) + field[:, 8, 7, 6]
    # the image is linear in each axis, and so is its interpolation
    expected = (there[0] * 15 * 13 + there[1] * 13 + there[2]) / labels.max().item()
    assert moved[8, 7, 6] == pytest.approx(expected, abs=1e-4)


def test_slices_bend_in_plane_and_alike() -> None:
    field = draw_bend(np.random.default_rng(2), (20, 20, 6), 8.0, 0.3, slices=2).field(
        (20, 20, 6), CPU
    )
    assert not field[2].any()
    assert (field == field[..., :1]).all()
    assert field[:2].abs().max() > 0.1


def placed(recipe: dict[str, Any]) -> list[Any]:
    plan = Plan(patch_size=(32, 32, 32), views={"options": {"strong": recipe}})  # type: ignore[arg-type]
    views = build_views(plan)
    view = views.draw("strong", 40, 1, torch.Generator().manual_seed(0))
    return [placing.source for placing in view.placings]  # type: ignore[attr-defined]


def test_as_many_views_are_bent_as_the_plan_says_and_by_itself_none() -> None:
    bent = placed({"bend": 0.5, "rotation": 0.0, "zoom": 0.0})
    share = np.mean([isinstance(source, Warp) and source.bend is not None for source in bent])
    assert share == pytest.approx(0.5, abs=0.2)
    usual = placed({})
    assert all(getattr(source, "bend", None) is None for source in usual)
    assert any(isinstance(source, Warp) for source in usual)
