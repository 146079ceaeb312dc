"""A cohort that is written as a cohort.yaml is read as the same cohort."""

from dataclasses import replace

import pytest

from crln.cohort import Case, Cohort, Label, Slices, load_cohort, write_description
from crln.errors import CrlnError


def _files(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return [folder / name for name in names]


def _cohort(folder):
    a, b, c, label, draft = _files(
        folder, "a.nii.gz", "b.nii.gz", "c.nii.gz", "labels/a.nii.gz", "drafts/b.nii.gz"
    )
    called = (("Leber", "liver"),)
    return Cohort(
        folder / "project/cohort.yaml", "yaml",
        labelled=(Case("one", (a,), Label(label, (1,), slices=Slices((0, 3), 2), called=called)),),
        unlabelled=(Case("two", (b,), None, "p2", Label(draft, kind="draft", called=called)),),
        test=(Case("three", (c,)),),
        channels=("CT",), class_names={0: "background", 1: "liver"}, ignore=9, ordered=True,
    )  # fmt: skip


def _resolved(cohort):
    def case(one):
        label, draft = (
            each and replace(each, path=each.path.resolve()) for each in (one.label, one.draft)
        )
        images = tuple(path.resolve() for path in one.images)
        return replace(one, images=images, label=label, draft=draft)

    parts = ("labelled", "unlabelled", "validation", "test")
    return replace(cohort, **{part: tuple(map(case, getattr(cohort, part))) for part in parts})


def test_what_is_written_is_read_as_it_was(tmp_path):
    cohort = _cohort(tmp_path)
    write_description(cohort, cohort.root, "a note")
    assert _resolved(load_cohort(cohort.root, split="new")) == _resolved(cohort)
    assert cohort.root.read_text().startswith("# a note\n")


def test_a_cohort_and_its_data_can_be_moved_together(tmp_path):
    cohort = _cohort(tmp_path / "here")
    write_description(cohort, cohort.root)
    (tmp_path / "here").rename(tmp_path / "there")
    moved = load_cohort(tmp_path / "there/project/cohort.yaml", split="new")
    assert moved.test[0].images[0].resolve() == tmp_path / "there/c.nii.gz"


def test_files_elsewhere_are_named_outright(tmp_path):
    (scan,) = _files(tmp_path / "far", "a.nii.gz")
    path = tmp_path / "x/y/cohort.yaml"
    write_description(Cohort(path, "yaml", unlabelled=(Case("a", (scan,)),)), path)
    assert str(scan) in path.read_text()


def test_structures_of_a_file_each_are_written_by_name(tmp_path):
    scan, liver, spleen = _files(tmp_path, "a.nii.gz", "liver/a.nii.gz", "spleen/a.nii.gz")
    label = Label(liver, parts=((1, liver), (2, spleen)))
    path = tmp_path / "cohort.yaml"
    cohort = Cohort(
        path, "yaml", labelled=(Case("a", (scan,), label),), exclusive=False,
        class_names={0: "background", 1: "liver", 2: "spleen"}, ordered=True,
    )  # fmt: skip
    write_description(cohort, path)
    found = load_cohort(path, split="new")
    assert found.labelled[0].label.parts == ((1, liver), (2, spleen))
    assert not found.exclusive
    with pytest.raises(CrlnError, match="the structure 1 has no name"):
        write_description(replace(cohort, class_names={}), path)


def test_regions_are_written_with_their_members(tmp_path):
    scan, label = _files(tmp_path, "a.nii.gz", "l.nii.gz")
    path = tmp_path / "cohort.yaml"
    cohort = Cohort(
        path, "yaml", labelled=(Case("a", (scan,), Label(label)),),
        regions={"whole": (1, 2), "core": (2,)}, ordered=True,
    )  # fmt: skip
    write_description(cohort, path)
    assert load_cohort(path, split="new").regions == cohort.regions
