from pathlib import Path
from typing import Any

import numpy as np
import pytest

from crln.report.card import Card, CardRow
from crln.report.curves import Curve, Panel
from crln.report.gallery import PAGE
from crln.report.page import KeyFigure
from crln.report.story import OWN, Story, write_story, written_by_person

STEPS = np.arange(1, 41) * 50
CURVES = [
    Curve(f"a term of a loss with a long name, {i}", f"#{i}{i}66aa", STEPS, 1 / (i + STEPS / 200))
    for i in range(1, 7)
]
STORY = Story(
    title="run",
    lead="A model that outlines head, tail.",
    state="",
    figures=[
        KeyFigure("87.6 %", "Dice", "best on 40 validation cases"),
        KeyFigure("10 + 110", "scans"),
    ],
    quality=["It is good."],
    look=["case_07: liver: Dice 0.41 with members that never saw it"],
    panels=[Panel("Loss", CURVES, (("labels alone", 700), ("all scans", 2000)), 2000)],
    card={"Data": {"data": "a/very/long/name" * 6, "labelled": 10}, "Method": {"method": "crln"}},
    limits=["It knows head, tail and nothing else."],
)
EXAMPLE = Card("case_01", 0, [CardRow("head", "#112233", 1.2, 9)], "", note="Learnt from.")


def page(folder: Path) -> str:
    return (folder / PAGE).read_text(encoding="utf-8")


def test_what_a_person_writes_is_shown_and_kept(tmp_path: Path) -> None:
    write_story(tmp_path, STORY)
    assert "To be filled in by you" in page(tmp_path)
    own = tmp_path / OWN
    assert "Intended use, to be filled in by you" in own.read_text(encoding="utf-8")
    assert written_by_person(tmp_path) == ""
    text = own.read_text(encoding="utf-8") + "\nHippocampi of adults <85>; for research.\n"
    own.write_text(text, encoding="utf-8")
    write_story(tmp_path, STORY)
    assert "Hippocampi of adults &lt;85&gt;; for research." in page(tmp_path)
    assert "To be filled in" not in page(tmp_path)
    assert own.read_text(encoding="utf-8") == text
    assert written_by_person(tmp_path) == "Hippocampi of adults <85>; for research."


def test_what_was_written_before_a_folder_was_begun_anew_stays(tmp_path: Path) -> None:
    write_story(tmp_path, STORY, (), "For research.")
    assert written_by_person(tmp_path) == "For research."
    assert "For research." in page(tmp_path)


def test_examples_stay_until_there_are_others(tmp_path: Path) -> None:
    write_story(tmp_path, STORY, [EXAMPLE])
    write_story(tmp_path, STORY)
    assert page(tmp_path).count("<article") == 1
    write_story(tmp_path, STORY, ())
    assert "<article" not in page(tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("width", [400, 1200])
def test_a_browser_has_nothing_to_complain_of(tmp_path: Path, browser: Any, width: int) -> None:
    write_story(tmp_path, STORY, [EXAMPLE])
    for scheme in ("light", "dark"):
        assert browser.open(tmp_path / PAGE, width, scheme).faults() == []
