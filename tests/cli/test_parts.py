"""Splits that stay, from the command line."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from crln.cohort import make_phantom, read_split
from crln.planning import Plan

pytestmark = pytest.mark.slow

CommandLine = Callable[..., Any]
Train = Callable[..., Any]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Four labelled scans, no list."""
    return make_phantom(tmp_path / "data", labelled=4, unlabelled=0, test=0, shape=(18, 18, 16))


@pytest.fixture
def train(data: Path, tiny_plan: Plan, tmp_path: Path, command_line: CommandLine) -> Train:
    plan = tmp_path / "tiny.yaml"
    plan.write_text(tiny_plan.to_yaml(), encoding="utf-8")

    def run(name: str, *words: object) -> Any:
        return command_line(
            "train", data, "--out", tmp_path / name, "--plan", plan, "--method", "supervised",
            "--iterations", 1, *words,
        )  # fmt: skip

    return run


def label(data: Path, name: str) -> None:
    """One more labelled scan."""
    for folder in ("images", "labels"):
        first = min((data / folder).iterdir())
        shutil.copy(first, data / folder / f"{name}.nii.gz")


def test_what_plan_draws_train_keeps_when_labels_come_and_goes_on_with(
    data: Path, train: Train, tmp_path: Path, command_line: CommandLine
) -> None:
    planned = command_line("plan", data, "--test", 1, "--out", tmp_path / "p", "--no-estimate")
    assert f"{data / 'split.yaml'}: keeps 1 test case for later" in planned.out
    label(data, "z")
    first = train("run", "--test", 1)
    assert first.code == 0, first.err
    assert f"split of {data / 'split.yaml'}: 1 test case" in first.out
    parts = read_split(tmp_path / "run" / "split.yaml")
    assert parts["test"] == ["labelled_003"]
    assert "z" in parts["labelled"]
    assert yaml.safe_load((data / "split.yaml").read_text()) == {"test": ["labelled_003"]}
    again = train("run", "--test", 1, "--resume")
    assert again.code == 0, again.err
    assert read_split(tmp_path / "run" / "split.yaml") == parts


def test_learning_from_a_test_case_is_told(data: Path, train: Train, tmp_path: Path) -> None:
    (data / "split.yaml").write_text("test: [labelled_000, labelled_001]")
    named = train("named", "--learn-test", "labelled_000")
    assert "learns from labelled_000, which" in named.out
    assert read_split(tmp_path / "named" / "split.yaml")["test"] == ["labelled_001"]
    fresh = train("fresh", "--split", "new")
    assert "learns from labelled_000, labelled_001, which" in fresh.out
    refused = train("second", "--split", "new", "--start-from", tmp_path / "named")
    assert refused.code == 2
    assert "kept labelled_001 for its test; keep that with --split" in refused.err


def test_scans_of_a_patient_are_noticed_and_kept_together(
    data: Path, train: Train, tmp_path: Path
) -> None:
    for folder in ("images", "labels"):
        for k, path in enumerate(sorted((data / folder).iterdir())):
            path.rename(path.with_name(f"patient{k // 2}_{'ab'[k % 2]}.nii.gz"))
    assert r"give --group 'patient(\d+)'" in train("plain").out
    grouped = train("grouped", "--group", r"patient(\d+)", "--test", 2)
    assert "look like" not in grouped.out
    assert read_split(tmp_path / "grouped" / "split.yaml")["test"] == ["patient1_a", "patient1_b"]
    assert yaml.safe_load((data / "split.yaml").read_text())["group"] == r"patient(\d+)"
