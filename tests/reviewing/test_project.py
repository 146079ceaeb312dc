"""Decisions of people are kept, can be taken back, and never touch the person's own files."""

import hashlib
import os
import time

import nibabel as nib
import numpy as np
import pytest

from crln.cohort import Slices, load_cohort
from crln.errors import CrlnError
from crln.reviewing import ConflictError, begin_project, opened
from crln.reviewing.masks import Record


def _sums(folder):
    return {p: hashlib.sha256(p.read_bytes()).digest() for p in folder.rglob("*") if p.is_file()}


def _parts(project):
    found = load_cohort(project.places.cohort, split="new")
    return {case.id for case in found.labelled}, {case.id for case in found.unlabelled}


def test_a_label_of_the_data_counts_as_accepted_and_the_rest_is_new(project):
    assert [project.status(id) for id in project.cases] == ["accepted", "new", "new", "new"]
    assert _parts(project) == ({"case_0"}, {"case_1", "case_2", "case_3"})
    assert project.classes == {1: "class 1", 2: "class 2"}


def test_what_is_drawn_and_accepted_is_a_label_with_the_geometry_of_the_scan(project, data, small):
    state = project.save("case_1", small.drawing(2), version=0, seconds=4.5)
    assert project.status("case_1") == "correcting"
    assert _parts(project)[0] == {"case_0"}  # not before it is accepted
    state = project.decide("case_1", "accepted", version=state.version, seconds=1.5)
    assert (state.by, state.seconds, state.state) == ("anna", 6.0, "accepted")
    label = nib.load(project.places.label("case_1"))
    scan = nib.load(data / "images/case_1.nii.gz")
    assert np.array_equal(np.asarray(label.dataobj), small.drawing(2))
    assert np.array_equal(label.affine, scan.affine)
    assert _parts(project)[0] == {"case_0", "case_1"}


def test_nothing_of_the_persons_own_is_changed(project, data, small):
    before = _sums(data)
    project.save("case_0", small.drawing(2))
    project.decide("case_0", "accepted")
    project.save("case_1", small.drawing(1))
    project.decide("case_1", "rejected")
    assert _sums(data) == before


def test_an_accepted_case_is_as_it_was_after_undo(project, small):
    first = project.save("case_1", small.drawing(1))
    project.decide("case_1", "accepted")
    state = project.undo("case_1")
    assert (state.state, state.drawing) == ("correcting", first.drawing)
    assert not project.places.label("case_1").exists()
    assert _parts(project)[0] == {"case_0"}
    assert np.array_equal(project.values("case_1"), small.drawing(1))


def test_undo_of_a_second_accept_brings_the_first_label_back(project, small):
    project.save("case_1", small.drawing(1))
    project.decide("case_1", "accepted")
    project.save("case_1", small.drawing(2))
    project.decide("case_1", "accepted")
    project.undo("case_1")
    project.undo("case_1")
    assert project.status("case_1") == "accepted"
    label = np.asarray(nib.load(project.places.label("case_1")).dataobj)
    assert np.array_equal(label, small.drawing(1))


def test_a_corrected_label_of_the_data_takes_the_place_of_it_and_undo_gives_it_back(
    project, data, small
):
    project.save("case_0", small.drawing(2))
    project.decide("case_0", "accepted")
    found = load_cohort(project.places.cohort, split="new")
    assert found.labelled[0].label.path.resolve() == project.places.label("case_0").resolve()
    project.undo("case_0")
    project.undo("case_0")
    found = load_cohort(project.places.cohort, split="new")
    assert found.labelled[0].label.path.resolve() == (data / "labels/case_0.nii.gz").resolve()


def test_two_windows_cannot_overwrite_each_other(project, small):
    project.save("case_1", small.drawing(1), version=0)
    with pytest.raises(ConflictError, match="another window"):
        project.save("case_1", small.drawing(2), version=0)
    with pytest.raises(ConflictError):
        project.decide("case_1", "accepted", version=0)
    assert np.array_equal(project.values("case_1"), small.drawing(1))


def test_accepting_a_mask_as_it_is_makes_it_a_label_without_changed_voxels(project, small):
    small.mask(project, 1, "case_1", small.drawing(1))
    assert project.status("case_1") == "outlined"
    state = project.decide("case_1", "accepted", round=1)
    assert (state.run, state.changed, state.dice) == (1, 0, 1.0)
    assert np.array_equal(nib.load(project.places.label("case_1")).dataobj, small.drawing(1))


def test_changed_voxels_and_dice_are_counted_against_the_mask_that_was_corrected(project, small):
    mask = small.drawing(1)
    small.mask(project, 1, "case_1", mask)
    corrected = mask.copy()
    corrected[2, 1, 0] = 0
    project.save("case_1", corrected, round=1)
    small.mask(project, 2, "case_1", np.zeros(small.shape, np.int32))  # meanwhile
    state = project.decide("case_1", "accepted")
    size = int((mask > 0).sum())
    assert (state.run, state.changed) == (1, 1)
    assert state.dice == pytest.approx(2 * (size - 1) / (2 * size - 1))


def test_a_mask_that_was_not_looked_at_is_not_accepted(project, small):
    small.mask(project, 1, "case_1", small.drawing(1))
    small.mask(project, 2, "case_1", small.drawing(2))
    with pytest.raises(ConflictError, match="round 2 has outlined it anew"):
        project.decide("case_1", "accepted", round=1)


def test_a_mask_of_a_later_round_never_takes_the_place_of_a_drawing(project, small):
    project.save("case_1", small.drawing(2))
    small.mask(project, 1, "case_1", small.drawing(1))
    assert project.status("case_1") == "correcting"
    assert np.array_equal(project.values("case_1"), small.drawing(2))


def test_a_rejected_mask_is_looked_at_again_once_a_later_round_has_outlined_it(project, small):
    small.mask(project, 1, "case_1", small.drawing(1))
    project.decide("case_1", "rejected")
    assert project.status("case_1") == "rejected"
    small.mask(project, 2, "case_1", small.drawing(2))
    assert project.status("case_1") == "outlined"


def test_where_the_label_of_the_data_is_rejected_the_mask_of_a_round_stands(project, small):
    project.decide("case_0", "rejected")
    assert project.standing("case_0").origin == "label"
    small.mask(project, 1, "case_0", small.drawing(2))
    assert project.status("case_0") == "outlined"
    assert np.array_equal(project.values("case_0"), small.drawing(2))
    project.decide("case_0", "accepted", round=1)
    assert np.array_equal(nib.load(project.places.label("case_0")).dataobj, small.drawing(2))


def test_a_case_with_nothing_outlined_cannot_be_accepted(project):
    with pytest.raises(CrlnError, match="nothing is outlined"):
        project.decide("case_1", "accepted")


def test_slices_that_are_done_are_all_that_is_learnt_of_a_case(project, small):
    project.save("case_1", small.drawing(1))
    project.decide("case_1", "accepted", slices=Slices((1, 2), 2))
    found = load_cohort(project.places.cohort, split="new")
    label = next(case.label for case in found.labelled if case.id == "case_1")
    assert label.slices == Slices((1, 2), 2)


def test_voxels_that_nobody_knows_are_written_with_the_value_to_ignore(project, small):
    values = small.drawing(1)
    values[0] = project.settings.ignore
    project.save("case_1", values)
    assert load_cohort(project.places.cohort, split="new").ignore is None
    project.decide("case_1", "accepted")
    assert load_cohort(project.places.cohort, split="new").ignore == 255


def test_everything_is_there_when_the_project_is_opened_again(data, places, small):
    with opened(places, "anna") as project:
        project.save("case_1", small.drawing(1))
        project.decide("case_1", "accepted")
        project.write_note("case_2", "blurred")
    places.label("case_1").unlink()  # as if the process had ended between the two
    places.cohort.unlink()
    with opened(places, "bert") as project:
        assert project.status("case_1") == "accepted"
        assert project.state("case_1").by == "anna"
        assert project.state("case_2").note == "blurred"
        assert places.label("case_1").exists()
        assert _parts(project)[0] == {"case_0", "case_1"}


def test_drawings_that_nothing_needs_are_removed(project, small):
    for value in (1, 2, 1):
        project.save("case_1", small.drawing(value))
    assert len(project.places.drawings("case_1")) == 1


def test_test_cases_stay_test_cases_whatever_is_accepted(tmp_path, small):
    data = small.data(tmp_path / "data", labels=2)
    (data / "test.list").write_text("case_1\ncase_2\n")
    with opened(begin_project(data, say=str)) as project:
        project.save("case_2", small.drawing(1))
        project.decide("case_2", "accepted")
        found = load_cohort(project.places.cohort, split="new")
        assert [case.id for case in found.test] == ["case_1", "case_2"]
        assert all(case.label for case in found.test)
        assert [case.id for case in found.labelled] == ["case_0"]


def test_a_case_may_be_called_anything(tmp_path, small):
    data = small.data(tmp_path / "data", scans=1)
    (data / "labels/case_0.nii.gz").unlink()
    (data / "cohort.yaml").write_text("unlabelled: [{id: '../a:b', image: images/case_0.nii.gz}]\n")
    with opened(begin_project(data, say=str)) as project:
        project.save("../a:b", small.drawing(1))
        project.decide("../a:b", "accepted")
        assert project.places.label("../a:b").parent == project.places.path / "labels"
        assert load_cohort(project.places.cohort, split="new").labelled[0].id == "../a:b"


def test_a_mask_is_seen_though_the_clock_of_the_folder_stood_still(project, small):
    small.mask(project, 1, "case_1", small.drawing(1))
    folder = project.places.masks(1)
    before = folder.stat()
    assert project.masks.round("case_1") == 1
    small.mask(project, 1, "case_2", small.drawing(1))
    os.utime(folder, ns=(before.st_atime_ns, before.st_mtime_ns))
    time.sleep(0.2)
    assert project.masks.round("case_2") == 1


def test_where_nothing_is_new_no_folder_is_listed_for_a_mask(project, small, monkeypatch):
    small.mask(project, 1, "case_1", small.drawing(1))
    long_ago = time.time() - 60
    for folder in (project.places.all_masks, project.places.masks(1)):
        os.utime(folder, (long_ago, long_ago))
    assert project.masks.round("case_1") == 1
    listed = []
    for name in ("listdir", "scandir"):
        monkeypatch.setattr(os, name, lambda path=".": listed.append(path) or [])
    assert project.masks.round("case_1") == 1
    assert project.masks.round("case_2") is None
    assert listed == []


def test_a_record_that_is_written_is_read_as_it_was(tmp_path):
    record = Record(round=2, score={"a": 0.5, "b": None}, flags=("odd",), doubt=((1.0, 2.0),))
    record.write(tmp_path / "a.yaml")
    assert Record.read(tmp_path / "a.yaml") == record
