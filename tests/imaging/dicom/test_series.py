import shutil
from pathlib import Path
from types import ModuleType

import numpy as np
import pydicom
import pytest

from crln.errors import CrlnError
from crln.imaging import read_grid, read_image


@pytest.fixture
def series(small_scans: Path, tmp_path: Path) -> Path:
    """A copy of a series of eight slices."""
    return shutil.copytree(small_scans / "series", tmp_path / "series")


def test_order_follows_positions_not_names(series: Path) -> None:
    before = read_image([series]).array
    files = sorted(series.iterdir())
    for index, file in enumerate(files):
        file.rename(series / f"slice{len(files) - index}")
    np.testing.assert_array_equal(read_image([series]).array, before)


def test_spacing_along_x_is_that_of_columns(series: Path, dicom: ModuleType) -> None:
    for file in series.iterdir():
        dicom.edit(file, PixelSpacing=[0.5, 0.75])  # between rows (y), then between columns (x)
    assert read_grid(series).spacing == (0.75, 0.5, 2.5)


def test_a_missing_slice_is_noticed(series: Path) -> None:
    sorted(series.iterdir(), key=lambda p: int(p.stem))[2].unlink()
    with pytest.raises(CrlnError, match="series: slices are missing or unevenly spaced; export"):
        read_image([series])


def test_every_header_of_a_series_is_read_once(
    series: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a slow drive, hundreds of headers are what takes the time."""
    read, opened = pydicom.dcmread, []

    def counted(file: Path, **how: object) -> pydicom.Dataset:
        opened.append(file)
        return read(file, **how)

    monkeypatch.setattr(pydicom, "dcmread", counted)
    read_image([series])
    assert sorted(opened) == sorted(series.iterdir())


def test_a_slice_that_is_cut_off_in_its_header_is_named_not_called_missing(series: Path) -> None:
    file = sorted(series.iterdir(), key=lambda p: int(p.stem))[4]
    whole = file.read_bytes()
    file.write_bytes(whole[: whole.index(b"\x28\x00\x10\x00")])  # before its Rows
    with pytest.raises(CrlnError, match=rf"{file.name} has no"):
        read_image([series])


@pytest.mark.parametrize("tag", ["Rows", "Columns"])
def test_an_empty_tag_is_named(series: Path, tag: str, dicom: ModuleType) -> None:
    for file in series.iterdir():
        dicom.edit(file, **{tag: None})
    with pytest.raises(CrlnError, match=rf"\.dcm has no {tag}; export the series again"):
        read_grid(series)


def test_two_series_are_refused(series: Path, dicom: ModuleType) -> None:
    first = next(series.iterdir())
    dicom.edit(first, SeriesInstanceUID=pydicom.uid.generate_uid())
    with pytest.raises(CrlnError, match="series: holds 2 DICOM series; give a folder for each"):
        read_image([series])


def test_one_slice_is_no_volume(series: Path) -> None:
    for file in sorted(series.iterdir())[1:]:
        file.unlink()
    with pytest.raises(CrlnError, match="holds one slice where a 3D series is due"):
        read_grid(series)


def test_a_slice_without_a_place_is_refused(series: Path) -> None:
    for file in series.iterdir():
        dataset = pydicom.dcmread(file)
        del dataset.ImagePositionPatient
        dataset.save_as(file)
    with pytest.raises(CrlnError, match="series: a slice does not state its place"):
        read_grid(series)


def test_a_folder_without_dicom_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CrlnError, match="holds no DICOM series; give a scan"):
        read_image([tmp_path])
