"""Small scans, and the project of them."""

import importlib.util
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import nibabel as nib
import numpy as np
import pytest

from crln.planning import Plan
from crln.reviewing import Places, Project, begin_project, opened
from crln.reviewing.masks import Record
from crln.reviewing.rounds import Order, Round, RoundProgress
from crln.runs import RunFolder

SHAPE = (6, 5, 4)


def write_scan(path: Path, array: np.ndarray, affine: np.ndarray | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(array, np.diag([-1.0, 1, 2, 1]) if affine is None else affine), path)
    return path


def make_data(root: Path, *, scans: int = 4, labels: int = 1) -> Path:
    """`images/` and `labels/`, two structures."""
    generator = np.random.default_rng(0)
    for index in range(scans):
        name = f"case_{index}.nii.gz"
        write_scan(root / "images" / name, generator.normal(size=SHAPE).astype(np.float32))
        if index < labels:
            label = np.zeros(SHAPE, np.uint8)
            label[1:3], label[3:5] = 1, 2
            write_scan(root / "labels" / name, label)
    return root


def make_overlapping(root: Path, shape=SHAPE, affine: np.ndarray | None = None) -> Path:
    """Three scans; of the first a liver and a tumour that share voxels, in a file each."""
    generator = np.random.default_rng(0)
    for index in range(3):
        scan = generator.integers(0, 200, shape).astype(np.int16)
        write_scan(root / "images" / f"case_{index}.nii.gz", scan, affine)
    for name, at in (("liver", 1), ("tumour", 2)):
        label = np.zeros(shape, np.uint8)
        label[at : at + 3, 1:4, 1:3] = 255  # whatever is not 0 is the structure
        write_scan(root / f"labels-{name}" / "case_0.nii.gz", label, affine)
    (root / "dataset.json").write_text('{"exclusive": false}')
    return root


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return make_data(tmp_path / "data")


@pytest.fixture
def places(data: Path) -> Places:
    return begin_project(data, say=str)


@pytest.fixture
def project(places: Places):
    with opened(places, "anna") as project:
        yield project


def mask_of_round(
    project: Project, round: int, case: str, values: np.ndarray, **known: object
) -> None:
    """As a round of learning writes it."""
    places = project.places
    for number in range(1, round + 1):
        made = Round(places, number)
        if number not in places.rounds():
            made.begin(Order(), project.cohort())
            made.tell(RoundProgress(stage="done"))
    scan = project.case(case).images[0]
    project.structures.write(places.mask(round, case), values, scan)
    Record(round=round, **known).write(places.record(round, case))


def drawing(value: int = 1) -> np.ndarray:
    values = np.zeros(SHAPE, np.int32)
    values[2:4, 1:3] = value
    return values


@pytest.fixture(scope="session")
def small() -> SimpleNamespace:
    """What tests make small scans, drawings and masks with."""
    return SimpleNamespace(
        shape=SHAPE, scan=write_scan, data=make_data, overlapping=make_overlapping,
        drawing=drawing, mask=mask_of_round,
    )  # fmt: skip


@pytest.fixture(scope="session")
def person() -> Any:
    """Takes an opened page and works on it as a person does, see hand.py."""
    spec = importlib.util.spec_from_file_location("hand", Path(__file__).with_name("hand.py"))
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.Hand


@pytest.fixture(scope="session")
def trained(phantom: Path, tiny_plan: Plan, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """A run of two steps on the phantom."""
    import crln

    plan = tiny_plan.updated({"training": {"iterations": 2}})
    out = tmp_path_factory.mktemp("trained") / "run"
    return crln.train(crln.load_cohort(phantom), plan, out, method="supervised", progress=False)
