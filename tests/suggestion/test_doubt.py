"""How much the outline of a scan is doubted, and in which slices."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

import crln
from crln.cohort import Case, Cohort
from crln.suggestion.doubt import Doubter, pairwise_dice

pytestmark = pytest.mark.slow


def test_doubt_is_what_the_members_dispute(ensemble: Path, cohort: Cohort) -> None:
    scan = cohort.unlabelled[0]
    found = Doubter(ensemble, "cpu", "32").look(scan)
    members = crln.open_ensemble(ensemble)
    masks = [
        crln.load_predictor(members.folder(m), "cpu").predict(scan.images).mask
        for m in members.members
    ]
    agreed = []
    for i in range(3):
        for j in range(i + 1, 3):
            for value in (1, 2):
                a, b = masks[i] == value, masks[j] == value
                if a.any() or b.any():
                    agreed.append(2 * (a & b).sum() / (a.sum() + b.sum()))
    assert found.doubt == pytest.approx(1 - np.mean(agreed))
    minority = np.zeros(masks[0].shape)
    for value in (1, 2):
        votes = sum((mask == value).astype(int) for mask in masks)
        minority += np.minimum(votes, 3 - votes) / 3
    for axis in range(3):
        others = tuple({0, 1, 2} - {axis})
        np.testing.assert_allclose(found.slices[axis], minority.sum(others), rtol=1e-5)


def test_one_network_doubts_as_far_as_its_probabilities_do(run: Path, cohort: Cohort) -> None:
    scan = cohort.unlabelled[0]
    found = Doubter(run, "cpu", "32").look(scan)
    prediction = crln.load_predictor(run, "cpu").predict(scan.images, probabilities=True)
    wrong = (1 - prediction.probabilities.max(0)).sum()
    outlined = (prediction.mask != 0).sum()
    assert found.doubt == pytest.approx(min(1, wrong / (2 * outlined)), rel=1e-4)


def test_structures_that_nobody_found_do_not_count() -> None:
    empty, full = np.zeros((2, 2, 2), bool), np.ones((2, 2, 2), bool)
    assert pairwise_dice([empty, empty]) == []
    assert pairwise_dice([empty, full, full]) == [0, 0, 1]


def test_a_scan_of_other_axes_has_its_own_slices(run: Path, cohort: Cohort, tmp_path: Path) -> None:
    """The same scan, its last axis first: the slices are along that one, with the same doubt."""
    original = nib.load(cohort.unlabelled[0].images[0])
    affine = original.affine[:, [2, 0, 1, 3]]
    voxels = np.moveaxis(np.asarray(original.dataobj), 2, 0)
    nib.save(nib.Nifti1Image(voxels, affine), tmp_path / "turned.nii.gz")
    looker = Doubter(run, "cpu", "32")
    one = looker.look(cohort.unlabelled[0])
    other = looker.look(Case("turned", (tmp_path / "turned.nii.gz",)))
    for axis, there in enumerate((1, 2, 0)):
        np.testing.assert_allclose(other.slices[there], one.slices[axis], rtol=1e-3, atol=1e-3)
