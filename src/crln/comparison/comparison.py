"""A comparison from top to bottom: cells, masks, metrics, table, page."""

import os
import re
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from crln.cohort import Case, keep_split, split_lines
from crln.comparison.cell import Cell, Compute
from crln.comparison.leaks import opened_labels
from crln.comparison.measure import cost_of, measure_cell, measure_outside
from crln.comparison.published import Publication, read_published
from crln.comparison.rows import Row, compare_rows
from crln.comparison.settings import (
    CELLS,
    JOBS,
    Settings,
    find_test_cases,
    make_cells,
    open_folder,
)
from crln.comparison.standing import Standing
from crln.errors import CrlnError, counted
from crln.evaluation import Unit
from crln.jobs import Jobs, run_tasks, tells_of_a_stop, visible_gpus

OUTSIDE = "outside"
_COMPUTE, _JOBS = Compute(), Jobs()


@dataclass(frozen=True)
class Outside:
    """Masks of a tool that is not of this package, as one more row.

    Attributes:
        predictions: folder of masks, named after their cases.
        name: what the row is called.
        labelled: how many labels the tool learnt from.
    """

    predictions: Path
    name: str
    labelled: int


@dataclass(frozen=True)
class Leaks:
    """Whether a training opened a label of the test.

    Attributes:
        opened: cell to the ids of the test cases whose label it opened; only those that did.
        unrecorded: cells whose training was not recorded.
        checked: how many cells' records were read.
    """

    opened: dict[str, list[str]]
    unrecorded: tuple[str, ...]
    checked: int

    @property
    def verdict(self) -> str:
        """One sentence; "no test label opened" only if that is so for every training."""
        if self.opened:
            cell, cases = next(iter(self.opened.items()))
            return (
                f"test labels were opened by {len(self.opened)} of {self.checked} trainings, such "
                f"as that of {cases[0]} by {cell}: their figures mean nothing"
            )
        if self.unrecorded:
            return (
                f"unknown whether test labels were opened: {len(self.unrecorded)} trainings were "
                f"not recorded, such as {self.unrecorded[0]}"
            )
        return f"no test label opened, by the record of {counted(self.checked, 'training')}"


@dataclass(frozen=True)
class Comparison:
    """What came out.

    Attributes:
        out: the folder.
        settings: of the comparison.
        unit: of distances.
        reference: the method that the others are compared with.
        test: the test cases, with their labels.
        cells: those that are done.
        rows: by number of labels, then method; outside tools last.
        published: what papers report for the preset.
        leaks: of the cells.
        faults: cell to why it could not be done.
    """

    out: Path
    settings: Settings
    unit: Unit
    reference: str
    test: tuple[Case, ...]
    cells: tuple[Cell, ...]
    rows: tuple[Row, ...]
    published: Publication | None
    leaks: Leaks
    faults: dict[str, str]

    @property
    def remarks(self) -> list[str]:
        """What a reader must know beside the figures: cells that failed, what was not measured."""
        failed = [f"Not done: {name}: {fault}" for name, fault in self.faults.items()]
        return failed + _not_measured(self.rows)


def compare(
    settings: Settings,
    out: Path,
    *,
    outside: Sequence[Outside] = (),
    compute: Compute = _COMPUTE,
    jobs: Jobs = _JOBS,
    say: Callable[[str], object] = print,
    watch: Callable[[Standing], AbstractContextManager[object]] = nullcontext,
    keep: bool = False,
) -> Comparison:
    """Trains, outlines and measures every cell that is not done yet, and gathers the rows.

    Cells are kept: after any interruption, and with more methods, label counts or seeds, the same
    folder goes on. A cell that fails is left out and named.

    Args:
        settings: what to compare.
        out: the folder, made or gone on with.
        outside: masks of other tools.
        compute: device, precision, cache and threads of each cell.
        jobs: how many cells at a time, and where.
        say: told what happens, a line at a time.
        watch: entered while cells run; may show how far they are.
        keep: say which split was found, and write who is drawn for the test beside the data, for
            other commands.

    Raises:
        CrlnError: the settings do not fit the cohort or the folder, an option is wrong, or no cell
            could be done.

    Examples:
        >>> settings = crln.Settings(
        ...     Path("data"), methods=("supervised", "mean_teacher"), labelled=(6,), test=6,
        ...     iterations=1, plan=Path("run/plan.yaml"),
        ... )
        >>> comparison = crln.compare(settings, Path("comparison"), say=lambda line: None)
        >>> [row.method for row in comparison.rows]
        ['supervised', 'mean_teacher']
    """
    out = Path(out)
    part = settings.part_in(out)
    whole = part.load()
    for line in split_lines(whole) if keep else ():
        say(line)
    cohort = part.split(whole, None, settings.seeds[0])
    test = find_test_cases(whole, cohort, settings)
    _check_names(settings, outside)
    plan = open_folder(out, settings, whole)
    if keep and (kept := keep_split(whole, cohort)):
        say(kept)
    cells = make_cells(settings, plan, cohort, out)
    due = [cell for cell in cells if not cell.done(test)]
    tested = counted(len(test), "test case")
    say(f"{len(cells)} cells, {len(cells) - len(due)} of them done; {tested}")
    for cell in cells:
        if cell not in due:
            _tell_of_change(cell, cell.outdated(whole, compute.cache), say)
    if due:
        say(f"each writes {out / CELLS}/NAME/log.csv as it learns")
    faults = _run(due, test, out, compute, jobs, say, watch)
    done = [cell for cell in cells if cell.name not in faults]
    if not done:
        raise CrlnError(f"no cell could be done; {next(iter(faults.values()))}")

    published = read_published(settings.preset)
    rows = _rows(done, test, settings, published, say)
    for tool in outside:
        folder = out / OUTSIDE / f"{tool.name}-{tool.labelled}"
        measured = measure_outside(tool.predictions, test, plan, settings.measuring, folder)
        rows.append(Row(tool.name, tool.labelled, (), (measured,)))
    for line in _not_measured(rows):
        say(line)
    rows.sort(key=lambda row: row.labelled)  # stable: methods keep their order
    return Comparison(
        out=out, settings=settings, unit=settings.distances, reference=settings.compared_with,
        test=test, cells=tuple(done), rows=tuple(compare_rows(rows, settings.compared_with)),
        published=published, leaks=_leaks(done, test), faults=faults,
    )  # fmt: skip


def _check_names(settings: Settings, outside: Sequence[Outside]) -> None:
    """Tells of a wrong or repeated name before anything is made."""
    methods = {variant.name for variant in settings.variants}
    rows = Counter((tool.name, tool.labelled) for tool in outside)
    for (name, labelled), times in rows.items():
        if times > 1 or name in methods:
            raise CrlnError(f"--with: {name} with {labelled} labels is there twice; rename one")
        if not re.fullmatch(r"[\w.+-]+", name):
            raise CrlnError(f"--with: {name!r} is no name; use letters, digits and -")


def _tell_of_change(cell: Cell, changed: Sequence[str], say: Callable[[str], object]) -> None:
    """Says that a cell learnt from files that are not what they were."""
    if changed:
        more = f" (and {len(changed) - 1} more)" if len(changed) > 1 else ""
        say(
            f"{cell.name}: {changed[0]}{more} has changed since it learnt from it; remove "
            f"{cell.folder} to train it anew"
        )


def _run(
    due: Sequence[Cell],
    test: tuple[Case, ...],
    out: Path,
    compute: Compute,
    jobs: Jobs,
    say: Callable[[str], object],
    watch: Callable[[Standing], AbstractContextManager[object]],
) -> dict[str, str]:
    """Runs the cells; returns why some could not be done."""
    faults: dict[str, str] = {}
    cells = {cell.name: cell for cell in due}

    def finished(name: str, printed: Path) -> None:
        cell, left = cells[name], len(due) - len(told) - 1
        told.append(name)
        standing.ended.add(name)
        if cell.done(test):
            say(f"{cell.name}: done, {left} left")
        else:
            faults[cell.name] = cell.fault or f"it stopped; what it said is in {printed}"
            say(f"{cell.name}: {faults[cell.name]}")

    told: list[str] = []
    places = jobs.places(len(due))
    standing = Standing(due, places)
    if not jobs.slurm and places > 1 and compute.threads is None:
        compute = replace(compute, threads=max(1, (os.cpu_count() or 1) // places))
    command = tuple(sys.argv[1:])
    tasks = {name: partial(cell.complete, compute, command) for name, cell in cells.items()}
    gpus = [] if jobs.slurm or compute.device == "cpu" else visible_gpus()
    stopped = tells_of_a_stop(
        lambda: (
            f"{out}: stopped with {len(told)} of {len(due)} cells ended; what the others "
            "learnt is saved, and the same command goes on"
        )
    )
    with stopped, watch(standing):
        run_tasks(tasks, jobs, out / JOBS, finished, gpus)
    return faults


def _rows(
    cells: Sequence[Cell],
    test: Sequence[Case],
    settings: Settings,
    published: Publication | None,
    say: Callable[[str], object],
) -> list[Row]:
    groups: dict[tuple[int, str], list[Cell]] = {}
    for cell in cells:
        groups.setdefault((cell.labelled, cell.variant.name), []).append(cell)
    rows = []
    for (labelled, method), group in groups.items():
        known = published.of(group[0].variant, labelled) if published else ()
        measured = tuple(measure_cell(cell, test, settings.measuring, say) for cell in group)
        rows.append(
            Row(
                method=method,
                labelled=labelled,
                cells=tuple(group),
                measured=measured,
                cost=cost_of(measured),
                checkpoint="validation" if settings.validation else "last",
                published=known,
            )
        )
    return rows


def _not_measured(rows: Sequence[Row]) -> list[str]:
    """Values of the test labels that no method can learn, of masks that are no class, the like."""
    return list(dict.fromkeys(line for row in rows for line in row.last[0].left_out.lines))


def _leaks(cells: Sequence[Cell], test: Sequence[Case]) -> Leaks:
    found = {cell.name: opened_labels(cell.folder, test) for cell in cells}
    return Leaks(
        opened={name: cases for name, cases in found.items() if cases},
        unrecorded=tuple(name for name, cases in found.items() if cases is None),
        checked=sum(cases is not None for cases in found.values()),
    )
