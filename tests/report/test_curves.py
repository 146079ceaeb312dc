import math
import re

import numpy as np
import pytest

from crln.report.curves import MOST, Curve, Panel


def drawn(*curves: Curve, total: int = 100, **told: object) -> dict:
    phases = (("labels alone", 25), ("all scans", total))
    return Panel("Loss", curves, phases, total, **told).drawn


def points(path: str) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in re.findall(r"([\d.]+),([\d.]+)", path)]


def test_points_lie_where_their_axes_say() -> None:
    panel = drawn(Curve("a", "#112233", np.array([10, 100]), np.array([0.9, 0.2])))
    first, last = points(panel["lines"][0]["path"])
    heights = {tick["text"]: tick["at"] for tick in panel["up"]}
    assert heights["0"] == 0
    assert first == pytest.approx((10, 100 - 0.9 * heights["1"]), abs=0.01)
    assert last == pytest.approx((100, 100 - 0.2 * heights["1"]), abs=0.01)
    assert [tick["text"] for tick in panel["across"]] == ["0", "50", "100"]


def test_phases_are_shaded_and_empty_ones_left_out() -> None:
    assert [(p["name"], p["at"], p["width"]) for p in drawn()["phases"]] == [
        ("labels alone", 0, 25),
        ("all scans", 25, 75),
    ]
    alone = Panel("Loss", [], (("labels alone", 0), ("all scans", 9)), 9).drawn
    assert [phase["name"] for phase in alone["phases"]] == ["all scans"]


def test_an_alt_text_tells_where_each_curve_begins_and_ends() -> None:
    values = np.array([math.nan, 0.5, 0.25])
    panel = drawn(Curve("labels", "#112233", np.array([1, 2, 1500]), values), total=2000)
    assert panel["alt"] == "Loss: labels from 0.5 at step 2 to 0.25 at step 1,500"
    assert drawn()["alt"] == "Loss: nothing yet"


def test_a_long_training_is_drawn_by_means() -> None:
    steps = np.arange(1, 5001)
    panel = drawn(Curve("a", "#112233", steps, np.where(steps % 2, 1.0, 3.0)), total=5000)
    seen = points(panel["lines"][0]["path"])
    assert len(seen) <= MOST
    assert np.ptp([y for _, y in seen[:-1]]) < 5


@pytest.mark.parametrize("value", [0.0, -2.0, 1e6, 1e-6])
def test_any_value_has_an_axis(value: float) -> None:
    panel = drawn(Curve("a", "#112233", np.array([5]), np.array([value])))
    ((_, y),) = points(panel["lines"][0]["path"])
    assert 0 <= y <= 100
    assert len({tick["text"] for tick in panel["up"]}) == len(panel["up"]) > 1
