import resource
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from crln.errors import CrlnError
from crln.files import whole_file
from crln.imaging import read_grid, read_image, read_label, write_mask, write_scalar

Save = Callable[..., Path]
SHAPE = (5, 6, 7)

OUTPUTS = [".nii.gz", ".nii.gz", ".nrrd", ".mha"]
MASK = (np.arange(np.prod(SHAPE)).reshape(SHAPE) % 4).astype(np.int64)


@contextmanager
def _full_disk(size: int) -> Iterator[None]:
    """No file may grow beyond `size` bytes: writing fails half-way, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


@pytest.mark.parametrize("scan_suffix", [".nii.gz", ".nii", ".nrrd", ".mha"])
@pytest.mark.parametrize("suffix", [".nii.gz", ".nrrd", ".mha"])
def test_masks_lie_on_their_scan(
    tmp_path: Path, voxels: np.ndarray, scan_suffix: str, suffix: str, save: Save
) -> None:
    scan = save(tmp_path / f"scan{scan_suffix}", voxels)
    write_mask(tmp_path / f"mask{suffix}", MASK, scan)
    mask = read_label(tmp_path / f"mask{suffix}")
    np.testing.assert_array_equal(mask.array[0], MASK)
    np.testing.assert_allclose(mask.grid.affine, read_grid(scan).affine, atol=1e-5)


@given(
    angles=st.tuples(*[st.floats(-180, 180)] * 3),
    spacing=st.tuples(*[st.floats(0.1, 5)] * 3),
    flips=st.tuples(*[st.sampled_from([-1, 1])] * 3),
)
@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_any_orientation_survives(
    tmp_path: Path, voxels: np.ndarray, angles: tuple, spacing: tuple, flips: tuple, save: Save
) -> None:
    affine = np.eye(4)
    affine[:3, :3] = Rotation.from_euler("xyz", angles, degrees=True).as_matrix() * np.multiply(
        spacing, flips
    )
    affine[:3, 3] = (10, -200, 33.3)
    for suffix in (".nii.gz", ".nrrd", ".mha"):
        scan = save(tmp_path / f"scan{suffix}", voxels, affine)
        write_mask(tmp_path / f"mask{suffix}", MASK, scan, overwrite=True)
        mask = read_label(tmp_path / f"mask{suffix}")
        np.testing.assert_allclose(mask.grid.affine, affine, atol=1e-3)
        np.testing.assert_array_equal(mask.array[0], MASK)


def test_nifti_keeps_both_forms_and_their_codes(
    tmp_path: Path, voxels: np.ndarray, save: Save, affine: np.ndarray
) -> None:
    image = nib.Nifti2Image(voxels, affine)
    image.set_qform(np.diag([1.0, 1.0, 1.0, 1.0]), code=1)  # at odds with the sform, as happens
    image.set_sform(affine, code=4)
    image.header.set_slope_inter(2, 5)
    image.header["cal_max"] = 300
    nib.save(image, tmp_path / "scan.nii.gz")
    write_mask(tmp_path / "mask.nii.gz", MASK, tmp_path / "scan.nii.gz")
    scan, mask = nib.load(tmp_path / "scan.nii.gz"), nib.load(tmp_path / "mask.nii.gz")
    assert type(mask) is type(scan)
    for name in ("qform_code", "sform_code", "xyzt_units"):
        assert mask.header[name] == scan.header[name]
    np.testing.assert_array_equal(mask.get_qform(), scan.get_qform())
    np.testing.assert_array_equal(mask.get_sform(), scan.get_sform())
    assert mask.get_data_dtype() == np.uint8
    assert mask.header["cal_max"] == 0
    np.testing.assert_array_equal(np.asarray(mask.dataobj), MASK)


def test_an_oblique_scan_gets_a_mask_that_itk_sees_on_top(
    small_scans: Path, tmp_path: Path
) -> None:
    scan = small_scans / "images" / "oblique.nii.gz"
    write_mask(tmp_path / "mask.nii.gz", np.ones(read_grid(scan).shape, np.uint8), scan)
    a, b = sitk.ReadImage(str(scan)), sitk.ReadImage(str(tmp_path / "mask.nii.gz"))
    for get in ("GetSize", "GetSpacing", "GetOrigin", "GetDirection"):
        np.testing.assert_allclose(getattr(a, get)(), getattr(b, get)(), atol=1e-5)


def test_a_dicom_series_gets_nifti_that_lies_on_it(small_scans: Path, tmp_path: Path) -> None:
    folder = small_scans / "series"
    grid = read_grid(folder)
    write_mask(tmp_path / "mask.nii.gz", np.ones(grid.shape, np.uint8), folder)
    np.testing.assert_allclose(read_grid(tmp_path / "mask.nii.gz").affine, grid.affine)


def test_an_archive_gets_an_archive(tmp_path: Path, voxels: np.ndarray, save: Save) -> None:
    scan = save(tmp_path / "scan.h5", voxels)
    write_mask(tmp_path / "mask.h5", MASK, scan)
    write_scalar(tmp_path / "map.h5", MASK / 3, scan)
    np.testing.assert_array_equal(read_label(tmp_path / "mask.h5").array[0], MASK)
    np.testing.assert_allclose(read_image([tmp_path / "map.h5"]).array[0], MASK / 3, rtol=1e-6)


@pytest.mark.parametrize(
    ("low", "high", "dtype"),
    [(0, 255, "uint8"), (0, 256, "int16"), (-1, 1, "int16"), (0, 70000, "int32")],
)
def test_masks_are_as_small_as_their_values_allow(
    tmp_path: Path, voxels: np.ndarray, low: int, high: int, dtype: str, save: Save
) -> None:
    mask = np.zeros(SHAPE, np.int64)
    mask[0, 0, :2] = low, high
    write_mask(tmp_path / "m.nii.gz", mask, save(tmp_path / "scan.nii.gz", voxels))
    assert nib.load(tmp_path / "m.nii.gz").get_data_dtype() == np.dtype(dtype)
    np.testing.assert_array_equal(read_label(tmp_path / "m.nii.gz").array[0], mask)


def test_a_mask_of_fractions_is_a_programming_fault(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="integer type"):
        write_mask(tmp_path / "m.nii.gz", np.zeros(SHAPE), tmp_path / "scan.nii.gz")


@pytest.mark.parametrize("suffix", [".nii.gz", ".nrrd", ".mha"])
def test_scores_of_several_classes_are_written(
    tmp_path: Path, voxels: np.ndarray, suffix: str, save: Save
) -> None:
    scan = save(tmp_path / f"scan{suffix}", voxels)
    scores = np.random.default_rng(0).random((3, *SHAPE))
    write_scalar(tmp_path / f"p{suffix}", scores, scan)
    if suffix == ".nii.gz":
        written = np.moveaxis(nib.load(tmp_path / "p.nii.gz").get_fdata(), -1, 0)
    else:
        image = sitk.ReadImage(str(tmp_path / f"p{suffix}"))
        assert image.GetNumberOfComponentsPerPixel() == 3
        written = sitk.GetArrayFromImage(image).transpose(3, 2, 1, 0)
    np.testing.assert_allclose(written, scores, rtol=1e-6)
    write_scalar(tmp_path / f"u{suffix}", scores[0], scan)
    np.testing.assert_allclose(read_image([tmp_path / f"u{suffix}"]).array[0], scores[0], rtol=1e-6)


def test_an_output_that_exists_is_kept(tmp_path: Path, voxels: np.ndarray, save: Save) -> None:
    scan = save(tmp_path / "scan.nii.gz", voxels)
    path = tmp_path / "mask.nii.gz"
    write_mask(path, MASK, scan)
    before = path.read_bytes()
    with pytest.raises(CrlnError, match=r"mask\.nii\.gz: exists; give another output, or --over"):
        write_mask(path, MASK * 0, scan)
    assert path.read_bytes() == before
    write_mask(path, MASK * 0, scan, overwrite=True)
    assert not read_label(path).array.any()


def test_a_mask_of_another_shape_is_refused(tmp_path: Path, voxels: np.ndarray, save: Save) -> None:
    scan = save(tmp_path / "scan.nii.gz", voxels)
    with pytest.raises(CrlnError, match=r"scan\.nii\.gz: shape \(5, 6, 7\), but its mask has"):
        write_mask(tmp_path / "mask.nii.gz", MASK[1:], scan)
    assert list(tmp_path.iterdir()) == [scan]


@pytest.mark.parametrize(("name", "advice"), [("m.mhd", "m.mha"), ("m.png", "m.nii.gz")])
def test_formats_of_two_files_are_not_written(
    tmp_path: Path, voxels: np.ndarray, name: str, advice: str, save: Save
) -> None:
    scan = save(tmp_path / "scan.nii.gz", voxels)
    with pytest.raises(CrlnError, match=f"not a format to write; name it {advice}"):
        write_mask(tmp_path / name, MASK, scan)


@pytest.mark.parametrize("suffix", [".nii.gz", ".nrrd", ".mha", ".h5"])
def test_a_full_disk_leaves_nothing(tmp_path: Path, suffix: str, save: Save) -> None:
    noise = np.random.default_rng(0).integers(0, 250, (40, 40, 40), dtype=np.int16)
    scan = save(tmp_path / f"scan{suffix}", noise)
    before = sorted(tmp_path.iterdir())
    with _full_disk(10_000), pytest.raises(CrlnError, match=r"cannot be written .*; free space"):
        write_mask(tmp_path / f"mask{suffix}", noise, scan)
    assert sorted(tmp_path.iterdir()) == before


def test_a_failed_rewrite_keeps_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")

    def write_half() -> None:
        with whole_file(path, overwrite=True) as target:
            target.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_half()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(CrlnError, match="cannot be written"),
        whole_file(tmp_path / "file" / "a.txt") as target,
    ):
        target.touch()
