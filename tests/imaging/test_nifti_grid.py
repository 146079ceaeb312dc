"""What a NIfTI header means where it disagrees with itself: SimpleITK is the oracle."""

import gzip
import itertools
import logging
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk
from scipy.spatial.transform import Rotation

from crln.errors import CrlnError
from crln.imaging import check_same_grid, read_grid, read_label, write_mask

SHAPE = (4, 5, 6)
LPS = np.diag([-1.0, -1.0, 1.0])
MASK = (np.arange(np.prod(SHAPE)).reshape(SHAPE) % 3).astype(np.uint8)
CODES = list(itertools.product(range(5), range(5)))


def affine(angles: tuple, sizes: tuple, origin: tuple) -> np.ndarray:
    made = np.eye(4)
    made[:3, :3] = Rotation.from_euler("xyz", angles, degrees=True).as_matrix() * sizes
    made[:3, 3] = origin
    return made


STRAIGHT = affine((0, 0, 0), (1, 2, 3), (1, 2, 3))
TURNED = affine((10, 20, 30), (1, 2, 3), (4, 5, 6))


def save(
    path: Path, codes: tuple[int, int] = (0, 1), *, qform: np.ndarray = STRAIGHT,
    sform: np.ndarray = TURNED, **fields: object,
) -> Path:  # fmt: skip
    image = nib.Nifti1Image(MASK, None)
    image.header.set_qform(qform, codes[0])
    image.header.set_sform(sform, codes[1])
    image.header["pixdim"][1:4] = fields.pop("pixdim", (1, 2, 3))
    for name, value in fields.items():
        image.header[name] = value
    nib.save(image, path)
    return path


def itk_affine(path: Path) -> np.ndarray:
    """RAS affine by SimpleITK."""
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    reader.ReadImageInformation()
    read = np.eye(4)
    read[:3, :3] = LPS @ np.reshape(reader.GetDirection(), (3, 3)) * reader.GetSpacing()
    read[:3, 3] = LPS @ reader.GetOrigin()
    return read


@pytest.mark.parametrize("codes", CODES)
def test_place_and_size_are_those_of_itk(tmp_path: Path, codes: tuple[int, int]) -> None:
    for pixdim, units in itertools.product([(1, 2, 3), (1.5625, 1.5625, 10)], [0, 1, 2, 3, 10]):
        if units == 1 and pixdim[0] == 1:
            pixdim = (0.001, 0.002, 0.003)  # metres
        path = save(tmp_path / "a.nii", codes, pixdim=pixdim, xyzt_units=units)
        if units == 1 and pixdim[2] == 10:
            with pytest.raises(CrlnError, match=r"1.56e\+03 x 1.56e\+03 x 1e\+04 mm is absurd"):
                read_grid(path)
            continue
        np.testing.assert_allclose(read_grid(path).affine, itk_affine(path), atol=1e-3)


@pytest.mark.parametrize("codes", [(0, 0), (0, 1), (1, 0), (1, 2), (2, 2), (4, 1)])
@pytest.mark.parametrize("fields", [{}, {"pixdim": (1.5625, 1.5625, 10)}, {"xyzt_units": 3}])
def test_a_mask_lies_on_its_scan_by_itk_and_nibabel(
    tmp_path: Path, codes: tuple[int, int], fields: dict
) -> None:
    scan = save(tmp_path / "scan.nii.gz", codes, **fields)
    for suffix in (".nii.gz", ".nrrd", ".mha"):
        mask = tmp_path / f"mask{suffix}"
        write_mask(mask, MASK, scan)
        np.testing.assert_allclose(itk_affine(mask), itk_affine(scan), atol=1e-5)
        np.testing.assert_array_equal(read_label(mask).array[0], MASK)
        check_same_grid(scan, read_grid(scan), mask, read_grid(mask))
    header, own = nib.load(scan).header, nib.load(tmp_path / "mask.nii.gz").header
    for field in ("pixdim", "srow_x", "srow_z", "quatern_b", "qoffset_x", "sform_code"):
        np.testing.assert_array_equal(own[field], header[field])
    np.testing.assert_array_equal(nib.load(tmp_path / "mask.nii.gz").affine, nib.load(scan).affine)


def test_fields_that_nibabel_mends_are_kept_as_they_are(tmp_path: Path) -> None:
    scan = save(tmp_path / "scan.nii", (1, 0))
    content = bytearray(scan.read_bytes())
    content[76:80] = bytes(4)  # pixdim[0], the sign of the third axis: 0 means 1
    scan.write_bytes(content)
    np.testing.assert_allclose(read_grid(scan).affine, STRAIGHT, atol=1e-6)
    write_mask(tmp_path / "mask.nii.gz", MASK, scan)
    written = gzip.decompress((tmp_path / "mask.nii.gz").read_bytes())
    assert written[76:92] == scan.read_bytes()[76:92]


@pytest.mark.parametrize("codes", [(0, 0), (0, 2), (1, 2)])
def test_labels_of_programs_that_read_other_fields_lie_on_their_scan(
    tmp_path: Path, codes: tuple[int, int]
) -> None:
    """Of nibabel and all that is built on it."""
    scan = save(tmp_path / "scan.nii", codes, pixdim=(1.5, 1.5, 10))
    label = tmp_path / "label.nii"
    nib.save(nib.Nifti1Image(MASK, nib.load(scan).affine), label)
    check_same_grid(scan, read_grid(scan), label, read_grid(label))
    nib.save(nib.Nifti1Image(MASK, np.eye(4)), label)
    with pytest.raises(CrlnError, match="its affine places it"):
        check_same_grid(scan, read_grid(scan), label, read_grid(label))


@pytest.mark.parametrize(
    ("codes", "fields", "told"),
    [
        (
            (0, 2),
            {"pixdim": (1.5625, 1.5625, 10)},
            "voxels of 1.56 x 1.56 x 10 mm by its pixdim, 1 x 2 x 3 mm by its sform: pixdim is "
            "taken, as ITK does, wherever they disagree; if the sform is right, set pixdim to it",
        ),
        (
            (1, 2),
            {},
            "its qform and its sform lie up to 8.68 mm apart: the qform is taken, as ITK does, "
            "wherever they disagree; if the sform is right, set sform_code to 1",
        ),
        (
            (1, 1),
            {},
            "its qform and its sform lie up to 8.68 mm apart: the sform is taken, as ITK does, "
            "wherever they disagree; if the qform is right, set sform_code to 2",
        ),
        (
            (0, 1),
            {"xyzt_units": 3},
            "counts in micrometres: its voxels are 0.001 x 0.002 x 0.003 mm, and so are all of "
            "such files; if they are millimetres, set xyzt_units to 2",
        ),
    ],
)
def test_what_disagrees_is_told_once_with_the_remedy(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, codes: tuple, fields: dict, told: str
) -> None:
    for name in "ab":
        read_grid(save(tmp_path / f"{name}.nii", codes, **fields))
    assert [record.getMessage() for record in caplog.records] == [f"{tmp_path / 'a.nii'}: {told}"]
    assert caplog.records[0].levelno == logging.WARNING


@pytest.mark.parametrize("codes", CODES)
def test_headers_that_agree_are_not_told_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, codes: tuple[int, int]
) -> None:
    read_grid(save(tmp_path / "a.nii", codes, qform=TURNED, pixdim=(1.000001, 2, 3)))
    assert not caplog.records


def test_the_remedy_works(tmp_path: Path) -> None:
    """Pixdim set to the sform; sform_code set so that the other of two forms is taken."""
    one = save(tmp_path / "a.nii", (0, 2), pixdim=(1, 2, 3))
    np.testing.assert_allclose(read_grid(one).affine, TURNED, atol=1e-5)
    np.testing.assert_allclose(read_grid(save(one, (1, 1))).affine, TURNED, atol=1e-5)
    np.testing.assert_allclose(read_grid(save(one, (1, 2))).affine, STRAIGHT, atol=1e-5)


def test_a_size_that_is_not_stated_is_the_sforms(tmp_path: Path) -> None:
    for pixdim in ((0, 0, 0), (np.nan, 2, 3)):
        path = save(tmp_path / "a.nii", (0, 1), pixdim=pixdim)
        np.testing.assert_allclose(read_grid(path).affine, TURNED, atol=1e-5)


@pytest.mark.parametrize("shear", [0.1, 0.01, 0.0003])
def test_a_sheared_matrix_is_read_and_told_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, shear: float
) -> None:
    sheared = TURNED.copy()
    sheared[:3, 0] += shear * sheared[:3, 1] / np.linalg.norm(sheared[:3, 1])
    sheared[:3, 0] /= np.linalg.norm(sheared[:3, 0])
    path = save(tmp_path / "a.nii", (0, 1), sform=sheared)
    np.testing.assert_allclose(read_grid(path).affine, sheared, atol=1e-5)
    assert "its axes are not perpendicular" in caplog.text
    with pytest.raises(RuntimeError, match="orthonormal"):
        itk_affine(path)
    # with a rotation beside it, ITK takes that
    path = save(tmp_path / "a.nii", (1, 1), sform=sheared)
    np.testing.assert_allclose(read_grid(path).affine, itk_affine(path), atol=1e-5)


def test_negative_sizes_of_an_array_are_refused(tmp_path: Path) -> None:
    path = save(tmp_path / "a.nii")
    content = bytearray(path.read_bytes())
    content[44:46] = (-5).to_bytes(2, "little", signed=True)  # dim[2]
    path.write_bytes(content)
    with pytest.raises(CrlnError, match=r"a\.nii: has no voxel \(shape \(4, -5, 6\)\)"):
        read_grid(path)


def test_published_acdc_has_the_voxels_of_its_pixdim(data_root: Path) -> None:
    folder = data_root / "acdc_as_published"
    for image in sorted((folder / "images").iterdir()):
        grid = read_grid(image)
        np.testing.assert_allclose(grid.affine, itk_affine(image), atol=1e-4)
        assert grid.spacing[2] > 4
        label = folder / "labels" / image.name
        check_same_grid(image, grid, label, read_grid(label))
    vessel = next((data_root / "vessel2p" / "images").iterdir())
    np.testing.assert_allclose(read_grid(vessel).spacing, (0.000994, 0.000994, 0.005), rtol=1e-3)
