"""Pages in a real browser, and what a reader would stumble over there.

A test takes the fixture `browser`: `browser.open(page, width).faults()` is a list that should be
empty; `.page` is Playwright's, to press keys and buttons.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import pytest

LEGIBLE = 10.0
"""The smallest type that may be shown, in pixels of the screen."""
WIDTHS = (400, 1200)
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")

# Of each piece of text that is shown: what of it lies outside what is seen, and how tall its type
# is on the screen, where charts are scaled. Text for screen readers alone is left out.
_LOOK = """
() => {
  const cut = [], small = [], crowded = [], charts = new Map();
  const root = document.documentElement, width = root.clientWidth;
  const heard = element => {  // not seen, by the usual means
    for (; element; element = element.parentElement)
      if (getComputedStyle(element).clipPath === "inset(50%)") return true;
    return false;
  };
  const told = node => node.textContent.trim().replace(/\\s+/g, " ").slice(0, 60);
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const element = node.parentElement, style = getComputedStyle(element);
    if (!node.textContent.trim() || /^(SCRIPT|STYLE|TITLE|DESC|OPTION)$/i.test(element.tagName))
      continue;
    if (style.visibility === "hidden" || heard(element)) continue;
    const range = document.createRange();
    range.selectNodeContents(node);
    const boxes = [...range.getClientRects()].filter(box => box.width > 0 && box.height > 0);
    if (!boxes.length) continue;
    const left = Math.min(...boxes.map(b => b.left)), right = Math.max(...boxes.map(b => b.right));
    const top = Math.min(...boxes.map(b => b.top)), bottom = Math.max(...boxes.map(b => b.bottom));
    let reason = left < -1 || right > width + 1 ? `beyond the page's width of ${width}` : "";
    for (let box = element; box && box !== root && !reason; box = box.parentElement) {
      const { overflowX, overflowY, display } = getComputedStyle(box);
      const inline = display === "inline" && !(box instanceof SVGSVGElement);
      if (inline || (overflowX === "visible" && overflowY === "visible")) continue;
      const seen = box.getBoundingClientRect();
      if (overflowX !== "visible" && (left < seen.left - 1 || right > seen.right + 1))
        reason = `wider than its ${box.tagName.toLowerCase()}`;
      if (/hidden|clip/.test(overflowY) && (top < seen.top - 2 || bottom > seen.bottom + 2))
        reason = `taller than its ${box.tagName.toLowerCase()}`;
    }
    if (reason) cut.push(`${told(node)}: ${reason}`);
    const matrix = element instanceof SVGElement ? element.getScreenCTM() : null;
    const pixels = parseFloat(style.fontSize) * (matrix ? Math.hypot(matrix.a, matrix.b) : 1);
    if (pixels < LEGIBLE - 0.01) small.push(`${told(node)}: ${pixels.toFixed(1)} px`);
    const chart = element instanceof SVGElement ? element.ownerSVGElement : null;
    if (chart) {
      for (const other of charts.get(chart) ?? []) {
        const across = Math.min(right, other.right) - Math.max(left, other.left);
        const down = Math.min(bottom, other.bottom) - Math.max(top, other.top);
        if (across > 2 && down > 4) crowded.push(`${told(node)}: over ${other.text}`);
      }
      charts.set(chart, [...(charts.get(chart) ?? []), { left, right, top, bottom,
                                                        text: told(node) }]);
    }
  }
  if (root.scrollWidth > width + 1) cut.push(`the page: ${root.scrollWidth} wide, ${width} seen`);
  return { cut, small, crowded };
}
""".replace("LEGIBLE", str(LEGIBLE))


@dataclass
class Opened:
    """A page that is open.

    Attributes:
        page: Playwright's, to press what there is to press.
        address: where it lies.
        errors: of its scripts, and what it said as an error.
        requests: addresses that it asked for, other than its own place.
    """

    page: Any
    address: str
    errors: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def faults(self) -> list[str]:
        """All that a reader would stumble over, a line each; now, so after a click once more."""
        look = self.page.evaluate(_LOOK)
        return [
            *(f"script error: {line}" for line in self.errors),
            *(f"request: {line}" for line in self.requests),
            *(f"cut: {line}" for line in look["cut"]),
            *(f"type under {LEGIBLE:g} px: {line}" for line in look["small"]),
            *(f"text over text: {line}" for line in look["crowded"]),
        ]

    def requested(self, request: Any) -> None:
        """Keeps what is asked for elsewhere; a file may ask for nothing but itself."""
        own, wanted = urlsplit(self.address), urlsplit(request.url)
        here = own.scheme.startswith("http") and own.netloc == wanted.netloc
        here = here or request.url.split("#")[0] == self.address
        if not here and wanted.scheme not in ("data", "blob", "about"):
            self.requests.append(request.url)


class Browser:
    """Opens pages; one at a time."""

    def __init__(self, context: Any) -> None:
        self._context = context
        self._page: Any = None

    def open(
        self, at: Path | str, width: int = 1200, scheme: Literal["light", "dark"] = "light"
    ) -> Opened:
        """Opens a file, or what a server shows, in a window of this width."""
        if self._page:
            self._page.close()
        page = self._page = self._context.new_page()
        return self._opened(page, at, width, scheme)

    def beside(self, width: int = 1200) -> Opened:
        """What is open, in another tab."""
        return self._opened(self._context.new_page(), self._page.url, width, "light")

    def _opened(
        self, page: Any, at: Path | str, width: int, scheme: Literal["light", "dark"]
    ) -> Opened:
        page.set_viewport_size({"width": width, "height": 900})
        page.emulate_media(color_scheme=scheme)
        opened = Opened(page, at if isinstance(at, str) else at.resolve().as_uri())
        page.on("pageerror", lambda error: opened.errors.append(str(error)))
        page.on(
            "console",
            lambda said: opened.errors.append(said.text) if said.type == "error" else None,
        )
        page.on("request", opened.requested)
        page.goto(opened.address)
        return opened


@contextmanager
def started() -> Iterator[Browser]:
    """Chromium of the system; skips the test, and says why, where it cannot be had."""
    names = ("chromium", "chromium-browser", "google-chrome")
    program = next((found for name in names if (found := shutil.which(name))), None)
    if not program:
        pytest.skip("no browser: apt-get install chromium")
    api = pytest.importorskip("playwright.sync_api", reason="no playwright: pip install playwright")
    with api.sync_playwright() as playwright:
        # As root, in a container, its sandbox cannot be had.
        chromium = playwright.chromium.launch(executable_path=program, chromium_sandbox=False)
        try:
            yield Browser(chromium.new_context())
        finally:
            chromium.close()
