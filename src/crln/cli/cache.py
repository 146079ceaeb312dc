"""crln cache: what prepared scans there are, and what they take."""

from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from crln.cli.options import Cache
from crln.cli.screen import console, examples

EXAMPLES = examples(
    "crln cache",
    "crln cache --cache /scratch/crln --empty",
)


def command(
    cache: Cache = None,
    empty: Annotated[bool, typer.Option("--empty", help="Remove all prepared scans.")] = False,
) -> None:
    """Show, or empty, the cache of prepared scans."""
    from rich.table import Table

    from crln.preparation import default_cache
    from crln.preparation.inventory import empty_cache, list_cache

    folder = Path(cache or default_cache())
    scans = empty_cache(folder) if empty else list_cache(folder)
    size = _readable(sum(scan.bytes for scan in scans))
    if empty:
        console.print(f"{folder}: {len(scans)} prepared scans removed, {size}")
        return
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("plan", overflow="fold")
    for name in ("scans", "size"):
        table.add_column(name, justify="right")
    count, total = Counter[str](), Counter[str]()
    for scan in scans:
        count[scan.plan] += 1
        total[scan.plan] += scan.bytes
    for plan in sorted(count):
        table.add_row(plan, str(count[plan]), _readable(total[plan]))
    if scans:
        console.print(table)
    console.print(f"{folder}: {len(scans)} prepared scans, {size}")


def _readable(size: int) -> str:
    return f"{size / 2**30:.1f} GiB" if size >= 2**30 else f"{size / 2**20:.1f} MiB"
