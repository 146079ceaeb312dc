"""The verbs end to end on tiny scans, and what happens at the end of a command line."""

import csv
import errno
import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import yaml

import crln
from crln.errors import CrlnError
from crln.files import read_tensors
from crln.planning import Plan
from crln.runs import open_run

pytestmark = pytest.mark.slow

CommandLine = Callable[..., Any]
OUT_OF_MEMORY = "error: out of memory; close other programs, or lower patch_size in the plan\n"


@pytest.fixture(scope="module")
def plan_file(tiny_plan: Plan, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("plan") / "tiny.yaml"
    path.write_text(tiny_plan.to_yaml(), encoding="utf-8")
    return path


@pytest.fixture
def run(phantom: Path, plan_file: Path, tmp_path: Path, command_line: CommandLine) -> Path:
    out = tmp_path / "run"
    result = command_line(
        "train", phantom, "--out", out, "--plan", plan_file, "--method", "supervised"
    )
    assert result.code == 0, result.err
    return out


def failing(error: BaseException) -> Callable[..., None]:
    def command(*_: object, **__: object) -> None:
        raise error

    return command


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (CrlnError("a.nii: is torn;\n mend it"), 2, "error: a.nii: is torn; mend it\n"),
        (
            OSError(errno.ENOSPC, "No space left on device", "masks/a.nii"), 2,
            "error: masks/a.nii: no space left on the device; free some space\n",
        ),
        (MemoryError(), 2, OUT_OF_MEMORY),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), 2, OUT_OF_MEMORY),
        (KeyboardInterrupt(), 130, "interrupted\n"),
    ],
)  # fmt: skip
def test_faults_end_in_one_line(
    monkeypatch: pytest.MonkeyPatch,
    command_line: CommandLine,
    error: BaseException,
    code: int,
    line: str,
) -> None:
    monkeypatch.setattr("crln.evaluation.evaluate", failing(error))
    result = command_line("evaluate", "masks", "labels", "--out", "results")
    assert (result.code, result.err) == (code, line)


@pytest.mark.parametrize(
    "error", [ValueError("a bug"), RuntimeError("a bug"), PermissionError(errno.EACCES, "a bug")]
)
def test_other_faults_keep_their_traceback(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    monkeypatch.setattr("crln.evaluation.evaluate", failing(error))
    with pytest.raises(type(error), match="a bug"):
        crln.cli.main(["evaluate", "masks", "labels", "--out", "results"])


def test_a_long_line_is_not_broken(
    monkeypatch: pytest.MonkeyPatch, command_line: CommandLine
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setattr("crln.evaluation.evaluate", failing(CrlnError("long " * 50 + "[end]")))
    result = command_line("evaluate", "masks", "labels", "--out", "results")
    assert result.err.count("\n") == 1
    assert "[end]" in result.err


def test_as_a_program() -> None:
    """The installed program: version, help without importing torch, exit codes."""
    program = Path(sys.executable).with_name("crln")
    version = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
    assert version.stdout == f"crln {crln.__version__}\n"
    missing = subprocess.run(
        [program, "predict", "no-such-run", "scan.nii.gz", "--out", "masks"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert missing.returncode == 2
    assert missing.stderr.startswith("error: no-such-run: ")
    assert missing.stderr.count("\n") == 1


def test_help_does_not_wait_for_torch() -> None:
    script = (
        "import sys, crln.cli\n"
        "try: crln.cli.main(['train', '--help'])\n"
        "except SystemExit: print('torch' in sys.modules)"
    )
    told = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert "Examples:" in told.stdout
    assert told.stdout.endswith("False\n")


def test_wrong_options_are_told(command_line: CommandLine) -> None:
    result = command_line("train", "data")
    assert result.code == 2
    assert "--out" in result.err
    result = command_line("train", "data", "--out", "run", "--device", "tpu")
    assert result.code == 2
    assert "--device" in result.err


def test_public_names_are_importable_and_listed() -> None:
    assert set(dir(crln)) == set(crln.__all__)
    for name in crln.__all__:
        assert getattr(crln, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = crln.nonsense


def test_plan_prints_and_saves(phantom: Path, tmp_path: Path, command_line: CommandLine) -> None:
    out = tmp_path / "plan.yaml"
    result = command_line("plan", phantom, "--out", out)
    assert result.code == 0, result.err
    plan = Plan.read(out)
    assert " x ".join(map(str, plan.patch_size)) in result.out
    assert re.search(r"crln train will take about \d+ (s|min|h) here \(", result.out)
    fingerprint = yaml.safe_load((tmp_path / "plan-fingerprint.yaml").read_text())
    assert fingerprint
    refused = command_line("plan", phantom, "--out", out)
    assert refused.code == 2
    assert "--overwrite" in refused.err
    again = command_line("plan", phantom, "--out", out, "--overwrite", "--no-estimate")
    assert again.code == 0
    assert "crln train will take" not in again.out


def test_train_predict_evaluate(
    phantom: Path, run: Path, tmp_path: Path, command_line: CommandLine
) -> None:
    cohort = crln.load_cohort(phantom)
    scans = [case.images[0] for case in cohort.test]
    masks, results = tmp_path / "masks", tmp_path / "results"

    predicted = command_line("predict", run, *scans, "--out", masks, "--overlap", 0.25)
    assert predicted.code == 0, predicted.err
    written = sorted(masks.glob("*.nii.gz"))
    assert len(written) == len(scans)
    for scan, mask in zip(sorted(scans), written, strict=True):
        image, outline = nib.load(scan), nib.load(mask)
        assert outline.shape == image.shape
        assert np.array_equal(outline.affine, image.affine)

    labels = tmp_path / "labels"
    labels.mkdir()
    for case in cohort.test:
        (labels / case.label.path.name).symlink_to(case.label.path)
    measured = command_line("evaluate", masks, labels, "--out", results, "--unit", "voxel")
    assert measured.code == 0, measured.err
    assert "Dice" in measured.out
    rows = list(csv.DictReader((tmp_path / "results-cases.csv").read_text().splitlines()))
    assert {row["case"] for row in rows} == {c.id for c in cohort.test}
    assert json.loads((tmp_path / "results.json").read_text())["unit"] == "voxel"
    assert measured.out.splitlines()[-1] == f"look at {tmp_path / 'results.html'}"
    page = (tmp_path / "results.html").read_text(encoding="utf-8")
    assert page.count("<canvas") == len(scans)
    assert "was not found" in page  # these labels do not lie beside their scans
    again = command_line("evaluate", masks, phantom / "labels", "--run", run, "--out", results)
    assert again.code == 2
    assert "results.html: exists; give another name, or --overwrite" in again.err
    words = ["evaluate", masks, phantom / "labels", "--run", run]
    assert command_line(*words, "--out", results, "--overwrite").code == 0
    page = (tmp_path / "results.html").read_text(encoding="utf-8")
    assert page.count("<canvas") == len(scans)
    assert "was not found" not in page
    assert command_line(*words, "--out", tmp_path / "bare", "--no-page").code == 0
    assert not (tmp_path / "bare.html").exists()


def test_a_run_without_test_cases_names_none_to_measure(
    phantom: Path, run: Path, tmp_path: Path, command_line: CommandLine
) -> None:
    split = run / "split.yaml"
    parts = yaml.safe_load(split.read_text("utf-8"))
    split.write_text(yaml.safe_dump({**parts, "test": []}), encoding="utf-8")
    result = command_line(
        "evaluate", phantom / "labels", phantom / "labels", "--run", run, "--out", tmp_path / "r"
    )
    assert result.code == 2
    assert result.err == (
        f"error: {split}: the run kept no test case, and masks of cases that it learnt from tell "
        "little; train with --test N\n"
    )


def test_resume_takes_plan_and_split_from_the_run(
    phantom: Path, plan_file: Path, tmp_path: Path, command_line: CommandLine
) -> None:
    """A run that lost its end ends again with the weights of one that did not."""
    common = ["--plan", plan_file, "--labelled", 2, "--method", "supervised"]
    assert command_line("train", phantom, "--out", tmp_path / "whole", *common).code == 0
    assert command_line("train", phantom, "--out", tmp_path / "cut", *common).code == 0
    unfinish(tmp_path / "cut")
    again = command_line(
        "train", phantom, "--out", tmp_path / "cut", "--method", "supervised", "--resume"
    )
    assert again.code == 0, again.err
    assert open_run(tmp_path / "cut").facts.labelled == 2
    whole, cut = (read_tensors(tmp_path / n / "weights.safetensors")[0] for n in ("whole", "cut"))
    assert all((whole[name] == cut[name]).all() for name in whole)


def unfinish(run: Path) -> None:
    for name in ("weights.safetensors", "seal.json"):
        (run / name).unlink()


def test_iterations_change_the_plan(
    phantom: Path, plan_file: Path, tmp_path: Path, command_line: CommandLine
) -> None:
    result = command_line(
        "train", phantom, "--out", tmp_path / "run", "--plan", plan_file, "--method", "supervised",
        "--iterations", 2, "--seed", 3,
    )  # fmt: skip
    assert result.code == 0, result.err
    run = open_run(tmp_path / "run")
    assert run.plan.training.iterations == 2
    assert run.facts.seed == 3


def test_plan_and_preset_exclude_each_other(
    phantom: Path, plan_file: Path, tmp_path: Path, command_line: CommandLine
) -> None:
    result = command_line(
        "train", phantom, "--out", tmp_path / "run", "--plan", plan_file, "--preset", "la"
    )
    assert result.code == 2
    assert "exclude each other" in result.err
    assert not (tmp_path / "run").exists()


def test_published_rates_on_request_but_not_over_a_plan(
    phantom: Path, plan_file: Path, tmp_path: Path, command_line: CommandLine,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    def train(cohort: crln.Cohort, plan: crln.Plan, out: Path, options: object) -> None:
        raise crln.CrlnError(f"{plan.training.schedule}, {plan.training.lr:g}")

    monkeypatch.setattr("crln.train", train)
    words = ["train", phantom, "--out", tmp_path / "run", "--method", "mcnet", "--published"]
    assert command_line(*words, "--iterations", 15000).err == "error: constant, 0.01\n"
    result = command_line(*words, "--plan", plan_file)
    assert "--published exclude each other" in result.err


def test_predict_goes_on_after_a_scan_that_fails(
    phantom: Path, run: Path, tmp_path: Path, command_line: CommandLine
) -> None:
    good = crln.load_cohort(phantom).test[0].images[0]
    torn = tmp_path / "torn.nii.gz"
    torn.write_bytes(good.read_bytes()[:100])
    result = command_line("predict", run, torn, good, "--out", tmp_path / "masks")
    assert result.code == 1
    assert "torn.nii.gz" in result.err
    assert [path.name for path in (tmp_path / "masks").glob("*.nii.gz")] == [good.name]
    words = ["predict", run, good, "--out", tmp_path / "masks", "--skip-existing"]
    assert command_line(*words).out == "1 mask was there\n"
    result = command_line(*words[:2], torn, *words[2:])
    assert result.code == 1
    assert "1 mask was there\n0 of 1 masks in" in result.out


def test_a_name_that_is_not_utf8_is_told_in_one_line(
    monkeypatch: pytest.MonkeyPatch, command_line: CommandLine
) -> None:
    error = UnicodeEncodeError("utf-8", '{"path": "data/caf\udce9.nii"}', 18, 19, "surrogates")
    monkeypatch.setattr("crln.evaluation.evaluate", failing(error))
    result = command_line("evaluate", "masks", "labels", "--out", "results")
    assert result.code == 2
    assert result.err == "error: data/caf\\xe9.nii: a name that is not UTF-8; rename it\n"
