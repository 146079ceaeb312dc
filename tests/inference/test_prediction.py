from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from crln.errors import CrlnError
from crln.imaging import Grid, Volume, read_label
from crln.inference import Prediction
from crln.labels import LabelSpace

SHAPE = (20, 16, 12)
LABELS = LabelSpace((0, 200, 500), ("background", "low", "high"))
AFFINE = np.array([[0, -2, 0, 5], [1, 0, 0, -3], [0, 0, 3, 1], [0, 0, 0, 1]], float)


@pytest.fixture
def scan(tmp_path: Path) -> Path:
    voxels = np.random.default_rng(0).normal(size=SHAPE).astype(np.float32)
    image = nib.Nifti1Image(voxels, AFFINE)
    image.set_sform(AFFINE, code=4)
    nib.save(image, tmp_path / "scan.nii.gz")
    return tmp_path / "scan.nii.gz"


@pytest.fixture
def predict() -> Callable[[Path | Volume], Prediction]:
    mask = np.zeros(SHAPE, np.uint16)
    mask[4:12, 3:9, 2:6], mask[5:7, 4:6, 3:5] = 200, 500

    def outline(scan: Path | Volume) -> Prediction:
        source = scan if isinstance(scan, Volume) else (scan,)
        return Prediction(mask, None, None, Grid(SHAPE, AFFINE), LABELS, source)

    return outline


Predict = Callable[[Path | Volume], Prediction]


@pytest.mark.parametrize("name", ["mask.nii.gz", "mask.nrrd", "mask.mha"])
def test_the_suffix_tells_the_format_and_the_mask_lies_on_its_scan(
    predict: Predict, scan: Path, tmp_path: Path, name: str
) -> None:
    prediction = predict(scan)
    path = prediction.save(str(tmp_path / "out" / name))
    assert path == tmp_path / "out" / name
    mask = read_label(path)
    np.testing.assert_array_equal(mask.array[0], prediction.mask)
    np.testing.assert_allclose(mask.grid.affine, AFFINE, atol=1e-5)
    if name.endswith(".nii.gz"):
        assert nib.load(path).header["sform_code"] == 4


def test_without_the_scans_file_the_geometry_is_kept(
    predict: Predict, scan: Path, tmp_path: Path
) -> None:
    array = np.random.default_rng(0).normal(size=(1, *SHAPE)).astype(np.float32)
    in_memory = predict(Volume(array, Grid(SHAPE, AFFINE))).save(tmp_path / "a.nii.gz")
    prediction = predict(scan)
    scan.unlink()
    for path in (in_memory, prediction.save(tmp_path / "b.nii.gz")):
        np.testing.assert_allclose(read_label(path).grid.affine, AFFINE)


def test_nothing_is_replaced_unasked_and_the_scan_never(
    predict: Predict, scan: Path, tmp_path: Path
) -> None:
    prediction, before = predict(scan), scan.read_bytes()
    path = prediction.save(tmp_path / "mask.nii.gz")
    with pytest.raises(CrlnError, match=r"mask\.nii\.gz: exists; give another output"):
        prediction.save(path)
    prediction.save(path, overwrite=True)
    with pytest.raises(CrlnError, match=r"scan\.nii\.gz: is the scan itself; give another output"):
        prediction.save(scan, overwrite=True)
    assert scan.read_bytes() == before
    with pytest.raises(CrlnError, match=r"mask\.png: not a format to write; name it mask\.nii\.gz"):
        prediction.save(tmp_path / "mask.png")


def test_three_planes_with_the_outline_are_shown(predict: Predict, scan: Path) -> None:
    prediction = predict(scan)
    figure = prediction.show()
    assert [axis.get_title() for axis in figure.axes] == ["axial", "coronal", "sagittal"]
    assert prediction._repr_png_().startswith(b"\x89PNG")
