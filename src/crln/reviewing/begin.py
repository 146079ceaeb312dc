"""A project is begun: from a few labels, from nothing but scans, from drafts, or from a run."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from crln.cohort import Cohort, check_structures, read_outline, with_names
from crln.errors import CrlnError
from crln.files import claim
from crln.imaging import read_grid, read_label
from crln.labels import LabelSpace
from crln.reviewing.places import Places
from crln.reviewing.project import Project
from crln.reviewing.settings import ProjectSettings, load_data, named, named_split, resolved

BESIDE = "-review"
"""What the folder of a project is called by, beside the data."""
IGNORE = 255
"""The value of voxels that nobody knows, where no class has it."""


def project_folder(data: Path) -> Path:
    """Where the project of some data lies unless another folder is given.

    Examples:
        >>> project_folder(Path("data")).name
        'data-review'
    """
    whole = data.resolve()
    described = whole.suffix in (".yaml", ".yml")
    return whole.with_name(f"{whole.stem if described else whole.name}{BESIDE}")


def begin_project(
    data: Path,
    folder: Path | None = None,
    *,
    run: Path | None = None,
    classes: Sequence[str] = (),
    split: str | None = None,
    group: str | None = None,
    sparse: bool = False,
    say: Callable[[str], object] = print,
) -> Places:
    """Makes a project of a person's scans, in a folder of its own; theirs is only read.

    Args:
        data: a cohort of any layout, or a folder of scans.
        folder: of the project; default beside the data.
        run: a run folder or ensemble to begin with: its classes, and its split where the data has
            none.
        classes: names of the structures, for data without labels.
        split: see `load_cohort`.
        group: see `load_cohort`.
        sparse: see `load_cohort`.
        say: told what is done, a line at a time.

    Raises:
        CrlnError: the data has a fault, there is a project already, or the classes are not known.
    """
    places = Places(folder or project_folder(data))
    if places.settings.exists():
        raise CrlnError(f"{places.path}: is a project already; give another --project")
    if places.path.exists() and any(places.path.iterdir()):
        raise CrlnError(f"{places.path}: exists and is no project; give another --project")
    if run and split is None and (run / "split.yaml").exists():
        split = str(run)
    cohort = load_data(data, split=split, group=group, sparse=sparse)
    labels = _labels_of(run, cohort) if run else None
    exclusive = not labels.separate if labels else cohort.exclusive
    regions = cohort.regions
    if labels and labels.members and not regions:
        regions = dict(zip(labels.names[1:], labels.members[1:], strict=True))
    known = _classes(cohort, labels, list(classes), say)
    known = _named({value for of in regions.values() for value in of}, known)
    taken = {*known, *(set() if exclusive else _held_by_parts(cohort, say))}
    ignore = next(v for v in (cohort.ignore, IGNORE, max(taken) + 1) if v not in (None, *taken))
    assert ignore is not None
    ProjectSettings(
        data=named(data, places),
        split=named_split(split, places),
        group=group, sparse=sparse, classes=known, regions=regions,
        exclusive=exclusive, ignore=ignore, run=named(run, places) if run else None,
    ).write(places)  # fmt: skip
    return places


def find_project(
    data: Path,
    folder: Path | None = None,
    *,
    say: Callable[[str], object] = print,
    **asked: Any,
) -> Places:
    """The project of some data, begun where there is none yet.

    Args:
        data: scans and labels, or the folder of a project.
        folder: of the project; default beside the data.
        say: told what is done.
        asked: as for `begin_project`; of a project that there is, they must be what it has.

    Raises:
        CrlnError: as `begin_project`; or the project was begun with something else.
    """
    if folder is None and Places(data).settings.exists():
        folder = data
    places = Places(folder or project_folder(data))
    if not places.settings.exists():
        return begin_project(data, folder, say=say, **asked)
    settings = ProjectSettings.read(places)
    names = [name for value, name in settings.classes.items() if value]
    had = {
        "run": settings.run and str(resolved(settings.run, places)),
        "classes": ",".join(names), "split": settings.split,
        "group": settings.group, "sparse": settings.sparse,
    }  # fmt: skip
    run = asked.get("run")
    wanted = {
        "run": run and str(resolved(named(run, places), places)),
        "classes": ",".join(asked.get("classes") or ()),
        "split": named_split(asked.get("split"), places),
        "group": asked.get("group"), "sparse": asked.get("sparse"),
    }  # fmt: skip
    for name, value in wanted.items():
        if value and value != had[name]:
            raise CrlnError(
                f"{places.path}: was begun with {name} {had[name] or 'not given'}, not {value}; "
                f"leave out --{name}, or give another --project"
            )
    return places


def _labels_of(run: Path, cohort: Cohort) -> LabelSpace:
    from crln.runs.ensemble import predicting_runs

    labels = predicting_runs(run)[0].plan.labels
    check_structures(cohort, labels)
    outlined = any(case.mask for case in cohort)
    if outlined and labels.separate and cohort.exclusive:
        raise CrlnError(
            f"{run}: outlines structures that overlap, and the labels of {cohort.root} exclude "
            "each other; begin without --run, or say exclusive: false"
        )
    return labels


def _classes(
    cohort: Cohort, labels: LabelSpace | None, names: list[str], say: Callable[[str], object]
) -> dict[int, str]:
    """Label value to name, background first."""
    if labels:
        own = zip(labels.values, labels.names, strict=True)
        return _named(labels.known, {} if labels.members else dict(own))
    if names:
        return dict(enumerate(["background", *names]))
    cohort = with_names(cohort)
    if cohort.class_names:
        return _named((), cohort.class_names)
    held = _held(cohort, say)
    if not held - {0}:
        say("no label tells the structures: one class, foreground; name them with --classes")
        return {0: "background", 1: "foreground"}
    return _named(held, {})


def _named(values: Iterable[int], names: Mapping[int, str]) -> dict[int, str]:
    """Value to name, in order; what has no name is called after its value."""
    usual = {0: "background"} | {value: f"class {value}" for value in values if value}
    return dict(sorted((usual | dict(names)).items()))


def _held(cohort: Cohort, say: Callable[[str], object]) -> set[int]:
    """The values that the labels to learn from and the drafts hold; each is read, once."""
    cases = [case for case in cohort.training if case.mask]
    if cases:
        say(f"reading {len(cases)} labels for their classes")
    held: set[int] = set()
    for case in cases:
        assert case.mask
        outline = read_outline(case.mask, read_grid(case.images[0]), None, cohort.ignore)
        held.update(np.unique(outline.values).tolist())
    return held - {cohort.ignore}  # type: ignore[arg-type]


def _held_by_parts(cohort: Cohort, say: Callable[[str], object]) -> set[int]:
    """The values that the files of single structures hold, none of which may stand for unknown."""
    files = [
        (case, file) for case in cohort if case.mask
        for file in (case.mask.files if case.mask.parts else ())
    ]  # fmt: skip
    if files:
        say(f"reading {len(files)} labels for their values")
    held: set[int] = set()
    for case, file in files:
        found = read_label(file, read_grid(case.images[0]))
        held.update(np.unique(found.array).tolist())
    return held - {cohort.ignore}  # type: ignore[arg-type]


@contextmanager
def opened(places: Places, by: str | None = None) -> Iterator[Project]:
    """Holds a project for this process, its consequences in line with what was decided.

    Raises:
        CrlnError: another process holds it, or a file of it is damaged.
    """
    if not places.settings.exists():
        raise CrlnError(f"{places.path}: no project; begin one with crln review DATA")
    with claim(places.lock, wait=False) as ours:
        if not ours:
            raise CrlnError(
                f"{places.path}: is open in another crln review; use its page, or stop it"
            )
        project = Project(places.path, by)
        project.mend()
        yield project
