"""Segmentations as 3D Slicer writes them, made here by SimpleITK."""

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from crln.errors import CrlnError
from crln.imaging import Grid, is_outline, label_names, read_grid, read_label, scan_stem

Segments = list[tuple[str, int, int]]
SPACING = (0.8, 0.9, 2.0)


def segmentation(
    path: Path, layers: np.ndarray, segments: Segments, start: tuple[int, int, int] = (0, 0, 0)
) -> Path:
    """Writes layers (L, X, Y, Z) that begin at voxel `start` of the scan; (name, layer, value)."""
    array = layers.transpose(3, 2, 1, 0)
    several = len(layers) > 1
    image = sitk.GetImageFromArray(
        np.ascontiguousarray(array if several else array[..., 0]), isVector=several
    )
    image.SetSpacing(SPACING)
    image.SetOrigin([i * s for i, s in zip(start, SPACING, strict=True)])
    for k, (name, layer, value) in enumerate(segments):
        fields = {"ID": f"Segment_{k + 1}", "Name": name, "Layer": layer, "LabelValue": value}
        for field, content in fields.items():
            image.SetMetaData(f"Segment{k}_{field}", str(content))
    sitk.WriteImage(image, str(path), True)
    return path


def scan_grid(shape: tuple[int, int, int]) -> Grid:
    return Grid(shape, np.diag([-SPACING[0], -SPACING[1], SPACING[2], 1.0]))


@pytest.fixture
def label() -> np.ndarray:
    """(4, 5, 6): two structures."""
    array = np.zeros((4, 5, 6), np.uint8)
    array[1:3, 1:4, 1:3] = 1
    array[1:3, 1:4, 3:5] = 2
    return array


def test_it_is_the_label_of_the_case_without_its_ending(tmp_path: Path) -> None:
    assert scan_stem(Path("labels/a.SEG.nrrd")) == "a"
    assert is_outline(Path("a.seg.nrrd"))
    assert not is_outline(Path("a.nrrd"))


def test_segments_and_their_names_are_read(tmp_path: Path, label: np.ndarray) -> None:
    path = segmentation(tmp_path / "a.seg.nrrd", label[None], [("liver", 0, 1), ("spleen", 0, 2)])
    assert label_names(path) == {1: "liver", 2: "spleen"}
    read = read_label(path, scan_grid(label.shape))
    np.testing.assert_array_equal(read.array[0], label)
    np.testing.assert_allclose(read.grid.to_world, scan_grid(label.shape).to_world)
    swapped = read_label(path, scan_grid(label.shape), {1: "Spleen", 7: "Liver"})
    np.testing.assert_array_equal(swapped.array[0], np.array([0, 7, 1])[label])


def test_what_slicer_has_cropped_lies_on_the_scan(tmp_path: Path, label: np.ndarray) -> None:
    part = label[1:3, 1:4, 1:5]
    path = segmentation(tmp_path / "a.seg.nrrd", part[None], [("liver", 0, 1)], start=(1, 1, 1))
    assert read_grid(path).shape == part.shape
    np.testing.assert_array_equal(read_label(path, scan_grid(label.shape)).array[0], label)


def test_layers_without_overlap_are_one_label(tmp_path: Path, label: np.ndarray) -> None:
    """Each layer counts its segments from 1: their values are the segments' numbers."""
    layers = np.stack([label == 1, label == 2]).astype(np.uint8)
    path = segmentation(tmp_path / "a.seg.nrrd", layers, [("liver", 0, 1), ("spleen", 1, 1)])
    assert label_names(path) == {1: "liver", 2: "spleen"}
    np.testing.assert_array_equal(read_label(path, scan_grid(label.shape)).array[0], label)


def test_segments_that_overlap_are_named(tmp_path: Path, label: np.ndarray) -> None:
    layers = np.stack([label > 0, label == 2]).astype(np.uint8)
    segments = [("liver", 0, 1), ("tumour", 1, 1)]
    path = segmentation(tmp_path / "a.seg.nrrd", layers, segments)
    with pytest.raises(CrlnError, match=r"a\.seg\.nrrd: its segments liver and tumour overlap"):
        read_label(path, scan_grid(label.shape))
    only = read_label(path, scan_grid(label.shape), {1: "tumour"})
    np.testing.assert_array_equal(only.array[0], label == 2)
