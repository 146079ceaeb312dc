"""What a command imports: a library that it does not need costs every start of it."""

import json
import subprocess
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from crln.planning import Plan
from crln.runs import RunFolder

pytestmark = pytest.mark.slow

LOADED = """
import json, sys
from crln.cli import main
try:
    main(sys.argv[1:])
except SystemExit as exit:
    assert not exit.code, exit.code
print(json.dumps(sorted(name for name, module in sys.modules.items() if module)))
"""

LEARNING = {"lightning_fabric", "tensorboard", "torch.utils.tensorboard", "crln.training.loop"}
SHOWING = {"jinja2", "matplotlib", "IPython"}
ELSEWHERE = {"monai", "scipy.ndimage", "scipy.stats", "submitit", "sympy", "torch._dynamo"}
FORMATS = {"h5py", "SimpleITK"}  # of other files than NIfTI; nibabel imports pydicom itself


def loaded(*words: object) -> set[str]:
    """The modules in memory after a command."""
    command = [sys.executable, "-c", LOADED, *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_help_loads_no_library_of_the_field() -> None:
    assert loaded("--help") & {"nibabel", "numpy", "pydantic", "scipy", "torch"} == set()


def test_evaluation_loads_no_torch(tmp_path: Path) -> None:
    mask = np.zeros((6, 6, 6), np.uint8)
    mask[2:4, 2:4, 2:4] = 1
    nib.save(nib.Nifti1Image(mask, np.eye(4)), tmp_path / "mask.nii.gz")
    found = loaded(
        *("evaluate", tmp_path / "mask.nii.gz", tmp_path / "mask.nii.gz"),
        *("--out", tmp_path / "result", "--no-page"),
    )
    assert "crln.evaluation" in found
    assert found & {"torch", *FORMATS, *LEARNING, *SHOWING, *ELSEWHERE} == set()


def test_a_page_without_a_chart_loads_nothing_that_draws(tmp_path: Path) -> None:
    mask = np.zeros((6, 6, 6), np.uint8)
    mask[2:4, 2:4, 2:4] = 1
    nib.save(nib.Nifti1Image(mask, np.eye(4)), tmp_path / "mask.nii.gz")
    masks = tmp_path / "mask.nii.gz"
    found = loaded("evaluate", masks, masks, "--out", tmp_path / "result")
    assert (tmp_path / "result.html").exists()
    assert found & {"matplotlib", "torch"} == set()


@pytest.mark.parametrize(
    "room", ["cohort", "evaluation", "files", "imaging", "planning", "preparation", "report"]
)
def test_a_room_below_the_networks_loads_no_torch(room: str) -> None:
    code = f"import sys, crln.{room}; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


@pytest.mark.slow
def test_prediction_loads_nothing_for_learning_and_nothing_to_show(
    run: RunFolder, scan: Path, tmp_path: Path
) -> None:
    out = ("--out", tmp_path / "masks", "--no-page")
    found = loaded("predict", run.path, scan, *out, "--device", "cpu")
    assert "crln.inference" in found
    assert found & {*FORMATS, *LEARNING, *SHOWING, *ELSEWHERE, "scipy.spatial"} == set()


@pytest.fixture
def run(tiny_plan: Plan, tmp_path: Path) -> RunFolder:
    """A run folder with the weights that a training would begin with."""
    from crln.methods import build_method
    from crln.runs import Facts

    run = RunFolder(tmp_path / "run", tiny_plan, Facts(format=1, method="supervised", seed=0))
    run.path.mkdir()
    run.write_facts()
    run.save_weights(dict(build_method("supervised", tiny_plan).predictor().state_dict()))
    return run


@pytest.fixture
def scan(phantom: Path) -> Path:
    return sorted((phantom / "images").iterdir())[0]
