"""What a notebook shows of cohorts, plans, run folders and evaluations."""

import sys
from pathlib import Path

import pandas
import pytest

from crln.cohort import load_cohort
from crln.errors import CrlnError
from crln.evaluation import Evaluation, evaluate
from crln.notebook import facts_html
from crln.planning import Plan
from crln.runs import RunFolder
from crln.runs.facts import Facts


@pytest.fixture
def evaluation(phantom: Path) -> Evaluation:
    return evaluate(phantom / "labels", phantom / "labels", classes={1: "head", 2: "tail"})


def test_facts_are_told_as_text_and_what_is_empty_is_left_out() -> None:
    page = facts_html("a <b>", {"name": "<script>", "nothing": "", "none": None, "zero": 0})
    assert "&lt;script&gt;" in page
    assert "<b>" not in page
    assert "nothing" not in page
    assert "none" not in page
    assert "zero" in page


def test_each_shows_what_it_is(phantom: Path, tmp_path: Path, evaluation: Evaluation) -> None:
    cohort = load_cohort(phantom)
    shown = cohort._repr_html_()
    assert f"labelled</th><td style='text-align:left'>{len(cohort.labelled)}<" in shown
    assert "1: head" in shown
    plan = Plan(patch_size=(112, 112, 80))
    assert "112 x 112 x 80 voxels" in plan._repr_html_()
    assert "each scan&#x27;s own" in plan._repr_html_()
    run = RunFolder(tmp_path, plan, Facts(method="crln", seed=3))
    assert "crln" in run._repr_html_()
    assert "go on with --resume" in run._repr_html_()
    assert "head" in evaluation._repr_html_()
    assert "1.000 ± 0.000" in evaluation._repr_html_()


def test_an_evaluation_as_a_table_has_a_row_a_case_and_class(evaluation: Evaluation) -> None:
    frame = evaluation.to_frame()
    assert len(frame) == len(evaluation.rows)
    assert list(frame.columns[:3]) == ["case", "value", "class"]
    head = frame[frame["class"] == "head"].set_index("case")["dice"].to_dict()
    assert head == evaluation.values("dice", 1)
    assert isinstance(frame, pandas.DataFrame)


def test_without_pandas_a_line_says_what_to_install(
    evaluation: Evaluation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(
        CrlnError, match=r"needs pandas, which is not installed; pip install 'crln\[note"
    ):
        evaluation.to_frame()
