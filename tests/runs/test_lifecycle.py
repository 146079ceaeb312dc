"""Which weights a run ends with."""

import math
from pathlib import Path

import pytest
import torch

from crln.files import read_tensors, write_tensors
from crln.methods import Method, build_method
from crln.planning import Plan
from crln.runs import Facts, RunFolder
from crln.runs.checkpoint import Progress
from crln.runs.lifecycle import BEST, finish_run, keep_best

pytestmark = pytest.mark.slow

NAN = math.nan


@pytest.fixture
def method(tiny_plan: Plan) -> Method:
    return build_method("mean_teacher", tiny_plan)


@pytest.fixture
def run(tiny_plan: Plan, tmp_path: Path) -> RunFolder:
    return RunFolder(tmp_path, tiny_plan, Facts(format=1, method="mean_teacher", seed=0))


@pytest.mark.parametrize(
    ("scores", "kept", "chosen"),
    [
        ([0.2, 0.9, 0.9, 0.3], [True, True, False, False], "Dice 0.9000 after step 2"),
        ([NAN, 0.1, NAN, 0.3], [False, True, False, True], "Dice 0.3000 after step 4"),
        ([NAN, NAN], [False, False], "last"),
        ([0.0, NAN], [True, False], "Dice 0.0000 after step 1"),
    ],
)
def test_a_score_that_is_no_number_is_neither_best_nor_unbeatable(
    scores: list[float], kept: list[bool], chosen: str, run: RunFolder, method: Method
) -> None:
    progress = Progress()
    found = []
    for progress.step, score in enumerate(scores, 1):
        found.append(keep_best(run, method, progress, score))
    assert found == kept
    assert chosen in str(finish_run(run, method, progress).facts.chosen)


def test_a_best_that_was_no_number_is_beaten(run: RunFolder, method: Method) -> None:
    """As an earlier version left it in its checkpoints."""
    progress = Progress(step=8, best=NAN, best_step=4)
    assert finish_run(run, method, progress).facts.chosen == "last"
    assert keep_best(run, method, progress, 0.1)
    assert (progress.best, progress.best_step) == (0.1, 8)


def test_the_best_of_an_older_version_was_the_whole_method(
    run: RunFolder, method: Method, tiny_plan: Plan
) -> None:
    best = build_method("mean_teacher", tiny_plan)
    write_tensors(run.path / BEST, dict(best.state_dict()), {})
    finished = finish_run(run, method, Progress(step=8, best=0.5, best_step=4))
    kept = read_tensors(finished.weights)[0]
    for name, tensor in best.predictor().state_dict().items():
        assert torch.equal(kept[name], tensor)
