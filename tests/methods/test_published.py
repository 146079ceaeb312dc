"""Published rates: the rule, and the table of the reference."""

import re
from pathlib import Path

import pytest

from crln.errors import CrlnError
from crln.methods import METHODS, Published, published_rates
from crln.planning import Plan

REFERENCE = Path(__file__).parents[2] / "docs" / "reference" / "methods.md"


def test_rates_keep_their_square_times_the_steps() -> None:
    paper = Published(16000, 0.01, "poly", "")
    for steps in (16000, 4000, 1000):
        assert paper.rate(steps) ** 2 * steps == pytest.approx(0.01**2 * 16000)


def test_rates_are_neither_raised_past_the_highest_nor_lowered() -> None:
    assert Published(10000, 0.05, "poly", "").rate(100) == 0.1
    assert Published(10000, 0.2, "poly", "").rate(100) == 0.2
    assert Published(10000, 0.05, "poly", "").rate(40000) == 0.05


@pytest.mark.parametrize("name", sorted(METHODS))
def test_every_method_tells_how_it_was_trained(name: str) -> None:
    published = METHODS[name].published
    if published is None:
        with pytest.raises(CrlnError, match=f"{name}: no published optimiser is known"):
            published_rates(name, 1000)
        return
    plan = Plan().updated({"training": published.training(1000)})
    assert plan.training.lr == published.rate(1000)
    assert plan.training.iterations == Plan().training.iterations


def test_the_reference_says_the_same() -> None:
    rows = re.findall(r"^\| `(\w+)` \|(.+)\|$", REFERENCE.read_text(encoding="utf-8"), re.MULTILINE)
    told = {name: tuple(cell.strip() for cell in cells.split("|")) for name, cells in rows}
    assert told.keys() == METHODS.keys()
    for name, cells in told.items():
        paper = METHODS[name].published
        if paper is None:
            assert cells[1:] == ("",) * 5 + ("not known",)
            continue
        assert cells[1:] == (
            f"{paper.iterations:,}", f"{paper.lr:g}", paper.schedule, f"{paper.weight_decay:g}",
            f"{paper.rate(1000):.3g}", paper.source,
        ), name  # fmt: skip
