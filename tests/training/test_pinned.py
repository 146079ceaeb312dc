"""What every method computes is pinned: making it faster must not change it.

`python tests/training/test_pinned.py` pins anew what was changed on purpose.
"""

import json
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from crln.methods import METHODS
from crln.planning import Plan

pytestmark = pytest.mark.slow

HERE = Path(__file__).parent
PINNED = HERE / "pinned.json"
STEPS, SIDE = 3, 16
"""The first two steps are the labelled start's."""

PLAN = Plan(
    network={"widths": (4, 16, 16, 8, 8), "prototypes": 2, "embedding": 4},
    training={"optimiser": "sgd", "lr": 0.002, "labelled_start": 0.4},
    options={"crln": {"queries": 8, "negatives": 16}},
)


def learnt(folder: Path) -> dict[str, Any]:
    """Losses of each step and probabilities after the last, by method."""
    plan, out = folder / "plan.yaml", folder / "found.json"
    plan.write_text(PLAN.to_yaml())
    bits = dict.fromkeys(METHODS, 64) | {"diffrect": 32}  # its times are embedded in 32
    jobs = [f"{name}:{STEPS}:{bits[name]}:{SIDE}" for name in METHODS]
    program = [sys.executable, str(HERE / "following.py"), str(plan), "1", str(out), *jobs]
    subprocess.run(program, check=True)
    found: dict[str, Any] = json.loads(out.read_text())
    return found


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return learnt(tmp_path_factory.mktemp("pinned"))


@pytest.fixture(scope="module")
def pinned() -> dict[str, Any]:
    values: dict[str, Any] = json.loads(PINNED.read_text())
    return values


@pytest.mark.parametrize("method", METHODS)
def test_losses(method: str, found: dict[str, Any], pinned: dict[str, Any]) -> None:
    """Views are made in 32 bits, so another processor may round them otherwise."""
    for ours, theirs in zip(found[method]["losses"], pinned[method]["losses"], strict=True):
        assert ours == pytest.approx(theirs, rel=1e-3, abs=1e-4)


@pytest.mark.parametrize("method", METHODS)
def test_probabilities(method: str, found: dict[str, Any], pinned: dict[str, Any]) -> None:
    assert found[method]["plain"] == pytest.approx(pinned[method]["plain"], abs=1e-3)


@pytest.mark.parametrize("method", METHODS)
def test_the_fast_path_agrees(method: str, found: dict[str, Any]) -> None:
    assert found[method]["fast"] == pytest.approx(found[method]["plain"], abs=1e-5)


def pin() -> None:
    """Writes what is computed now, rounded."""
    with TemporaryDirectory() as folder:
        values = learnt(Path(folder))
    for each in values.values():
        del each["fast"]
    rounded = json.loads(json.dumps(values), parse_float=lambda text: round(float(text), 6))
    PINNED.write_text(json.dumps(rounded, indent=1) + "\n")


if __name__ == "__main__":
    pin()
