"""The whole way on a cohort that the package makes: a comparison of CRLN with the labels alone."""

import shutil
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from crln.cohort import load_cohort, make_phantom
from crln.comparison.comparison import Comparison, compare
from crln.comparison.page import write_results
from crln.comparison.settings import PLAN, Settings
from crln.errors import CrlnError
from crln.files import write_text
from crln.jobs import Jobs
from crln.planning import make_plan
from crln.report import KeyFigure, KeyFigures

METHODS = ("crln", "supervised")
LABELLED, UNLABELLED, TEST = 4, 12, 4
COHORT = "cohort"
_JOBS = Jobs()


def run_demo(
    out: Path,
    *,
    seed: int = 0,
    fine: bool = False,
    iterations: int | None = None,
    changes: Mapping[str, Any] | None = None,
    overwrite: bool = False,
    jobs: Jobs = _JOBS,
    say: Callable[[str], object] = print,
) -> Path:
    """Makes a phantom cohort, learns it with CRLN and with its labels alone, and shows both.

    `out` is the folder of a comparison, as `crln compare` leaves it, with `cohort/` in it.

    Args:
        out: the folder to make.
        seed: of the cohort and of the trainings.
        fine: of thin vessels and folded sheets, in place of a bent organ.
        iterations: steps of each training; default the preset's.
        changes: other changes of the preset's plan.
        overwrite: replace the demo that is in `out`.
        jobs: where the two trainings run.
        say: told what happens, a line at a time.

    Returns:
        The HTML page.

    Raises:
        CrlnError: `out` exists and is not to be overwritten, or cannot be written.

    Examples:
        >>> crln.run_demo("demo").name  # doctest: +SKIP
        'index.html'
    """
    began = time.perf_counter()
    out = Path(out)
    _make_room(out, overwrite)
    say(f"{LABELLED} labelled, {UNLABELLED} unlabelled and {TEST} test scans in {out / COHORT}")
    data = make_phantom(
        out / COHORT, labelled=LABELLED, unlabelled=UNLABELLED, test=TEST, seed=seed, fine=fine
    )
    plan = make_plan(load_cohort(data), preset="phantom", changes=dict(changes or {}))
    if iterations is not None:
        plan = plan.updated({"training": {"iterations": iterations}})
    write_text(out / PLAN, plan.to_yaml())
    settings = Settings(data, METHODS, labelled=(LABELLED,), seeds=(seed,), preset="phantom")
    say(f"{' and '.join(METHODS)}: {plan.training.iterations} steps each")
    comparison = compare(settings, out, jobs=jobs, say=say)
    if comparison.faults:
        raise CrlnError(next(iter(comparison.faults.values())))
    return write_results(
        comparison,
        title="CRLN on a phantom cohort",
        lead=f"A phantom cohort: {LABELLED} scans with labels, {UNLABELLED} without. CRLN learns "
        f"from both, the baseline from the labels alone, {plan.training.iterations} steps each.",
        first=[_key_figures(comparison, time.perf_counter() - began)],
    )


def learnt(out: Path) -> Path | None:
    """The run folder of CRLN in a demo that is finished; None where there is none."""
    cells = (path.parent for path in sorted(out.glob("cells/crln-*/weights.safetensors")))
    return next(cells, None) if (out / PLAN).exists() else None


def _make_room(out: Path, overwrite: bool) -> None:
    """Makes the folder; removes the demo that is in it, and nothing else."""
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        if not overwrite:
            raise CrlnError(f"{out}: exists; give another --out, or --overwrite")
        if not (out / PLAN).exists() or not (out / COHORT).is_dir():
            raise CrlnError(f"{out}: holds no demo, so it is not overwritten; give another --out")
        shutil.rmtree(out)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CrlnError(f"{out}: cannot be made ({error.strerror}); give another --out") from error


def _key_figures(comparison: Comparison, seconds: float) -> KeyFigures:
    dice = {row.method: 100 * row.figure("dice").mean for row in comparison.rows}
    device = comparison.rows[0].runs[0].facts.device
    return KeyFigures([
        KeyFigure(f"{dice['crln']:.1f} %", "Dice of CRLN", "labelled and unlabelled"),
        KeyFigure(f"{dice['supervised']:.1f} %", "Dice of the baseline", "the same labels alone"),
        KeyFigure(
            f"{dice['crln'] - dice['supervised']:+.1f} points",
            "gained from scans without a label",
            f"{TEST} cases cannot tell it from chance",
        ),
        KeyFigure(f"{seconds / 60:.1f} min", "to train and test both", device),
    ])  # fmt: skip
