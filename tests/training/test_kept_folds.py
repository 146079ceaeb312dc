"""What an ensemble begins with when its folds go on."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from crln.cohort import load_cohort, read_split
from crln.planning import Plan
from crln.runs import open_run
from crln.training import train_ensemble
from crln.training.kept_folds import parts_of, start_of


def _run(folder: Path, labelled: list[str], begun_from: Path | None = None) -> SimpleNamespace:
    folder.mkdir()
    split, facts = folder / "split.yaml", folder / "run.yaml"
    split.write_text(f"labelled: {labelled}\nunlabelled: []\nvalidation: []\ntest: []\n")
    facts.touch()
    told = SimpleNamespace(start_from=begun_from and str(begun_from))
    return SimpleNamespace(path=folder, split=split, facts=told)


def test_a_member_begins_with_weights_that_never_saw_what_it_leaves_out(tmp_path, monkeypatch):
    import crln.training.kept_folds as room

    first = _run(tmp_path / "first", ["a"])
    second = _run(tmp_path / "second", ["b"], first.path)  # a is in its weights, too
    third = _run(tmp_path / "third", ["c"], tmp_path / "gone")  # who knows what that has learnt
    known = {run.path: run for run in (first, second, third)}
    monkeypatch.setattr(room, "open_run", known.__getitem__)
    monkeypatch.setattr(room, "predicting_runs", lambda path: [third, second, first])
    told: list[str] = []
    assert start_of(tmp_path, ["b"], told.append) == first.path
    assert start_of(tmp_path, ["c"]) == second.path
    assert not told
    assert start_of(tmp_path, ["a"], told.append) is None
    assert "a member begins anew" in told[0]
    assert start_of(tmp_path, []) == third.path
    assert start_of(None, ["a"]) is None
    assert parts_of(tmp_path) == ()


@pytest.mark.slow
def test_a_later_ensemble_goes_on_with_the_folds_and_weights_of_the_one_before(
    phantom: Path, tiny_plan: Plan, tmp_path: Path
) -> None:
    whole = load_cohort(phantom)
    fewer = replace(
        whole, labelled=whole.labelled[:2], unlabelled=(*whole.unlabelled, whole.labelled[2])
    )
    plan = tiny_plan.updated({"training": {"iterations": 1}})
    told = {"method": "supervised", "folds": 2, "progress": False, "say": str}
    first = train_ensemble(fewer, plan, tmp_path / "first", **told)
    second = train_ensemble(whole, plan, tmp_path / "second", start_from=first.path, **told)
    for before, after in zip(first.members, second.members, strict=True):
        assert set(before.left_out) <= set(after.left_out)
        run = open_run(second.folder(after))
        begun = run.facts.start_from
        assert begun is not None
        learnt = {
            *read_split(run.split)["labelled"],
            *read_split(open_run(begun).split)["labelled"],
        }
        assert learnt.isdisjoint(after.left_out)
