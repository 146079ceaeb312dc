import logging
from pathlib import Path
from types import ModuleType

import numpy as np
import pydicom
import pytest

from crln.errors import CrlnError
from crln.imaging import Grid, label_names, read_label

SHAPE = (20, 18, 12)
# Oblique about two axes, voxels of 0.8 x 1.2 x 2.5 mm.
TURN = np.array([[0.8, -0.6, 0], [0.48, 0.64, -0.6], [0.36, 0.48, 0.8]])
GRID = Grid(SHAPE, np.block([[TURN * (0.8, 1.2, 2.5), np.array([[11.0], [-7], [40]])],
                             [np.zeros((1, 3)), np.ones((1, 1))]]))  # fmt: skip


def _box(low: tuple[int, ...], high: tuple[int, ...]) -> list[np.ndarray]:
    """Contours, in RAS, of the voxels low..high (included)."""
    (x0, y0, z0), (x1, y1, z1) = low, high
    corners = [
        (x0 - 0.5, y0 - 0.5),
        (x0 - 0.5, y1 + 0.5),
        (x1 + 0.5, y1 + 0.5),
        (x1 + 0.5, y0 - 0.5),
    ]
    flat = [np.insert(np.array(corners), 2, float(z), axis=1) for z in range(z0, z1 + 1)]
    return [points @ GRID.to_world[:3, :3].T + GRID.to_world[:3, 3] for points in flat]


def _voxels(low: tuple[int, ...], high: tuple[int, ...]) -> np.ndarray:
    mask = np.zeros(SHAPE, bool)
    mask[tuple(slice(a, b + 1) for a, b in zip(low, high, strict=True))] = True
    return mask


A, B = ((2, 3, 1), (8, 9, 6)), ((10, 3, 2), (14, 12, 8))


def test_structures_of_an_oblique_scan_are_filled_and_named(
    tmp_path: Path, dicom: ModuleType
) -> None:
    path = dicom.write_rtstruct(tmp_path / "a.dcm", {"Liver": _box(*A), "spleen": _box(*B)})
    assert label_names(path) == {1: "Liver", 2: "spleen"}
    label = read_label(path, GRID)
    np.testing.assert_allclose(label.grid.to_world, GRID.to_world)
    np.testing.assert_array_equal(label.array[0], _voxels(*A) + 2 * _voxels(*B))
    named = read_label(path, GRID, {0: "background", 7: "Spleen", 9: "liver"}).array[0]
    np.testing.assert_array_equal(named, 9 * _voxels(*A) + 7 * _voxels(*B))


def test_a_nifti_scan_of_the_same_place_takes_the_contours_too(
    tmp_path: Path, dicom: ModuleType
) -> None:
    path = dicom.write_rtstruct(tmp_path / "a.dcm", {"liver": _box(*A)})
    flip = np.diag([-1.0, 1, 1, 1])
    flip[0, 3] = SHAPE[0] - 1
    order = np.eye(4)[[2, 0, 1, 3]]  # axes (Z, X, Y) of the flipped grid
    grid = Grid((SHAPE[2], SHAPE[0], SHAPE[1]), GRID.to_world @ flip @ order.T)
    expected = _voxels(*A)[::-1].transpose(2, 0, 1)
    np.testing.assert_array_equal(read_label(path, grid).array[0], expected)


def test_structures_that_are_no_class_are_background_and_take_no_voxel(
    tmp_path: Path, dicom: ModuleType, caplog: pytest.LogCaptureFixture
) -> None:
    tumour = _box((4, 4, 2), (5, 5, 3))
    structures = {"body": _box((0, 0, 0), (19, 17, 11)), "liver": _box(*A), "tumour": tumour}
    path = dicom.write_rtstruct(tmp_path / "a.dcm", structures)
    with caplog.at_level(logging.WARNING, "crln"):
        label = read_label(path, GRID, {1: "liver"}).array[0]
    np.testing.assert_array_equal(label, _voxels(*A))
    assert not caplog.text


def test_where_structures_overlap_the_smaller_one_has_the_voxel_and_that_is_told_once(
    tmp_path: Path, dicom: ModuleType, caplog: pytest.LogCaptureFixture
) -> None:
    tumour = ((4, 4, 2), (5, 5, 3))
    path = dicom.write_rtstruct(tmp_path / "a.dcm", {"tumour": _box(*tumour), "liver": _box(*A)})
    expected = np.where(_voxels(*tumour), 1, 2 * _voxels(*A))
    with caplog.at_level(logging.WARNING, "crln"):
        for _ in range(2):
            np.testing.assert_array_equal(read_label(path, GRID).array[0], expected)
    told = "liver and tumour overlap in 8 voxels; taken for tumour, the smaller one"
    assert caplog.text.count(told) == 1


def test_points_and_structures_without_contours_are_no_classes(
    tmp_path: Path, dicom: ModuleType
) -> None:
    path = dicom.write_rtstruct(tmp_path / "a.dcm", {"iso": [], "liver": _box(*A), "marks": []})
    dataset = pydicom.dcmread(path)
    points = pydicom.Dataset()
    points.ContourGeometricType, points.ContourData = "POINT", [1, 2, 3]
    dataset.ROIContourSequence[2].ContourSequence = [points]
    del dataset.ROIContourSequence[0].ContourSequence
    dataset.save_as(path)
    assert label_names(path) == {2: "liver"}


def test_contours_of_another_place_are_refused(tmp_path: Path, dicom: ModuleType) -> None:
    far = [points + 500 for points in _box(*A)]
    path = dicom.write_rtstruct(tmp_path / "a.dcm", {"liver": far})
    with pytest.raises(CrlnError, match=r"a\.dcm: none of its contours \(liver\) lies in the scan"):
        read_label(path, GRID)


def test_contours_without_a_scan_are_refused(tmp_path: Path, dicom: ModuleType) -> None:
    path = dicom.write_rtstruct(tmp_path / "a.dcm", {"liver": _box(*A)})
    for grid in (None, Grid(SHAPE)):
        with pytest.raises(CrlnError, match=r"a\.dcm: contours need the scan"):
            read_label(path, grid)


def test_a_folder_that_holds_one_outline_among_slices_is_a_label(
    tmp_path: Path, dicom: ModuleType
) -> None:
    folder = dicom.write_series(tmp_path / "case", np.zeros(SHAPE, np.int16), GRID.to_world)
    path = dicom.write_rtstruct(folder / "RS", {"liver": _box(*A)})
    for label in (folder, path):
        np.testing.assert_array_equal(read_label(label, GRID).array[0], _voxels(*A))
    dicom.write_rtstruct(folder / "RS2", {"liver": _box(*A)})
    with pytest.raises(CrlnError, match=r"case: holds 2 outlines \(RS, RS2, \.\.\.\)"):
        read_label(folder, GRID)
