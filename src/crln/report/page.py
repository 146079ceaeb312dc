"""One self-contained HTML page: text, key figures, tables, charts and scans inlined."""

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from markupsafe import Markup

from crln.errors import CrlnError
from crln.evaluation.tables import ResultTable
from crln.files import write_text
from crln.report.style import CHART, INK, NARROW, WIDE
from crln.report.template import policy, render, source
from crln.report.viewer import Viewers

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Paragraph:
    """A paragraph. A plain str is shown as it is; a markupsafe.Markup may hold HTML."""

    kind: ClassVar[str] = "text"
    text: str


@dataclass(frozen=True)
class KeyFigure:
    """A number that a reader should see first.

    Attributes:
        value: the number as shown, such as "91.2 %".
        label: what it is.
        note: in small type below: an interval, a comparison.
    """

    value: str
    label: str
    note: str = ""


@dataclass(frozen=True)
class KeyFigures:
    """A row of key figures."""

    kind: ClassVar[str] = "figures"
    figures: Sequence[KeyFigure]


@dataclass(frozen=True)
class Chart:
    """A chart of `crln.report.charts`, in the page's own text colour, light or dark.

    Attributes:
        draw: draws it as many inches wide as `width` says.
        caption: below it: what it shows and how to read it.
        alt: what is seen, for those who do not see it.
    """

    kind: ClassVar[str] = "chart"
    draw: "Callable[..., Figure]"
    caption: str
    alt: str = ""

    @property
    def wide(self) -> Markup:
        """As inline SVG for a page."""
        return self._svg(WIDE)

    @property
    def narrow(self) -> Markup:
        """As inline SVG for a telephone."""
        return self._svg(NARROW)

    def _svg(self, width: float) -> Markup:
        import matplotlib as mpl  # a page without a chart does not load it

        buffer = io.StringIO()
        with mpl.rc_context({**CHART, "svg.hashsalt": f"crln {width}"}):
            figure = self.draw(width=width)
            figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
        svg = buffer.getvalue()
        return Markup(svg[svg.index("<svg") :].replace(INK, "currentColor"))


@dataclass(frozen=True)
class FactList:
    """Names and values in two columns: how a result came to be."""

    kind: ClassVar[str] = "facts"
    facts: Mapping[str, object]


@dataclass(frozen=True)
class Details:
    """What only some readers want: folded away below one line."""

    kind: ClassVar[str] = "details"
    summary: str
    blocks: "Sequence[Block]"


MOST_ROWS = 16
"""Of a table that is open at once."""

Block = Paragraph | KeyFigures | ResultTable | Chart | FactList | Details | Viewers


def folded(summary: str, table: ResultTable) -> Details | ResultTable:
    """A table, folded away below one line where it is too long to be read at once."""
    return Details(summary, [table]) if len(table.rows) > MOST_ROWS else table


@dataclass(frozen=True)
class PageSection:
    """A heading and what stands under it."""

    title: str
    blocks: Sequence[Block] = field(default_factory=tuple)


def write_report(
    path: Path,
    title: str,
    sections: Sequence[PageSection],
    *,
    lead: str = "",
    mark: str = "",
    overwrite: bool = False,
) -> Path:
    """Writes the page as one HTML file that needs nothing else: no network, no other file.

    Args:
        path: the file to write.
        title: heading of the page.
        sections: from top to bottom.
        lead: a sentence or two under the title: what the page shows and what came out.
        mark: which writes it, by which it is known again.
        overwrite: replace a file that is there.

    Returns:
        `path`.

    Raises:
        CrlnError: the file exists and `overwrite` is not set, or it cannot be written.
    """
    path = Path(path)
    refuse_existing(path, overwrite)
    script = source("viewer.js") if any(map(_looks, sections)) else ""
    page = render(
        "report.html", generator=mark, title=title, lead=lead, sections=sections,
        script=Markup(script), policy=policy(*([script] if script else [])),
    )  # fmt: skip
    write_text(path, page)
    return path


def _looks(part: PageSection | Details) -> bool:
    """Whether there is a scan to be looked through."""
    return any(
        isinstance(block, Viewers) or (isinstance(block, Details) and _looks(block))
        for block in part.blocks
    )


def refuse_existing(path: Path, overwrite: bool) -> None:
    """Raises CrlnError where a file is that may not be replaced."""
    if path.exists() and not overwrite:
        raise CrlnError(f"{path}: exists; give another name, or --overwrite")
