"""Slices that a person is done with: learnt from alone, outlined around, handed over."""

import numpy as np
import pytest

from crln.cohort import Slices, load_cohort, read_outline
from crln.imaging import Grid
from crln.reviewing.export import export
from crln.reviewing.slices import of_file, of_page

# Axes in the order y, z, x of RAS; the second and the third run backwards.
TURNED = np.array([[0, 0, -1.0, 0], [1, 0, 0, 0], [0, -2, 0, 0], [0, 0, 0, 1]])


def test_slices_of_the_page_are_those_of_the_file():
    grid = Grid((5, 6, 7), TURNED)
    stored = np.arange(5 * 6 * 7).reshape(5, 6, 7)
    shown = grid.to_ras(stored)
    for axis in range(3):
        for number in range(shown.shape[axis]):
            slices = of_file(grid, axis, [number])
            mine = set(stored.take(slices.at[0], slices.axis).ravel().tolist())
            assert mine == set(shown.take(number, axis).ravel().tolist())
            assert of_page(grid, slices) == {"axis": axis, "at": [number]}
    with pytest.raises(ValueError, match="there are 7, counted from 0"):
        of_file(grid, 0, [7])


@pytest.fixture
def partly(project, small):
    """A case of which slices 1 and 3 along the file's third axis were accepted."""
    drawn = small.drawing(1)
    project.save("case_1", drawn, slices=Slices((1, 3), 2))
    project.decide("case_1", "accepted")
    return drawn


def test_only_slices_that_are_done_are_learnt_from(project, partly):
    assert (project.state("case_1").slices, project.state("case_1").axis) == ((1, 3), 2)
    cohort = load_cohort(project.places.cohort, split="new")
    label = next(case.label for case in cohort.labelled if case.id == "case_1")
    outline = read_outline(label)
    assert outline.known[..., [1, 3]].all()
    assert not outline.known[..., [0, 2]].any()
    assert np.array_equal(outline.values, partly)


def test_taking_back_and_drawing_on_keep_what_is_done_until_it_is_cleared(project, partly):
    assert project.undo("case_1").slices == (1, 3)
    assert project.status("case_1") == "correcting"
    project.save("case_1", partly)
    assert project.decide("case_1", "accepted").slices is None


def test_the_next_round_outlines_the_other_slices_and_the_done_ones_stay(project, partly, small):
    assert np.array_equal(project.values("case_1"), partly)
    mask = np.full(small.shape, 2, np.int32)
    small.mask(project, 1, "case_1", mask)
    found = project.values("case_1")
    assert np.array_equal(found[..., [1, 3]], partly[..., [1, 3]])
    assert (found[..., [0, 2]] == 2).all()
    assert project.status("case_1") == "accepted"
    assert project.standing("case_1").round == 1
    project.decide("case_1", "accepted")  # as it stands now
    assert np.array_equal(project.values("case_1"), found)


def test_only_what_was_changed_in_done_slices_is_counted(project, small):
    small.mask(project, 1, "case_2", small.drawing(1))
    after = small.drawing(1)
    after[..., 0] = 2
    after[2:4, 1, 1] = 0
    project.save("case_2", after, round=1, slices=Slices((1,), 2))
    state = project.decide("case_2", "accepted")
    assert state.changed == 2
    assert state.dice == pytest.approx(2 * 2 / (4 + 2))


def test_handed_over_the_others_are_unknown_until_a_round_has_outlined_them(
    project, partly, small, tmp_path
):
    import nibabel as nib

    for name, mask in (("before", None), ("after", np.full(small.shape, 2, np.int32))):
        if mask is not None:
            small.mask(project, 1, "case_1", mask)
        export(project, tmp_path / name, say=str)
        found = np.asarray(nib.load(tmp_path / name / "case_1.nii.gz").dataobj)
        assert np.array_equal(found[..., [1, 3]], partly[..., [1, 3]])
        assert (found[..., [0, 2]] == (255 if mask is None else 2)).all()


def test_a_round_goes_on_to_outline_what_is_accepted_in_some_slices(project, partly):
    from crln.reviewing.outlining import _accepted

    assert not _accepted(project, "case_1")
    project.save("case_1", partly)
    project.decide("case_1", "accepted")
    assert _accepted(project, "case_1")
