from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from crln.cohort import make_phantom
from crln.planning import Plan

pytestmark = pytest.mark.slow


def test_the_plan_says_why_it_asks_for_details(
    tmp_path: Path, command_line: Callable[..., Any]
) -> None:
    """On the screen and at the top of its file, which is read as ever."""
    data = make_phantom(tmp_path / "data", labelled=2, unlabelled=1, test=0, fine=True)
    out = tmp_path / "plan.yaml"
    told = command_line("plan", data, "--out", out, "--no-estimate")
    assert told.code == 0, told.err
    text, printed = out.read_text(), " ".join(told.out.split())
    comments = [line.removeprefix("# ") for line in text.splitlines() if line.startswith("#")]
    assert [line.split(":")[0] for line in comments] == [
        "thin parts, less than 5 of the finest voxel edges across", "loss.terms", "training.thin",
    ]  # fmt: skip
    for line in comments:
        assert line in printed
    assert Plan.read(out).loss.detail == ("skeleton_recall",)
