"""What is handed over: masks with the scans' geometry, and a table that says what each is worth."""

import csv

import nibabel as nib
import numpy as np
import pytest

from crln.errors import CrlnError
from crln.reviewing import begin_project, opened
from crln.reviewing.export import export

pytestmark = pytest.mark.slow


def test_every_outline_but_rejected_ones_is_handed_over_with_what_is_known_of_it(
    project, tmp_path, small
):
    small.mask(
        project, 1, "case_1", small.drawing(1), score={"class 1": 0.75, "class 2": None},
        flags=("odd",),
    )  # fmt: skip
    small.mask(project, 1, "case_2", small.drawing(2))
    project.decide("case_2", "rejected")
    project.save("case_3", small.drawing(2), seconds=12)
    project.decide("case_3", "accepted")
    told = []
    export(project, tmp_path / "out", say=told.append)
    masks = {path.name for path in (tmp_path / "out").glob("*.nii.gz")}
    assert masks == {"case_0.nii.gz", "case_1.nii.gz", "case_3.nii.gz"}
    assert told == [f"3 masks and cases.csv in {tmp_path / 'out'}; 1 cases left out"]
    mask = nib.load(tmp_path / "out/case_3.nii.gz")
    assert np.array_equal(np.asarray(mask.dataobj), small.drawing(2))
    assert np.array_equal(mask.affine, nib.load(project.case("case_3").images[0]).affine)
    with (tmp_path / "out/cases.csv").open(newline="") as file:
        rows = {(row["case"], row["class"]): row for row in csv.DictReader(file)}
    assert len(rows) == 6
    first, last = rows["case_1", "class 1"], rows["case_3", "class 2"]
    assert (first["state"], first["score"], first["flags"]) == ("outlined", "0.75", "odd")
    assert (last["state"], last["by"], last["seconds"]) == ("accepted", "anna", "12")
    assert int(last["voxels"]) == int((small.drawing(2) == 2).sum())
    assert float(last["volume_ml"]) == pytest.approx(int(last["voxels"]) * 2 / 1000)


def test_nothing_that_exists_is_replaced_unasked(project, tmp_path, small):
    export(project, tmp_path / "out", say=str)
    with pytest.raises(CrlnError, match=r"cases\.csv: exists"):
        export(project, tmp_path / "out", say=str)
    export(project, tmp_path / "out", overwrite=True, say=str)


def test_nothing_outlined_is_said(tmp_path, small):
    small.scan(tmp_path / "scans/a.nii.gz", np.ones(small.shape, np.int16))
    told = "nothing is outlined that could be handed over"
    places = begin_project(tmp_path / "scans", say=str)
    with opened(places) as project, pytest.raises(CrlnError, match=told):
        export(project, tmp_path / "out", say=str)


def test_a_mask_of_a_dicom_series_is_handed_over_as_dicom_seg(tmp_path, small_scans, small):
    pydicom = pytest.importorskip("pydicom")
    import shutil

    series = next(path for path in small_scans.iterdir() if path.is_dir())
    shutil.copytree(series, tmp_path / "scans/series")
    places = begin_project(tmp_path / "scans", classes=["liver"], say=str)
    with opened(places) as project:
        (id,) = project.cases
        values = np.zeros(project.values(id).shape, np.int32)
        values[2:4, 2:4, 1:3] = 1
        values[0] = project.settings.ignore
        project.save(id, values)
        project.decide(id, "accepted")
        (path,) = export(project, tmp_path / "out", format="dicom-seg", say=str)
    found = pydicom.dcmread(path)
    assert found.Modality == "SEG"
    assert [s.SegmentLabel for s in found.SegmentSequence] == ["liver"]
    assert int(found.pixel_array.sum()) == 8


def test_a_mask_as_dicom_seg_needs_a_series(project, tmp_path):
    with pytest.raises(CrlnError, match="no DICOM series"):
        export(project, tmp_path / "out", format="dicom-seg", say=str)
