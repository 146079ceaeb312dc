from pathlib import Path
from types import ModuleType

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from pydicom.dataset import FileDataset

from crln.errors import CrlnError
from crln.imaging import read_grid, read_image, write_mask


def test_an_enhanced_file_is_a_scan_whatever_the_order_of_its_frames(
    dicom: ModuleType, tmp_path: Path, slices: np.ndarray
) -> None:
    order = [2, 0, 1, 4, 3]
    file = dicom.save_enhanced(tmp_path / "folder" / "a.dcm", slices, dicom.oblique(), order=order)
    for path in (file, file.parent):
        np.testing.assert_array_equal(read_image([path]).array[0], slices)
        np.testing.assert_allclose(read_grid(path).affine, dicom.oblique(), atol=1e-6)
    write_mask(tmp_path / "mask.nii.gz", (slices > 0).astype(np.uint8), file)
    mask = sitk.ReadImage(str(tmp_path / "mask.nii.gz"))
    groups = pydicom.dcmread(file).PerFrameFunctionalGroupsSequence
    for group, k in zip(groups, order, strict=True):
        place = group.PlanePositionSequence[0].ImagePositionPatient
        np.testing.assert_allclose(
            mask.TransformIndexToPhysicalPoint((0, 0, k)), np.array(place), atol=1e-4
        )
    np.testing.assert_allclose(mask.GetOrigin(), dicom.LPS @ dicom.oblique()[:3, 3], atol=1e-4)


def test_frames_without_a_place_are_called_by_name(
    dicom: ModuleType, tmp_path: Path, slices: np.ndarray
) -> None:
    file = dicom.save_enhanced(tmp_path / "a.dcm", slices, dicom.oblique(), places=False)
    with pytest.raises(
        CrlnError, match=r"multi-frame without a place for each frame \(Enhanced MR"
    ):
        read_grid(file)


def test_colour_is_called_by_name(dicom: ModuleType, tmp_path: Path, slices: np.ndarray) -> None:
    def change(made: FileDataset, _: int) -> None:
        made.SamplesPerPixel, made.PhotometricInterpretation = 3, "RGB"

    dicom.save_series(tmp_path, slices, dicom.oblique(), change=change)
    with pytest.raises(CrlnError, match=r"colour slices \(RGB, 0\.dcm\) where grey values are due"):
        read_grid(tmp_path)


@pytest.mark.parametrize("tag", ["PixelSpacing", "ImagePositionPatient", "ImageOrientationPatient"])
@pytest.mark.parametrize("value", [None, [], "gone"])
def test_an_empty_tag_is_named(
    dicom: ModuleType, tmp_path: Path, slices: np.ndarray, tag: str, value: object
) -> None:
    def change(made: FileDataset, k: int) -> None:
        if k == 1 and value == "gone":
            delattr(made, tag)
        elif k == 1:
            setattr(made, tag, value)

    dicom.save_series(tmp_path, slices, dicom.oblique(), change=change)
    with pytest.raises(
        CrlnError, match=rf"a slice does not state its place \(1\.dcm has no {tag}\)"
    ):
        read_grid(tmp_path)


@pytest.mark.parametrize("tag", ["Columns", "RescaleSlope", "SeriesInstanceUID", "Modality"])
def test_other_empty_tags_are_named_or_do_no_harm(
    dicom: ModuleType, tmp_path: Path, slices: np.ndarray, tag: str
) -> None:
    dicom.save_series(
        tmp_path, slices, dicom.oblique(), change=lambda made, _: setattr(made, tag, None)
    )
    if tag == "Columns":
        with pytest.raises(CrlnError, match=r"0\.dcm has no Columns; export the series again"):
            read_grid(tmp_path)
    else:
        np.testing.assert_array_equal(read_image([tmp_path]).array[0], slices)
