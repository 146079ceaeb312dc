"""One page that needs nothing else."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from crln.comparison import Comparison, Row, write_results
from crln.comparison.charts import class_names
from crln.comparison.page import FILES
from crln.comparison.published import read_published
from crln.errors import CrlnError

pytestmark = pytest.mark.slow


@pytest.fixture
def comparison(finished_comparison: tuple[Comparison, list[str]], tmp_path: Path) -> Comparison:
    return replace(finished_comparison[0], out=tmp_path)


def test_the_page_shows_everything(comparison: Comparison) -> None:
    page = write_results(comparison)
    text = page.read_text(encoding="utf-8")
    cases = len(comparison.test)
    worst = (cases + 1) // 2
    for title in (
        "Result",
        "Every structure",
        "Every test case",
        "Cost",
        "Trainings",
        f"Worst {worst} of {cases} cases",
    ):
        assert f">{title}" in text
    assert not re.search(r'(src|href)="(?!data:|#)', text)
    assert "More labels" not in text  # there is one label count
    assert "Published" not in text
    rows = len(comparison.rows)
    assert text.count('class="viewer"') == rows * worst
    charts = 1 + 2 + 1 + 1  # structures, cases, cost, losses
    assert text.count('class="wide"') == text.count('class="narrow"') == charts
    assert "no test label opened" in text
    names = {path.name for path in comparison.out.iterdir()}
    assert names == {*FILES, "index.html"}
    assert "too few cases for an interval" in text
    assert "which so few cases cannot tell from chance" in text


def test_it_is_written_again(comparison: Comparison) -> None:
    (comparison.out / "index.html").write_text("of an earlier call")
    (comparison.out / "comparison.csv").write_text("of an earlier call")
    page = write_results(
        replace(comparison, test=(), faults={"bcp-2-seed0": "the loss is not finite"})
    )
    assert "the loss is not finite" in page.read_text(encoding="utf-8")
    assert "earlier" not in (comparison.out / "comparison.csv").read_text()


def test_label_counts_and_papers(comparison: Comparison) -> None:
    first = comparison.rows[0]
    bound = Row("supervised_all", 3, first.cells, first.measured, first.cost, "last")
    shown = replace(
        comparison, rows=(*comparison.rows, bound), published=read_published("la"), test=()
    )
    text = write_results(shown).read_text(encoding="utf-8")
    assert ">More labels" in text
    assert ">Published" in text
    assert "UA-MT" in text


def test_worst_cases_come_first_to_last(comparison: Comparison) -> None:
    from crln.comparison.page import _worst

    for row, block in zip(comparison.rows, _worst(comparison, 2), strict=True):
        dice = row.last[0].values("dice")
        assert [view.title for view in block.views] == sorted(dice, key=lambda case: dice[case])
        names = class_names(comparison.rows)
        for view in block.views:
            assert list(view.figures) == list(names.values())
            found = row.last[0].values("dice", next(iter(names)))[view.title]
            assert view.figures[next(iter(names.values()))] == f"Dice {100 * found:.1f} %"
        assert block.title.startswith(f"{row.method} with 2 labels")
        assert ("first seed" in block.title) == (len(row.measured) > 1)


def test_a_folder_that_cannot_be_written_is_told(comparison: Comparison) -> None:
    (comparison.out / "file").write_text("in the way")
    with pytest.raises(CrlnError, match="cannot be written"):
        write_results(replace(comparison, out=comparison.out / "file"))


def test_seeds_are_counted_and_a_dice_is_explained(comparison: Comparison) -> None:
    text = write_results(replace(comparison, test=())).read_text(encoding="utf-8")
    assert "<dd>2 seeds (0, 1)</dd>" in text
    assert "A Dice of 70 % means" in text
    few = replace(comparison, settings=replace(comparison.settings, seeds=(3,)), test=())
    assert "<dd>1 seed (3)</dd>" in write_results(few).read_text(encoding="utf-8")


def test_it_reads_in_a_browser(comparison: Comparison, browser: Any) -> None:
    first = comparison.rows[0]
    long = replace(first, method="crln[positive_weight=0, strong_views=0, network.prototypes=1]")
    bound = Row("supervised_all", 3, first.cells, first.measured, first.cost, "last")
    shown = replace(
        comparison, rows=(*comparison.rows, long, bound), published=read_published("la")
    )
    page = write_results(shown)
    for width, scheme in ((400, "dark"), (1200, "light")):
        opened = browser.open(page, width, scheme)
        opened.page.evaluate("document.querySelectorAll('details').forEach(e => e.open = true)")
        assert opened.faults() == []
