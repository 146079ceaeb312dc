import struct
from collections.abc import Callable
from pathlib import Path

import h5py
import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk

from crln.errors import CrlnError
from crln.imaging import count_channels, read_grid, read_image, read_label

Save = Callable[..., Path]
SHAPE = (5, 6, 7)

WITH_AFFINE = [".nii", ".nii.gz", ".nrrd", ".mha", ".mhd", ".nhdr"]
FORMATS = [*WITH_AFFINE, ".h5"]


@pytest.mark.parametrize("suffix", FORMATS)
def test_voxels_and_geometry_are_the_files(
    tmp_path: Path, voxels: np.ndarray, suffix: str, save: Save, affine: np.ndarray
) -> None:
    path = save(tmp_path / f"a{suffix}", voxels)
    volume, grid = read_image([path]), read_grid(path)
    assert volume.array.dtype == np.float32
    np.testing.assert_array_equal(volume.array, voxels[None])
    assert grid.shape == volume.grid.shape == SHAPE
    if suffix == ".h5":
        assert not volume.grid.known
        assert not grid.known
        return
    np.testing.assert_allclose(volume.grid.affine, affine, atol=1e-5)
    np.testing.assert_allclose(grid.affine, affine, atol=1e-5)
    np.testing.assert_allclose(grid.spacing, (0.5, 1, 2), atol=1e-5)


@pytest.mark.parametrize("suffix", FORMATS)
def test_labels_are_whole_numbers(
    tmp_path: Path, voxels: np.ndarray, suffix: str, save: Save
) -> None:
    path = save(tmp_path / f"a{suffix}", voxels % 3)
    label = read_label(path)
    assert label.array.dtype == np.int32
    np.testing.assert_array_equal(label.array[0], voxels % 3)


def test_channels_are_stacked(tmp_path: Path, voxels: np.ndarray, save: Save) -> None:
    paths = [save(tmp_path / "a.nii.gz", voxels), save(tmp_path / "b.nrrd", voxels[::-1].copy())]
    np.testing.assert_array_equal(read_image(paths).array, np.stack([voxels, voxels[::-1]]))


def test_channels_must_share_a_grid(
    tmp_path: Path, voxels: np.ndarray, save: Save, affine: np.ndarray
) -> None:
    a = save(tmp_path / "a.nii.gz", voxels)
    moved = affine + np.eye(4, k=3) * 5
    with pytest.raises(CrlnError, match=r"b\.nii\.gz: its affine .*a\.nii\.gz"):
        read_image([a, save(tmp_path / "b.nii.gz", voxels, moved)])
    with pytest.raises(CrlnError, match=r"c\.nii\.gz: shape \(4, 6, 7\)"):
        read_image([a, save(tmp_path / "c.nii.gz", voxels[1:])])


def test_scaled_nifti_is_unscaled_in_float32(
    tmp_path: Path, voxels: np.ndarray, save: Save, affine: np.ndarray
) -> None:
    image = nib.Nifti1Image(voxels, affine)
    image.header.set_slope_inter(0.5, -1024)
    nib.save(image, tmp_path / "ct.nii.gz")
    raw = nib.load(tmp_path / "ct.nii.gz")
    np.testing.assert_allclose(
        read_image([tmp_path / "ct.nii.gz"]).array[0], raw.get_fdata(), rtol=1e-6, atol=1e-3
    )


def test_a_nifti2_file_is_read(
    tmp_path: Path, voxels: np.ndarray, save: Save, affine: np.ndarray
) -> None:
    nib.save(nib.Nifti2Image(voxels, affine), tmp_path / "a.nii")
    np.testing.assert_array_equal(read_image([tmp_path / "a.nii"]).array[0], voxels)


def test_a_dicom_series_is_read_as_itk_does(small_scans: Path) -> None:
    folder = small_scans / "series"
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(folder)))
    series = reader.Execute()
    volume = read_image([folder])
    np.testing.assert_array_equal(volume.array[0], sitk.GetArrayFromImage(series).T)
    corner = (np.array(series.GetSize()) - 1).tolist()
    lps = series.TransformIndexToPhysicalPoint(corner)
    np.testing.assert_allclose(volume.grid.to_world @ [*corner, 1], [-lps[0], -lps[1], lps[2], 1])
    assert read_grid(folder).shape == volume.grid.shape


def test_an_archive_is_read(small_scans: Path) -> None:
    path = small_scans / "archives" / "heart" / "mri_norm2.h5"
    image, label = read_image([path]), read_label(path)
    assert image.grid.shape == label.grid.shape
    assert set(np.unique(label.array)) == {0, 1}


@pytest.mark.parametrize("suffix", FORMATS)
def test_truncated_files_are_refused(tmp_path: Path, suffix: str, save: Save) -> None:
    noise = np.random.default_rng(0).integers(0, 30000, (20, 20, 20), dtype=np.int16)
    path = save(tmp_path / f"a{suffix}", noise)
    voxels_in = {".mhd": ".raw", ".nhdr": ".raw"}.get(suffix, suffix)
    raw = path.with_suffix(voxels_in) if voxels_in != suffix else path
    raw.write_bytes(raw.read_bytes()[: raw.stat().st_size // 2])
    with pytest.raises(CrlnError, match=rf"a\{suffix}: truncated or not an image; copy"):
        read_image([path])


@pytest.mark.parametrize("suffix", FORMATS)
def test_what_is_no_image_is_refused(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    path.write_text("not an image")
    for read in (read_grid, read_label, lambda p: read_image([p])):
        with pytest.raises(
            CrlnError, match=r"truncated or not an image; copy or export it again \("
        ):
            read(path)


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.nii.gz").touch()
    with pytest.raises(CrlnError, match="truncated or not an image"):
        read_image([tmp_path / "a.nii.gz"])


@pytest.mark.parametrize("suffix", [".nii.gz", ".nrrd", ".seg.nrrd", ".mha", ".h5", ".dcm"])
def test_a_missing_file_is_named(tmp_path: Path, suffix: str) -> None:
    for read in (read_grid, read_label, lambda p: read_image([p])):
        with pytest.raises(CrlnError, match=rf"gone\{suffix}: no such file; check the path"):
            read(tmp_path / f"gone{suffix}")


def test_an_unreadable_file_is_named(
    tmp_path: Path, voxels: np.ndarray, monkeypatch: pytest.MonkeyPatch, save: Save
) -> None:
    path = save(tmp_path / "a.nii.gz", voxels)

    def refuse(*_args: object, **_options: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(nib, "load", refuse)
    with pytest.raises(CrlnError, match=r"a\.nii\.gz: may not be read; check its permissions"):
        read_image([path])


CHANNELS = np.random.default_rng(0).normal(size=(3, 4, 5, 2)).astype(np.float32)


@pytest.fixture(params=["a.nii.gz", "five.nii", "a.nrrd", "a.mha", "four.mha"])
def several(request: pytest.FixtureRequest, tmp_path: Path, affine: np.ndarray) -> Path:
    """A file of two channels: a fourth dimension, a fifth, or two values a voxel."""
    path = tmp_path / request.param
    if path.suffix == ".mha" or path.suffix == ".nrrd":
        vector = path.stem == "a"
        array = CHANNELS.transpose(2, 1, 0, 3) if vector else CHANNELS.T
        sitk.WriteImage(sitk.GetImageFromArray(array, isVector=vector), str(path))
    else:
        array = CHANNELS[:, :, :, None] if path.stem == "five" else CHANNELS
        nib.save(nib.Nifti1Image(array, affine), path)
    return path


def test_one_file_may_hold_several_channels(several: Path) -> None:
    volume = read_image([several])
    np.testing.assert_array_equal(volume.array, np.moveaxis(CHANNELS, 3, 0))
    assert read_grid(several).shape == (3, 4, 5)
    assert count_channels([several]) == 2
    with pytest.raises(CrlnError, match=r"4D of shape .* where a label is 3D"):
        read_label(several)


def test_channels_come_from_files_that_are_alike(tmp_path: Path, several: Path, save: Save) -> None:
    grid = read_grid(several)
    single = tmp_path / "single.nii"
    nib.save(nib.Nifti1Image(CHANNELS[..., 0], grid.affine), single)
    np.testing.assert_array_equal(
        read_image([several, several]).array, np.concatenate([np.moveaxis(CHANNELS, 3, 0)] * 2)
    )
    with pytest.raises(CrlnError, match=r"single\.nii: 1 channels, .* others; give all alike"):
        read_image([several, single])


def test_a_series_over_time_has_no_channels(tmp_path: Path, affine: np.ndarray) -> None:
    nib.save(nib.Nifti1Image(np.zeros((3, 4, 5, 200), np.int16), affine), tmp_path / "bold.nii.gz")
    with pytest.raises(CrlnError, match=r"bold\.nii\.gz: holds 200 volumes, as a series over time"):
        read_image([tmp_path / "bold.nii.gz"])


def test_an_archive_is_of_three_dimensions(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["image"] = CHANNELS
    with pytest.raises(CrlnError, match=r"a\.h5: 4D .*where 3D is due; give one 3D file per"):
        read_image([tmp_path / "a.h5"])


def test_colour_is_refused(tmp_path: Path, save: Save, affine: np.ndarray) -> None:
    rgb = np.zeros((3, 4, 5), dtype=[("R", "u1"), ("G", "u1"), ("B", "u1")])
    nib.save(nib.Nifti1Image(rgb, affine), tmp_path / "a.nii.gz")
    with pytest.raises(CrlnError, match="colour or complex voxels"):
        read_image([tmp_path / "a.nii.gz"])


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_voxels_that_are_no_numbers_are_counted(tmp_path: Path, value: float, save: Save) -> None:
    array = np.random.default_rng(0).normal(size=SHAPE).astype(np.float32)
    array[0, 0, :2] = value
    with pytest.raises(CrlnError, match=r"a\.nii\.gz: 2 voxels are NaN or infinite; replace"):
        read_image([save(tmp_path / "a.nii.gz", array)])


def test_a_constant_scan_is_refused(tmp_path: Path, save: Save) -> None:
    with pytest.raises(CrlnError, match=r"a\.nii\.gz: every voxel is 7; export"):
        read_image([save(tmp_path / "a.nii.gz", np.full(SHAPE, 7, np.int16))])


def test_an_empty_label_is_no_fault(tmp_path: Path, save: Save) -> None:
    assert not read_label(save(tmp_path / "a.nii.gz", np.zeros(SHAPE, np.uint8))).array.any()


@pytest.mark.parametrize("value", [0.5, np.nan])
def test_labels_between_whole_numbers_are_refused(tmp_path: Path, value: float, save: Save) -> None:
    array = np.zeros(SHAPE, np.float32)
    array[0, 0, 0] = value
    with pytest.raises(CrlnError, match=r"a\.nii\.gz: its values are not whole numbers"):
        read_label(save(tmp_path / "a.nii.gz", array))


def test_labels_beyond_32_bits_are_refused(tmp_path: Path, save: Save) -> None:
    with pytest.raises(CrlnError, match=r"label values of .* are absurd"):
        read_label(save(tmp_path / "a.nii.gz", np.full(SHAPE, 1e12)))


def test_a_zero_voxel_size_is_refused_in_nifti(
    tmp_path: Path, voxels: np.ndarray, save: Save
) -> None:
    image = nib.Nifti1Image(voxels, None)
    path = tmp_path / "a.nii"
    nib.save(image, path)
    content = bytearray(path.read_bytes())
    content[80:84] = struct.pack("<f", 0.0)  # pixdim[1]
    content[252:256] = struct.pack("<hh", 0, 0)  # qform_code, sform_code
    path.write_bytes(content)
    with pytest.raises(CrlnError, match=r"a\.nii: voxel size of 0 x 1 x 1 mm is absurd"):
        read_image([path])


def test_an_absurd_voxel_size_is_refused_in_metaimage(
    tmp_path: Path, voxels: np.ndarray, save: Save
) -> None:
    path = save(tmp_path / "a.mha", voxels)
    content = path.read_bytes()
    before = next(line for line in content.splitlines() if line.startswith(b"ElementSpacing"))
    path.write_bytes(content.replace(before, b"ElementSpacing = 5000 1 2"))
    with pytest.raises(CrlnError, match=r"a\.mha: voxel size of 5e\+03 x 1 x 2 mm is absurd"):
        read_image([path])


def test_an_archive_without_the_dataset_is_refused(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["image"] = np.arange(24.0).reshape(2, 3, 4)
    with pytest.raises(CrlnError, match=r"a\.h5: holds no dataset 'label'; name it as unlabelled"):
        read_label(tmp_path / "a.h5")
    with h5py.File(tmp_path / "b.h5", "w") as file:
        file["label"] = np.zeros((2, 3, 4))
    with pytest.raises(CrlnError, match=r"b\.h5: holds no dataset 'image'"):
        read_image([tmp_path / "b.h5"])
