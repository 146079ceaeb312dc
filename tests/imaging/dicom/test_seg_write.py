from pathlib import Path
from types import ModuleType

import highdicom
import numpy as np
import pydicom
import pytest
import SimpleITK as sitk

from crln._version import __version__
from crln.errors import CrlnError
from crln.imaging import Grid, label_names, read_grid, read_label, write_mask
from crln.labels import LabelSpace

pytestmark = pytest.mark.slow  # by highdicom

SHAPE = (24, 20, 9)  # GDCM errs where all frames together are no whole bytes
TURN = np.array([[0.8, -0.6, 0], [0.48, 0.64, -0.6], [0.36, 0.48, 0.8]])
AFFINE = np.block([[TURN * (0.8, 1.2, 2.5), np.array([[11.0], [-7], [40]])],
                   [np.zeros((1, 3)), np.ones((1, 1))]])  # fmt: skip
LABELS = LabelSpace(
    (0, 7, 85, 90), ("background", "left atrium", "Läsion", "not here"),
    codes=("", "SCT:82471001", "99CRLN:LESION", ""),
)  # fmt: skip


@pytest.fixture
def mask() -> np.ndarray:
    mask = np.zeros(SHAPE, np.uint8)
    mask[6:14, 5:14, 2:8] = 85
    mask[8:11, 8:11, 3:6] = 0
    mask[16:20, 5:9, 4:8] = mask[9, 9, 4] = 7
    mask[0, 0, 0] = 85
    return mask


@pytest.fixture
def series(tmp_path: Path, dicom: ModuleType) -> Path:
    scan = np.arange(np.prod(SHAPE), dtype=np.int16).reshape(SHAPE)
    return dicom.write_series(
        tmp_path / "case", scan, AFFINE, SpecificCharacterSet="ISO_IR 100", PatientName="Bär^Anna"
    )


def test_a_mask_is_read_back_equal_by_number_and_by_name(
    tmp_path: Path, series: Path, mask: np.ndarray
) -> None:
    path = tmp_path / "case.dcm"
    write_mask(path, mask, series, labels=LABELS)
    for names in (None, LABELS.named):
        label = read_label(path, read_grid(series), names)
        np.testing.assert_array_equal(label.array[0], mask)


@pytest.mark.parametrize("decimals", [0, 1])
def test_a_mask_of_slices_with_coarse_positions_is_read_back_equal(
    tmp_path: Path, mask: np.ndarray, dicom: ModuleType, decimals: int
) -> None:
    def rounded(made: pydicom.FileDataset, _: int) -> None:
        made.ImagePositionPatient = [f"{float(v):.{decimals}f}" for v in made.ImagePositionPatient]

    affine = AFFINE if decimals else np.diag([-0.7, -0.9, 2.5, 1])
    dicom.save_series(tmp_path / "case", np.zeros(SHAPE, np.int16), affine, change=rounded)
    write_mask(tmp_path / "case.dcm", mask, tmp_path / "case", labels=LABELS)
    label = read_label(tmp_path / "case.dcm", read_grid(tmp_path / "case"))
    np.testing.assert_array_equal(label.array[0], mask)


def test_the_file_is_valid_dicom(
    tmp_path: Path, series: Path, mask: np.ndarray, dicom: ModuleType
) -> None:
    write_mask(tmp_path / "case.dcm", mask, series, labels=LABELS)
    dicom.check_valid(tmp_path / "case.dcm")


@pytest.mark.parametrize("letters", [{}, {"SpecificCharacterSet": "ISO_IR 100"}])
def test_names_of_classes_may_have_letters_that_the_scan_does_not_know(
    tmp_path: Path, mask: np.ndarray, dicom: ModuleType, letters: dict[str, str]
) -> None:
    patient = "Bär^Anna" if letters else "Anna^B"
    scan = np.zeros(SHAPE, np.int16)
    dicom.write_series(tmp_path / "case", scan, AFFINE, **letters, PatientName=patient)
    labels = LabelSpace((0, 7, 85), ("background", "肝臓 λ", "Läsion"))
    write_mask(tmp_path / "case.dcm", mask, tmp_path / "case", labels=labels)
    dicom.check_valid(tmp_path / "case.dcm")
    assert list(label_names(tmp_path / "case.dcm").values()) == ["肝臓 λ", "Läsion"]
    assert pydicom.dcmread(tmp_path / "case.dcm").PatientName == patient


def test_pydicom_finds_patient_study_place_codes_and_algorithm(
    tmp_path: Path, series: Path, mask: np.ndarray
) -> None:
    write_mask(tmp_path / "case.dcm", mask, series, labels=LABELS)
    found, scan = pydicom.dcmread(tmp_path / "case.dcm"), pydicom.dcmread(series / "000.dcm")
    for name in ("StudyInstanceUID", "FrameOfReferenceUID", "PatientID", "StudyDate"):
        assert found[name].value == scan[name].value
    assert str(found.PatientName) == "Bär^Anna"
    assert found.SeriesInstanceUID != scan.SeriesInstanceUID
    assert found.ReferencedSeriesSequence[0].SeriesInstanceUID == scan.SeriesInstanceUID
    segments = found.SegmentSequence
    assert [each.SegmentLabel for each in segments] == ["left atrium", "Läsion", "not here"]
    kinds = [each.SegmentedPropertyTypeCodeSequence[0] for each in segments]
    told = [(each.CodingSchemeDesignator, each.CodeValue) for each in kinds]
    assert told == [("SCT", "82471001"), ("99CRLN", "LESION"), ("SCT", "85756007")]
    assert {each.SegmentAlgorithmType for each in segments} == {"AUTOMATIC"}
    (algorithm,) = segments[0].SegmentationAlgorithmIdentificationSequence
    assert (algorithm.AlgorithmName, algorithm.AlgorithmVersion) == ("CRLN", __version__)


def test_highdicom_finds_each_segment_on_the_slices_of_the_series(
    tmp_path: Path, series: Path, mask: np.ndarray, dicom: ModuleType
) -> None:
    write_mask(tmp_path / "case.dcm", mask, series, labels=LABELS)
    found = highdicom.seg.segread(tmp_path / "case.dcm")
    uids = [each.SOPInstanceUID for each in dicom.slices(series)]
    pixels = found.get_pixels_by_source_instance(uids)  # (slices, rows, columns, segments)
    for number, value in enumerate(LABELS.values[1:]):
        np.testing.assert_array_equal(pixels[..., number].T, mask == value)


def test_itk_finds_the_frames_where_the_scan_is(
    tmp_path: Path, series: Path, mask: np.ndarray
) -> None:
    only = np.where(mask == 7, 1, 0).astype(np.uint8)  # in slices 4 to 7
    write_mask(tmp_path / "case.dcm", only, series)
    image = sitk.ReadImage(str(tmp_path / "case.dcm"))
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(series)))
    scan = reader.Execute()
    found = sitk.GetArrayFromImage(image).T > 0  # its slices may be in either order
    for voxel in np.argwhere(found).tolist():
        there = scan.TransformPhysicalPointToIndex(image.TransformIndexToPhysicalPoint(voxel))
        assert only[there]
    assert found.sum() == only.sum()


def test_an_empty_mask_is_written(tmp_path: Path, series: Path, dicom: ModuleType) -> None:
    empty = np.zeros(SHAPE, np.uint8)
    write_mask(tmp_path / "case.dcm", empty, series, labels=LABELS)
    dicom.check_valid(tmp_path / "case.dcm")
    label = read_label(tmp_path / "case.dcm", read_grid(series), LABELS.named)
    np.testing.assert_array_equal(label.array[0], empty)


def test_a_scan_that_is_no_series_is_refused(
    tmp_path: Path, mask: np.ndarray, save: object
) -> None:
    path = save(tmp_path / "a.nii.gz", mask, AFFINE)  # type: ignore[operator]
    for like, named in ((path, r"a\.nii\.gz"), (Grid(SHAPE, AFFINE), "scan")):
        for suffix, kind in ((".dcm", "DICOM SEG"), (".rtstruct.dcm", "RTSTRUCT")):
            line = f"{named}: is no DICOM series, which a mask as {kind} refers to; give the series"
            with pytest.raises(CrlnError, match=line):
                write_mask(tmp_path / f"b{suffix}", mask, like)
            assert not (tmp_path / f"b{suffix}").exists()


def test_a_code_that_is_none_is_refused(tmp_path: Path, series: Path, mask: np.ndarray) -> None:
    labels = LabelSpace((0, 7), ("background", "a"), codes=("", "82471001"))
    with pytest.raises(
        CrlnError, match=r"labels\.codes: '82471001' is no code; write SCHEME:VALUE"
    ):
        write_mask(tmp_path / "case.dcm", mask, series, labels=labels)


def test_slices_without_a_frame_of_reference_are_refused(
    tmp_path: Path, series: Path, mask: np.ndarray, dicom: ModuleType
) -> None:
    for file in series.iterdir():
        dicom.edit(file, "FrameOfReferenceUID")
    with pytest.raises(CrlnError, match="case: its slices name no frame of reference"):
        write_mask(tmp_path / "case.dcm", mask, series, labels=LABELS)


def test_slices_of_which_an_anonymiser_took_the_patient_are_no_fault(
    tmp_path: Path, series: Path, mask: np.ndarray, dicom: ModuleType
) -> None:
    for file in series.iterdir():
        dicom.edit(file, "PatientName", "PatientID", "PatientBirthDate", "StudyDate", "StudyID")
    for name in ("case.dcm", "case.rtstruct.dcm"):
        write_mask(tmp_path / name, mask, series, labels=LABELS)
        dicom.check_valid(tmp_path / name)


def test_numbers_of_too_many_letters_are_not_copied(
    tmp_path: Path, series: Path, mask: np.ndarray, dicom: ModuleType
) -> None:
    turned = [float(v) + 1e-12 for v in dicom.slices(series)[0].ImageOrientationPatient]
    for file in series.iterdir():
        dicom.edit(file, ImageOrientationPatient=turned)
    write_mask(tmp_path / "case.dcm", mask, series, labels=LABELS)
    dicom.check_valid(tmp_path / "case.dcm")


def test_a_slice_of_the_scan_is_never_replaced(series: Path, mask: np.ndarray) -> None:
    before = (series / "003.dcm").read_bytes()
    with pytest.raises(CrlnError, match=r"003\.dcm: "):
        write_mask(series / "003.dcm", mask, series, labels=LABELS, overwrite=True)
    assert (series / "003.dcm").read_bytes() == before
