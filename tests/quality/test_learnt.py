"""What the labels of a training are like."""

from pathlib import Path

import nibabel as nib
import numpy as np

from crln.cohort import Case, Label, Slices
from crln.planning import Plan
from crln.preparation import prepare_cohort
from crln.quality import what_was_outlined

PLAN = Plan(spacing=(1.0, 1.0, 2.0))


def case(folder: Path, name: str, voxels: int, slices: Slices | None = None) -> Case:
    affine = np.diag([-1.0, 1.0, 2.0, 1.0])
    image = np.random.default_rng(0).normal(size=(12, 12, 8)).astype(np.float32)
    label = np.zeros(image.shape, np.uint8)
    label[2 : 2 + voxels, 3:5, 3:5] = 1
    for kind, array in (("scan", image), ("label", label)):
        nib.save(nib.Nifti1Image(array, affine), folder / f"{name}-{kind}.nii.gz")
    outline = Label(folder / f"{name}-label.nii.gz", slices=slices)
    return Case(name, (folder / f"{name}-scan.nii.gz",), outline)


def test_whole_labels_are_measured_on_the_plan_s_grid(tmp_path: Path) -> None:
    cases = prepare_cohort([case(tmp_path, "a", 3), case(tmp_path, "b", 4)], PLAN)
    seen = what_was_outlined(cases, PLAN)
    assert seen
    found = seen.structures["foreground"]
    assert (found.labels, found.present) == (2, 2)
    assert found.volume == (3 * 4 * 2, 4 * 4 * 2)
    assert found.extent == ((3, 4), (2, 2), (4, 4))


def test_a_label_of_some_slices_tells_of_no_whole_structure(tmp_path: Path) -> None:
    cases = prepare_cohort([case(tmp_path, "a", 3, Slices(axis=2, at=(3, 4)))], PLAN)
    assert what_was_outlined(cases, PLAN) is None


def test_a_scan_of_its_own_spacing_is_measured_in_mm(tmp_path: Path) -> None:
    plan = PLAN.updated({"spacing": None})
    seen = what_was_outlined(prepare_cohort([case(tmp_path, "a", 3)], plan), plan)
    assert seen
    assert seen.structures["foreground"].volume == (24, 24)
