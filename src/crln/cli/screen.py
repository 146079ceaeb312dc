"""What the verbs share of talking to a person."""

from rich.console import Console
from rich.text import Text

console = Console(highlight=False, markup=False, soft_wrap=True)
"""Standard output; lines are the terminal's to wrap, so that paths can be copied whole."""


def examples(*lines: str) -> str:
    """The end of a verb's help; the backspace keeps the line breaks."""
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)


def complain(message: str) -> None:
    """One red line on standard error."""
    line = Text(f"error: {' '.join(message.split())}", style="red")
    Console(stderr=True).print(line, soft_wrap=True)
