"""The demo ends in a review of its own phantom."""

import shutil
import time
from pathlib import Path

import pytest

import crln.cli.review as verb
from crln.comparison.demo import COHORT
from crln.comparison.settings import PLAN
from crln.reviewing import Project


@pytest.mark.slow
def test_a_demo_that_is_there_is_opened_and_its_model_outlines_the_rest(
    phantom, trained, tmp_path, command_line, monkeypatch
):
    out = tmp_path / "demo"
    shutil.copytree(phantom, out / COHORT)
    shutil.copytree(trained.path, out / "cells/crln-4-seed0")
    (out / PLAN).write_text(trained.plan.to_yaml())
    waiting = {case.id for case in crln_unlabelled(out / COHORT)}

    def wait() -> None:
        end = time.monotonic() + 60
        while len(list((out / "review/masks/1").glob("*.yaml"))) < len(waiting):
            assert time.monotonic() < end
            time.sleep(0.1)

    monkeypatch.setattr(verb, "_wait", wait)
    monkeypatch.setattr(verb, "_has_screen", lambda: False)
    result = command_line("demo", "--out", out, "--review")
    assert (result.code, result.err) == (0, "")
    assert "project in" in result.out
    project = Project(out / "review")
    assert {id for id in project.cases if project.status(id) == "outlined"} == waiting


def crln_unlabelled(data: Path):
    from crln.cohort import load_cohort

    return load_cohort(data).unlabelled
