"""Truth and prediction side by side, from files of every kind of label."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from crln.cohort import Label, Slices
from crln.labels import LabelSpace
from crln.report.worst import ALONE, dice_of, look_at

SHAPE = (12, 10, 8)
LABELS = LabelSpace((0, 1, 2), ("background", "head", "tail"))
HEAD = (slice(2, 6), slice(2, 6), slice(2, 5))
TAIL = (slice(6, 9), slice(2, 6), slice(2, 5))


def save(path: Path, array: np.ndarray, affine: np.ndarray | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(array, np.eye(4) if affine is None else affine), path)
    return path


@pytest.fixture
def scan(tmp_path: Path) -> Path:
    image = np.random.default_rng(0).normal(size=SHAPE).astype(np.float32)
    return save(tmp_path / "scan.nii.gz", image)


def outline(head: bool = True, extra: bool = False, tail: int = 2) -> np.ndarray:
    array = np.zeros(SHAPE, np.uint8)
    array[HEAD] = 1 if head else 0
    array[TAIL] = tail
    if extra:
        array[2:6, 2:6, 6] = 1
    return array


def drawn(viewer: object, kind: str) -> dict[int, int]:
    """Pixels of each class over all slices."""
    (found,) = [each for each in viewer.slices.outlines if each.kind == kind]
    counts: dict[int, int] = {}
    for value, members in enumerate(found.classes):
        for k in members:
            counts[k] = counts.get(k, 0) + int((found.pixels == value).sum())
    return counts


def test_the_first_slice_is_where_they_differ_most(tmp_path: Path, scan: Path) -> None:
    truth = save(tmp_path / "truth.nii.gz", outline())
    mask = save(tmp_path / "mask.nii.gz", outline(extra=True))
    figures = {"head": "a", "tail": "b"}
    viewer = look_at("case", [scan], Label(mask), Label(truth), LABELS, figures)
    assert viewer.slices.cut.numbers[viewer.slices.cut.key] == 7
    assert drawn(viewer, "prediction")[0] == drawn(viewer, "truth")[0] + 16
    assert not viewer.note
    cleaned = look_at("case", [scan], Label(mask), Label(truth), LABELS, figures, largest=True)
    assert drawn(cleaned, "prediction") == drawn(cleaned, "truth")
    assert not cleaned.slices.cut.doubt  # nowhere


@pytest.mark.parametrize("given", ["nothing", "damaged", "of another shape"])
def test_without_its_scan_the_outlines_stand_alone(tmp_path: Path, given: str) -> None:
    truth, mask = (save(tmp_path / f"{name}.nii.gz", outline()) for name in ("truth", "mask"))
    other = save(tmp_path / "other.nii.gz", np.random.default_rng(0).normal(size=(3, 4, 5)))
    (tmp_path / "damaged.nii.gz").write_bytes(b"no scan")
    scans = {"nothing": [], "damaged": [tmp_path / "damaged.nii.gz"], "of another shape": [other]}
    viewer = look_at("case", scans[given], Label(mask), Label(truth), LABELS, {"a": "", "b": ""})
    assert viewer.note == ALONE
    assert drawn(viewer, "truth")[0] > 0


def test_values_of_no_class_and_what_nobody_knows_are_not_drawn(tmp_path: Path, scan: Path) -> None:
    truth = save(tmp_path / "truth.nii.gz", outline(tail=7))
    mask = save(tmp_path / "mask.nii.gz", outline(extra=True))
    viewer = look_at("c", [scan], Label(mask), Label(truth), LABELS, {"head": "", "tail": ""})
    assert 1 not in drawn(viewer, "truth") or not drawn(viewer, "truth")[1]
    sparse = Label(truth, slices=Slices(at=(2, 3, 4), axis=2))
    viewer = look_at("c", [scan], Label(mask), sparse, LABELS, {"head": "", "tail": ""})
    assert viewer.slices.cut.numbers[viewer.slices.cut.key] != 7  # where nobody knows the truth


def test_structures_of_a_file_each_overlap(tmp_path: Path, scan: Path) -> None:
    labels = LabelSpace((0, 1, 2), ("background", "whole", "core"), exclusive=False)
    core = np.zeros(SHAPE, np.uint8)
    core[3:5, 3:5, 2:5] = 1
    whole = (outline() == 1).astype(np.uint8)
    made = {
        kind: Label(
            save(tmp_path / kind / "whole.nii.gz", whole),
            parts=((1, tmp_path / kind / "whole.nii.gz"),
                   (2, save(tmp_path / kind / "core.nii.gz", core))),
        )
        for kind in ("truth", "mask")
    }  # fmt: skip
    viewer = look_at(
        "c", [scan], made["mask"], made["truth"], labels, {"whole": "", "core": ""}, largest=True
    )
    assert drawn(viewer, "truth") == drawn(viewer, "prediction") == {0: 48, 1: 12}


def test_a_class_that_neither_has_is_said_to_be_so(tmp_path: Path) -> None:
    import crln

    one, two = outline(), outline()
    two[two == 2] = 0
    for folder in ("masks", "labels"):
        save(tmp_path / folder / "a.nii.gz", one)
        save(tmp_path / folder / "b.nii.gz", two)
    evaluation = crln.evaluate(tmp_path / "masks", tmp_path / "labels", classes=LABELS)
    assert dice_of(evaluation, "a") == {"head": "Dice 100.0 %", "tail": "Dice 100.0 %"}
    assert dice_of(evaluation, "b") == {"head": "Dice 100.0 %", "tail": "in neither"}
