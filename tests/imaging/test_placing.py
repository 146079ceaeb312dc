from collections.abc import Callable
from itertools import permutations, product
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from nibabel.orientations import axcodes2ornt, io_orientation, ornt_transform

from crln.errors import CrlnError
from crln.imaging import Grid, check_same_grid, read_grid, read_label
from crln.imaging.placing import placed

Save = Callable[..., Path]


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_a_label_in_any_order_and_direction_of_axes_is_turned_to_its_scan(
    tmp_path: Path, voxels: np.ndarray, save: Save, order: tuple[int, ...]
) -> None:
    scan = save(tmp_path / "scan.nii.gz", voxels)
    label = nib.load(save(tmp_path / "label.nii.gz", voxels % 5))
    for flips in product((1, -1), repeat=3):
        turned = label.as_reoriented(np.array(list(zip(order, flips, strict=True))))
        nib.save(turned, tmp_path / "turned.nii.gz")
        read = read_label(tmp_path / "turned.nii.gz", read_grid(scan))
        check_same_grid(scan, read_grid(scan), tmp_path / "turned.nii.gz", read.grid)
        np.testing.assert_array_equal(read.array[0], voxels % 5)


def test_a_label_that_is_turned_but_elsewhere_is_refused(
    tmp_path: Path, voxels: np.ndarray, save: Save, affine: np.ndarray
) -> None:
    scan = save(tmp_path / "scan.nii.gz", voxels)
    moved = nib.Nifti1Image(voxels % 5, affine + 3 * np.eye(4, k=3))
    codes = axcodes2ornt("PIR")
    nib.save(
        moved.as_reoriented(ornt_transform(io_orientation(affine), codes)), tmp_path / "b.nii.gz"
    )
    label = read_label(tmp_path / "b.nii.gz", read_grid(scan))
    with pytest.raises(CrlnError, match=r"b\.nii\.gz: its affine places it up to 3"):
        check_same_grid(scan, read_grid(scan), tmp_path / "b.nii.gz", label.grid)


def test_axes_that_are_not_the_scans_are_left_alone() -> None:
    like = Grid((4, 4, 4), np.eye(4))
    oblique = np.eye(4)
    oblique[:2, :2] = [[0.8, -0.6], [0.6, 0.8]]
    array = np.ones((4, 4, 4))
    assert placed(array, Grid((4, 4, 4), oblique), like)[1].affine is oblique
    assert placed(array, Grid((4, 4, 4)), like)[0] is array


def test_a_part_of_the_scan_lies_where_its_origin_says() -> None:
    like = Grid((6, 7, 8), np.diag([2.0, 2.0, 2.0, 1.0]))
    part = np.diag([2.0, 2.0, 2.0, 1.0])
    part[:3, 3] = 2, 4, 6
    array = np.arange(1, 9).reshape(2, 2, 2)
    whole, grid = placed(array, Grid((2, 2, 2), part), like)
    assert grid is like
    np.testing.assert_array_equal(whole[1:3, 2:4, 3:5], array)
    assert whole.sum() == array.sum()


def test_an_empty_margin_may_lie_beyond_the_scan_but_no_outline() -> None:
    like = Grid((3, 3, 3), np.eye(4))
    beyond = np.eye(4)
    beyond[:3, 3] = -1
    array = np.zeros((5, 5, 5), int)
    array[1, 1, 1] = 4
    assert placed(array, Grid((5, 5, 5), beyond), like)[0][0, 0, 0] == 4
    array[0, 0, 0] = 4
    assert placed(array, Grid((5, 5, 5), beyond), like)[0].shape == (5, 5, 5)


def test_a_label_where_another_program_reads_an_ambiguous_scan_stays_as_it_is(
    tmp_path: Path, voxels: np.ndarray
) -> None:
    scan = nib.Nifti1Image(voxels.astype(np.int16), None)
    scan.set_sform(None, code=0)
    scan.set_qform(None, code=0)
    nib.save(scan, tmp_path / "scan.nii.gz")
    theirs = nib.load(tmp_path / "scan.nii.gz").affine  # a default of nibabel's own, not ITK's
    nib.save(nib.Nifti1Image((voxels % 5).astype(np.uint8), theirs), tmp_path / "label.nii.gz")
    grid = read_grid(tmp_path / "scan.nii.gz")
    read = read_label(tmp_path / "label.nii.gz", grid)
    check_same_grid(tmp_path / "scan.nii.gz", grid, tmp_path / "label.nii.gz", read.grid)
    np.testing.assert_array_equal(read.array[0], voxels % 5)
