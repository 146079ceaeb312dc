"""Models with drawn weights, and a cohort to choose from."""

from pathlib import Path

import pytest
import torch

from crln.cohort import Cohort, load_cohort
from crln.methods import build_method
from crln.planning import Plan
from crln.runs import EnsembleFolder, Facts, Member, RunFolder


def left(path: Path, plan: Plan, seed: int) -> Path:
    """A finished run whose network has drawn weights."""
    torch.manual_seed(seed)
    run = RunFolder(path, plan, Facts(format=1, method="supervised", seed=seed))
    path.mkdir(parents=True)
    run.write_facts()
    network = build_method("supervised", plan).predictor()
    run.save_weights(dict(network.state_dict()))
    return path


@pytest.fixture
def run(tiny_plan: Plan, tmp_path: Path) -> Path:
    return left(tmp_path / "run", tiny_plan, 0)


@pytest.fixture
def ensemble(tiny_plan: Plan, tmp_path: Path) -> Path:
    path = tmp_path / "ensemble"
    members = tuple(Member(folder=f"member-{i}", seed=i) for i in range(3))
    for member in members:
        left(path / member.folder, tiny_plan, member.seed)
    EnsembleFolder(path, tiny_plan, "supervised", 1, members).write()
    return path


@pytest.fixture
def cohort(phantom: Path) -> Cohort:
    return load_cohort(phantom)
