"""A model to hand on; what it may not hold, tests/test_privacy.py searches for."""

from pathlib import Path

import pytest
import torch

from crln.errors import CrlnError
from crln.files import write_tensors
from crln.methods import build_method
from crln.planning import Plan
from crln.runs import EnsembleFolder, Facts, Member, RunFolder, open_ensemble, open_run
from crln.runs.card import CARD
from crln.runs.lifecycle import refuse_shared
from crln.runs.share import TOLD, share

TOLD_OF = {"data": "/home/x", "command": "crln train", "started": "now", "start_from": "/home/y"}


def left(path: Path, plan: Plan, method: str = "supervised", format: int = 1) -> RunFolder:
    """A finished run; of format 0 the weights are those of the whole method."""
    torch.manual_seed(0)
    built = build_method(method, plan)
    path.mkdir(parents=True)
    facts = Facts(format=format, method=method, seed=3, labelled=4, of_later="secret", **TOLD_OF)
    run = RunFolder(path, plan, facts)
    run.write_facts()
    run.save_weights(dict((built.predictor() if format else built).state_dict()))
    return run


def test_facts_are_listed_by_name_and_no_other_is_kept(tiny_plan: Plan, tmp_path: Path) -> None:
    share(left(tmp_path / "run", tiny_plan).path, tmp_path / "model")
    facts = open_run(tmp_path / "model").facts
    assert (facts.shared, facts.seed, facts.labelled) == (True, 3, 4)
    assert not {*TOLD_OF, "of_later"} & {*facts.model_dump(exclude_defaults=True)}
    personal = {*TOLD_OF, "distil"}
    assert set(Facts.model_fields) - personal == {*TOLD, "format", "shared"}, "told or personal?"


@pytest.mark.parametrize(("method", "format"), [("supervised", 1), ("mean_teacher", 0)])
def test_the_network_is_the_same_and_sealed(
    method: str, format: int, tiny_plan: Plan, tmp_path: Path
) -> None:
    run = left(tmp_path / "run", tiny_plan, method, format)
    model = open_run(share(run.path, tmp_path / "model"))
    ours, theirs = (each.load_network().state_dict() for each in (run, model))
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    with (model.path / "plan.yaml").open("a") as file:
        file.write("# mine\n")
    with pytest.raises(CrlnError, match="changed since training"):
        model.load_network()


def test_what_is_not_whole_or_would_replace_something_is_refused(
    tiny_plan: Plan, tmp_path: Path
) -> None:
    run, out = left(tmp_path / "run", tiny_plan), tmp_path / "model"
    out.mkdir()
    (out / "mine.txt").write_text("mine")
    with pytest.raises(CrlnError, match="model: exists already; give another --out"):
        share(run.path, out)
    (out / "mine.txt").unlink()
    share(run.path, out)
    with pytest.raises(CrlnError, match=r"a shared model, .* --start-from"):
        refuse_shared(out)
    write_tensors(run.weights, {"a": torch.zeros(1)}, {})
    with pytest.raises(CrlnError, match="changed since training"):
        share(run.path, tmp_path / "other")
    run.unseal()
    with pytest.raises(CrlnError, match="the training did not finish"):
        share(run.path, tmp_path / "other")
    assert {path.name for path in tmp_path.iterdir()} == {"run", "model"}


def test_members_are_numbered_and_their_cases_are_not_named(
    tiny_plan: Plan, tmp_path: Path
) -> None:
    path = tmp_path / "ensemble"
    members = tuple(Member(folder=name, seed=0, left_out=("erika",)) for name in ("x", "y"))
    for member in members:
        left(path / member.folder, tiny_plan)
    EnsembleFolder(path, tiny_plan, "supervised", 2, members).write()
    model = open_ensemble(share(path, tmp_path / "model"))
    assert [(m.folder, m.left_out) for m in model.members] == [("member-1", ()), ("member-2", ())]
    assert model.finished
    with pytest.raises(CrlnError, match="a shared model"):
        refuse_shared(model.path)


def test_the_card_tells_what_and_from_what(tiny_plan: Plan, tmp_path: Path) -> None:
    share(left(tmp_path / "run", tiny_plan).path, tmp_path / "model")
    card = (tmp_path / "model" / CARD).read_text("utf-8")
    for name in tiny_plan.labels.structures.values():
        assert f"| {name} |" in card
    assert "| scans with a label | 4 |" in card
    assert "Not measured." in card
    assert "To be filled in" in card
