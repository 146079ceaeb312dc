"""Weights of another run to begin with: what fits is taken, what does not is named."""

from pathlib import Path

import pytest
import torch

from crln.errors import CrlnError
from crln.methods import Method, build_method
from crln.planning import Plan
from crln.runs import Facts, RunFolder, open_run
from crln.runs.checkpoint import Progress, save_checkpoint
from crln.runs.share import share
from crln.training.start_from import take_weights

pytestmark = pytest.mark.slow


def built(method: str, plan: Plan, seed: int) -> Method:
    torch.manual_seed(seed)
    found = build_method(method, plan)
    with torch.no_grad():  # students and teachers begin alike: tell them apart
        for parameter in found.parameters():
            parameter += torch.rand_like(parameter)
    return found


@pytest.fixture
def begun(tiny_plan: Plan, tmp_path: Path) -> tuple[Path, Method]:
    """A run of Mean Teacher with a checkpoint, and its method."""
    return left(tiny_plan, tmp_path / "run", "mean_teacher")


def left(plan: Plan, path: Path, name: str) -> tuple[Path, Method]:
    method = built(name, plan, 1)
    path.mkdir()
    run = RunFolder(path, plan, Facts(format=1, method=name, seed=0))
    run.write_facts()
    save_checkpoint(run.checkpoint, method, torch.optim.SGD(method.parameters()), Progress())
    return path, method


def test_student_and_teacher_are_taken_whole(begun: tuple[Path, Method], tiny_plan: Plan) -> None:
    path, theirs = begun
    ours = built("mean_teacher", tiny_plan, 2)
    count = len(ours.state_dict())
    assert take_weights(ours, path) == f"{count} of {count} weights taken from {path}"
    for name, tensor in theirs.state_dict().items():
        assert torch.equal(ours.state_dict()[name], tensor), name


def test_of_other_classes_and_channels_what_fits_is_taken(
    begun: tuple[Path, Method], tiny_plan: Plan
) -> None:
    path, theirs = begun
    classes = tiny_plan.labels.classes
    names = [*tiny_plan.labels.names, "another"]
    plan = tiny_plan.updated({
        "labels": {"values": list(range(classes + 1)), "names": names},
        "channels": ["a", "b"],
        "intensity": [{}, {}],
    })  # fmt: skip
    ours = built("mean_teacher", plan, 2)
    first = {name: tensor.clone() for name, tensor in ours.state_dict().items()}
    said = take_weights(ours, path)
    assert f"{classes} x 4 x 1 x 1 x 1 there, {classes + 1} x 4 x 1 x 1 x 1 here" in said
    assert "begun anew: student." in said
    anew = 0
    for name, tensor in ours.state_dict().items():
        source = theirs.state_dict()[name]
        kept = source if source.shape == tensor.shape else first[name]
        anew += source.shape != tensor.shape
        assert torch.equal(tensor, kept), name
    assert 0 < anew < len(first) / 4


def test_a_teacher_begins_as_the_student_of_a_run_without_one(
    tiny_plan: Plan, tmp_path: Path
) -> None:
    path, theirs = left(tiny_plan, tmp_path / "run", "supervised")
    ours = built("mean_teacher", tiny_plan, 2)
    take_weights(ours, path)
    for name, tensor in theirs.student.state_dict().items():
        assert torch.equal(ours.student.state_dict()[name], tensor)
        assert torch.equal(ours.teacher.network.state_dict()[name], tensor)


def test_of_another_method_the_parts_that_it_lacks_are_named(
    begun: tuple[Path, Method], tiny_plan: Plan
) -> None:
    said = take_weights(built("crln", tiny_plan, 2), begun[0])
    assert "begun anew: student.rectifier (not there), student.projection (not there)" in said
    assert said.count("student.interaction (not there)") == 1


def test_what_cannot_be_started_from_is_said(
    begun: tuple[Path, Method], tiny_plan: Plan, tmp_path: Path
) -> None:
    path, _ = begun
    wider = tiny_plan.updated({"network": {"widths": [16, 32, 32, 32, 32]}})
    with pytest.raises(CrlnError, match="none of its weights fits"):
        take_weights(built("mean_teacher", wider, 2), path)
    (path / "checkpoint.safetensors").unlink()  # of a training that has not finished
    with pytest.raises(CrlnError, match=r"checkpoint\.safetensors is missing"):
        take_weights(built("mean_teacher", tiny_plan, 2), path)
    with pytest.raises(CrlnError, match="no such run folder"):
        take_weights(built("mean_teacher", tiny_plan, 2), tmp_path / "nowhere")


@pytest.mark.parametrize("method", ["supervised", "mean_teacher", "crln"])
def test_of_a_model_that_was_handed_on_the_predictor_is_taken(
    method: str, tiny_plan: Plan, tmp_path: Path
) -> None:
    path, theirs = left(tiny_plan, tmp_path / "run", method)
    open_run(path).save_weights(dict(theirs.predictor().state_dict()))
    ours = built("mean_teacher", tiny_plan, 2)
    said = take_weights(ours, share(path, tmp_path / "model"))
    assert "model, which has those of its predictor alone" in said
    backbone = theirs.predictor().backbone.state_dict()
    for name, tensor in backbone.items():
        assert torch.equal(ours.student.backbone.state_dict()[name], tensor)
        assert torch.equal(ours.teacher.network.backbone.state_dict()[name], tensor)
