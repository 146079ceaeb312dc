"""A project begins from labels, from scans alone, from drafts or from a run."""

import shutil

import numpy as np
import pytest

from crln.cohort import load_cohort, read_split
from crln.errors import CrlnError
from crln.reviewing import Project, begin_project, opened, project_folder
from crln.reviewing.state import CaseState


def _lines():
    told = []
    return told, told.append


def test_it_lies_beside_the_data(data):
    assert begin_project(data, say=str).path == data.with_name("data-review")
    assert project_folder(data / "cohort.yaml").name == "cohort-review"


def test_scans_alone_need_the_names_of_their_structures(tmp_path, small):
    for name in ("a", "b"):
        small.scan(tmp_path / f"scans/{name}.nii.gz", np.ones(small.shape, np.int16))
    places = begin_project(tmp_path / "scans", classes=["liver", "tumour"], say=str)
    with opened(places) as project:
        assert project.classes == {1: "liver", 2: "tumour"}
        assert [project.status(id) for id in project.cases] == ["new", "new"]
        project.save("a", small.drawing(2))
        project.decide("a", "accepted")
    found = load_cohort(places.cohort, split="new")
    assert found.class_names == {0: "background", 1: "liver", 2: "tumour"}
    assert [case.id for case in found.labelled] == ["a"]


def test_scans_alone_without_names_have_one_structure_and_that_is_said(tmp_path, small):
    small.scan(tmp_path / "scans/a.nii.gz", np.ones(small.shape, np.int16))
    told, say = _lines()
    places = begin_project(tmp_path / "scans", say=say)
    assert Project(places.path).classes == {1: "foreground"}
    assert told == [
        "no label tells the structures: one class, foreground; name them with --classes"
    ]


def test_drafts_are_what_is_corrected_first(data, small):
    (data / "drafts").mkdir()
    shutil.copy(data / "labels/case_0.nii.gz", data / "drafts/case_1.nii.gz")
    with opened(begin_project(data, say=str)) as project:
        assert project.standing("case_1").origin == "draft"
        assert set(np.unique(project.values("case_1"))) == {0, 1, 2}
        state = project.decide("case_1", "accepted")
        assert (state.drawing, state.run, state.dice) == (1, None, None)


def test_the_value_of_what_nobody_knows_is_that_of_the_data_or_a_free_one(tmp_path, small):
    data = small.data(tmp_path / "data")
    (data / "cohort.yaml").write_text(
        "classes: {0: background, 255: liver}\n"
        "labelled: [{image: images/case_0.nii.gz, label: labels/case_0.nii.gz}]\n"
    )
    assert Project(begin_project(data, say=str).path).settings.ignore == 256
    (data / "cohort.yaml").write_text(
        "classes: {0: background, 1: liver}\nignore: 7\n"
        "labelled: [{image: images/case_0.nii.gz, label: labels/case_0.nii.gz}]\n"
    )
    places = begin_project(data, tmp_path / "other", say=str)
    assert Project(places.path).settings.ignore == 7


@pytest.mark.slow
def test_a_project_begun_from_a_run_has_its_classes_and_its_split(phantom, tmp_path, trained):
    places = begin_project(phantom, tmp_path / "project", run=trained.path, say=str)
    project = Project(places.path)
    assert list(project.classes.values()) == list(trained.plan.labels.names[1:])
    split = {case.id for case in project.data.test}
    assert split == set(read_split(trained.split)["test"])


def test_a_project_can_be_begun_without_the_split_that_lies_there(tmp_path, small):
    data = small.data(tmp_path / "data", labels=2)
    (data / "split.yaml").write_text("labelled: [case_0]\nunlabelled: [case_2]\ntest: [case_1]\n")
    held = Project(begin_project(data, tmp_path / "held", say=str).path).data
    assert [case.id for case in held.test] == ["case_1"]
    free = Project(begin_project(data, tmp_path / "free", split="new", say=str).path).data
    assert not free.test


def test_a_folder_that_holds_something_else_is_left_alone(data, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/notes.txt").write_text("mine")
    with pytest.raises(CrlnError, match="exists and is no project"):
        begin_project(data, tmp_path / "mine", say=str)


def test_a_project_is_begun_once(data):
    begin_project(data, say=str)
    with pytest.raises(CrlnError, match="is a project already"):
        begin_project(data, say=str)


def test_one_process_at_a_time_holds_a_project(places):
    other = opened(places)
    with opened(places), pytest.raises(CrlnError, match="open in another crln review"):
        other.__enter__()


def test_a_project_and_its_data_can_be_moved_together(tmp_path, small):
    data = small.data(tmp_path / "here/data")
    begin_project(data, say=str)
    shutil.move(tmp_path / "here", tmp_path / "there")
    project = Project(tmp_path / "there/data-review")
    assert project.case("case_1").images[0].exists()


def test_scans_that_are_added_later_are_new_cases(places, data, small):
    small.scan(data / "images/zz.nii.gz", np.ones(small.shape, np.int16))
    with opened(places) as project:
        assert project.status("zz") == "new"


def test_of_structures_that_overlap_no_value_of_their_files_stands_for_unknown(tmp_path, small):
    places = begin_project(small.overlapping(tmp_path / "data"), say=str)
    with opened(places) as project:
        assert project.classes == {1: "liver", 2: "tumour"}
        assert project.structures.ignore == 256
        assert project.structures.inside(project.values("case_0"), 1).sum() == 18


def test_a_damaged_file_and_a_newer_format_are_said_in_one_line(places):
    places.state("case_1").parent.mkdir()
    places.state("case_1").write_text("case: case_1\nstate: maybe\n")
    with pytest.raises(CrlnError, match=r"case_1\.yaml: state: .*; restore the file"):
        Project(places.path).state("case_1")
    text = places.settings.read_text().replace("format: 1", "format: 99")
    places.settings.write_text(text)
    with pytest.raises(CrlnError, match="format 99 of a newer crln"):
        Project(places.path)


def test_a_drawing_that_is_missing_is_said(places, small):
    with opened(places) as project:
        project.save("case_1", small.drawing(1))
    places.drawing("case_1", 1).unlink()
    with pytest.raises(CrlnError, match="is missing, of case case_1; restore it"), opened(places):
        pass


def test_only_so_many_decisions_are_kept():
    state = CaseState(case="a")
    for _ in range(50):
        state = state.decided(state.decision)
    assert (len(state.before), state.version) == (20, 50)
