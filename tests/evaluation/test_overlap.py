"""Metrics of classes that overlap: those of each class's own voxels, as two binary masks have."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from crln.errors import CrlnError
from crln.evaluation import Evaluation, evaluate
from crln.labels import LabelSpace

SHAPE, SPACING = (14, 12, 10), (1.0, 1.5, 2.0)
REGIONS = LabelSpace.of([0, 1, 2], {}, regions={"whole": (1, 2), "core": (2,)}, ignore=9)
SEPARATE = LabelSpace.of([0, 1, 2], {1: "liver", 2: "tumour"}, exclusive=False)


def save(path: Path, mask: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.Nifti1Image(mask.astype(np.uint8), np.diag([*SPACING, 1])).to_filename(path)


def blocks(low: int, high: int, inner: int) -> tuple[np.ndarray, np.ndarray]:
    """A block, and one within it."""
    whole, core = np.zeros(SHAPE, bool), np.zeros(SHAPE, bool)
    whole[low:high, 2:9, 2:8] = True
    core[low + 1 : inner, 4:8, 3:6] = True
    return whole, core


PREDICTED, TRUE = blocks(2, 9, 6), blocks(3, 11, 7)


def figures(found: Evaluation, value: int, case: str = "a") -> dict[str, float]:
    (row,) = [row for row in found.rows if (row.case, row.value) == (case, value)]
    return {**row.metrics.figures, "predicted": row.metrics.predicted, "true": row.metrics.true}


def binary(root: Path, predicted: np.ndarray, true: np.ndarray) -> dict[str, float]:
    save(root / "p" / "a.nii.gz", predicted)
    save(root / "t" / "a.nii.gz", true)
    return figures(evaluate(root / "p", root / "t"), 1)


def test_a_region_is_measured_as_the_union_of_its_values(tmp_path: Path) -> None:
    for folder, (whole, core) in (("masks", PREDICTED), ("labels", TRUE)):
        save(tmp_path / folder / "a.nii.gz", whole * 1 + core)
    found = evaluate(tmp_path / "masks", tmp_path / "labels", classes=REGIONS)
    assert found.class_names == {1: "whole", 2: "core"}
    for k in (1, 2):
        expected = binary(tmp_path / str(k), PREDICTED[k - 1], TRUE[k - 1])
        assert figures(found, k) == pytest.approx(expected)


def test_structures_of_a_file_each_are_paired_by_folder(tmp_path: Path) -> None:
    for k, name in enumerate(("liver", "tumour")):
        save(tmp_path / "masks" / name / "a.nii.gz", PREDICTED[k])
        save(tmp_path / "data" / f"labels-{name}" / "a.nii.gz", TRUE[k])
    save(tmp_path / "masks" / "liver" / "b.nii.gz", PREDICTED[0])
    save(tmp_path / "masks" / "tumour" / "b.nii.gz", PREDICTED[1])
    save(tmp_path / "data" / "labels-liver" / "b.nii.gz", TRUE[0])
    found = evaluate(tmp_path / "masks", tmp_path / "data", classes=SEPARATE)
    assert found.cases == ("a", "b")
    for k in (1, 2):
        expected = binary(tmp_path / str(k), PREDICTED[k - 1], TRUE[k - 1])
        assert figures(found, k) == pytest.approx(expected)
    (nobody,) = [row for row in found.rows if (row.case, row.value) == ("b", 2)]
    assert not nobody.metrics.figures  # nobody looked for the tumour
    with pytest.raises(CrlnError, match="holds no folder of masks called liver or tumour"):
        evaluate(tmp_path / "masks", tmp_path / "masks" / "liver", classes=SEPARATE)


def test_the_largest_component_is_that_of_the_region(tmp_path: Path) -> None:
    whole, core = (mask.copy() for mask in PREDICTED)
    values = whole * 1 + core
    values[12:, 0, 0] = 2
    save(tmp_path / "masks" / "a.nii.gz", values)
    save(tmp_path / "labels" / "a.nii.gz", TRUE[0] * 1 + TRUE[1])
    options = {"classes": REGIONS, "largest_component": True}
    found = evaluate(tmp_path / "masks", tmp_path / "labels", **options)
    assert figures(found, 2) == pytest.approx(binary(tmp_path / "2", core, TRUE[1]))


def test_voxels_that_nobody_knows_do_not_count_and_strange_values_are_told(tmp_path: Path) -> None:
    truth = TRUE[0] * 1 + TRUE[1]
    hidden = truth.copy()
    hidden[8:] = 9
    save(tmp_path / "masks" / "a.nii.gz", PREDICTED[0] * 1 + PREDICTED[1])
    save(tmp_path / "labels" / "a.nii.gz", np.where(hidden == 0, 5, hidden))
    found = evaluate(tmp_path / "masks", tmp_path / "labels", classes=REGIONS)
    assert figures(found, 1)["true"] == TRUE[0][:8].sum()
    assert figures(found, 1)["predicted"] == PREDICTED[0][:8].sum()
    assert found.left_out.values == {5: ("a",)}
