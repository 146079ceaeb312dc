import logging
import shutil
from pathlib import Path

import h5py
import nibabel as nib
import numpy as np
import pytest

from crln.cohort import load_cohort
from crln.errors import CrlnError
from crln.inference import discover_inputs


def scan(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(np.zeros((3, 3, 3), np.float32), np.eye(4)), path)
    return path


def archive(path: Path) -> Path:
    path.parent.mkdir(parents=True)
    with h5py.File(path, "w") as file:
        file["image"] = np.zeros((3, 3, 3), np.float32)
    return path


def test_files_keep_their_order(tmp_path: Path) -> None:
    b, a = scan(tmp_path / "b.nii.gz"), scan(tmp_path / "a.nii.gz")
    cases = discover_inputs([b, str(a)])
    assert [(case.id, case.images, case.label) for case in cases] == [
        ("b", (b,), None),
        ("a", (a,), None),
    ]


def test_a_folder_of_scans(tmp_path: Path) -> None:
    for name in ("c2.nii.gz", "c1.nii", ".hidden.nii.gz"):
        scan(tmp_path / name)
    (tmp_path / "notes.txt").touch()
    assert [case.id for case in discover_inputs([tmp_path])] == ["c1", "c2"]


def test_what_is_left_out_of_a_folder_of_scans_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    scan(tmp_path / "a.nii.gz")
    for name in ("b.hdr", "b.img", "c.seg.nrrd", "cases.csv", "notes.txt"):
        (tmp_path / name).touch()
    with caplog.at_level(logging.WARNING, "crln"):
        assert [case.id for case in discover_inputs([tmp_path])] == ["a"]
    assert [record.getMessage() for record in caplog.records] == [
        f"{tmp_path}: left out, of a kind that is not read: b.hdr, b.img (2)",
        f"{tmp_path}: left out, since it holds outlines: c.seg.nrrd (1)",
    ]


def test_a_scan_named_alone_and_with_its_folder_is_one_case(tmp_path: Path) -> None:
    path = scan(tmp_path / "a.nii.gz")
    assert len(discover_inputs([path, tmp_path])) == 1


def test_channels_of_one_case(tmp_path: Path) -> None:
    files = [scan(tmp_path / f"a_{i:04d}.nii.gz") for i in (1, 0)]
    (case,) = discover_inputs(files, channels=2)
    assert case.id == "a"
    assert [path.name for path in case.images] == ["a_0000.nii.gz", "a_0001.nii.gz"]


def test_digits_that_go_past_the_channels_number_cases(tmp_path: Path) -> None:
    for name in ("a_0000", "a_0001", "b_0000"):
        scan(tmp_path / f"{name}.nii.gz")
    assert [c.id for c in discover_inputs([tmp_path], channels=1)] == ["a_0000", "a_0001", "b"]


def test_a_year_is_no_channel(tmp_path: Path) -> None:
    for year in (2021, 2022):
        scan(tmp_path / f"heart_{year}.nii.gz")
    ids = [case.id for case in discover_inputs([tmp_path], channels=2)]
    assert ids == ["heart_2021", "heart_2022"]


def test_a_missing_channel_is_refused_as_training_refuses_it(tmp_path: Path) -> None:
    """Of `case_0007` without `_0000` nobody knows whether it is a channel or a case."""
    for number, (channels, names) in enumerate(
        [
            (1, ["case_0007"]),
            (2, ["a_0000", "a_0001", "b_0001"]),
            (2, ["a_0000", "b_0000"]),
        ]
    ):
        folder = tmp_path / str(number)
        for name in names:
            scan(folder / "images" / f"{name}.nii.gz")
        message = r"looks like channel \d{4} of case .*which has no channel \d{4}; add that file"
        with pytest.raises(CrlnError, match=message):
            discover_inputs([folder / "images"], channels=channels)
        if number < 2:
            with pytest.raises(CrlnError, match=message):
                load_cohort(folder)


def test_a_scan_that_is_named_outright_may_end_in_digits(tmp_path: Path) -> None:
    path = scan(tmp_path / "knee_1203.nii.gz")
    assert [case.id for case in discover_inputs([path])] == ["knee_1203"]


def test_names_are_taken_as_training_takes_them(tmp_path: Path) -> None:
    for name in ("a_0000", "other"):
        scan(tmp_path / "images" / f"{name}.nii.gz")
    predicted = {case.id for case in discover_inputs([tmp_path / "images"])}
    assert predicted == {case.id for case in load_cohort(tmp_path)} == {"a_0000", "other"}


def test_a_case_beside_its_own_channels_is_refused(tmp_path: Path) -> None:
    for name in ("a", "a_0000", "a_0001"):
        scan(tmp_path / f"{name}.nii.gz")
    with pytest.raises(CrlnError, match="of the same case as"):
        discover_inputs([tmp_path], channels=2)


def test_a_cohort_folder_gives_all_its_cases_without_labels(phantom: Path) -> None:
    cases = discover_inputs([phantom])
    assert {case.id for case in cases} == {case.id for case in load_cohort(phantom)}
    assert all(case.label is None for case in cases)


def test_archives(tmp_path: Path) -> None:
    first = archive(tmp_path / "set" / "heart" / "mri_norm2.h5")
    archive(tmp_path / "set" / "other" / "mri_norm2.h5")
    assert [case.id for case in discover_inputs([tmp_path])] == ["heart", "other"]
    assert discover_inputs([first.parent])[0].id == "heart"


def test_dicom_series(small_scans: Path, tmp_path: Path) -> None:
    copies = (tmp_path / "dicom" / name for name in ("a", "b"))
    series = [shutil.copytree(small_scans / "series", copy) for copy in copies]
    whole = discover_inputs([tmp_path / "dicom"])
    assert [case.images for case in whole] == [(path,) for path in series]
    assert discover_inputs(series[:1])[0].id == series[0].name


def test_faults(tmp_path: Path) -> None:
    with pytest.raises(CrlnError, match="missing: no such file or folder"):
        discover_inputs([tmp_path / "missing"])
    text = tmp_path / "notes.txt"
    text.touch()
    with pytest.raises(CrlnError, match=r"notes\.txt: not a known format"):
        discover_inputs([text])
    (tmp_path / "empty").mkdir()
    with pytest.raises(CrlnError, match="empty"):
        discover_inputs([tmp_path / "empty"])
    with pytest.raises(CrlnError, match="no scan"):
        discover_inputs([])


def test_two_scans_of_one_name_are_refused(tmp_path: Path, phantom: Path) -> None:
    files = [scan(tmp_path / folder / "a.nii.gz") for folder in ("one", "two")]
    with pytest.raises(CrlnError, match=r"two/a\.nii\.gz: its mask would have the name of .*one"):
        discover_inputs(files)
    case = next(iter(load_cohort(phantom)))
    double = scan(tmp_path / f"{case.id}.nii.gz")
    with pytest.raises(CrlnError, match="its mask would have the name of"):
        discover_inputs([phantom, double])


def test_an_unreadable_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("crln.inference.discover.is_scan", lambda path: False)
    monkeypatch.setattr(Path, "iterdir", refuse)
    with pytest.raises(CrlnError, match=r"cannot be read \(Permission denied\)"):
        discover_inputs([tmp_path])
