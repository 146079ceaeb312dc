import json
import math
import re

import numpy as np
import pytest

from crln.imaging import Grid
from crln.report.card import Card, CardRow, SliceStack, shown_volume
from crln.report.cut import Cut
from crln.report.stack import Outlines, stack_data


def slices() -> SliceStack:
    shape = (8, 8, 6)
    classes = np.zeros(shape, np.uint8)
    classes[2:5, 2:5, 3] = 1
    image = np.arange(384.0).reshape(shape)
    cut = Cut.through(Grid(shape, np.eye(4)), classes > 0)
    outlines = [Outlines.exclusive("prediction", cut.sample(classes), 1)]
    return SliceStack(cut, stack_data(cut, image, outlines), outlines)


LIVER = CardRow("liver", "#112233", 1234.5, 9, 0.876, 0.8, 0.93)


def test_a_card_says_volume_score_interval_and_remarks_in_one_line() -> None:
    html = Card("a", 0.5, [LIVER], slices(), ("liver touches the border",)).to_html()
    assert "\n" not in html
    for told in (
        "1,234 ml",
        "See the remarks",
        "88 % would be",
        "80 to 93",
        "liver touches the border",
    ):
        assert told in html
    html = Card("a", 0.5, [LIVER], slices()).to_html()
    assert "<strong>88 %</strong>" in html
    assert "9 of 10 such outlines lie between 80 and 93 %" in html
    assert 'aria-label="axial slice 4 of 6: liver outlined, 1,234 ml"' in html
    assert 'scope="row"' in html
    data = json.loads(re.search(r'json">(.*?)</script>', html)[1])
    assert data["names"] == ["liver"]
    assert data["hues"] == ["#112233"]


def test_a_flat_scan_has_no_slider() -> None:
    shape = (8, 8, 1)
    inside = np.zeros(shape, np.uint8)
    inside[2:5, 2:5] = 1
    cut = Cut.through(Grid(shape, np.eye(4)), inside > 0)
    outlines = [Outlines.exclusive("prediction", cut.sample(inside), 1)]
    stack = SliceStack(cut, stack_data(cut, np.arange(64.0).reshape(shape), outlines), outlines)
    html = Card("a", 0, [LIVER], stack).to_html()
    assert "<canvas" in html
    assert "<input" not in html


def test_what_is_not_known_is_not_told() -> None:
    plain = CardRow("liver", "#112233", math.nan, 12)
    html = Card("a", 0, [plain, CardRow("spleen", "#445566")], "no space").to_html()
    assert "12 voxels" in html
    assert "<td>none</td>" in html
    assert "nan" not in html.lower()
    assert "Dice" not in html
    assert "No picture: no space" in html


def test_names_are_text_and_no_markup() -> None:
    name = "<b>\"'&</script>"
    html = Card(name, 0, [CardRow(name, "#112233", 1.0, 1)], slices(), (name,)).to_html()
    assert "<b>" not in html
    assert html.count("</script>") == 1


@pytest.mark.parametrize(
    ("millilitres", "shown"),
    [(0.00123, "0.0012"), (0.5, "0.50"), (12.34, "12.3"), (123.4, "123"), (12345.6, "12,346")],
)
def test_volumes_have_no_more_digits_than_say_something(millilitres: float, shown: str) -> None:
    assert shown_volume(millilitres) == shown
