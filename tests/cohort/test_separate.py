"""Structures of a label file each: read together, and what their files leave open."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk

from crln.cohort import (
    Label,
    Slices,
    check_structures,
    load_cohort,
    mask_as_label,
    read_separate,
)
from crln.errors import CrlnError
from crln.labels import IGNORE, LabelSpace

SHAPE = (6, 5, 4)
SPACE = LabelSpace.of([0, 1, 2], {1: "liver", 2: "tumour"}, exclusive=False, ignore=9)


def write(path: Path, array: np.ndarray, shift: float = 0) -> Path:
    affine = np.eye(4)
    affine[0, 3] = shift
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.Nifti1Image(array.astype(np.uint8), affine).to_filename(path)
    return path


@pytest.fixture
def masks() -> tuple[np.ndarray, np.ndarray]:
    liver, tumour = np.zeros(SHAPE), np.zeros(SHAPE)
    liver[1:4] = 1
    tumour[3:5, :, 2] = 7  # any value but 0 is the structure
    tumour[0] = 9
    return liver, tumour


def test_a_voxel_is_of_every_structure_whose_file_says_so(
    tmp_path: Path, masks: tuple[np.ndarray, np.ndarray]
) -> None:
    files = [write(tmp_path / f"{name}.nii", mask) for name, mask in zip("ab", masks, strict=True)]
    volume = read_separate(Label(files[0], parts=((1, files[0]), (2, files[1]))), SPACE)
    combined = volume.array[0]
    assert volume.grid.shape == SHAPE
    np.testing.assert_array_equal(SPACE.holds(combined, 1), masks[0] == 1)
    np.testing.assert_array_equal(SPACE.holds(combined, 2), masks[1] == 7)
    assert SPACE.knows(combined, 1).all()
    np.testing.assert_array_equal(SPACE.knows(combined, 2), masks[1] != 9)


def test_a_structure_without_a_file_and_slices_that_nobody_outlined_are_unknown(
    tmp_path: Path, masks: tuple[np.ndarray, np.ndarray]
) -> None:
    path = write(tmp_path / "a.nii", masks[0])
    label = Label(path, parts=((1, path),), slices=Slices(at=(0, 2), axis=2))
    combined = read_separate(label, SPACE).array[0]
    assert (combined[..., [1, 3]] == IGNORE).all()
    np.testing.assert_array_equal(SPACE.holds(combined, 1)[..., [0, 2]], masks[0][..., [0, 2]] == 1)
    assert not SPACE.knows(combined, 2).any()


def test_files_that_cannot_be_are_refused_by_name(
    tmp_path: Path, masks: tuple[np.ndarray, np.ndarray]
) -> None:
    one, other = write(tmp_path / "a.nii", masks[0]), write(tmp_path / "b.nii", masks[0], shift=3)
    several = write(tmp_path / "c.nii", masks[0] + 2 * (masks[1] == 7))
    for label, message in (
        (Label(one), r"a\.nii: one label file, where the structures, which overlap, have one each"),
        (Label(one, parts=((1, one), (2, other))), r"b\.nii: .*away from .*a\.nii"),
        (Label(several, parts=((1, several),)), r"c\.nii: holds the values 1, 2, 3, where one"),
    ):
        with pytest.raises(CrlnError, match=message):
            read_separate(label, SPACE)


def test_one_file_may_name_its_structures(
    tmp_path: Path, masks: tuple[np.ndarray, np.ndarray]
) -> None:
    """3D Slicer's segments, which overlap in layers of their own; one that is not there is not."""
    layers = np.stack([masks[0] == 1, masks[1] == 7]).astype(np.uint8)  # (L, X, Y, Z)
    array = np.ascontiguousarray(layers.transpose(3, 2, 1, 0))
    image = sitk.GetImageFromArray(array, isVector=True)
    for n, (name, layer) in enumerate((("Tumour", 1), ("liver", 0))):
        fields = {"ID": f"s{n}", "Name": name, "Layer": layer, "LabelValue": 1}
        for key, content in fields.items():
            image.SetMetaData(f"Segment{n}_{key}", str(content))
    path = tmp_path / "a.seg.nrrd"
    sitk.WriteImage(image, str(path), True)
    space = LabelSpace.of([0, 1, 2, 3], {1: "liver", 2: "tumour", 3: "cyst"}, exclusive=False)
    combined = read_separate(Label(path), space).array[0]
    for k, expected in ((1, layers[0] == 1), (2, layers[1] == 1), (3, np.zeros(SHAPE, bool))):
        np.testing.assert_array_equal(space.holds(combined, k), expected)
        assert space.knows(combined, k).all()


def test_a_plan_that_numbers_structures_otherwise_is_refused(tmp_path: Path) -> None:
    cohort = load_cohort(description(tmp_path, CASES))
    check_structures(cohort, SPACE)
    other = LabelSpace.of([0, 1, 2], {1: "tumour", 2: "liver"}, exclusive=False)
    with pytest.raises(CrlnError, match="structures are liver, tumour, and the plan's tumour"):
        check_structures(cohort, other)


def test_a_masks_files_are_its_structures(tmp_path: Path) -> None:
    label = mask_as_label(tmp_path / "case.nii.gz", SPACE)
    assert label.files == (tmp_path / "liver/case.nii.gz", tmp_path / "tumour/case.nii.gz")
    assert mask_as_label(tmp_path / "case.nii.gz", LabelSpace()).files == (
        tmp_path / "case.nii.gz",
    )


CASES = """
exclusive: false
labelled:
  - {image: a.nii, labels: {liver: a-liver.nii, tumour: a-tumour.nii}}
  - {image: b.nii, labels: {tumour: b-tumour.nii}}
"""


def description(root: Path, text: str) -> Path:
    for name in ("a", "b", "a-liver", "a-tumour", "b-tumour"):
        (root / f"{name}.nii").touch()
    (root / "cohort.yaml").write_text(text)
    return root / "cohort.yaml"


def test_a_description_names_a_file_for_each_structure(tmp_path: Path) -> None:
    cohort = load_cohort(description(tmp_path, CASES))
    assert (cohort.exclusive, cohort.class_names) == (False, {1: "liver", 2: "tumour"})
    both, one = (case.label for case in cohort.labelled)
    assert both
    assert one
    assert both.parts == ((1, tmp_path / "a-liver.nii"), (2, tmp_path / "a-tumour.nii"))
    assert (one.parts, one.classes) == (((2, tmp_path / "b-tumour.nii"),), (2,))
    assert set(cohort.files) >= {*both.files, *one.files}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("exclusive: false", "exclusive: false\nclasses: {1: liver}"), "'tumour' is no class"),
        (("b-tumour.nii}", "c.nii}"), "case b: no such file .*c.nii"),
        (("labels: {tumour", "label: b.nii, labels: {tumour"), "give label or labels, not both"),
        (
            ("exclusive: false", "exclusive: false\nregions: {all: [1, 2]}"),
            "has regions, which are",
        ),
    ],
)
def test_descriptions_that_cannot_be_are_refused(
    tmp_path: Path, change: tuple[str, str], message: str
) -> None:
    path = description(tmp_path, CASES.replace(*change))
    with pytest.raises(CrlnError, match=message):
        load_cohort(path)
