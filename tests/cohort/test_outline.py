from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from crln.cohort import Label, Slices, read_outline
from crln.errors import CrlnError

SHAPE = (12, 14, 20)


def save(path: Path, array: np.ndarray, spacing: tuple[float, ...] = (1, 1, 1)) -> Path:
    nib.Nifti1Image(array.astype(np.uint8), np.diag([*spacing, 1])).to_filename(path)
    return path


def organ() -> np.ndarray:
    array = np.zeros(SHAPE, np.uint8)
    array[3:9, 4:11, 2:18] = 1
    array[5:7, 5:9, 6:15] = 2
    return array


def every(axis: int, step: int) -> np.ndarray:
    """The organ, outlined in every few slices along an axis."""
    array, keep = organ(), np.zeros(SHAPE, bool)
    np.moveaxis(keep, axis, 0)[1::step] = True
    return array * keep


def planes(axis: int, at: list[int]) -> np.ndarray:
    known = np.zeros(SHAPE, bool)
    np.moveaxis(known, axis, 0)[at] = True
    return known


def test_a_whole_label_is_known_everywhere(tmp_path: Path) -> None:
    outline = read_outline(Label(save(tmp_path / "a.nii.gz", organ())))
    np.testing.assert_array_equal(outline.values, organ())
    assert outline.known is None


def test_listed_slices_alone_are_known(tmp_path: Path) -> None:
    """An empty one too: its outliner looked and found nothing."""
    path = save(tmp_path / "a.nii.gz", organ())
    outline = read_outline(Label(path, slices=Slices(at=(0, 7), axis=1)))
    np.testing.assert_array_equal(outline.known, planes(1, [0, 7]))


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("step", [2, 4])
def test_slices_that_hold_anything_are_found_along_the_axis_where_they_stand_alone(
    tmp_path: Path, axis: int, step: int
) -> None:
    label = every(axis, step)
    outline = read_outline(Label(save(tmp_path / "a.nii.gz", label), slices=Slices()))
    others = tuple(a for a in range(3) if a != axis)
    at = np.flatnonzero(label.any(others)).tolist()
    assert at
    np.testing.assert_array_equal(outline.known, planes(axis, at))


def test_slices_in_a_row_lie_along_the_thickest_or_the_last_axis(tmp_path: Path) -> None:
    """Two organs beside each other leave a gap between them that says nothing."""
    array = np.zeros(SHAPE, np.uint8)
    array[0:4, 4:9, 8:12] = array[8:12, 4:9, 8:12] = 1
    for spacing, axis, at in (((1, 1, 1), 2, [8, 9, 10, 11]), ((1, 3, 1), 1, [4, 5, 6, 7, 8])):
        path = save(tmp_path / f"{axis}.nii.gz", array, spacing)
        outline = read_outline(Label(path, slices=Slices()))
        np.testing.assert_array_equal(outline.known, planes(axis, at))


def test_an_ignored_value_is_unknown_within_an_outlined_slice_too(tmp_path: Path) -> None:
    array = every(2, 4)
    array[5, 5] = 9
    outline = read_outline(Label(save(tmp_path / "a.nii.gz", array), slices=Slices()), ignore=9)
    expected = planes(2, [5, 9, 13, 17])
    expected[5, 5] = False
    np.testing.assert_array_equal(outline.known, expected)


def test_values_that_nobody_looked_for_are_not_taken(tmp_path: Path) -> None:
    outline = read_outline(Label(save(tmp_path / "a.nii.gz", organ()), classes=(2,)))
    np.testing.assert_array_equal(outline.values, np.where(organ() == 2, 2, 0))


def test_files_of_a_class_each_are_united_and_nobody_knows_what_two_claim(tmp_path: Path) -> None:
    liver, spleen = np.zeros((2, *SHAPE), np.uint8)
    liver[2:6], spleen[5:9] = 1, 255
    paths = save(tmp_path / "liver.nii.gz", liver), save(tmp_path / "spleen.nii.gz", spleen)
    label = Label(paths[0], (1, 2), parts=((1, paths[0]), (2, paths[1])))
    outline = read_outline(label)
    assert outline.known is not None
    np.testing.assert_array_equal(outline.known, (liver == 0) | (spleen == 0))
    expected = np.where(liver, 1, np.where(spleen, 2, 0))
    np.testing.assert_array_equal(outline.values[outline.known], expected[outline.known])


@pytest.mark.parametrize(
    ("array", "label", "message"),
    [
        (0 * organ(), {"slices": Slices()}, r"a\.nii\.gz: holds nothing, so that no slice"),
        (organ(), {"slices": Slices(at=(3, 20))}, r"slice 20 is none of its 20 along z"),
        (organ(), {"slices": Slices(at=(12,), axis=0)}, r"slice 12 is none of its 12 along x"),
        (organ(), {"parts": True}, r"a\.nii\.gz: holds the values 1, 2, where one class is due"),
    ],
)
def test_what_cannot_be_is_named(
    tmp_path: Path, array: np.ndarray, label: dict[str, object], message: str
) -> None:
    path = save(tmp_path / "a.nii.gz", array)
    if "parts" in label:
        label = {"parts": ((1, path),)}
    with pytest.raises(CrlnError, match=message):
        read_outline(Label(path, **label))  # type: ignore[arg-type]
