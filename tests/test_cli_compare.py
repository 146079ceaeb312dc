"""crln compare and crln export-nnunet as a person types them."""

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import crln
from crln.cli.compare import _watch
from crln.comparison import ABLATION
from crln.planning import Plan

CommandLine = Callable[..., Any]


@pytest.fixture
def plan_file(tiny_plan: Plan, tmp_path: Path) -> Path:
    path = tmp_path / "tiny.yaml"
    path.write_text(tiny_plan.to_yaml(), encoding="utf-8")
    return path


@pytest.mark.slow
def test_compare_then_go_on_with_an_outside_tool(
    phantom: Path, plan_file: Path, tmp_path: Path, command_line: CommandLine
) -> None:
    """Cells in processes of their own; a second call finds them done."""
    out = tmp_path / "out"
    words = [
        "compare", phantom, "--methods", "supervised", "crln[positive_weight=0]", "--labelled", 2,
        "--seeds", 3, "--iterations", 2, "--plan", plan_file, "--out", out, "--jobs", 2,
        "--device", "cpu",
    ]  # fmt: skip
    first = command_line(*words)
    assert first.code == 0, first.err
    assert "2 cells, 0 of them done; 2 test cases" in first.out
    assert "leak check: no test label opened, by the record of 2 trainings" in first.out
    assert first.out.splitlines()[-1].endswith(f"look at {out / 'index.html'}")
    for name in ("comparison.csv", "comparison.json", "comparison.md", "index.html"):
        assert (out / name).exists()
    record = json.loads((out / "comparison.json").read_text())
    assert [row["method"] for row in record["rows"]] == ["supervised", "crln[positive_weight=0]"]
    assert record["settings"]["iterations"] == 2

    masks = out / "cells" / "supervised-2-seed3" / "masks"
    again = command_line(*words, "--with", masks, "tool", "--with", masks, "other@2")
    assert again.code == 0, again.err
    assert "2 cells, 2 of them done" in again.out
    record = json.loads((out / "comparison.json").read_text())
    assert [row["method"] for row in record["rows"]][2:] == ["tool", "other"]


def test_several_values_after_one_option(
    monkeypatch: pytest.MonkeyPatch, command_line: CommandLine
) -> None:
    seen: dict[str, Any] = {}

    def compare(settings: Any, out: Path, **options: Any) -> None:
        seen.update(settings=settings, out=out, **options)
        raise crln.CrlnError("enough")

    monkeypatch.setattr("crln.comparison.compare", compare)
    result = command_line(
        "compare", "data", "--methods", "supervised", "crln", "--labelled", 8, 16, "--seeds", 0, 1,
        "--seeds", 2, "--out", "here", "--test", 20, "--slurm", "--job-option",
        "slurm_partition=gpu", "timeout_min=90", "--with", "masks", "nnunet@8", "more", "other@16",
    )  # fmt: skip
    assert result.err == "error: enough\n"
    settings = seen["settings"]
    assert settings.data == Path("data")
    assert settings.methods == ("supervised", "crln")
    assert (settings.labelled, settings.seeds, settings.test) == ((8, 16), (0, 1, 2), 20)
    assert seen["out"] == Path("here")
    assert seen["jobs"].slurm
    assert seen["jobs"].options == {"slurm_partition": "gpu", "timeout_min": 90}
    tools = [(str(tool.predictions), tool.name, tool.labelled) for tool in seen["outside"]]
    assert tools == [("masks", "nnunet", 8), ("more", "other", 16)]


def test_ablation_names_its_methods_and_their_reference(
    monkeypatch: pytest.MonkeyPatch, command_line: CommandLine
) -> None:
    seen: list[Any] = []

    def compare(settings: Any, out: Path, **options: Any) -> None:
        seen.append(settings)
        raise crln.CrlnError("enough")

    monkeypatch.setattr("crln.comparison.compare", compare)
    words = ["compare", "data", "--labelled", 8, "--out", "here", "--ablation"]
    command_line(*words)
    command_line(*words, "--methods", "supervised", "crln", "--reference", "supervised")
    assert seen[0].methods == tuple(ABLATION)
    assert seen[0].compared_with == "crln"
    assert seen[1].methods == ("supervised", *ABLATION)
    assert seen[1].compared_with == "supervised"


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["--with", "masks"], "give a folder of masks and a name"),
        (["--with", "masks", "a@few"], "write the number of labels like a@8"),
        (["--with", "masks", "a"], "say how many labels it learnt from, like a@8"),
        (["--job-option", "a=1"], "--job-option is for Slurm jobs"),
        (["--slurm", "--job-option", "a"], "write NAME=VALUE"),
        (["--reference", "bcp"], "--reference bcp is not among --methods"),
    ],
)
def test_wrong_options_are_told(
    phantom: Path, tmp_path: Path, command_line: CommandLine, words: list[str], line: str
) -> None:
    result = command_line(
        "compare", phantom, "--methods", "supervised", "--labelled", 1, 2, "--out",
        tmp_path / "out", *words,
    )  # fmt: skip
    assert result.code == 2
    assert line in result.err
    assert not (tmp_path / "out").exists()


def test_a_cell_that_fails_is_told_by_the_exit_code(
    monkeypatch: pytest.MonkeyPatch, command_line: CommandLine
) -> None:
    class Something:
        faults = {"crln-8-seed0": "the loss is not finite"}  # noqa: RUF012
        leaks = type("Leaks", (), {"verdict": "no test label opened"})

    monkeypatch.setattr("crln.comparison.compare", lambda *_, **__: Something)
    monkeypatch.setattr("crln.comparison.write_results", lambda _: Path("index.html"))
    monkeypatch.setattr("crln.cli.compare._show", lambda _: print("the table"))
    result = command_line("compare", "d", "--methods", "crln", "--labelled", 8, "--out", "o")
    assert result.code == 1
    assert "the table" in result.out


def test_export_nnunet(phantom: Path, tmp_path: Path, command_line: CommandLine) -> None:
    words = ["export-nnunet", phantom, "--out", tmp_path, "--labelled", 2, "--id", 8, "--name", "P"]
    result = command_line(*words)
    assert result.code == 0, result.err
    assert result.out.startswith("2 labelled cases and 2 test scans in ")
    assert "nnUNetv2_plan_and_preprocess -d 8" in result.out
    assert (tmp_path / "Dataset008_P" / "dataset.json").exists()
    assert command_line(*words).code == 2


def test_elsewhere_than_in_a_terminal_a_line_tells_how_far_the_cells_are(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    looked = threading.Event()

    class Standing:
        def line(self) -> str:
            looked.set()
            return "1 of 2 cells done"

    monkeypatch.setattr("crln.cli.compare.LINE_SECONDS", 0.01)
    with _watch(Standing()):  # type: ignore[arg-type]
        assert looked.wait(5)
    assert "1 of 2 cells done" in capsys.readouterr().out
