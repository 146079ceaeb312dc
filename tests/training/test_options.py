"""One list of options, for the command line and for Python."""

from dataclasses import fields

import pytest
import typer

import crln
from crln.cli import app
from crln.training.options import Training, documented

SWITCHES = {
    parameter.name: parameter
    for parameter in typer.main.get_command(app).commands["train"].params  # type: ignore[attr-defined]
}


@pytest.mark.parametrize("name", documented())
def test_every_field_is_a_switch_with_its_text_and_default(name: str) -> None:
    _, default, option = documented()[name]
    assert option.help.endswith(".")
    assert f"{name}: {option.help}" in str(crln.Training.__doc__)
    if option.cli is None:
        assert name not in SWITCHES
        return
    switch, help = SWITCHES[switched(name)], option.help
    if default is True:  # what is on is switched off
        default, help = False, f"Do not {help[0].lower()}{help[1:]}"
    assert switch.opts == [f"--{switched(name).replace('_', '-')}"]
    assert switch.help == help
    assert switch.default == default


def switched(name: str) -> str:
    """What the command line calls a field."""
    return f"no_{name}" if documented()[name][1] is True else name


def test_a_new_field_would_be_a_switch() -> None:
    """The command has none of its own for what `Training` holds."""
    assert {each.name for each in fields(Training)} == set(documented())
    of_data = {"data", "labelled", "test", "validation", "split", "group", "learn_test", "sparse"}
    of_plan = {"preset", "plan", "iterations", "hours", "quick", "published"}
    of_ensemble = {"folds", "members", "jobs", "slurm", "job_option"}
    own = {"out"} | of_data | of_plan | of_ensemble
    told = documented().items()
    shown = {switched(name) for name, (_, _, option) in told if option.cli is not None}
    assert SWITCHES.keys() - {"help"} == own | shown


def test_a_field_that_does_not_exist_is_refused() -> None:
    with pytest.raises(TypeError, match="speed"):
        crln.train(None, None, "run", speed=3)  # type: ignore[arg-type]
