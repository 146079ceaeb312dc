from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from crln.errors import CrlnError
from crln.imaging import Grid, Volume, check_same_grid
from crln.imaging.grid import check_grid, spatial_shape

A, B = Path("scan.nii.gz"), Path("label.nii.gz")
SHAPE = (40, 50, 60)


def _grid(**changes: float) -> Grid:
    affine = np.diag([1.0, 2.0, 3.0, 1.0])
    for place, value in changes.items():
        affine[int(place[1]), int(place[2])] = value
    return Grid(SHAPE, affine)


def test_spacing_is_the_length_of_the_columns() -> None:
    turned = Grid(SHAPE, np.array([[0, 2.0, 0, 0], [-1.0, 0, 0, 0], [0, 0, 3.0, 0], [0, 0, 0, 1]]))
    assert turned.spacing == (1.0, 2.0, 3.0)


def test_axes_of_length_one_are_dropped() -> None:
    assert spatial_shape(A, (3, 4, 5, 1)) == (3, 4, 5)


@pytest.mark.parametrize(
    ("shape", "found"),
    [
        ((3, 4, 5, 2), "4D of shape"),
        ((3, 4), "2D of shape"),
        ((3, 0, 5), "has no voxel"),
    ],
)
def test_only_three_dimensions_pass(shape: tuple[int, ...], found: str) -> None:
    with pytest.raises(CrlnError, match=rf"scan\.nii\.gz: {found}"):
        spatial_shape(A, shape)


@pytest.mark.parametrize("size", [0.0, 1e-6, 1e4, np.nan, np.inf])
def test_absurd_voxel_sizes_are_refused(size: float) -> None:
    with pytest.raises(CrlnError, match=r"scan\.nii\.gz: voxel size of .* mm is absurd; correct"):
        check_grid(A, _grid(_00=size))


def test_parallel_axes_are_refused() -> None:
    with pytest.raises(CrlnError, match="affine is singular"):
        check_grid(A, _grid(_10=1.0, _01=2.0))
    with pytest.raises(CrlnError, match="affine is singular"):
        check_grid(A, _grid(_03=np.nan))


def test_same_grids_pass_with_rounded_headers() -> None:
    check_same_grid(A, _grid(), B, _grid(_03=0.01, _01=1e-5))


@pytest.mark.parametrize("change", [{"_03": 0.5}, {"_00": -1.0}, {"_01": 0.05}, {"_00": 1.01}])
def test_other_affines_are_refused(change: dict[str, float]) -> None:
    with pytest.raises(CrlnError, match=r"label\.nii\.gz: its affine .* from scan\.nii\.gz; give"):
        check_same_grid(A, _grid(), B, _grid(**change))


def test_other_shapes_are_refused_and_both_files_named() -> None:
    other = Grid((40, 50, 61), _grid().affine)
    with pytest.raises(CrlnError, match=r"label\.nii\.gz: shape \(40, 50, 61\).*scan\.nii\.gz has"):
        check_same_grid(A, _grid(), B, other)


def test_an_archive_knows_no_affine() -> None:
    check_same_grid(A, Grid(SHAPE), B, _grid())
    with pytest.raises(CrlnError, match="shape"):
        check_same_grid(A, Grid((1, 1, 1)), B, _grid())
    assert not Grid(SHAPE).known
    assert Grid(SHAPE).spacing == (1, 1, 1)


ORIENTATIONS = ["RAS", "LPS", "PIR", "SLA", "ASR", "IPL"]


@pytest.mark.parametrize("codes", ORIENTATIONS)
def test_ras_order_is_what_nibabel_calls_the_closest_canonical_one(codes: str) -> None:
    orientation = nib.orientations.axcodes2ornt(tuple(codes))
    affine = np.linalg.inv(nib.orientations.inv_ornt_aff(orientation, (5, 6, 7)))
    affine[:3, :3] = affine[:3, :3] * np.array([1.0, 2.0, 3.0])
    assert "".join(nib.aff2axcodes(affine)) == codes
    grid = Grid((5, 6, 7), affine)
    array = np.random.default_rng(0).random((2, 5, 6, 7), dtype=np.float32)
    canonical = nib.as_closest_canonical(nib.Nifti1Image(array[0], affine))
    turned = grid.to_ras(array)
    np.testing.assert_array_equal(turned[0], np.asarray(canonical.dataobj))
    np.testing.assert_array_equal(grid.from_ras(turned), array)
    np.testing.assert_array_equal(grid.from_ras(turned[1]), array[1])
    assert grid.in_ras(grid.shape) == canonical.shape
    np.testing.assert_allclose(grid.in_ras(grid.spacing), canonical.header.get_zooms())


def test_an_unknown_grid_is_not_turned() -> None:
    array = np.random.default_rng(0).random(SHAPE)
    np.testing.assert_array_equal(Grid(SHAPE).to_ras(array), array)


def test_voxels_must_be_of_the_grids_shape() -> None:
    with pytest.raises(ValueError, match="voxels of"):
        Volume(np.zeros((1, 2, 3, 4)), Grid(SHAPE))
