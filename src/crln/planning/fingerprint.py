"""What a cohort looks like, as far as a plan needs to know."""

from collections.abc import Sequence

import numpy as np
from pydantic import Field

from crln.cohort import Case, Cohort
from crln.errors import CrlnError
from crln.imaging import check_same_grid, read_header, read_image, read_label
from crln.planning.plan import Section

MOST_HEADERS = 500
"""Scans whose grid is read; of a larger cohort an even sample."""

MOST_SCANS = 32
"""Scans whose voxels are read, labelled ones first."""

VOXELS = 20_000
"""Voxels sampled from a scan for the intensity statistics."""


class Statistics(Section):
    """Of one channel, over sampled voxels."""

    minimum: float
    low: float = Field(description="0.5th percentile")
    median: float
    high: float = Field(description="99.5th percentile")
    maximum: float
    mean: float
    std: float


class Fingerprint(Section):
    """The facts that a plan is derived from.

    Attributes:
        spacing: median voxel size in mm along X, Y, Z of the file; None for archives without it.
        size: median number of voxels along X, Y, Z.
        foreground: per channel, statistics of the labelled structures' voxels.
        volumes: label value -> mean volume in voxels over the labelled scans that were read.
    """

    labelled: int
    unlabelled: int
    validation: int
    test: int
    layout: str
    channels: tuple[str, ...]
    headers_read: int
    scans_read: int
    spacing: tuple[float, float, float]
    spacing_range: tuple[tuple[float, float], tuple[float, float], tuple[float, float]]
    size: tuple[int, int, int]
    size_range: tuple[tuple[int, int], tuple[int, int], tuple[int, int]]
    intensity: tuple[Statistics, ...]
    foreground: tuple[Statistics, ...]
    volumes: dict[int, float]
    class_names: dict[int, str]

    @property
    def labels(self) -> tuple[int, ...]:
        """Label values, background (the smallest) first."""
        return tuple(sorted(self.volumes))


def make_fingerprint(cohort: Cohort) -> Fingerprint:
    """Measures the training scans; only labels of labelled cases are opened.

    Raises:
        CrlnError: no labelled case, or a file has a fault.
    """
    if not cohort.labelled:
        raise CrlnError(f"{cohort.root}: no labelled case; put at least one outline in labels/")
    grids = [read_header(case.images[0]) for case in _sample(cohort.training, MOST_HEADERS)]
    spacings = np.array([grid.spacing for grid in grids])
    sizes = np.array([grid.shape for grid in grids])
    scans = _sample(cohort.labelled, MOST_SCANS // 2)
    scans += _sample(cohort.unlabelled, MOST_SCANS - len(scans))
    everywhere, inside, volumes = _voxels(scans)
    labels = sorted(volumes)
    if len(labels) < 2:
        raise CrlnError(
            f"{cohort.root}: the labels hold one value only ({labels[0]}); outline a structure"
        )
    return Fingerprint(
        labelled=len(cohort.labelled),
        unlabelled=len(cohort.unlabelled),
        validation=len(cohort.validation),
        test=len(cohort.test),
        layout=cohort.layout,
        channels=cohort.channels,
        headers_read=len(grids),
        scans_read=len(scans),
        spacing=tuple(float(v) for v in np.median(spacings, 0)),
        spacing_range=_ranges(spacings, float),
        size=tuple(int(v) for v in np.median(sizes, 0)),
        size_range=_ranges(sizes, int),
        intensity=tuple(_statistics(channel) for channel in everywhere),
        foreground=tuple(_statistics(channel) for channel in inside),
        volumes={value: float(np.mean(counts)) for value, counts in volumes.items()},
        class_names=cohort.class_names,
    )


def _sample(cases: Sequence[Case], most: int) -> list[Case]:
    """Up to `most` cases, evenly spread."""
    if len(cases) <= most:
        return list(cases)
    return [cases[i] for i in np.linspace(0, len(cases) - 1, most).astype(int)]


def _voxels(
    scans: Sequence[Case],
) -> tuple[list[np.ndarray], list[np.ndarray], dict[int, list[int]]]:
    """Sampled intensities per channel, those inside structures, and label value -> counts."""
    random = np.random.default_rng(0)
    everywhere, inside = [], []
    volumes: dict[int, list[int]] = {}
    for case in scans:
        image = read_image(case.images)
        flat = image.array.reshape(len(image.array), -1)
        everywhere.append(flat[:, random.integers(flat.shape[1], size=VOXELS)])
        if case.label is None:
            continue
        label = read_label(case.label)
        check_same_grid(case.images[0], image, case.label, label)
        values, counts = np.unique(label.array, return_counts=True)
        for value, count in zip(values, counts, strict=True):
            volumes.setdefault(int(value), []).append(int(count))
        structure = np.flatnonzero(label.array[0] != values[0])
        if len(structure):
            inside.append(flat[:, random.choice(structure, VOXELS)])
    whole = np.concatenate(everywhere, 1)
    return list(whole), list(np.concatenate(inside, 1) if inside else whole), volumes


def _statistics(values: np.ndarray) -> Statistics:
    low, median, high = np.percentile(values, [0.5, 50, 99.5])
    return Statistics(
        minimum=float(values.min()),
        low=float(low),
        median=float(median),
        high=float(high),
        maximum=float(values.max()),
        mean=float(values.mean()),
        std=float(values.std()),
    )


def _ranges(table: np.ndarray, kind: type) -> tuple:  # type: ignore[type-arg]
    return tuple((kind(column.min()), kind(column.max())) for column in table.T)
