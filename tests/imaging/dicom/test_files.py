from pathlib import Path
from types import ModuleType

import numpy as np
import pydicom
import pytest

from crln.imaging import is_dicom_file, is_scan, read_image


def without_preamble(file: Path, *, implicit: bool) -> None:
    bare = pydicom.Dataset()
    bare.update(dict(pydicom.dcmread(file).items()))
    pydicom.dcmwrite(
        file, bare, implicit_vr=implicit, little_endian=True, enforce_file_format=False
    )


@pytest.mark.parametrize("name", ["{}.dcm", "IM{}", "1.2.840.{}"])
def test_files_are_known_by_what_is_in_them(
    dicom: ModuleType, tmp_path: Path, slices: np.ndarray, name: str
) -> None:
    files = dicom.save_series(tmp_path, slices, dicom.oblique(), name=name)
    assert is_scan(tmp_path)
    assert all(map(is_dicom_file, files))
    np.testing.assert_array_equal(read_image([tmp_path]).array[0], slices)


@pytest.mark.parametrize("implicit", [True, False])
def test_files_without_a_preamble_are_read(
    dicom: ModuleType, tmp_path: Path, slices: np.ndarray, implicit: bool
) -> None:
    for file in dicom.save_series(tmp_path, slices, dicom.oblique(), name="{}"):
        without_preamble(file, implicit=implicit)
        assert file.read_bytes()[128:132] != b"DICM"
    assert is_scan(tmp_path)
    np.testing.assert_array_equal(read_image([tmp_path]).array[0], slices)


def test_an_index_and_what_systems_leave_are_no_slices(
    dicom: ModuleType, tmp_path: Path, slices: np.ndarray
) -> None:
    files = dicom.save_series(tmp_path, slices, dicom.oblique())
    for name in ("DICOMDIR", "._0.dcm", "Thumbs.db"):
        (tmp_path / name).write_bytes(files[0].read_bytes())
        assert not is_dicom_file(tmp_path / name)
    np.testing.assert_array_equal(read_image([tmp_path]).array[0], slices)


@pytest.mark.parametrize("content", [b"", b"x" * 500, b"\x08\x00", b"\x89PNG" + b"\0" * 200])
def test_other_files_are_no_dicom(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.dcm").write_bytes(content)
    assert not is_dicom_file(tmp_path / "a.dcm")
    assert not is_scan(tmp_path)
