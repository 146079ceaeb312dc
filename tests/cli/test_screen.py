"""What a person sees on terminals of 60, 80 and 120 columns."""

import re
from collections.abc import Callable
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import typer

from crln.cli import app, screen
from crln.cohort import load_cohort
from crln.evaluation.tables import Column, ResultTable, TableCell

WIDTHS = (60, 80, 120)
VERBS = tuple(typer.main.get_command(app).commands)
CommandLine = Callable[..., Any]


@pytest.fixture(params=WIDTHS)
def width(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(screen.console, "_width", request.param)
    monkeypatch.setenv("COLUMNS", str(request.param))
    return int(request.param)


def numbers(text: str) -> set[str]:
    return set(re.findall(r"[+-]?\d+\.\d+", text))


def table(methods: int = 3) -> ResultTable:
    columns = {"method": Column("Method", text=True), "labels": Column("Labels", weight=9)}
    columns |= {name: Column(f"{name} %", weight=i % 3) for i, name in enumerate("abcdefgh")}
    rows = []
    for i in range(methods):
        name = f"mean_teacher[uncertainty=true,network.prototypes={i}]"
        row = {"method": TableCell(name), "labels": TableCell("16")}
        for k, key in enumerate("abcdefgh"):
            figure = TableCell(f"{86 + i}.{k}5 ± 10.1{k}", (f"80.0{k} to 91.9{k}", "p = 0.00012"))
            row[key] = figure
        rows.append(row)
    return ResultTable(columns, rows, "mean ± std")


def test_figures_stay_whole_and_what_has_no_room_is_named(
    width: int, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = table()
    screen.show(whole, "title")
    text = capsys.readouterr().out
    assert max(map(len, text.splitlines())) <= width
    missing = [key for key in "abcdefgh" if f"{key} %" not in text.split("mean ± std")[0]]
    assert ("no room here for" in text) == bool(missing)
    for row in whole.rows:
        for key in set(row) - {"method"} - set(missing):
            for line in (row[key].value, *row[key].details):
                assert line in text
        assert row["method"].value in "".join(re.findall(r"^(\S+)", text, re.MULTILINE))


def test_the_heaviest_columns_stay(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.setattr(screen.console, "_width", 60)
    screen.show(table())
    shown, _, left_out = capsys.readouterr().out.partition("no room here for")
    assert {"Labels", "c %"} <= set(re.findall(r"Labels|\w %", shown))
    assert "c %" not in left_out


def test_evaluate_shows_which_class_a_row_is(
    width: int, tmp_path: Any, command_line: CommandLine
) -> None:
    names = {1: "left_ventricle_blood_pool", 2: "right_ventricle"}
    for folder, shift in (("masks", 1), ("labels", 0)):
        (tmp_path / folder).mkdir()
        for case in range(7):
            mask = np.zeros((16, 16, 16), np.uint8)
            mask[2:8, 3 + shift : 9, 2 : 9 + case % 3] = 1
            mask[9:14, 3 : 9 + shift, 2:9] = 2
            path = tmp_path / folder / f"patient_with_a_long_name_{case}.nii.gz"
            nib.save(nib.Nifti1Image(mask, np.diag([1.0, 1.0, 2.5, 1.0])), path)
    words = ("evaluate", tmp_path / "masks", tmp_path / "labels", "--out", tmp_path / "results")
    with pytest.MonkeyPatch.context() as patch:
        import crln

        whole = crln.evaluate(tmp_path / "masks", tmp_path / "labels", classes=names)
        patch.setattr("crln.evaluation.evaluate", lambda *_, **__: whole)
        result = command_line(*words)
    assert result.code == 0, result.err
    rows = result.out.splitlines()
    assert all(len(line) <= width for line in rows if not line.startswith(("written", "look")))
    for name in names.values():
        assert name[:12] in result.out
    for value in (1, 2, None):
        dice = whole.summarised("dice", value)
        assert f"{100 * dice.mean:.2f} ± {100 * dice.std:.2f}" in result.out
        assert f"{100 * dice.low:.2f} to {100 * dice.high:.2f}" in result.out


def test_plan_folds_words_and_breaks_no_number(
    width: int, phantom: Any, tmp_path: Any, command_line: CommandLine
) -> None:
    out = tmp_path / "plan.yaml"
    result = command_line("plan", phantom, "--out", out, "--no-estimate")
    assert result.code == 0, result.err
    text, _, _ = result.out.partition("written")
    assert max(map(len, text.splitlines())) <= width
    from crln.cli.plan import _of_fingerprint, _of_plan
    from crln.planning import Plan, make_fingerprint

    found = make_fingerprint(load_cohort(phantom))
    for facts in (_of_fingerprint(found), _of_plan(Plan.read(out))):
        for value in facts.values():
            assert set(value.split()) <= set(text.split())


def test_bench_keeps_its_figures_whole(
    width: int, phantom: Any, tiny_plan: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    from crln.cli.bench import _show

    class Profile:
        step, iterations, hours, peak_gib, capacity_gib = "0.1234 s", 4, 1.5, 2.25, 16.0
        parts = {"data: waiting for patches": 0.0123, "forward": 12.3456}  # noqa: RUF012
        floors = {"arithmetic": 0.1}  # noqa: RUF012
        work = type("Work", (), {"flops": 1e12, "bytes": 1e11})
        limit = "data"

    _show(Profile, tiny_plan, "crln", "cpu")
    text = capsys.readouterr().out
    assert {"0.0123", "12.3456"} <= numbers(text)
    assert "waiting for patches" in text


@pytest.mark.parametrize("verb", ["", *VERBS])
def test_help_shows_switches_as_switches_and_keeps_examples_whole(
    verb: str, monkeypatch: pytest.MonkeyPatch, command_line: CommandLine
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    result = command_line(*([verb] if verb else []), "--help")
    assert result.code == 0
    for line in result.out.splitlines():
        assert len(line) <= 80
    for noise in ("<bool>", "--no-", "\\["):
        assert noise not in re.sub("--no-(estimate|page|browser)", "", result.out)
    epilog = (typer.main.get_command(app).commands[verb] if verb else app.info).epilog
    for example in epilog.split("Examples:\n")[1].splitlines():
        assert example.strip() in result.out


def test_the_list_of_verbs_is_not_cut_short(command_line: CommandLine) -> None:
    assert "..." not in command_line("--help").out.partition("Commands:")[2].partition("Ex")[0]
