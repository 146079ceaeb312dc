"""Structures that overlap: an outline is one array, and a file a structure."""

import os

import nibabel as nib
import numpy as np
import pytest

from crln.cohort import Slices, load_cohort, read_separate
from crln.errors import CrlnError
from crln.reviewing import begin_project, opened
from crln.reviewing.export import export
from crln.reviewing.learning import Learning
from crln.reviewing.rounds import Order, Round
from crln.reviewing.structures import Structures

OVERLAP = Structures.of({0: "background", 1: "liver", 2: "tumour"}, 9, exclusive=False)


@pytest.fixture
def places(tmp_path, small):
    return begin_project(small.overlapping(tmp_path / "data"), say=str)


@pytest.fixture
def project(places):
    with opened(places, "anna") as project:
        yield project


def _layer(value: int, *boxes: tuple[slice, ...]) -> np.ndarray:
    values = np.zeros((6, 5, 4), np.int32)
    for box in boxes:
        values[box] = value
    return values


def _files(project, folder: str, case: str) -> dict[str, np.ndarray]:
    """Of each structure what its file holds."""
    found = {}
    for path in (project.places.path / folder).rglob("*.nii.gz"):
        if path.name.startswith(f"{case}."):
            assert path.parent.name not in found, "two drawings of one case"
            found[path.parent.name] = np.asarray(nib.load(path).dataobj)
    return found


def test_a_layer_that_is_taken_out_and_put_back_changes_no_other():
    chance = np.random.default_rng(0)
    masks = {k: chance.integers(0, 3, (4, 4, 4)) for k in (1, 2)}  # nowhere, there, unknown
    values = np.zeros((4, 4, 4), np.int8)
    for k, mask in masks.items():
        values = OVERLAP.with_layer(values, k, np.select([mask == 1, mask == 2], [k, 9], 0))
    for k, mask in masks.items():
        assert np.array_equal(OVERLAP.inside(values, k), mask == 1)
        assert np.array_equal(OVERLAP.layer(values, k), np.select([mask == 1, mask == 2], [k, 9]))
        assert np.array_equal(OVERLAP.of_file(values, k), np.select([mask == 1, mask == 2], [1, 9]))
    assert np.array_equal(OVERLAP.unknown(values), (masks[1] == 2) | (masks[2] == 2))
    assert OVERLAP.unknown(np.array([OVERLAP.nobody])).all()


def test_a_structure_that_is_drawn_leaves_the_other_and_shares_its_voxels(project):
    here, there = (slice(2, 4), slice(1, 3)), (slice(3, 6), slice(1, 3))
    project.save("case_1", _layer(1, here), structure=1)
    project.save("case_1", _layer(2, there), structure=2)
    found = _files(project, "drawings", "case_1")
    assert np.array_equal(found["liver"], _layer(1, here))
    assert np.array_equal(found["tumour"], _layer(1, there))
    state = project.decide("case_1", "accepted")
    assert state.volume_ml == {"liver": 2 * 16 / 1000, "tumour": 2 * 24 / 1000}
    case = next(c for c in load_cohort(project.places.cohort).labelled if c.id == "case_1")
    assert case.label is not None
    combined = read_separate(case.label, project.structures.space).array[0]
    expected = (_layer(1, here) + 2 * (_layer(1, there) > 0)).astype(combined.dtype)
    assert np.array_equal(combined, expected)
    project.undo("case_1")
    assert _files(project, "labels", "case_1") == {}


@pytest.mark.slow
def test_what_is_unknown_of_one_structure_is_known_of_the_other(project):
    ignore = project.structures.ignore
    project.save("case_1", _layer(ignore, (slice(0, 1),)), structure=2)
    state = project.decide("case_1", "accepted")
    assert state.unknown == 20
    found = _files(project, "labels", "case_1")
    assert not found["liver"].any()
    assert set(np.unique(found["tumour"])) == {0, ignore}
    assert project.cohort().ignore == ignore


@pytest.mark.slow
def test_slices_that_were_done_are_those_of_every_structure(project):
    project.save("case_1", _layer(1, (slice(2, 4),)), structure=1, slices=Slices((1, 2), 2))
    project.decide("case_1", "accepted")
    case = next(c for c in load_cohort(project.places.cohort).labelled if c.id == "case_1")
    assert case.label is not None
    assert case.label.slices == Slices((1, 2), 2)
    combined = read_separate(case.label, project.structures.space).array[0]
    assert (combined[:, :, [0, 3]] == -1).all()
    assert (combined[:, :, [1, 2]] >= 0).all()


@pytest.mark.slow
def test_a_save_that_was_cut_off_between_two_files_has_changed_nothing(
    places, project, monkeypatch
):
    """The state is written after every file of it."""
    project.save("case_1", _layer(1, (slice(2, 4),)), structure=1)
    before = project.values("case_1")

    def dies(*given: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("crln.reviewing.drawings.link", dies)
    with pytest.raises(KeyboardInterrupt):
        project.save("case_1", _layer(2, (slice(0, 2),)), structure=2)
    monkeypatch.undo()
    assert len(list((places.path / "drawings").rglob("case_1.2.nii.gz"))) == 1
    project.mend()
    assert np.array_equal(project.values("case_1"), before)
    assert not list((places.path / "drawings").rglob("case_1.2.nii.gz"))
    project.save("case_1", _layer(2, (slice(0, 2),)), structure=2)
    assert project.structures.inside(project.values("case_1"), 2)[:2].all()


@pytest.mark.slow
def test_labels_of_which_one_file_is_missing_are_mended(places):
    with opened(places) as project:
        project.save("case_1", _layer(1, (slice(2, 4),)), structure=1)
        project.decide("case_1", "accepted")
    (places.path / "labels/tumour/case_1.nii.gz").unlink()
    (places.path / "labels/liver/partial-1_2-case_1.nii.gz").write_text("half")
    with opened(places) as project:
        assert set(_files(project, "labels", "case_1")) == {"liver", "tumour"}
        assert not list((places.path / "labels").rglob("partial-*"))
        (drawn,) = places.drawings("case_1").values()
    os.unlink(next(path for path in drawn if path.parent.name == "tumour"))
    with pytest.raises(CrlnError, match=r"drawings/tumour/case_1\..*is missing"), opened(places):
        pass


@pytest.mark.slow
def test_a_round_keeps_every_file_of_its_labels(project):
    project.save("case_1", _layer(1, (slice(2, 4),)), structure=1)
    project.decide("case_1", "accepted")
    round = Round(project.places, 1)
    round.begin(Order(), project.cohort())
    project.undo("case_1")
    label = next(case.label for case in round.cohort().labelled if case.id == "case_1")
    assert label is not None
    assert [path.parent.name for path in label.files] == ["liver", "tumour"]
    assert np.asarray(nib.load(label.files[0]).dataobj)[2:4].all()
    assert not round.cohort().exclusive


@pytest.mark.slow
def test_a_mask_of_a_file_each_is_corrected_by_a_stroke_of_one(project, small):
    values = np.full(small.shape, 3, np.int8)  # both, everywhere
    small.mask(project, 1, "case_1", values)
    assert project.status("case_1") == "outlined"
    project.save("case_1", _layer(0), structure=2, round=1)
    state = project.decide("case_1", "accepted")
    assert state.changed == values.size
    assert state.dice == pytest.approx(0.5)  # 1 of the liver, 0 of the tumour


@pytest.mark.slow
def test_each_structure_is_handed_over_in_a_folder_of_its_own(project, tmp_path):
    written = export(project, tmp_path / "out", say=str)
    assert [str(path.relative_to(tmp_path / "out")) for path in written] == [
        "liver/case_0.nii.gz", "tumour/case_0.nii.gz",
    ]  # fmt: skip
    for path in written:
        mask, own = (
            nib.load(path),
            nib.load(tmp_path / f"data/labels-{path.parent.name}/case_0.nii.gz"),
        )
        assert np.array_equal(np.asarray(mask.dataobj) == 1, np.asarray(own.dataobj) != 0)
        assert np.array_equal(mask.affine, own.affine)
    assert "tumour,18," in (tmp_path / "out/cases.csv").read_text()


@pytest.mark.slow
def test_learning_again_reads_every_file_and_writes_a_mask_a_structure(tmp_path, small):
    from crln.planning import make_plan
    from crln.reviewing.work import work

    data = small.overlapping(tmp_path / "data", (20, 18, 16))
    with opened(begin_project(data, say=str)) as project:
        places, values = project.places, np.zeros((20, 18, 16), np.int32)
        values[3:9, 4:9] = 2
        project.save("case_1", values, structure=2)
        project.decide("case_1", "accepted")
        changes = {
            "patch_size": (16, 16, 16), "spacing": None,
            "network": {"widths": (4, 4, 8, 8, 8)},
        }  # fmt: skip
        plan = make_plan(project.cohort(), changes=changes)
        (places.path / "plan.yaml").write_text(plan.to_yaml())
        order = Order(iterations=2, method="supervised", device="cpu", plan="plan.yaml")
        Round(places, 1).begin(order, project.cohort())
        work(places.path, 1)
        assert Learning(project).status()["stage"] == "done"
        assert project.status("case_2") == "outlined"
        assert {"liver", "tumour"} < set(_files(project, "masks/1", "case_2"))
        project.values("case_2")
        project.decide("case_2", "accepted")
        assert len(project.cohort().labelled) == 3
