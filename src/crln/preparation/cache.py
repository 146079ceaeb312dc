"""Which prepared scans there are, found again or made."""

import hashlib
import json
import os
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from crln.cohort import Case, Label, read_outline, read_separate
from crln.errors import CrlnError
from crln.imaging import check_same_grid, names_itself, read_image
from crln.labels import LabelSpace
from crln.planning.plan import Plan
from crln.preparation.likeness import Look, Looks
from crln.preparation.placement import Placement, combinations_to_plan_grid
from crln.preparation.prepare import prepare_image, prepare_label
from crln.preparation.sources import content_of
from crln.preparation.store import (
    PreparedCase,
    load_case,
    preparing,
    read_notes,
    store_case,
)

FORMAT = 4
"""Raised when what is cached changes."""

SOURCES = "sources"
"""The folder, in the cache, of what is known of the files that scans were prepared from."""

WORKERS = 2
"""Scans prepared at a time: one is read while another is resampled, in the memory of two."""


def default_cache() -> Path:
    """$CRLN_CACHE, or ~/.cache/crln."""
    return Path(os.environ.get("CRLN_CACHE") or Path.home() / ".cache" / "crln")


def prepare_cohort(
    cases: Sequence[Case],
    plan: Plan,
    cache: Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[PreparedCase]:
    """Prepares each case once; what is in the cache and unchanged is reused.

    Args:
        cases: only their own label files are opened, and where `label` is None only their drafts.
        plan: its spacing, intensities and labels decide what is cached.
        cache: the folder; default `default_cache()`.
        progress: called with (done, of) as cases become ready.

    Raises:
        CrlnError: a file has a fault, or the cache cannot be written.
    """
    root = Path(cache or default_cache())
    for case in cases:
        if (label := case.mask) is not None:
            # a copy found in the cache counts too
            for path in label.files:
                sys.audit("crln.read", str(path), "label")
    with ThreadPoolExecutor(WORKERS, thread_name_prefix="sources") as pool:
        folders = list(pool.map(lambda case: root / _key(case, plan, root / SOURCES), cases))
        found = list(pool.map(load_case, cases, folders))
    # Two cases may be links to one scan, and are then prepared once.
    missing = {
        folder: case
        for case, folder, ready in zip(cases, folders, found, strict=True)
        if ready is None
    }
    reused = len(cases) - len(missing)
    with ThreadPoolExecutor(WORKERS, thread_name_prefix="preparation") as pool:
        builds = [pool.submit(_build, case, plan, folder) for folder, case in missing.items()]
        try:
            for done, build in enumerate(builds, reused + 1):
                build.result()
                if progress:
                    progress(done, len(cases))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    if progress and not builds:
        progress(reused, len(cases))
    return [
        replace(ready or _read_back(case, folder), known=_known(case.mask, plan.labels))
        for case, folder, ready in zip(cases, folders, found, strict=True)
    ]


def what_was_seen(cases: Sequence[PreparedCase]) -> Looks | None:
    """What prepared scans are like, as far as the cache knows; older ones tell nothing."""
    notes = [read_notes(case.folder) for case in cases]
    return Looks.of(Look.model_validate(n.made["look"]) for n in notes if n and "look" in n.made)


def spacing_of(case: PreparedCase, plan: Plan) -> tuple[float, float, float]:
    """Of a prepared scan, mm along the axes of RAS: the plan's, or else the scan's own.

    1 where an older cache does not know that.
    """
    if plan.spacing:
        return plan.spacing
    notes = read_notes(case.folder)
    x, y, z = (notes.made.get("look", {}) if notes else {}).get("spacing", (1.0, 1.0, 1.0))
    return x, y, z


def _known(label: Label | None, space: LabelSpace) -> tuple[bool, ...] | None:
    """The classes that the maker of a label looked for; None: all of them."""
    if label is None or label.classes is None or not space.exclusive:
        return None
    known = (True, *(value in label.classes for value in space.values[1:]))
    if not any(known[1:]):
        raise CrlnError(
            f"{label.path}: was searched for {list(label.classes)}, none of the plan's structures "
            f"{list(space.values[1:])}; correct its classes in cohort.yaml"
        )
    return None if all(known) else known


def _key(case: Case, plan: Plan, sources: Path) -> str:
    """Names what the cached arrays depend on: what is in the files, and the plan's preparation."""
    depends: list[Any] = [FORMAT, plan.spacing, plan.labels.values if case.mask else None]
    if case.mask and plan.labels.ignore is not None:
        depends += [plan.labels.ignore, "known"]
    depends += [scheme.model_dump() for scheme in plan.intensity]
    depends += [content_of(path, sources) for path in case.images]
    if case.mask and not plan.labels.exclusive:
        depends += ["overlapping", plan.labels.members]
    if case.mask:
        depends += [content_of(path, sources) for path in case.mask.files]
        depends += case.mask.limits
        if any(names_itself(path) for path in case.mask.files):
            depends.append(plan.labels.names)
    digest = hashlib.blake2b(json.dumps(depends).encode(), digest_size=16).hexdigest()
    return f"{digest[:2]}/{digest[2:]}"


def _build(case: Case, plan: Plan, folder: Path) -> None:
    """Prepares one case and puts it into the cache, unless another process has meanwhile."""
    with preparing(folder):
        if load_case(case, folder) is None:
            _prepare(case, plan, folder)


def _prepare(case: Case, plan: Plan, folder: Path) -> None:
    volume = read_image(case.images)
    image, placement = prepare_image(volume, plan, case.images[0])
    label = None
    if case.mask is not None:
        label = _prepare_label(case, case.mask, plan, placement)
    made = {
        "scan": str(case.images[0]), "plan": plan.name, "spacing": plan.spacing,
        "look": Look.of(volume, image).model_dump(mode="json"),
    }  # fmt: skip
    store_case(folder, image, label, plan.labels, made)


def _prepare_label(case: Case, label: Label, plan: Plan, placement: Placement) -> np.ndarray:
    grid, labels = placement.grid, plan.labels
    if labels.separate:
        combined = read_separate(label, labels, grid)
        check_same_grid(case.images[0], grid, label.path, combined.grid)
        return combinations_to_plan_grid(combined.array[0], placement, labels)
    if label.classes is not None and not labels.exclusive:
        raise CrlnError(
            f"{label.path}: case {case.id}: of some values alone ({list(label.classes)}), which "
            "tell nothing of regions; outline the others too, or leave its label out"
        )
    outline = read_outline(label, grid, labels.named, labels.ignore)
    check_same_grid(case.images[0], grid, label.path, outline.volume.grid)
    return prepare_label(outline.volume, plan, placement, label.path, outline.known)


def _read_back(case: Case, folder: Path) -> PreparedCase:
    ready = load_case(case, folder)
    if ready is None:
        raise CrlnError(f"{folder}: the cache cannot be read back; remove it and try again")
    return ready
