import numpy as np
import pytest
import torch
from scipy import ndimage

from crln.augmentation import draw_focus
from crln.augmentation.focus import Focus

ALL = (0, 1, 2)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def expected_places(side: int, centre: int, zoom: float) -> np.ndarray:
    """In plain numbers: around the centre, or around what is nearest to it and fits."""
    reach = (side - 1) / 2 / zoom
    middle = min(max(centre, reach), side - 1 - reach)
    return np.array([middle + (i - (side - 1) / 2) / zoom for i in range(side)])


@pytest.mark.parametrize("centre", [(4, 5, 6), (0, 11, 3), (9, 0, 7)])
@pytest.mark.parametrize("axes", [ALL, (0, 1)])
def test_labels_are_the_nearest_voxels_around_the_centre(
    centre: tuple[int, int, int], axes: tuple[int, ...]
) -> None:
    labels = torch.randint(0, 99, (10, 12, 8), generator=seeded())
    found = Focus(torch.tensor(centre), 2.3, axes).map(labels, -1)
    places = [
        np.round(expected_places(side, at, 2.3)) if axis in axes else np.arange(side)
        for axis, (side, at) in enumerate(zip(labels.shape, centre, strict=True))
    ]
    expected = labels.numpy()[np.ix_(*(place.astype(int) for place in places))]
    np.testing.assert_array_equal(found, expected)


def test_images_are_those_of_a_cubic_resampling() -> None:
    image = torch.from_numpy(ndimage.gaussian_filter(np.random.default_rng(0).normal(
        size=(14, 13, 12)), 2.5)).float()  # fmt: skip
    found = Focus(torch.tensor((6, 7, 5)), 2.0, ALL).image(image[None])[0]
    places = [expected_places(n, c, 2.0) for n, c in zip(image.shape, (6, 7, 5), strict=True)]
    grid = np.meshgrid(*places, indexing="ij")
    expected = ndimage.map_coordinates(image.numpy(), grid, order=3, mode="nearest")
    assert np.abs(found.numpy() - expected).max() < 0.03 * np.abs(expected).max()


def test_the_middle_is_drawn_by_its_score_and_never_leaves_the_patch() -> None:
    scores = torch.zeros(400, 8, 6, 4)
    scores[:, 2, 3, 1], scores[:, 6, 1, 2] = 3.0, 1.0
    view = draw_focus(scores, 2.0, ALL, seeded())
    centres = torch.stack([placing.centre for placing in view.placings])  # type: ignore[attr-defined]
    first = (centres == torch.tensor((2, 3, 1))).all(1)
    second = (centres == torch.tensor((6, 1, 2))).all(1)
    assert (first | second).all()
    assert first.float().mean().item() == pytest.approx(0.75, abs=0.07)
    whole = torch.ones(400, 8, 6, 4, dtype=torch.int64)
    assert (view.labels(whole) == 1).all()


def test_without_a_score_it_is_drawn_from_anywhere() -> None:
    view = draw_focus(torch.zeros(2000, 4, 3, 2), 2.0, ALL, seeded())
    centres = torch.stack([placing.centre for placing in view.placings])  # type: ignore[attr-defined]
    assert len(centres.unique(dim=0)) == 4 * 3 * 2


def test_a_part_of_the_patch_fills_the_view() -> None:
    scores = torch.zeros(1, 16, 16, 16)
    scores[0, 3, 8, 12] = 1
    labels = torch.zeros(1, 16, 16, 16, dtype=torch.int64)
    labels[0, 2:5, 7:10, 11:14] = 1  # 3 voxels a side
    shown = draw_focus(scores, 3.0, ALL, seeded()).labels(labels)
    assert shown.sum().item() == pytest.approx(9**3, rel=0.35)
