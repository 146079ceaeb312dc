"""Who is kept for the test is kept in every later command."""

import json
import logging
from pathlib import Path

import pytest
import yaml

from crln.cohort import (
    Cohort,
    apply_split,
    check_never_tested,
    keep_split,
    load_cohort,
    save_split,
    split_cohort,
    write_held,
)
from crln.errors import CrlnError


def add(root: Path, *ids: str, label: bool = True) -> None:
    for folder in ("images", "labels")[: 1 + label]:
        (root / folder).mkdir(exist_ok=True, parents=True)
        for id in ids:
            (root / folder / f"{id}.nii.gz").touch()


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Cases a to h with labels, u without."""
    add(tmp_path / "data", *"abcdefgh")
    add(tmp_path / "data", "u", label=False)
    return tmp_path / "data"


def ids(cohort: Cohort, part: str) -> list[str]:
    return [case.id for case in getattr(cohort, part)]


def draw(root: Path, **asked: object) -> Cohort:
    """A command: draws, and keeps what was drawn."""
    whole = load_cohort(root)
    cohort = split_cohort(whole, **asked)  # type: ignore[arg-type]
    keep_split(whole, cohort)
    return cohort


def test_the_first_draw_is_kept_and_a_new_label_moves_no_test_case(data: Path) -> None:
    first = draw(data, test=2)
    assert ids(first, "test") == ["g", "h"]
    assert yaml.safe_load((data / "split.yaml").read_text()) == {"test": ["g", "h"]}
    add(data, "z")
    for asked in ({}, {"test": 2}, {"test": "20%"}, {"test": ("h", "g")}, {"test": "g,h"}):
        later = draw(data, **asked)
        assert ids(later, "test") == ["g", "h"]
        assert "z" in ids(later, "labelled")


@pytest.mark.parametrize("ordered", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_what_is_kept_leaves_the_other_draws_as_they_were(
    data: Path, seed: int, ordered: bool
) -> None:
    if ordered:
        (data / "train.list").write_text("\n".join("cahbgdfe"))
    asked = {"labelled": 3, "validation": 2, "test": 2, "seed": seed}
    first, second = draw(data, **asked), draw(data, **asked)
    for part in ("labelled", "unlabelled", "validation", "test"):
        assert ids(first, part) == ids(second, part)


@pytest.mark.parametrize("asked", [3, "a,b", "90%"])
def test_another_test_than_the_kept_one_is_refused_with_the_remedy(
    data: Path, asked: int | str
) -> None:
    draw(data, test=2)
    with pytest.raises(
        CrlnError, match=rf"split\.yaml: keeps 2 test cases, other than --test {asked}; leave"
    ):
        draw(data, test=asked)
    new = split_cohort(load_cohort(data, split="new"), test=asked)
    assert ids(new, "test") != ["g", "h"]


def test_nothing_is_written_where_nothing_is_drawn(data: Path) -> None:
    draw(data, labelled=2, validation=2)
    assert not (data / "split.yaml").exists()
    (data / "test.list").write_text("a\nb")
    draw(data)
    assert not (data / "split.yaml").exists()


def test_a_split_that_is_there_is_never_written_over(data: Path) -> None:
    draw(data, test=2)
    before = (data / "split.yaml").read_bytes()
    whole = load_cohort(data, split="new")
    assert keep_split(whole, split_cohort(whole, test=3)) is None
    assert (data / "split.yaml").read_bytes() == before


def test_no_output_may_replace_what_describes_a_cohort(data: Path) -> None:
    draw(data, test=2)
    (data / "val.list").write_text("a")
    (data / "plan.yaml").touch()  # a person's own, which may
    found = {path.name for path in load_cohort(data).files if path.parent == data}
    assert found == {"split.yaml", "val.list"}


def test_a_folder_that_is_read_only_is_told(data: Path) -> None:
    whole = load_cohort(data)
    data.chmod(0o555)
    try:
        line = keep_split(whole, split_cohort(whole, test=2))
    finally:
        data.chmod(0o755)
    assert line is not None
    assert "cannot be written" in line
    assert line.endswith("give later commands --split RUN")
    assert not (data / "split.yaml").exists()


def test_a_yaml_has_its_split_beside_it(tmp_path: Path) -> None:
    add(tmp_path, "a", "b", "c")
    cases = [{"image": f"images/{c}.nii.gz", "label": f"labels/{c}.nii.gz"} for c in "abc"]
    for name, split in (("cohort", "split.yaml"), ("fold", "fold-split.yaml")):
        path = tmp_path / f"{name}.yaml"
        path.write_text(yaml.safe_dump({"labelled": cases}))
        draw(path, test=1)
        assert (tmp_path / split).exists()
        assert ids(load_cohort(path), "test") == ["c"]


def test_a_runs_split_gives_its_parts_and_new_labels_are_learnt_from(
    data: Path, tmp_path: Path
) -> None:
    first = split_cohort(load_cohort(data), labelled=3, validation=1, test=2, seed=4)
    (tmp_path / "run").mkdir()
    save_split(first, tmp_path / "run" / "split.yaml")
    again = load_cohort(data, split=tmp_path / "run")
    for part in ("labelled", "validation", "test"):
        assert ids(again, part) == ids(first, part)
    assert set(ids(again, "unlabelled")) == set(ids(first, "unlabelled"))
    add(data, "z")
    more = load_cohort(data, split=tmp_path / "run" / "split.yaml")
    assert ids(more, "labelled") == [*ids(first, "labelled"), "z"]


def test_a_runs_split_keeps_the_pattern_of_its_groups(tmp_path: Path) -> None:
    add(tmp_path, *(f"p{patient}_{visit}" for patient in range(3) for visit in range(2)))
    drawn = split_cohort(load_cohort(tmp_path, group=r"p(\d)"), test=2)
    save_split(drawn, tmp_path / "run.yaml")
    assert apply_split(load_cohort(tmp_path), tmp_path / "run.yaml") == drawn
    assert load_cohort(tmp_path, split=tmp_path / "run.yaml").grouping == r"p(\d)"


def test_a_fold_of_nnunet_is_a_split(data: Path, tmp_path: Path) -> None:
    folds = [{"train": ["a", "b", "c"], "val": ["d"]}, {"train": ["d"], "val": ["a", "b"]}]
    path = tmp_path / "splits_final.json"
    path.write_text(json.dumps(folds), encoding="utf-8-sig")
    assert ids(load_cohort(data, split=f"{path}@1"), "test") == ["a", "b"]
    for given in (str(path), f"{path}@2"):
        with pytest.raises(CrlnError, match=r"has folds 0 to 1; give one, like .*json@0"):
            load_cohort(data, split=given)


def test_test_cases_are_learnt_from_where_they_are_named(data: Path) -> None:
    draw(data, test=2)
    cohort = load_cohort(data, learn_test=("g",))
    assert ids(cohort, "test") == ["h"]
    assert "g" in ids(cohort, "labelled")
    assert not load_cohort(data, learn_test=("all",)).test
    with pytest.raises(CrlnError, match="--learn-test names a, which is no test case of it"):
        load_cohort(data, learn_test=("a",))
    with pytest.raises(CrlnError, match="no split keeps cases for a test"):
        load_cohort(data, split="new", learn_test=("g",))


@pytest.mark.parametrize("ordered", [False, True])
def test_test_cases_of_a_list_too_are_learnt_from_where_that_is_asked_for(
    data: Path, tmp_path: Path, ordered: bool
) -> None:
    (data / "test.list").write_text("g\nh")
    if ordered:
        (data / "train.list").write_text("c\na\nb")
    drawn = split_cohort(load_cohort(data), labelled=2)
    save_split(drawn, tmp_path / "split.yaml")
    cohort = load_cohort(data, split=tmp_path, learn_test=("g",))
    assert ids(cohort, "test") == ["h"]
    assert "g" in ids(cohort, "labelled")
    assert not load_cohort(data, split=tmp_path, learn_test=("all",)).test
    with pytest.raises(CrlnError, match="no split keeps cases for a test; correct its list"):
        load_cohort(data, learn_test=("g",))
    (data / "test.list").write_text("f\ng\nh")
    with pytest.raises(CrlnError, match="keeps other test cases than the lists of"):
        load_cohort(data, split=tmp_path, learn_test=("g",))


def test_the_test_cases_of_the_run_to_start_from_are_refused_unless_named(
    data: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    run.mkdir()
    check_never_tested(load_cohort(data), run)  # of a folder without a split nothing is known
    save_split(split_cohort(load_cohort(data), test=2), run / "split.yaml")
    with pytest.raises(CrlnError, match=r"kept g \(and 1 more\) for its test; keep that with"):
        check_never_tested(load_cohort(data), run)
    check_never_tested(load_cohort(data), run, ("g", "h"))
    check_never_tested(load_cohort(data, split=run), run)


def test_a_scan_of_a_test_patient_that_comes_later_is_left_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    add(tmp_path, *(f"p{patient}_{visit}" for patient in range(4) for visit in range(2)))
    whole = load_cohort(tmp_path, group=r"p(\d)")
    keep_split(whole, split_cohort(whole, test=2))
    add(tmp_path, "p3_9", "p0_9")
    add(tmp_path, "p3_u", label=False)
    with caplog.at_level(logging.WARNING, "crln"):
        later = load_cohort(tmp_path)
    assert ids(later, "test") == ["p3_0", "p3_1"]
    assert "p0_9" in ids(later, "labelled")
    assert not {"p3_9", "p3_u"} & {case.id for case in later}
    assert "left out: p3_9 and 1 more, of the group of a case that is kept" in caplog.text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("test: [x]", "names case x, which .* has not; restore the scan"),
        ("test: [a, a]", "names case a twice; remove one"),
        ("validation: [u]", "case u is for validation, but .* has no label of it"),
        ("tset: [a]", "tset: Extra inputs are not permitted"),
        ("test: 3", "test: Input should be a valid list"),
    ],
)
def test_a_split_at_odds_with_the_data_is_refused(data: Path, text: str, message: str) -> None:
    (data / "split.yaml").write_text(text)
    with pytest.raises(CrlnError, match=rf"split\.yaml: {message}"):
        load_cohort(data)


def test_a_split_at_odds_with_the_lists_is_refused(data: Path) -> None:
    (data / "test.list").write_text("a")
    write_held(data / "split.yaml", split_cohort(load_cohort(data, split="new")))
    assert ids(load_cohort(data), "test") == ["a"]
    (data / "test.list").write_text("b")
    with pytest.raises(CrlnError, match=r"split\.yaml: keeps other test cases than the lists of"):
        load_cohort(data)


def test_a_split_that_is_not_there_is_named(data: Path, tmp_path: Path) -> None:
    with pytest.raises(CrlnError, match=r"nowhere: no such split; give a split that a run saved"):
        load_cohort(data, split=tmp_path / "nowhere")


def test_ids_of_digits_stay_as_they_are_written(tmp_path: Path) -> None:
    add(tmp_path, "007", "1e3", "12", "no")
    (tmp_path / "split.yaml").write_text("test: [007, 1e3, 12, no]\n", encoding="utf-8-sig")
    assert ids(load_cohort(tmp_path), "test") == ["007", "1e3", "12", "no"]
