"""What a comparison is of, and the folder that remembers it."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from crln.cohort import NEW, SPLIT, Case, Cohort, Held, parse_held, write_held
from crln.comparison.cell import Cell, Part
from crln.comparison.variant import Variant, parse_variant
from crln.errors import CrlnError
from crln.evaluation import Unit
from crln.evaluation.metrics import Measuring
from crln.files import checked, read_yaml, to_yaml, write_text
from crln.methods import build_method, spelled_out
from crln.planning import Plan, make_plan

MARK, PLAN, CELLS, JOBS = "comparison.yaml", "plan.yaml", "cells", "jobs"
PAPER_PRESETS = ("la", "pancreas", "brats19")


@dataclass(frozen=True)
class Settings:
    """One comparison.

    Attributes:
        data: the cohort.
        methods: as `crln.comparison.parse_variant` reads them.
        labelled: label counts.
        seeds: of split and training; each cell is what `crln train --seed` would make.
        iterations: steps of each training; None: the plan's.
        test: the labelled cases to keep for the test, beside those that lists name: how many, a
            share ("20%"), or their ids.
        validation: how many to keep for choosing checkpoints; 0: the last checkpoint counts.
        preset: the plan to start from; of a paper, its published numbers are shown.
        plan: a plan's file, instead.
        reference: the method that the others are compared with; None: `supervised` if it is there,
            else the first.
        sparse: of every label only the slices that hold anything were outlined.
        unit: of distances; None: voxels with a paper's preset, else millimetres.
        fine: measure thin parts, surfaces and topology too.
        split: who is held out, as `load_cohort` takes it; None: as the data's own split says.
        group: the pattern on names that tells patients, as `load_cohort` takes it.

    Examples:
        >>> settings = crln.Settings(
        ...     Path("data"), methods=("supervised", "mean_teacher"), labelled=(6,), test=6,
        ...     iterations=1, plan=Path("run/plan.yaml"),
        ... )
        >>> settings.compared_with
        'supervised'
    """

    data: Path
    methods: tuple[str, ...]
    labelled: tuple[int, ...]
    seeds: tuple[int, ...] = (0,)
    iterations: int | None = None
    test: Held = 0
    validation: int = 0
    preset: str | None = None
    plan: Path | None = None
    reference: str | None = None
    unit: Unit | None = None
    fine: bool = False
    sparse: bool = False
    split: str | None = None
    group: str | None = None

    def __post_init__(self) -> None:
        if not (self.methods and self.labelled and self.seeds):
            raise CrlnError("nothing to compare; give --methods, --labelled and --seeds")
        for name in ("methods", "labelled", "seeds"):
            values = getattr(self, name)
            if len(set(values)) < len(values):
                raise CrlnError(f"--{name} names one twice: {' '.join(map(str, values))}")
        if self.plan and self.preset:
            raise CrlnError(
                f"--plan {self.plan} and --preset {self.preset} exclude each other; give one"
            )
        if self.reference and self.reference not in self.methods:
            raise CrlnError(f"--reference {self.reference} is not among --methods; add it there")

    @property
    def variants(self) -> tuple[Variant, ...]:
        """The methods, read."""
        return tuple(parse_variant(method) for method in self.methods)

    @property
    def compared_with(self) -> str:
        """The reference method."""
        default = "supervised" if "supervised" in self.methods else self.methods[0]
        return self.reference or default

    @property
    def distances(self) -> Unit:
        """The unit of distances."""
        return self.unit or ("voxel" if self.preset in PAPER_PRESETS else "mm")

    @property
    def measuring(self) -> Measuring:
        """How masks are measured."""
        return Measuring(self.distances, fine=self.fine)

    @property
    def part(self) -> Part:
        """How the cohort is split."""
        held = parse_held(self.test)
        return Part(self.data, self.validation, held, self.sparse, self.split, self.group)

    def part_in(self, out: Path) -> Part:
        """How the cohort is split for the cells of a folder: as when it was begun."""
        if (out / SPLIT).exists():
            return replace(self.part, kept=str(out / SPLIT), group=None)
        # Begun by a version that drew for each cell.
        return replace(self.part, kept=NEW) if (out / MARK).exists() else self.part

    def fixed(self) -> dict[str, Any]:
        """What must not change from one call to the next: cells of the folder depend on it."""
        held = parse_held(self.test)
        sparse = {"sparse": True} if self.sparse else {}  # folders of whole labels stay as they are
        return (
            sparse
            | {
                "data": str(self.data.resolve()),
                "test": held if isinstance(held, int | str) else list(held),
                "validation": self.validation,
                "preset": self.preset,
                "plan": str(self.plan.resolve()) if self.plan else None,
                "iterations": self.iterations,
            }
            | {name: each for name in ("split", "group") if (each := getattr(self, name))}
        )


def open_folder(out: Path, settings: Settings, cohort: Cohort) -> Plan:
    """Makes the comparison's folder, or opens it again; returns the plan of all its cells.

    The plan is made once, from the first seed's split with the fewest labels, so that it rests on
    no label that a cell may not use.

    Args:
        out: the folder.
        settings: of the comparison.
        cohort: as loaded.

    Raises:
        CrlnError: the folder holds something else, or a comparison with other settings.
    """
    begun = _begun(out, settings)
    plan = Plan.read(out / PLAN) if (out / PLAN).exists() else _make_plan(settings, cohort)
    if begun and settings.plan and plan != _make_plan(settings, cohort):
        raise CrlnError(
            f"{settings.plan}: is not the plan that the cells of {out} have; give another --out"
        )
    try:
        for name in (CELLS, JOBS):
            (out / name).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CrlnError(f"{out}: cannot be made ({error.strerror}); give another --out") from error
    if not begun and not (out / SPLIT).exists():
        write_held(out / SPLIT, settings.part.split(cohort, None, settings.seeds[0]))
    write_text(out / MARK, to_yaml(settings.fixed()))
    write_text(out / PLAN, plan.to_yaml())
    return plan


def find_test_cases(whole: Cohort, cohort: Cohort, settings: Settings) -> tuple[Case, ...]:
    """Those with a label; tells of too few cases before anything is made."""
    test = tuple(case for case in cohort.test if case.label is not None)
    if not test:
        raise CrlnError(f"{settings.data}: no test case with a label; give --test N")
    for count in settings.labelled:
        settings.part.split(whole, count, settings.seeds[0])
    return test


def _begun(out: Path, settings: Settings) -> bool:
    """Whether `out` holds this comparison already; CrlnError where it holds something else."""
    mark, fixed = out / MARK, settings.fixed()
    if not mark.exists():
        made = {CELLS, JOBS, PLAN, MARK, SPLIT}
        if settings.data.resolve().parent == out.resolve():
            made.add(settings.data.name)  # the data may lie in it, as in a demo
        if out.exists() and (not out.is_dir() or {path.name for path in out.iterdir()} - made):
            raise CrlnError(f"{out}: holds no comparison; give another --out")
        return False
    remedy = "restore it or give another --out"
    begun = checked(read_yaml(mark, remedy), dict[str, Any], mark, remedy)
    if missing := fixed.keys() - begun.keys() - {"split", "group"}:
        raise CrlnError(f"{mark}: {min(missing)}: is missing; {remedy}")
    every = dict.fromkeys([*fixed, *begun])
    if changed := [name for name in every if begun.get(name) != fixed.get(name)]:
        name = changed[0]
        raise CrlnError(
            f"{out}: holds a comparison with {name} {begun.get(name)}, not {fixed.get(name)}; "
            "give another --out"
        )
    return True


def _make_plan(settings: Settings, whole: Cohort) -> Plan:
    training = {"iterations": settings.iterations} if settings.iterations else {}
    if settings.plan:
        return Plan.read(settings.plan).updated({"training": training})
    cohort = settings.part.split(whole, min(settings.labelled), settings.seeds[0])
    return make_plan(cohort, preset=settings.preset, changes={"training": training})


def make_cells(settings: Settings, plan: Plan, cohort: Cohort, out: Path) -> list[Cell]:
    """Every method with every label count and seed, by label count, then method, then seed.

    Args:
        settings: of the comparison.
        plan: of all cells.
        cohort: split with every label.
        out: the comparison's folder.

    Raises:
        CrlnError: an option that its method does not have, or two methods of the same name.
    """
    cells = []
    every, part = len(cohort.labelled), settings.part_in(out)
    for variant in settings.variants:
        own = spelled_out(variant.method, variant.plan(plan))
        build_method(variant.method, own)  # tells of an unknown option before anything is trained
        for count in (every,) if variant.every_label else settings.labelled:
            for seed in settings.seeds:
                folder = out / CELLS / f"{variant.slug}-{count}-seed{seed}"
                cells.append(Cell(folder, variant, own, count, seed, part))
    names = [cell.name for cell in cells]
    for name in names:
        if names.count(name) > 1:
            raise CrlnError(f"--methods: two would share the folder {name}; name one differently")
    order = {variant.name: place for place, variant in enumerate(settings.variants)}
    return sorted(cells, key=lambda cell: (cell.labelled, order[cell.variant.name]))
