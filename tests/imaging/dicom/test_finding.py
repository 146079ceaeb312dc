"""Series in trees of folders, and the paths that stand for them."""

from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from pydicom.uid import generate_uid

from crln.errors import CrlnError
from crln.imaging import find_series, read_image, series_at
from crln.inference import discover_inputs


def test_an_export_is_walked_and_its_series_are_told_apart(
    dicom: ModuleType, tmp_path: Path, slices: np.ndarray
) -> None:
    """A CD: an index, folders of numbers, one that two series share, a report."""
    first, second, third = (generate_uid() for _ in range(3))
    root = tmp_path / "cd"
    dicom.save_series(root / "DICOM" / "S1", slices, dicom.oblique(), uid=first, name="IM{}")
    dicom.save_series(root / "DICOM" / "S2", slices, dicom.oblique(), uid=second, name="a{}")
    files = dicom.save_series(
        root / "DICOM" / "S2", -slices, dicom.oblique(), uid=third, name="b{}"
    )
    (root / "DICOMDIR").write_bytes(files[0].read_bytes())
    (root / "__MACOSX").mkdir()
    (root / "__MACOSX" / "IM0").write_bytes(files[0].read_bytes())
    dicom.edit(
        files[4], SOPClassUID="1.2.840.10008.5.1.4.1.1.66.4", SeriesInstanceUID=generate_uid()
    )
    found = find_series(root)
    assert [(series.uid, series.name) for series in found] == [
        (first, "S1"), (second, second), (third, third),
    ]  # fmt: skip
    arrays = [read_image([series.path]).array[0] for series in found]
    for array, expected in zip(arrays, (slices, slices, -slices[..., :4]), strict=True):
        np.testing.assert_array_equal(array, expected)
    assert [case.id for case in discover_inputs([root])] == ["S1", second, third]


def test_folders_of_one_name_are_told_apart_by_uid(
    dicom: ModuleType, tmp_path: Path, slices: np.ndarray
) -> None:
    uids = [generate_uid(), generate_uid()]
    for patient, uid in zip("ab", uids, strict=True):
        dicom.save_series(tmp_path / patient / "study" / "SE0001", slices, dicom.oblique(), uid=uid)
    dicom.save_series(tmp_path / "c" / "study" / "T1", slices, dicom.oblique())
    assert [case.id for case in discover_inputs([tmp_path])] == [*uids, "T1"]


def test_a_slice_stands_for_its_series(
    dicom: ModuleType, tmp_path: Path, slices: np.ndarray
) -> None:
    alone = dicom.save_series(tmp_path / "alone", slices, dicom.oblique())
    assert series_at(alone[3]).path == tmp_path / "alone"
    (case,) = discover_inputs(alone)  # all of them, as a shell's wildcard gives them
    assert (case.id, case.images) == ("alone", (tmp_path / "alone",))
    shared = dicom.save_series(
        tmp_path / "shared", slices, dicom.oblique(), uid=(uid := generate_uid())
    )
    dicom.save_series(tmp_path / "shared", -slices, dicom.oblique(), name="b{}")
    (case,) = discover_inputs(shared[2:3])
    assert case.id == uid
    np.testing.assert_array_equal(read_image(case.images).array[0], slices)
    np.testing.assert_array_equal(read_image(shared[4:]).array[0], slices)


def test_a_file_of_many_frames_stands_for_itself(
    dicom: ModuleType, tmp_path: Path, slices: np.ndarray
) -> None:
    files = [
        dicom.save_enhanced(tmp_path / f"{name}.dcm", sign * slices, dicom.oblique())
        for name, sign in (("a", 1), ("b", -1))
    ]
    assert [case.id for case in discover_inputs(files)] == ["a", "b"]
    np.testing.assert_array_equal(read_image(files[1:]).array[0], -slices)
    assert [series.path for series in find_series(tmp_path)] == files


def test_a_folder_of_folders_with_one_series_is_that_scan(
    dicom: ModuleType, tmp_path: Path, slices: np.ndarray
) -> None:
    dicom.save_series(tmp_path / "patient" / "study" / "series", slices, dicom.oblique())
    np.testing.assert_array_equal(read_image([tmp_path / "patient"]).array[0], slices)


def test_a_series_in_two_folders_is_named(
    dicom: ModuleType, tmp_path: Path, slices: np.ndarray
) -> None:
    uid = generate_uid()
    for folder in "ab":
        dicom.save_series(tmp_path / folder, slices, dicom.oblique(), uid=uid)
    with pytest.raises(
        CrlnError, match=r"b: holds slices of a series that is in .*a too; put them"
    ):
        find_series(tmp_path)


def test_a_folder_of_other_dicom_is_called_by_name(
    dicom: ModuleType, tmp_path: Path, slices: np.ndarray
) -> None:
    for file in dicom.save_series(tmp_path, slices, dicom.oblique()):
        dicom.edit(file, SOPClassUID="1.2.840.10008.5.1.4.1.1.66.4")
    with pytest.raises(
        CrlnError, match=r"holds no scan, but DICOM of other kinds \(Segmentation St"
    ):
        read_image([tmp_path])
