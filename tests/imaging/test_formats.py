import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from crln.errors import CrlnError
from crln.imaging import (
    check_same_grid,
    formats,
    is_archive,
    is_scan,
    output_suffix,
    read_grid,
    read_label,
    scan_stem,
    write_mask,
)
from crln.imaging.formats import scan_format


@pytest.mark.parametrize(
    ("path", "stem"),
    [
        ("a/case.nii.gz", "case"),
        ("case.1.NII", "case.1"),
        ("case_0000.nrrd", "case_0000"),
        ("x.mha", "x"),
        ("Training Set/ABC/mri_norm2.h5", "ABC"),
        ("image0001_norm.h5", "image0001"),
        ("BraTS19_2013_0_1.h5", "BraTS19_2013_0_1"),
        ("case_norm.nii.gz", "case_norm"),
        ("series", "series"),
    ],
)
def test_stem_is_the_case(path: str, stem: str) -> None:
    assert scan_stem(Path(path)) == stem


@pytest.mark.parametrize(
    ("scan", "suffix"),
    [
        ("a.nii", ".nii.gz"),
        ("a.nii.gz", ".nii.gz"),
        ("a.nrrd", ".nrrd"),
        ("a.nhdr", ".nrrd"),
        ("a.mhd", ".mha"),
        ("a.h5", ".h5"),
        ("series", ".nii.gz"),
    ],
)
def test_masks_keep_the_format_of_the_scan(scan: str, suffix: str) -> None:
    assert output_suffix(Path(scan)) == suffix


def test_a_map_is_no_archive() -> None:
    assert output_suffix(Path("a.h5"), map=True) == ".nii.gz"
    assert output_suffix(Path("a.mha"), map=True) == ".mha"


def test_only_scans_are_scans(tmp_path: Path, small_scans: Path) -> None:
    assert is_scan(Path("a.nii.gz"))
    assert not is_scan(Path("._a.nii.gz"))
    assert not is_scan(Path("train.list"))
    assert is_archive(Path("a.h5"))
    assert not is_archive(Path("a.nii.gz"))
    assert is_scan(small_scans / "series")
    (tmp_path / "notes").write_text("no DICOM")
    assert not is_scan(tmp_path)


def test_an_unreadable_folder_is_no_scan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", refuse)
    assert not is_scan(tmp_path)


def test_a_format_is_one_class_and_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, save: Callable[..., Path], voxels: np.ndarray
) -> None:
    """The class of the page "Add a format", listed, is read and written everywhere."""
    page = Path(__file__).parents[2] / "docs" / "how-to" / "add-a-format.md"
    names: dict[str, Any] = {}
    exec(re.findall(r"^```python\n(.*?)^```$", page.read_text("utf-8"), re.M | re.S)[0], names)
    monkeypatch.setitem(formats._FORMAT_OF, ".npz", names["Numpy"]())  # as the line does
    scan = save(tmp_path / "scan.nii.gz", voxels)
    mask = tmp_path / "labels" / "scan.npz"
    write_mask(mask, voxels % 3, scan)
    label = read_label(mask)
    np.testing.assert_array_equal(label.array[0], voxels % 3)
    check_same_grid(scan, read_grid(scan), mask, label.grid)
    assert (scan_stem(mask), output_suffix(mask), is_scan(mask)) == ("scan", ".npz", True)
    mask.write_bytes(b"torn")
    with pytest.raises(CrlnError, match=r"scan\.npz: truncated or not an image"):
        read_label(mask)


def test_unknown_names_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CrlnError, match=r"gone\.txt: no such file"):
        scan_format(tmp_path / "gone.txt")
    (tmp_path / "scan.jpg").touch()
    with pytest.raises(CrlnError, match=r"scan\.jpg: not a scan by its name; give NIfTI"):
        scan_format(tmp_path / "scan.jpg")
