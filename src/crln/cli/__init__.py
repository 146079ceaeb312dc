"""The command line: parse, call, print. One file per verb; the work is done by the rooms."""

import errno
import re
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Annotated

import typer

from crln._version import __version__
from crln.cli import (
    bench,
    cache,
    compare,
    demo,
    evaluate,
    export_nnunet,
    plan,
    predict,
    review,
    share,
    suggest,
    train,
)
from crln.cli.screen import complain, examples
from crln.errors import CrlnError
from crln.memory import keep_freed_memory

FAULT = 2
"""Exit code of a fault that the user can mend."""
INTERRUPTED = 130
"""Exit code after Ctrl-C."""

app = typer.Typer(
    name="crln",
    help="Learn to outline structures in 3D scans from few labelled and many unlabelled ones.",
    epilog=examples(
        "crln demo                            see it work on scans that it makes",
        "crln train data --out run            learn from a folder of scans and labels",
        "crln predict run scans --out masks   outline other scans",
    ),
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
for verb in (plan, train, predict, evaluate, suggest, review, share, bench, cache, demo):
    app.command(verb.__name__.rpartition(".")[2], epilog=verb.EXAMPLES)(verb.command)
app.command("compare", cls=compare.ListCommand, epilog=compare.EXAMPLES)(compare.command)
app.command("export-nnunet", epilog=export_nnunet.EXAMPLES)(export_nnunet.command)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"crln {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    pass


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs one command line (default: this process's) and exits.

    Exit codes: 0 all went well; 1 some scans of many could not be predicted; 2 a fault that the
    user can mend, told in one line; 130 interrupted. Any other fault keeps its traceback.
    """
    keep_freed_memory()  # before torch allocates anything
    with suppress(AttributeError):  # of a stream that is not a terminal's or a file's
        sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    try:
        app(args=None if arguments is None else list(arguments), prog_name="crln")
    except CrlnError as error:
        message = str(error)
    except SystemExit as end:
        # Typer has made an exit of what interrupted the command, which may have more to say.
        interruption = getattr(end.__context__, "__cause__", None)
        if not isinstance(interruption, KeyboardInterrupt):
            raise
        typer.echo(str(interruption) or "interrupted", err=True)
        sys.exit(getattr(interruption, "code", INTERRUPTED))
    except UnicodeEncodeError as error:
        strange = re.search("[^\\s'\"]*[\udc80-\udcff][^\\s'\"]*", str(error.object))
        if strange is None:
            raise
        name = strange[0].encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
        message = f"{name}: a name that is not UTF-8; rename it"
    except (MemoryError, OSError, RuntimeError) as error:
        shortage = _shortage(error)
        if shortage is None:
            raise
        message = shortage
    complain(message)
    sys.exit(FAULT)


def _shortage(error: Exception) -> str | None:
    """The line for a want of disk space or memory; None for any other fault."""
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"{error.filename or 'output'}: no space left on the device; free some space"
    # torch tells of it in a RuntimeError of no class of its own on the CPU.
    text = str(error).lower()
    if isinstance(error, MemoryError) or "can't allocate memory" in text or "out of memory" in text:
        return "out of memory; close other programs, or lower patch_size in the plan"
    return None
