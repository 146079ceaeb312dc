from pathlib import Path

import pytest

from crln.errors import CrlnError
from crln.imaging import is_archive, is_scan, output_suffix, scan_stem
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


def test_only_scans_are_scans(tmp_path: Path, data_root: Path) -> None:
    assert is_scan(Path("a.nii.gz"))
    assert not is_scan(Path("._a.nii.gz"))
    assert not is_scan(Path("train.list"))
    assert is_archive(Path("a.h5"))
    assert not is_archive(Path("a.nii.gz"))
    assert is_scan(data_root / "dicom" / "13_HCropVolume")
    (tmp_path / "notes").write_text("no DICOM")
    assert not is_scan(tmp_path)


def test_an_unreadable_folder_is_no_scan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", refuse)
    assert not is_scan(tmp_path)


def test_unknown_names_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CrlnError, match=r"gone\.txt: no such file"):
        scan_format(tmp_path / "gone.txt")
    (tmp_path / "scan.jpg").touch()
    with pytest.raises(CrlnError, match=r"scan\.jpg: not a scan by its name; give NIfTI"):
        scan_format(tmp_path / "scan.jpg")
