from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from crln.errors import CrlnError
from crln.files import fault_of
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


WINDOW = {"scheme": "window", "low": 0, "high": 200, "mean": 100, "std": 50}


@pytest.mark.parametrize(
    "changes",
    [
        {"patch_size": [16, 16, 8]},
        {"patch_size": [0, 16, 16]},
        {"patch_size": [16000, 16000, 16000]},
        {"labels": {"values": [0], "names": ["a"]}},
        {"labels": {"values": [0, 0]}},
        {"labels": {"names": ["a"]}},
        {"labels": {"names": ["a", "a"]}},
        {"labels": {"nmes": ["a", "b"]}},
        {"labels": {"ignore": 1}},
        {"version": 3},
        {"intensity": []},
        {"intensity": [{"scheme": "window", "low": 0}]},
        {"intensity": [WINDOW | {"std": 0}]},
        {"intensity": [WINDOW | {"std": -1}]},
        {"intensity": [WINDOW | {"low": 200}]},
        {"intensity": [WINDOW | {"high": 0}]},
        {"intensity": [WINDOW | {"mean": float("nan")}]},
        {"channels": [], "intensity": []},
        {"spacing": [1, 0, 1]},
        {"spacing": [1, 1, float("nan")]},
        {"spacing": [1, 1, float("inf")]},
        {"inference": {"stride": [0, 8, 8]}},
        {"inference": {"stride": [8, -8, 8]}},
        {"inference": {"mirror_axes": [5]}},
        {"inference": {"mirror_axes": [-1]}},
        {"inference": {"mirror_axes": [0, 0]}},
        {"inference": {"overlap": 1}},
        {"views": {"mirror_axes": [3]}},
        {"training": {"lr": float("nan")}},
        {"training": {"lr": float("inf")}},
        {"training": {"weight_decay": 1e9}},
        {"training": {"iterations": 0}},
        {"teacher": {"decay": float("nan")}},
        {"unheard": 1},
    ],
)
def test_the_impossible_is_refused_by_name(changes: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as caught:
        Plan().updated(changes)
    (section, value), *_ = changes.items()
    field = next(iter(value)) if isinstance(value, dict) else section
    assert section in fault_of(caught.value)
    assert field in fault_of(caught.value) or section == "labels"


def test_what_is_possible_is_not_refused() -> None:
    changes: dict[str, Any] = {
        "intensity": [WINDOW],
        "spacing": [0.5, 1, 999],
        "inference": {"stride": [1, 8, 512], "mirror_axes": [2, 0, 1]},
        "training": {"lr": 0.01, "weight_decay": 1},
    }
    assert Plan().updated(changes).inference.mirror_axes == (2, 0, 1)


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


def test_a_patch_follows_the_networks_strides() -> None:
    thick = {"strides": [[2, 2, 1], [2, 2, 1], [2, 2, 2], [2, 2, 2]]}
    plan = Plan.model_validate({"patch_size": (96, 96, 8), "network": thick})
    assert plan.step == (16, 16, 4)
    assert Plan().step == (16, 16, 16)
    assert Plan.model_validate(plan.model_dump()).network.strides == plan.network.strides
    with pytest.raises(ValidationError, match=r"multiple of \[16, 16, 4\], axis by axis, got"):
        plan.updated({"patch_size": (96, 96, 6)})
    with pytest.raises(ValidationError, match=r"multiple of 16, got \[96, 96, 8\]"):
        plan.updated({"network": {"strides": [[2, 2, 2]] * 4}})


@pytest.mark.parametrize(
    ("network", "told"),
    [
        ({"strides": [[2, 2, 2]] * 3}, "5 widths need 4 strides, got 3"),
        ({"kernels": [[3, 3, 1]] * 4}, "5 widths need 5 kernels, got 4"),
        ({"kernels": [[3, 3, 2]] * 5}, "should be 1 or 3"),
        ({"widths": [4, 8, 16]}, "3 widths need 2 strides, got 4"),
        ({"widths": [4, 0, 4, 4, 4]}, "greater than or equal to 1"),
        ({"strides": [[2, 2, 0]] + [[2, 2, 2]] * 3}, "greater than or equal to 1"),
        ({"strides": [[2, 2, 4]] + [[2, 2, 2]] * 3}, "less than or equal to 2"),
    ],
)
def test_a_network_that_cannot_be_is_refused(network: dict, told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        Plan.model_validate({"network": network})
