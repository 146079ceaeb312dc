from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from crln.errors import CrlnError
from crln.labels import LabelSpace
from crln.planning import Plan


def test_a_plan_comes_back_from_its_text(tmp_path: Path) -> None:
    plan = Plan(spacing=(1, 1, 2.5), patch_size=(32, 48, 16), options={"crln": {"queries": 8}})
    path = tmp_path / "plan.yaml"
    path.write_text(plan.to_yaml(), encoding="utf-8")
    assert Plan.read(path) == plan


def test_json_is_read_too(tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    path.write_text(Plan(name="mine").model_dump_json(), encoding="utf-8")
    assert Plan.read(path).name == "mine"


def test_changes_are_merged_field_by_field() -> None:
    plan = Plan().updated({"training": {"lr": 0.5}, "options": {"crln": {"queries": 8}}})
    plan = plan.updated({"options": {"crln": {"negatives": 9}}})
    assert plan.training.lr == 0.5
    assert plan.training.momentum == Plan().training.momentum
    assert plan.options == {"crln": {"queries": 8, "negatives": 9}}


@pytest.mark.parametrize(
    "changes",
    [
        {"patch_size": [16, 16, 8]},
        {"patch_size": [0, 16, 16]},
        {"labels": {"values": [0], "names": ["a"]}},
        {"labels": {"values": [0, 0]}},
        {"labels": {"names": ["a"]}},
        {"labels": {"names": ["a", "a"]}},
        {"labels": {"nmes": ["a", "b"]}},
        {"labels": {"ignore": 1}},
        {"labels": {"exclusive": False}},
        {"version": 3},
        {"intensity": []},
        {"intensity": [{"scheme": "window", "low": 0}]},
        {"spacing": [1, 0, 1]},
        {"unheard": 1},
    ],
)
def test_the_impossible_is_refused(changes: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(ValidationError):
        Plan().updated(changes)


def test_a_plan_of_version_1_still_opens(tmp_path: Path) -> None:
    path = tmp_path / "plan.yaml"
    path.write_text("name: old\nlabels: [0, 85]\nclass_names: [background, atrium]\n")
    plan = Plan.read(path)
    assert plan.labels == LabelSpace((0, 85), ("background", "atrium"))
    assert plan.version == Plan().version
    assert plan == Plan(name="old", labels=LabelSpace((0, 85), ("background", "atrium")))
    assert plan.updated({"class_names": ["air", "atrium"]}).labels.names == ("air", "atrium")
    assert plan.updated({"labels": [0, 7]}).labels.values == (0, 7)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("patch_size: [30, 32, 32]", "patch_size: each side of the patch .*; edit the plan"),
        ("labels: [1]", "labels: values must be two or more"),
        ("version: 3", "is of version 3, this crln reads 2; update crln"),
        ("training: {lr: fast}", r"training\.lr: .*; edit the plan"),
        ("a:\n- [1\n", "line 2: .*; give a plan"),
        ("just words", "Input should be a valid dictionary .*; edit the plan"),
    ],
)
def test_a_fault_in_a_file_is_one_line(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "plan.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(CrlnError, match=rf"plan\.yaml: {message}") as caught:
        Plan.read(path)
    assert "\n" not in str(caught.value)


def test_a_missing_plan_is_named(tmp_path: Path) -> None:
    with pytest.raises(CrlnError, match=r"gone\.yaml: no such file; give a plan"):
        Plan.read(tmp_path / "gone.yaml")
