from pathlib import Path

import numpy as np
import pytest

from crln.errors import CrlnError
from crln.imaging import Header, Volume, check_same_grid
from crln.imaging.header import check_grid, spatial_shape

A, B = Path("scan.nii.gz"), Path("label.nii.gz")
SHAPE = (40, 50, 60)


def _header(**changes: float) -> Header:
    affine = np.diag([1.0, 2.0, 3.0, 1.0])
    for place, value in changes.items():
        affine[int(place[1]), int(place[2])] = value
    return Header(SHAPE, affine)


def test_spacing_is_the_length_of_the_columns() -> None:
    turned = Header(
        SHAPE, np.array([[0, 2.0, 0, 0], [-1.0, 0, 0, 0], [0, 0, 3.0, 0], [0, 0, 0, 1]])
    )
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
        check_grid(A, _header(_00=size))


def test_parallel_axes_are_refused() -> None:
    with pytest.raises(CrlnError, match="affine is singular"):
        check_grid(A, _header(_10=1.0, _01=2.0))
    with pytest.raises(CrlnError, match="affine is singular"):
        check_grid(A, _header(_03=np.nan))


def test_same_grids_pass_with_rounded_headers() -> None:
    check_same_grid(A, _header(), B, _header(_03=0.01, _01=1e-5))
    check_same_grid(A, Volume(np.zeros((1, *SHAPE)), _header().affine), B, _header())


@pytest.mark.parametrize("change", [{"_03": 0.5}, {"_00": -1.0}, {"_01": 0.05}, {"_00": 1.01}])
def test_other_affines_are_refused(change: dict[str, float]) -> None:
    with pytest.raises(CrlnError, match=r"label\.nii\.gz: its affine .* from scan\.nii\.gz; give"):
        check_same_grid(A, _header(), B, _header(**change))


def test_other_shapes_are_refused_and_both_files_named() -> None:
    other = Header((40, 50, 61), _header().affine)
    with pytest.raises(CrlnError, match=r"label\.nii\.gz: shape \(40, 50, 61\).*scan\.nii\.gz has"):
        check_same_grid(A, _header(), B, other)


def test_an_archive_knows_no_affine() -> None:
    check_same_grid(Path("a.h5"), Header(SHAPE, np.eye(4)), B, _header())
