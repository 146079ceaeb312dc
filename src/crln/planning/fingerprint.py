"""What a cohort looks like, as far as a plan needs to know."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from pydantic import Field

from crln.cohort import Case, Cohort, Label, read_outline, read_separate, with_names
from crln.errors import CrlnError
from crln.imaging import Grid, check_same_grid, read_grid, read_image
from crln.labels import LabelSpace
from crln.planning.detail import Shares, ThinShares
from crln.planning.plan import Section, Triple

_log = logging.getLogger("crln")

MOST_HEADERS = 500
"""Scans whose grid is read; of a larger cohort an even sample, as below."""

MOST_SCANS = 32
"""Scans whose voxels are read, half of them labelled ones."""

MOST_LABELS = 200
"""Labels that are read for the classes and their volumes."""

MOST_VOXELS = 2 * 10**9
"""Voxels read of scans, and of labels: under a minute, however large the scans are."""

FEWEST = 4
"""Scans that are read whatever their size."""

SAMPLE = 20_000
"""Voxels of a scan that the intensity statistics take."""


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

    Axes are those of the prepared scans, RAS: left to right, back to front, foot to head. An h5
    archive knows neither; its axes stay, and a voxel counts as 1 mm.

    Attributes:
        geometry: whether the files know their axes and their voxels' size.
        headers_read: how many training scans `spacing` and `size` are of.
        scans_read: how many the intensities are of.
        labels_read: how many labels the classes and volumes are of.
        spacing: median voxel size in mm along X, Y, Z.
        spacing_low: its 10th percentile.
        size: median number of voxels along X, Y, Z.
        intensity: per channel, statistics of the whole scans.
        foreground: per channel, statistics of the labelled structures' voxels.
        volumes: label value -> mean volume in voxels over the labels that hold it; 0 for a class
            that the data set names and no label that was read holds.
        thin: a structure's name -> which share of it, over a few labels, lies in thin parts, less
            than 5 of the finest voxel edges across, and less than 10; a structure shorter than 20
            of them counts 0. Labels that leave voxels open say nothing here.
        ignore: the label value of voxels that nobody outlined, which counts nowhere here.
        exclusive: false: structures overlap and have a label file each; `volumes` numbers them.
        regions: name to the label values that it is the union of.
    """

    labelled: int
    unlabelled: int
    validation: int
    test: int
    layout: str
    channels: tuple[str, ...]
    geometry: bool = True
    headers_read: int
    scans_read: int
    labels_read: int
    spacing: tuple[float, float, float]
    spacing_low: tuple[float, float, float]
    spacing_range: tuple[tuple[float, float], tuple[float, float], tuple[float, float]]
    size: Triple
    size_range: tuple[tuple[int, int], tuple[int, int], tuple[int, int]]
    intensity: tuple[Statistics, ...]
    foreground: tuple[Statistics, ...]
    volumes: dict[int, float]
    thin: dict[str, Shares] = Field(default_factory=dict)
    class_names: dict[int, str]
    ignore: int | None = None
    exclusive: bool = True
    regions: dict[str, tuple[int, ...]] = Field(default_factory=dict)

    @property
    def labels(self) -> tuple[int, ...]:
        """Label values, background first: 0, or the smallest where no label holds 0."""
        return tuple(sorted(self.volumes, key=lambda value: (value != 0, value)))


def make_fingerprint(cohort: Cohort) -> Fingerprint:
    """Measures the training scans; only labels of labelled cases are opened.

    Raises:
        CrlnError: no labelled case, no structure in their labels, or a file has a fault.

    Examples:
        >>> fingerprint = crln.make_fingerprint(crln.load_cohort("data"))
        >>> fingerprint.size
        (18, 18, 16)
        >>> plan = crln.make_plan(crln.load_cohort("data"), fingerprint=fingerprint)
    """
    if not cohort.labelled:
        raise CrlnError(f"{cohort.root}: no labelled case; put at least one outline in labels/")
    cohort = with_names(cohort)
    grids = [read_grid(case.images[0]) for case in _spread(cohort.training, MOST_HEADERS)]
    spacings = np.array([grid.in_ras(grid.spacing) for grid in grids])
    sizes = np.array([grid.in_ras(grid.shape) for grid in grids])
    affordable = MOST_VOXELS // int(np.median(sizes.prod(1)))
    voxels = _read_voxels(cohort, affordable)
    _check_structures(cohort, voxels)
    means = {value: float(np.mean(counts)) for value, counts in voxels.volumes.items()}
    return Fingerprint.model_validate({
        "labelled": len(cohort.labelled),
        "unlabelled": len(cohort.unlabelled),
        "validation": len(cohort.validation),
        "test": len(cohort.test),
        "layout": cohort.layout,
        "channels": cohort.channel_names(len(voxels.everywhere[0])),
        "geometry": any(grid.known for grid in grids),
        "headers_read": len(grids),
        "scans_read": len(voxels.everywhere),
        "labels_read": voxels.labels_read,
        "spacing": np.median(spacings, 0).tolist(),
        "spacing_low": np.percentile(spacings, 10, 0).tolist(),
        "spacing_range": _ranges(spacings),
        "size": np.median(sizes, 0).astype(int).tolist(),
        "size_range": _ranges(sizes),
        "intensity": _statistics(voxels.everywhere),
        "foreground": _statistics(voxels.inside or voxels.everywhere),
        "volumes": dict.fromkeys(cohort.class_names, 0.0) | means,
        "thin": voxels.thin.shares(),
        "class_names": cohort.class_names,
        "ignore": cohort.ignore,
        "exclusive": cohort.exclusive,
        "regions": cohort.regions,
    })  # fmt: skip


@dataclass
class _Voxels:
    """What was seen of scans and labels: samples (C, n) of each, and label value -> counts.

    How much of each structure is thin is measured where a label is read.
    """

    everywhere: list[np.ndarray] = field(default_factory=list)
    inside: list[np.ndarray] = field(default_factory=list)
    volumes: dict[int, list[float]] = field(default_factory=dict)
    thin: ThinShares = field(default_factory=ThinShares)
    labels_read: int = 0

    def count(self, case: Case, cohort: Cohort, grid: Grid) -> np.ndarray:
        """Takes note of a label's values where they are known; returns where a structure is.

        Where little of a scan is known, a volume is that of the known part, as if it were typical.
        """
        assert case.label is not None
        self.labels_read += 1
        if not cohort.exclusive and (space := cohort.overlapping):
            return self._count_separate(case, case.label, space, grid)
        outline = read_outline(case.label, grid, cohort.named, cohort.ignore)
        check_same_grid(case.images[0], grid, case.label.path, outline.volume.grid)
        known = outline.values if outline.known is None else outline.values[outline.known]
        values, counts = np.unique(known, return_counts=True)
        for value, count in zip(values.tolist(), counts.tolist(), strict=True):
            self.volumes.setdefault(value, []).append(count * outline.values.size / known.size)
        background = 0 if 0 in values or not len(values) else values[0]
        if outline.known is None:
            names = {value: cohort.class_names.get(value, f"class {value}")
                     for value in values.tolist() if value != background}  # fmt: skip
            parts = cohort.regions or {name: (value,) for value, name in names.items()}
            for name, members in parts.items():
                if self.thin.wants(name):
                    self.thin.look(name, np.isin(outline.values, members), grid.spacing)
        structure: np.ndarray = outline.values != background
        return structure if outline.known is None else structure & outline.known

    def _count_separate(
        self, case: Case, label: Label, space: LabelSpace, grid: Grid
    ) -> np.ndarray:
        """The same of structures that have a label file each."""
        volume = read_separate(label, space, grid)
        check_same_grid(case.images[0], grid, label.path, volume.grid)
        combined = volume.array[0]
        for k in range(space.classes):
            count = int(space.holds(combined, k).sum())
            known = int(space.knows(combined, k).sum())
            if count:
                self.volumes.setdefault(k, []).append(count * combined.size / known)
            if k and known == combined.size and self.thin.wants(space.names[k]):
                self.thin.look(space.names[k], space.holds(combined, k), grid.spacing)
        return (combined > 0) & (combined & space.highest != 0)


def _read_voxels(cohort: Cohort, affordable: int) -> _Voxels:
    """Reads as many scans and labels as bounds and budget allow."""
    random = np.random.default_rng(0)
    most_scans, most_labels = (
        max(FEWEST, min(most, affordable)) for most in (MOST_SCANS, MOST_LABELS)
    )
    outlined = _spread(cohort.labelled, most_scans - min(len(cohort.unlabelled), most_scans // 2))
    others = _spread(cohort.unlabelled, most_scans - len(outlined))
    seen = _Voxels()
    for case in (*outlined, *others):
        image = read_image(case.images)
        flat = image.array.reshape(len(image.array), -1)
        if seen.everywhere and len(flat) != len(seen.everywhere[0]):
            raise CrlnError(
                f"{case.images[0]}: {len(flat)} channels, where another scan has "
                f"{len(seen.everywhere[0])}; give the same of every scan"
            )
        seen.everywhere.append(flat[:, random.integers(flat.shape[1], size=SAMPLE)])
        if case.label is None:
            continue
        structures = np.flatnonzero(seen.count(case, cohort, image.grid))
        if len(structures):
            seen.inside.append(flat[:, random.choice(structures, SAMPLE)])
    read = {case.id for case in outlined}
    rest = [case for case in cohort.labelled if case.id not in read]
    for case in _spread(rest, most_labels - len(outlined)):
        if case.label is not None:
            seen.count(case, cohort, read_grid(case.images[0]))
    return seen


def _check_structures(cohort: Cohort, voxels: _Voxels) -> None:
    """Refuses labels of one value; tells of named structures that no label holds."""
    found = sorted(voxels.volumes)
    if len(found) < 2:
        raise CrlnError(
            f"{cohort.root}: the labels hold one value only ({', '.join(map(str, found))}); "
            "outline a structure"
        )
    named = cohort.class_names.items()
    if lacking := [name for value, name in named if value and value not in found]:
        _log.warning(
            "%s: none of the %d labels that were read holds %s; nothing is learnt of what no label "
            "holds", cohort.root, voxels.labels_read, ", ".join(lacking),
        )  # fmt: skip


def _spread(cases: Sequence[Case], most: int) -> list[Case]:
    """Up to `most` cases, evenly spread."""
    if len(cases) <= most:
        return list(cases)
    return [cases[i] for i in np.linspace(0, len(cases) - 1, most).astype(int)]


def _statistics(samples: list[np.ndarray]) -> list[Statistics]:
    """Of each channel of samples (C, n)."""
    return [_channel_statistics(channel) for channel in np.concatenate(samples, 1)]


def _channel_statistics(values: np.ndarray) -> Statistics:
    low, median, high = np.percentile(values, [0.5, 50, 99.5])
    return Statistics(
        minimum=float(values.min()),
        low=float(low),
        median=float(median),
        high=float(high),
        maximum=float(values.max()),
        mean=float(values.mean(dtype=np.float64)),
        std=float(values.std(dtype=np.float64)),
    )


def _ranges(table: np.ndarray) -> list[tuple[float, float]]:
    """Smallest and largest of each column."""
    return list(zip(table.min(0).tolist(), table.max(0).tolist(), strict=True))
