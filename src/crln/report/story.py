"""`index.html` of a run: how it learnt, how good it is, examples, and its model card."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from markupsafe import Markup

from crln.evaluation.tables import ResultTable
from crln.files import read_text, write_text
from crln.report.card import Card
from crln.report.curves import Panel
from crln.report.gallery import PAGE
from crln.report.page import KeyFigure
from crln.report.template import policy, render, source

MARK = "crln train"
OWN = "card.md"
"""What a person writes about a model, in its folder."""

BLANK = """<!--
Intended use, to be filled in by you: who is to use this model, for which scans and which question,
and for what it must not be used. Write below this comment. The page of this folder, index.html,
shows it, and no training ever replaces it.
-->
"""

_BEGIN = "<!--example-->"
_PLACE = "<!--cards-->"


@dataclass(frozen=True)
class Story:
    """What a run's page tells.

    Attributes:
        title: of the page.
        lead: a sentence or two below it.
        state: how far it is, where it has not come to its end.
        figures: what to see first.
        quality: sentences about how good it is.
        estimate: the same as a table.
        look: outlines by people that should be looked at.
        panels: curves.
        reading: how to read them.
        members: of an ensemble, the folder of each and what is said of it.
        card: the model card's lists: title to names and values.
        limits: sentences.
    """

    title: str
    lead: str
    state: str
    figures: Sequence[KeyFigure]
    quality: Sequence[str]
    panels: Sequence[Panel]
    card: Mapping[str, Mapping[str, object]]
    limits: Sequence[str]
    estimate: ResultTable | None = None
    look: Sequence[str] = ()
    reading: str = ""
    members: Mapping[str, str] = field(default_factory=dict)


def write_story(
    folder: Path, story: Story, examples: Sequence[Card] | None = None, intended: str = ""
) -> None:
    """Writes the page of a run, and the file that its person fills in, where there is none.

    Args:
        folder: of the run.
        story: what is told.
        examples: scans to show; None: those that the page has.
        intended: what the person had written before the folder was begun anew.

    Raises:
        CrlnError: a file cannot be written, or `card.md` is not text.
    """
    page, own = folder / PAGE, folder / OWN
    if not own.exists():
        write_text(own, f"{BLANK}\n{intended}".rstrip() + "\n")
    kept = _examples(page) if examples is None else [each.to_html() for each in examples]
    script = source("viewer.js") if kept else ""
    text = render(
        "run.html", title=story.title, lead=story.lead, sections=(), story=story,
        panels=[panel.drawn for panel in story.panels], generator=MARK, policy=policy(script),
        script=Markup(script), examples=len(kept), cards=Markup(_PLACE), own=OWN,
        intended=_intended(own),
    )  # fmt: skip
    cards = "".join(f"{_BEGIN}{card}\n" for card in kept)
    write_text(page, text.replace(_PLACE, cards))


def written_by_person(folder: Path) -> str:
    """What a person has written about the model of a folder; "" where there is nothing."""
    own = folder / OWN
    return _intended(own) if own.exists() else ""


def _examples(page: Path) -> list[str]:
    """The scans that a page shows."""
    if not page.exists():
        return []
    lines = read_text(page, "remove it").splitlines()
    return [line.removeprefix(_BEGIN) for line in lines if line.startswith(_BEGIN)]


def _intended(own: Path) -> str:
    """What a person has written, without comments."""
    text = read_text(own, "make it text, or remove it")
    while "<!--" in text:
        before, _, rest = text.partition("<!--")
        text = before + rest.partition("-->")[2]
    return text.strip()
