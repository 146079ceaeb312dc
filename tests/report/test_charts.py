"""Charts: what they plot."""

import math
from pathlib import Path

import numpy as np
import pytest

from crln.errors import CrlnError
from crln.report import box_plots, cost_scatter, label_curves, learning_curves, read_log


@pytest.fixture
def logs(tmp_path: Path) -> dict[str, Path]:
    (tmp_path / "a.csv").write_text(
        "step,total,supervised,cps,lr,seconds,validation\n"
        "10,3,2,1,0.01,0.5,\n20,2,1.5,0.5,0.01,0.5,0.7\n"
    )
    (tmp_path / "b.csv").write_text("step,total,lr,seconds,validation\n10,2,0.01,0.5,\n")
    return {"crln": tmp_path / "a.csv", "supervised": tmp_path / "b.csv"}


def test_read_log(logs):
    log = read_log(logs["crln"])
    np.testing.assert_array_equal(log["step"], [10, 20])
    np.testing.assert_array_equal(log["validation"], [math.nan, 0.7])


@pytest.mark.parametrize("text", [None, "", "a,b\n1,2\n", "step,total\n1,x\n"])
def test_a_damaged_log_is_refused(tmp_path, text):
    if text is not None:
        (tmp_path / "log.csv").write_text(text)
    with pytest.raises(CrlnError, match=r"give a run's log\.csv"):
        read_log(tmp_path / "log.csv")


def test_learning_curves_show_each_runs_terms_and_the_validation(logs):
    figure = learning_curves(logs)
    first, second, validation = figure.axes
    assert [line.get_label() for line in first.lines] == ["supervised", "cps"]
    np.testing.assert_array_equal(first.lines[1].get_ydata(), [1, 0.5])
    assert [line.get_label() for line in second.lines] == ["total"]
    assert [line.get_label() for line in validation.lines] == ["crln"]
    np.testing.assert_array_equal(validation.lines[0].get_data(), [[20], [0.7]])


def test_learning_curves_fill_a_grid(logs):
    many = {f"run {i}": logs["supervised"] for i in range(5)}
    figure = learning_curves(many)
    assert [axis.axison for axis in figure.axes] == [True] * 5 + [False]
    assert len(learning_curves({f"run {i}": logs["supervised"] for i in range(4)}).axes) == 4


def test_box_plots_show_every_case_and_count_the_undefined():
    figure = box_plots({"crln": [0.9, 0.8, 0.85], "other": [0.5, math.nan, 0.6]}, "Dice")
    axis = figure.axes[0]
    labels = [label.get_text() for label in axis.get_yticklabels()]
    assert labels == ["crln", "other (1 undefined)"]
    dots = [line for line in axis.lines if line.get_marker() == "o"]
    assert [sorted(line.get_xdata()) for line in dots] == [[0.8, 0.85, 0.9], [0.5, 0.6]]


def test_label_curves_span_the_seeds():
    figure = label_curves({"crln": {10: [0.8, 0.9], 5: [0.7]}, "supervised": {5: [0.6]}})
    axis = figure.axes[0]
    bars = axis.containers[0]
    np.testing.assert_allclose(bars.lines[0].get_xydata().T, [[5, 10], [0.7, 0.85]])
    np.testing.assert_allclose(bars.lines[2][0].get_segments()[1], [[10, 0.8], [10, 0.9]])
    assert [tick.get_text() for tick in axis.get_xticklabels()] == ["5", "10"]


def test_cost_scatter_names_each_method():
    axis = cost_scatter({"crln": (0.6, 0.83), "supervised": (0.3, 0.8)}).axes[0]
    assert [line.get_xydata().tolist() for line in axis.lines] == [[[0.6, 0.83]], [[0.3, 0.8]]]
    assert [text.get_text() for text in axis.texts] == ["crln", "supervised"]
