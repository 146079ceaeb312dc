"""`index.html` beside the masks: every scan of the folder, the worst first.

A page is its own store: the card of each scan is one line of it, behind what a page must know to
order it. So a page grows with its folder, and one of hundreds of scans is written line by line.
"""

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from markupsafe import Markup

from crln.errors import CrlnError, counted
from crln.evaluation.pairing import shortened
from crln.files import claim, whole_file, write_text
from crln.report.card import Card, header_of
from crln.report.template import policy, render, source

PAGE, PIECES = "index.html", ".cards"
MARK = "crln predict"
_BEGIN, _END = "<!--card ", "-->"
_PLACE = "<!--cards-->"


@dataclass(frozen=True)
class _Line:
    """Where a card lies, and what it says of itself."""

    header: Mapping[str, Any]
    file: Path
    start: int

    @property
    def case(self) -> str:
        return str(self.header["case"])


@dataclass(frozen=True)
class Gallery:
    """The page of a folder of masks.

    Attributes:
        out: the folder.
        lock: where other processes write to the same page: a file to take turns by.

    Examples:
        >>> gallery = Gallery(Path("outlines"))
        >>> gallery.fail("case_07", "scan.nii.gz: truncated; copy it again")
        >>> gallery.write()
    """

    out: Path
    lock: Path | None = None

    @property
    def path(self) -> Path:
        """The page."""
        return self.out / PAGE

    def add(self, card: Card) -> None:
        """Keeps the card of a scan until the page is written next, also by another process."""
        line = f"{_BEGIN}{header_of(card).replace('>', chr(92) + 'u003e')}{_END}{card.to_html()}\n"
        write_text(self._piece(card.case), line)

    def fail(self, case: str, reason: str) -> None:
        """Keeps why a scan could not be outlined; what of a name is no text is shown as bytes."""
        case, reason = (t.encode(errors="backslashreplace").decode() for t in (case, reason))
        header = json.dumps({"case": case, "failed": reason}).replace(">", "\\u003e")
        write_text(self._piece(case), f"{_BEGIN}{header}{_END}\n")

    def write(self, known: Sequence[str] = ()) -> None:
        """Writes the page: what it held before, and what has been added since.

        Where no scan at all has been outlined, there is none.

        Args:
            known: ids of scans that have a mask; of those without a card the page says so.
        """
        with claim(self.lock, wait=True) if self.lock else nullcontext():
            # Of a scan whose mask another process is about to save, the card stays for later.
            added = [
                file
                for file in sorted(self._pieces.glob("card-*.html"))
                if all(self._there(line) for line in _lines(file))
            ]
            lines = {line.case: line for file in (self.path, *added) for line in _lines(file)}
            # A mask that a person has removed is no longer shown.
            lines = {case: line for case, line in lines.items() if self._there(line)}
            if any("failed" not in line.header for line in lines.values()):
                _write(self.path, lines, [case for case in known if case not in lines])
            for file in added:
                file.unlink()
            if not self.lock:
                shutil.rmtree(self._pieces, ignore_errors=True)

    @property
    def _pieces(self) -> Path:
        return self.out / PIECES

    def _piece(self, case: str) -> Path:
        return self._pieces / f"card-{quote(case, safe='')}.html"

    def _there(self, line: _Line) -> bool:
        mask = line.header.get("mask")
        return not mask or (self.out / mask).exists()


def check_own(path: Path, mark: str) -> None:
    """Refuses to replace a file that is not such a page of ours.

    Args:
        path: where the page is to be.
        mark: which writes it.

    Raises:
        CrlnError: something else is there.
    """
    if not path.exists():
        return
    with path.open("rb") as file:
        start = file.read(4000)
    if f'content="{mark}"'.encode() not in start:
        raise CrlnError(f"{path}: not written by {mark}; move it, or give --no-page")


def _lines(file: Path) -> Iterator[_Line]:
    """The cards of a file, without their content."""
    if not file.exists():
        return
    begin, start = _BEGIN.encode(), 0
    with file.open("rb") as lines:
        for line in lines:
            if line.startswith(begin):
                header = line[len(begin) : line.index(_END.encode())]
                yield _Line(json.loads(header), file, start)
            start += len(line)


def _write(path: Path, lines: Mapping[str, _Line], unseen: Sequence[str]) -> None:
    """The page around its cards, which are copied one at a time."""
    failed = {c: line.header["failed"] for c, line in lines.items() if "failed" in line.header}
    cards = sorted(
        (line for case, line in lines.items() if case not in failed),
        key=lambda line: (line.header["order"], line.case),
    )
    before, after = _page([line.header for line in cards], failed, unseen).split(_PLACE)
    with whole_file(path, overwrite=True) as target, target.open("wb") as page:
        page.write(before.encode())
        for line in (*(lines[case] for case in failed), *cards):
            with line.file.open("rb") as file:
                file.seek(line.start)
                page.write(file.readline())
        page.write(after.encode())


def _page(
    cards: Sequence[Mapping[str, Any]], failed: Mapping[str, str], unseen: Sequence[str]
) -> str:
    script = source("viewer.js") + source("masks.js")
    scored = any(card["scored"] for card in cards)
    structures = list(dict.fromkeys(name for card in cards for name in card["structures"]))
    return render(
        "masks.html", title=counted(len(cards), "outlined scan"),
        lead=_lead(cards, failed, scored), sections=(), failed=failed, scored=scored,
        generator=MARK, policy=policy(script), script=Markup(script),
        structures=structures if len(structures) > 1 else [], shown=counted(len(cards), "scan"),
        unseen=shortened(unseen) if unseen else "", cards=Markup(_PLACE),
    )  # fmt: skip


def _lead(cards: Sequence[Mapping[str, Any]], failed: Mapping[str, str], scored: bool) -> str:
    """What came out, and what the order means."""
    flagged = sum(card["flags"] > 0 for card in cards)
    sentences = []
    if len(cards) > 1:
        by = (
            "the likely Dice of the worst structure" if scored
            else "how much the model is in doubt"
        )  # fmt: skip
        sentences.append(f"The worst come first: those with remarks, then by {by}.")
    if flagged:
        sentences.append(f"With remarks: {flagged} of {len(cards)}.")
    elif cards:
        sentences.append("There are no remarks.")
    if failed:
        sentences.append(f"{len(failed)} could not be outlined.")
    return " ".join(sentences)
