"""Charts: what they plot."""

import math
from pathlib import Path

import numpy as np
import pytest

from crln.report import (
    box_plots,
    cost_scatter,
    label_curves,
    learning_curves,
    structure_plot,
)
from crln.report.style import NARROW
from crln.report.words import BOXED, loss_title


@pytest.fixture
def logs(tmp_path: Path) -> dict[str, Path]:
    (tmp_path / "a.csv").write_text(
        "step,total,supervised,cps,lr,seconds,validation\n"
        "10,3,2,1,0.01,0.5,\n20,2,1.5,0.5,0.01,0.5,0.7\n"
    )
    (tmp_path / "b.csv").write_text("step,total,lr,seconds,validation\n10,2,0.01,0.5,\n")
    return {"crln": tmp_path / "a.csv", "supervised": tmp_path / "b.csv"}


def test_learning_curves_show_each_runs_terms_in_words_and_the_validation(logs):
    figure = learning_curves(logs)
    first, second, validation = figure.axes
    assert [line.get_label() for line in first.lines] == ["labels", "cps"]
    np.testing.assert_array_equal(first.lines[1].get_ydata(), [1, 0.5])
    assert [line.get_label() for line in second.lines] == ["whole loss"]
    assert [line.get_label() for line in validation.lines] == ["crln"]
    np.testing.assert_array_equal(validation.lines[0].get_data(), [[20], [0.7]])
    told = [text.get_text() for text in figure.legends[0].get_texts()]
    assert told == ["labels", "cps", "whole loss"]


def test_a_term_has_one_colour_in_all_panels(logs, tmp_path):
    (tmp_path / "c.csv").write_text("step,total,cps,supervised\n10,2,1,1\n")
    first, other, _ = learning_curves({"a": logs["crln"], "b": tmp_path / "c.csv"}).axes
    colours = [{line.get_label(): line.get_color() for line in a.lines} for a in (first, other)]
    assert colours[0] == colours[1]


def test_learning_curves_fill_a_grid(logs):
    many = {f"run {i}": logs["supervised"] for i in range(5)}
    figure = learning_curves(many)
    assert [axis.axison for axis in figure.axes] == [True] * 5 + [False]
    assert len(learning_curves({f"run {i}": logs["supervised"] for i in range(4)}).axes) == 4


def test_on_a_telephone_panels_are_stacked_and_type_keeps_its_size(logs):
    wide, narrow = learning_curves(logs), learning_curves(logs, width=NARROW)
    assert wide.axes[0].get_subplotspec().get_gridspec().ncols == 3
    assert narrow.axes[0].get_subplotspec().get_gridspec().ncols == 1
    sizes = [f.axes[0].xaxis.label.get_fontsize() for f in (wide, narrow)]
    assert sizes[0] == sizes[1]


def dots(axis) -> list[list[float]]:
    return [sorted(line.get_xdata()) for line in axis.lines if line.get_marker() == "o"]


def test_every_case_is_a_dot_and_the_undefined_are_counted():
    figure = box_plots({"crln": [0.9, 0.8, 0.85], "other": [0.5, math.nan, 0.6]}, "Dice")
    axis = figure.axes[0]
    assert [text.get_text() for text in axis.texts] == ["crln", "other (1 undefined)"]
    assert dots(axis) == [[0.8, 0.85, 0.9], [0.5, 0.6]]


def test_only_enough_values_have_a_box():
    few = box_plots({"a": list(np.linspace(0, 1, BOXED - 1))}, "Dice").axes[0]
    many = box_plots({"a": list(np.linspace(0, 1, BOXED))}, "Dice").axes[0]
    assert (len(few.patches), len(many.patches)) == (0, 1)
    bar = next(line for line in few.lines if line.get_marker() != "o")
    np.testing.assert_allclose(bar.get_xdata(), 0.5)  # their mean


def test_structures_have_a_row_each_and_methods_a_dot_with_its_interval():
    nothing = (math.nan, math.nan, math.nan)
    values = {"liver": {"crln": (0.9, 0.8, 0.95), "other": nothing}, "spleen": {"crln": nothing}}
    axis = structure_plot(values, "Dice").axes[0]
    assert [text.get_text() for text in axis.texts] == ["liver", "spleen"]
    spans = [list(line.get_xdata()) for line in axis.lines if line.get_marker() != "o"]
    assert dots(axis)[0] == [0.9]
    assert spans[0] == [0.8, 0.95]
    told = [text.get_text() for text in axis.figure.legends[0].get_texts()]
    assert told == ["crln", "other"]


def test_label_curves_span_the_seeds():
    figure = label_curves({"crln": {10: [0.8, 0.9], 5: [0.7]}, "supervised": {5: [0.6]}})
    axis = figure.axes[0]
    bars = axis.containers[0]
    np.testing.assert_allclose(bars.lines[0].get_xydata().T, [[5, 10], [0.7, 0.85]])
    np.testing.assert_allclose(bars.lines[2][0].get_segments()[1], [[10, 0.8], [10, 0.9]])
    assert [tick.get_text() for tick in axis.get_xticklabels()] == ["5", "10"]


def test_cost_scatter_names_each_method_and_lets_no_small_difference_look_large():
    figure = cost_scatter({"crln": (0.6, 83.1), "supervised": (0.3, 83.0)})
    axis = figure.axes[0]
    assert [line.get_xydata().tolist() for line in axis.lines] == [[[0.6, 83.1]], [[0.3, 83.0]]]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["crln", "supervised"]
    low, high = axis.get_ylim()
    assert high - low >= 2


def test_an_unknown_term_is_called_what_it_is():
    assert loss_title("my_own") == "my own"


def test_long_names_are_folded_on_a_telephone():
    name = "crln[positive_weight=0, strong_views=0, network.prototypes=1]"
    figure = box_plots({name: [1, 2]}, "Dice", width=NARROW)
    assert max(map(len, figure.axes[0].texts[0].get_text().split("\n"))) < 40
    legend = cost_scatter({name: (1, 2)}, width=NARROW).legends[0].get_texts()[0].get_text()
    assert legend.count("\n") == 1
