from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from scipy import ndimage

from crln.cohort import load_cohort, make_phantom
from crln.cohort.anatomy import Phantom, draw_phantom
from crln.cohort.fine_anatomy import draw_fine_phantom
from crln.errors import CrlnError
from crln.imaging import check_same_grid, read_image, read_label

pytestmark = pytest.mark.slow

SHAPE = (48, 48, 40)


@pytest.fixture(scope="module")
def drawn() -> list[Phantom]:
    return [draw_phantom(SHAPE, np.random.default_rng(seed)) for seed in range(12)]


def _dice(a: np.ndarray, b: np.ndarray) -> float:
    return 2 * np.count_nonzero(a & b) / (np.count_nonzero(a) + np.count_nonzero(b))


def test_it_is_a_cohort_like_any_other(tmp_path: Path) -> None:
    root = make_phantom(tmp_path / "p", labelled=2, unlabelled=3, test=1, shape=(24, 20, 16))
    cohort = load_cohort(root)
    assert [len(part) for part in (cohort.labelled, cohort.unlabelled, cohort.test)] == [2, 3, 1]
    assert cohort.validation == ()
    assert cohort.class_names == {0: "background", 1: "head", 2: "tail"}
    assert len(list((root / "labels").iterdir())) == 3
    for case in cohort.labelled + cohort.test:
        assert case.label
        image, label = read_image(case.images), read_label(case.label.path)
        check_same_grid(case.images[0], image.grid, case.label.path, label.grid)
        assert image.grid.shape == (24, 20, 16)
        assert set(np.unique(label.array)) == {0, 1, 2}


def test_the_seed_decides_and_the_number_of_cases_does_not(tmp_path: Path) -> None:
    sizes = {"labelled": 1, "unlabelled": 1, "test": 1, "shape": (16, 16, 16)}
    a = make_phantom(tmp_path / "a", **sizes)
    b = make_phantom(tmp_path / "b", **sizes | {"labelled": 2})
    c = make_phantom(tmp_path / "c", **sizes, seed=1)
    for name in ("labelled_000", "unlabelled_000", "test_000"):
        voxels = [
            np.asarray(nib.load(root / "images" / f"{name}.nii.gz").dataobj) for root in (a, b, c)
        ]
        np.testing.assert_array_equal(voxels[0], voxels[1])
        assert np.any(voxels[0] != voxels[2])


def test_it_is_never_drawn_over_other_scans(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    with pytest.raises(CrlnError, match="images: exists; give another folder"):
        make_phantom(tmp_path)


def test_every_case_holds_both_classes(drawn: list[Phantom]) -> None:
    shares = np.array([np.bincount(p.label.ravel(), minlength=3) / p.label.size for p in drawn])
    assert shares[:, 1:].min() > 0.001
    assert shares[:, 1:].max() < 0.2


def test_no_threshold_finds_a_class(drawn: list[Phantom]) -> None:
    smooth = [ndimage.gaussian_filter(p.image.astype(np.float32), 0.7) for p in drawn]
    pairs = list(zip(smooth, drawn, strict=True))
    levels = range(0, 1300, 50)
    for value, most in ((1, 0.7), (2, 0.65)):
        best = max(
            np.mean([_dice((s > low) & (s < high), p.label == value) for s, p in pairs])
            for low in levels
            for high in levels
            if low < high
        )
        assert best < most


def test_shapes_vary_from_case_to_case(drawn: list[Phantom]) -> None:
    overlaps = [
        _dice(a.label == value, b.label == value)
        for value in (1, 2)
        for i, a in enumerate(drawn)
        for b in drawn[:i]
    ]
    assert np.mean(overlaps) < 0.5


def test_edges_are_soft_and_voxels_noisy(drawn: list[Phantom]) -> None:
    for phantom in drawn:
        organ = phantom.label > 0
        deep = ndimage.binary_erosion(organ, iterations=2)
        rim = organ & ~ndimage.binary_erosion(organ)
        assert phantom.image[deep].mean() > phantom.image[rim].mean()
        assert phantom.image[deep].std() > 20


def test_fine_structures_are_thin_down_to_one_and_a_half_voxels_and_none_touches_another() -> None:
    for seed in range(6):
        label = draw_fine_phantom((32, 32, 32), np.random.default_rng(seed)).label
        vessels, sheet = label == 1, label == 2
        assert min(vessels.sum(), sheet.sum()) > 200
        assert not (ndimage.binary_dilation(vessels) & sheet).any()
        depth = ndimage.distance_transform_edt(np.pad(vessels, 1, "edge"))[1:-1, 1:-1, 1:-1]
        assert depth.max() > 2.5  # the trunk
        lowest = np.flatnonzero(vessels.any((0, 1)))[:3]
        assert depth[:, :, lowest].max() < 2  # the twigs: no voxel but has an outside neighbour
        heights = np.argmax(sheet, 2)[sheet.any(2)]
        assert np.ptp(heights) > 5  # folds deeper than the sheet is thick


def test_a_cohort_of_fine_structures_names_them(tmp_path: Path) -> None:
    root = make_phantom(tmp_path, labelled=1, unlabelled=1, test=0, shape=(24, 24, 24), fine=True)
    assert load_cohort(root).class_names == {0: "background", 1: "vessels", 2: "sheet"}
