"""The page: whole, self-contained, and safe to open."""

import base64
import hashlib
import html
import re
from functools import partial
from html.parser import HTMLParser
from xml.etree import ElementTree

import numpy as np
import pytest
from markupsafe import Markup

from crln.errors import CrlnError
from crln.evaluation.tables import Column, ResultTable, TableCell
from crln.imaging import Grid, Volume
from crln.labels import LabelSpace
from crln.report import (
    Chart,
    Details,
    FactList,
    KeyFigure,
    KeyFigures,
    PageSection,
    Paragraph,
    Viewer,
    Viewers,
    box_plots,
    slices_of,
    write_report,
)
from crln.report.style import INK

VOID = {"meta", "img", "link", "br"}


class Nesting(HTMLParser):
    """Fails where an element is closed that is not open."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag, attrs):
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.fixture
def page(tmp_path) -> str:
    columns = {"m": Column("m"), "d": Column("D")}
    rows = [
        {"m": TableCell("a<b"), "d": TableCell("1", ("0 to 2",))},
        {"m": TableCell("c"), "d": TableCell("3", best=True)},
    ]
    sections = [
        PageSection("Result", [
            KeyFigures([KeyFigure("91 %", "Dice", "crln"), KeyFigure("2", "x")]),
        ]),
        PageSection("Table", [ResultTable(columns, rows, "cap")]),
        PageSection("More", [
            Paragraph("1 < 2"), Paragraph(Markup("<em>so</em>")),
            FactList({"commit": "abc", "seconds": 12}),
            Chart(partial(box_plots, {"a": [1, 2, 3]}, "Dice"), "a chart", "three dots"),
            Details("and more", [Paragraph("folded away")]),
        ]),
    ]  # fmt: skip
    path = write_report(tmp_path / "page.html", "A & B", sections, lead="What it shows.")
    return path.read_text(encoding="utf-8")


def test_every_block_is_shown(page):
    for expected in (
        "<h1>A &amp; B</h1>", "What it shows.", 'href="#s3"', 'id="s3"', ">91 %<", ">crln<",
        "a&lt;b", "<small>0 to 2</small>", 'class=" best"><span>3', "<summary>and more",
        "folded away", "<figcaption>cap", "1 &lt; 2",
        "<em>so</em>", "<dt>commit</dt>", "<dd>12</dd>", 'aria-label="three dots"',
        "<figcaption>a chart",
    ):  # fmt: skip
        assert expected in page
    nesting = Nesting()
    nesting.feed(page)
    assert not nesting.open


def test_nothing_is_fetched(page):
    assert re.findall(r'(?:src|href)="(?!data:|#)[^"]*"', page) == []
    assert "url(" not in re.sub(r"url\(#\w+\)", "", page)
    assert "<script" not in page


def test_charts_take_the_pages_colour_and_are_well_formed(page):
    drawn = re.findall(r"<svg.*?</svg>", page, re.DOTALL)
    assert len(drawn) == 2  # for a page and for a telephone
    for svg in drawn:
        ElementTree.fromstring(svg)
        assert "currentColor" in svg
        assert "Dice" in svg
    assert INK not in page
    assert "prefers-color-scheme: dark" in page


def test_the_same_results_give_the_same_page(tmp_path):
    def written(name: str) -> str:
        sections = [PageSection("s", [Chart(partial(box_plots, {"a": [1, 2]}, "x"), "c")])]
        return write_report(tmp_path / name, "t", sections).read_text()

    assert written("one.html") == written("two.html")


def test_few_sections_need_no_list_of_them(tmp_path):
    only = PageSection("only", [ResultTable({"a": Column("a")}, [])])
    page = write_report(tmp_path / "p.html", "t", [only])
    text = page.read_text()
    assert "<nav" not in text
    assert 'class="lead"' not in text
    assert "<figcaption" not in text


def test_what_exists_is_kept_unless_told_otherwise(tmp_path):
    path = tmp_path / "p.html"
    path.write_text("precious")
    with pytest.raises(CrlnError, match="exists"):
        write_report(path, "t", [])
    assert path.read_text() == "precious"
    write_report(path, "t", [], overwrite=True)
    assert "<h1>t</h1>" in path.read_text()


def test_columns_of_no_weight_stand_apart_with_the_name_of_their_row(tmp_path):
    columns = {
        "m": Column("Method", text=True, row=True), "d": Column("Dice"), "x": Column("x", weight=0),
    }  # fmt: skip
    rows = [{"m": TableCell("crln"), "d": TableCell("90"), "x": TableCell("7")}]
    page = write_report(tmp_path / "p.html", "t", [PageSection("s", [ResultTable(columns, rows)])])
    first, apart = page.read_text().split("<details>")
    assert (first.count("crln"), apart.count("<span>crln")) == (1, 1)
    assert (">Dice<" in first, ">x<" in first, ">x<" in apart) == (True, False, True)


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [400, 1200])
def test_it_reads_in_a_browser(page, tmp_path, browser, width, scheme):
    names = ["Method", "Labels", "Dice %", "Dice, points above supervised", "95HD mm", "NSD %"]
    columns = {name: Column(name) for name in names}
    cell = TableCell("86.40 ± 12.16", ("-10.14 to +10.29", "p = 0.0075"))
    table = ResultTable(columns, [dict.fromkeys(names, cell)] * 3)
    figures = KeyFigures([KeyFigure("+12.3 points", "gained from scans", "cannot tell")] * 4)
    chart = Chart(partial(box_plots, {"crln[positive_weight=0]": [1, 2, 3]}, "Dice"), "c", "a")
    path = write_report(tmp_path / "b.html", "t", [PageSection("s", [figures, table, chart])])
    opened = browser.open(path, width, scheme)
    assert opened.faults() == []
    cards = opened.page.evaluate(
        "[...document.querySelectorAll('.key .value')].map(e => e.getClientRects().length"
        " && e.scrollWidth <= e.clientWidth && e.offsetHeight < 45)"
    )
    assert cards == [True] * 4


def test_a_scan_brings_the_script_of_its_slider_and_no_other_may_run(tmp_path):
    grid = Grid((6, 5, 4), np.eye(4))
    scan = Volume(np.arange(120, dtype=np.float32).reshape(1, 6, 5, 4), grid)
    slices = slices_of(scan, {"truth": np.ones((6, 5, 4), np.uint8)}, LabelSpace())
    look = Viewers([Viewer("case_1", slices, {"liver": "Dice 81.0 %"}, "a note")], "worst")
    for blocks in ([look], [Details("folded", [look])]):
        page = write_report(
            tmp_path / "p.html", "t", [PageSection("s", blocks)], overwrite=True
        ).read_text()
        for shown in ("case_1", "liver: Dice 81.0 %", "a note", "<h3>worst", "solid: the label"):
            assert shown in page
        script = re.findall("<script>(.*?)</script>", page, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(script[0].encode()).digest()).decode()
        assert f"script-src 'sha256-{digest}'" in html.unescape(page)
