from pathlib import Path
from types import ModuleType

import numpy as np
import pydicom
import pytest
from scipy.ndimage import binary_dilation

from crln.imaging import label_names, read_grid, read_label, write_mask
from crln.labels import LabelSpace

SHAPE = (40, 36, 9)
TURN = np.array([[0.8, -0.6, 0], [0.48, 0.64, -0.6], [0.36, 0.48, 0.8]])
AFFINE = np.block([[TURN * (0.8, 1.2, 2.5), np.array([[11.0], [-7], [40]])],
                   [np.zeros((1, 3)), np.ones((1, 1))]])  # fmt: skip
LABELS = LabelSpace((0, 3, 8), ("background", "Läsion", "ring"), codes=("", "", "SCT:10200004"))


@pytest.fixture
def series(tmp_path: Path, dicom: ModuleType) -> Path:
    scan = np.arange(np.prod(SHAPE), dtype=np.int16).reshape(SHAPE)
    return dicom.write_series(
        tmp_path / "case", scan, AFFINE, SpecificCharacterSet="ISO_IR 100", PatientName="Bär^Anna"
    )


@pytest.fixture
def mask() -> np.ndarray:
    """A ball, a ring with an island and a touching corner, single voxels, ragged noise."""
    places = np.stack(np.meshgrid(*map(np.arange, SHAPE), indexing="ij"), -1)
    mask = np.where(((places - (10, 9, 4)) ** 2).sum(-1) < 45, 3, 0).astype(np.uint8)
    mask[20:34, 18:32, 2:7] = 8
    mask[23:31, 21:29, 2:7] = 0
    mask[26:28, 24:26, 3:6] = 8
    mask[34, 32, 4] = mask[0, 0, 0] = mask[39, 35, 8] = 8
    noise = np.random.default_rng(0).random((10, 10)) < 0.5
    mask[28:38, 2:12, 5][noise] = 3
    return mask


def test_a_mask_is_read_back_equal(tmp_path: Path, series: Path, mask: np.ndarray) -> None:
    path = tmp_path / "case.rtstruct.dcm"
    write_mask(path, mask, series, labels=LABELS)
    assert label_names(path) == {3: "Läsion", 8: "ring"}
    for names in (None, {3: "ring", 4: "läsion"}):
        label = read_label(path, read_grid(series), names).array[0]
        meant = {0: 0, 3: 4, 8: 3} if names else {0: 0, 3: 3, 8: 8}
        np.testing.assert_array_equal(label, np.vectorize(meant.get)(mask))


def test_contours_lie_within_a_voxel_of_the_mask_in_its_slices(
    tmp_path: Path, series: Path, mask: np.ndarray, dicom: ModuleType
) -> None:
    write_mask(tmp_path / "case.rtstruct.dcm", mask, series, labels=LABELS)
    found = pydicom.dcmread(tmp_path / "case.rtstruct.dcm")
    uids = [each.SOPInstanceUID for each in dicom.slices(series)]
    ball = binary_dilation(mask == 3, np.ones((3, 3, 1)))
    for contour in found.ROIContourSequence[0].ContourSequence:
        points = np.reshape(contour.ContourData, (-1, 3)).astype(float) * (-1, -1, 1)
        voxels = (points - AFFINE[:3, 3]) @ np.linalg.inv(AFFINE[:3, :3]).T
        near = np.rint(voxels).astype(int)
        assert np.abs(voxels[:, 2] - near[:, 2]).max() < 1e-2
        assert ball[tuple(near.T)].all()
        (reference,) = contour.ContourImageSequence
        assert reference.ReferencedSOPInstanceUID == uids[near[0, 2]]


def test_a_contour_has_a_point_where_its_direction_changes_and_nowhere_else(
    tmp_path: Path, series: Path
) -> None:
    """Around a block of voxels: a cut corner each, however long the sides."""
    mask = np.zeros(SHAPE, np.uint8)
    mask[10:30, 5:20, 4] = 3
    write_mask(tmp_path / "case.rtstruct.dcm", mask, series, labels=LABELS)
    found = pydicom.dcmread(tmp_path / "case.rtstruct.dcm")
    (contour,) = found.ROIContourSequence[0].ContourSequence
    assert contour.NumberOfContourPoints == len(contour.ContourData) / 3 == 8


def test_patient_study_place_and_codes_are_told(
    tmp_path: Path, series: Path, mask: np.ndarray
) -> None:
    write_mask(tmp_path / "case.rtstruct.dcm", mask, series, labels=LABELS)
    found = pydicom.dcmread(tmp_path / "case.rtstruct.dcm")
    scan = pydicom.dcmread(series / "000.dcm")
    for name in ("StudyInstanceUID", "FrameOfReferenceUID", "PatientID", "StudyDate"):
        assert found[name].value == scan[name].value
    assert str(found.PatientName) == "Bär^Anna"
    assert [roi.ROIName for roi in found.StructureSetROISequence] == ["Läsion", "ring"]
    coded = found.RTROIObservationsSequence[1].RTROIIdentificationCodeSequence[0]
    assert (coded.CodingSchemeDesignator, coded.CodeValue) == ("SCT", "10200004")


def test_the_file_is_valid_dicom(
    tmp_path: Path, series: Path, mask: np.ndarray, dicom: ModuleType
) -> None:
    write_mask(tmp_path / "case.rtstruct.dcm", mask, series, labels=LABELS)
    dicom.check_valid(tmp_path / "case.rtstruct.dcm")
