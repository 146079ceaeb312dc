"""Pictures of what to click in 3D Slicer: drawn here, as plain SVG, for docs/images.

They show where things are, not how Slicer looks: no pixel of it is copied.
"""

from html import escape

WIDTH, ROW, PAD = 520, 34, 12
_STYLE = (
    "text{font:14px system-ui,sans-serif;fill:#1d2023}"
    ".dim{fill:#565d64}.box{fill:#fff;stroke:#b6bcc2}.head{fill:#e4e9ee;stroke:#b6bcc2}"
    ".do{fill:#1b62c4;stroke:#1b62c4}.do+text{fill:#fff;font-weight:600}"
    ".mark{fill:none;stroke:#c4451b;stroke-width:3}.step{fill:#c4451b}"
    ".number{fill:#fff;font-weight:700;text-anchor:middle}"
)
Line = tuple[str, str, int]
"""Kind ("head", "field", "button", "text"), what it says, and the number of the step, or 0."""

PICTURES: dict[str, tuple[str, list[Line]]] = {
    "slicer-install": ("Extensions Manager of 3D Slicer", [
        ("head", "View > Extensions Manager > Install Extensions", 1),
        ("field", "search: MONAILabel", 2),
        ("button", "Install", 3),
        ("button", "Restart", 4),
    ]),
    "slicer-connect": ("Module MONAI Label of 3D Slicer", [
        ("head", "Modules: Active Learning > MONAI Label", 1),
        ("field", "MONAI Label server: http://127.0.0.1:8765/TOKEN/slicer", 2),
        ("button", "green arrows: connect", 3),
        ("text", "App Name: crln: data-review", 0),
    ]),
    "slicer-work": ("Panels of the module MONAI Label", [
        ("head", "Active Learning", 0),
        ("text", "Strategy: worst first", 0),
        ("button", "Next Sample", 1),
        ("head", "Auto Segmentation", 0),
        ("field", "Model: crln", 0),
        ("button", "Run", 2),
        ("head", "Segment Editor", 0),
        ("text", "Paint, Erase, Smoothing, ... : correct it", 3),
        ("head", "Active Learning", 0),
        ("button", "Submit Label", 4),
        ("button", "Train", 5),
    ]),
}  # fmt: skip


def pictures() -> dict[str, str]:
    """File name to SVG."""
    return {f"{name}.svg": _drawn(title, lines) for name, (title, lines) in PICTURES.items()}


def _drawn(title: str, lines: list[Line]) -> str:
    height = PAD * 2 + ROW * len(lines)
    rows = [_row(PAD + ROW * at, *line) for at, line in enumerate(lines)]
    steps = "; ".join(f"{number}: {text}" for _, text, number in lines if number)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" '
        f'aria-labelledby="t d"><title id="t">{escape(title)}</title>'
        f'<desc id="d">{escape(steps)}</desc><style>{_STYLE}</style>'
        f'<rect width="{WIDTH}" height="{height}" rx="8" fill="#f6f7f8" stroke="#b6bcc2"/>'
        + "".join(rows) + "</svg>\n"
    )  # fmt: skip


def _row(top: int, kind: str, text: str, number: int) -> str:
    left, middle = PAD + (0 if kind == "head" else 24), top + ROW / 2
    wide = {"head": WIDTH - 2 * PAD, "field": 400, "button": 200, "text": 400}[kind]
    style = {"head": "head", "field": "box", "button": "do", "text": ""}[kind]
    box = (
        f'<rect class="{style}" x="{left}" y="{top + 3}" width="{wide}" height="{ROW - 6}" rx="4"/>'
        if style
        else ""
    )
    words = f'<text x="{left + 10}" y="{middle + 5}"' + (
        f' class="dim">{escape(text)}</text>' if kind == "text" else f">{escape(text)}</text>"
    )
    if not number:
        return box + words
    at = WIDTH - PAD - 20
    return box + words + (
        f'<circle class="step" cx="{at}" cy="{middle}" r="12"/>'
        f'<text class="number" x="{at}" y="{middle + 5}">{number}</text>'
    )  # fmt: skip
