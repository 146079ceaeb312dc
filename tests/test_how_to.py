"""The command lines of how-to pages run as they stand there, one after the other."""

import re
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

import crln
from crln.cohort import Slices, load_cohort, make_phantom
from crln.planning import planner
from crln.runs import open_run

PAGES = Path(__file__).parents[1] / "docs/how-to"
SMALL = {
    "patch_size": (16, 16, 16),
    "network": {"widths": (4, 4, 8, 8, 8)},
    "training": {"iterations": 1, "labelled_start": 0.0},
}


def blocks(page: str, language: str) -> list[str]:
    """The fenced code blocks of a page in one language."""
    text = (PAGES / page).read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Scans, six of them with a label, where the commands run; trainings take one step."""
    make_phantom(tmp_path / "data", labelled=6, unlabelled=1, test=0, shape=(18, 18, 16), seed=0)
    monkeypatch.chdir(tmp_path)
    make_plan = planner.make_plan
    for room in ("crln.planning", "crln.comparison.settings"):
        monkeypatch.setattr(
            f"{room}.make_plan", lambda cohort, **_: make_plan(cohort, changes=SMALL)
        )
    return tmp_path / "data"


def run(page: str, command_line: Callable[..., Any]) -> None:
    """Every command of a page; none fails."""
    lines = "".join(blocks(page, "sh")).replace("\\\n", "").splitlines()
    commands = [shlex.split(line)[1:] for line in lines if line.startswith("crln ")]
    assert commands
    for verb, *arguments in commands:
        if "--iterations" in arguments:
            arguments[arguments.index("--iterations") + 1] = "1"
        result = command_line(verb, *arguments)
        assert result.code == 0, result.err


@pytest.mark.slow
def test_outline_every_fourth_slice(data: Path, command_line: Callable[..., Any]) -> None:
    for path in (data / "labels").iterdir():
        image = nib.load(path)
        voxels = np.asarray(image.dataobj).copy()
        voxels[:, :, np.arange(voxels.shape[2]) % 4 != 1] = 0
        nib.save(nib.Nifti1Image(voxels, image.affine), path)
    run("outline-slices.md", command_line)
    found = crln.read_evaluation(Path("results.json"))
    assert len(found.cases) == 2


def test_the_descriptions_of_outlined_slices_are_read(data: Path) -> None:
    (text,) = blocks("outline-slices.md", "yaml")
    labels = sorted((data / "labels").iterdir())[:2]
    for place, label in enumerate(labels, 1):
        for folder in ("images", "labels"):
            shutil.copy(label, data / folder / f"case_{place:02d}.nii.gz")
    (data / "cohort.yaml").write_text(text)
    found = [case.label.slices for case in load_cohort(data).labelled if case.label]
    assert found == [Slices(at=(4, 8, 12, 16)), Slices(at=(10, 30, 50), axis=1)]


@pytest.mark.slow
def test_start_from_another_tools_masks(data: Path, command_line: Callable[..., Any]) -> None:
    (data / "drafts").mkdir()
    label, *_ = sorted((data / "labels").iterdir())
    label.rename(data / "drafts" / label.name)
    run("start-from-masks.md", command_line)
    assert label.name not in {path.name for path in (data / "labels").iterdir()}
    assert open_run(Path("run")).facts.unlabelled == 2
    assert len(crln.read_evaluation(Path("results.json")).cases) == 2


@pytest.mark.slow
def test_correct_and_train_again(data: Path, command_line: Callable[..., Any]) -> None:
    (data / "test.list").write_text("labelled_004\nlabelled_005\n")
    run("correct-and-train-again.md", command_line)
    assert open_run(Path("run2")).facts.start_from == "run"
    assert len(crln.read_evaluation(Path("round2.json")).cases) == 2
