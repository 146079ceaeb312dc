"""Cohorts whose outlines are sparse, partial or drafts, made of one whose outlines are whole.

Writes a cohort.yaml that points at the scans where they are: the last cases in sorted order are
its test; of the others some, drawn by the seed, are labelled. Nothing but drafts is written.

Run: python benchmarks/outlines.py DATA OUT --labelled 10 --kind sparse
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
from scipy import ndimage

from crln.cohort import Case, load_cohort
from crln.files import to_yaml, write_text
from crln.imaging import read_grid, read_label, write_mask
from crln.imaging.listing import scan_stem
from crln.seeding import numpy_generator

EVERY = 4
"""Of these slices one is outlined."""
SHIFT = 3
"""Voxels that a draft is moved by, along each axis but that of thick slices."""

KINDS = ("whole", "sparse", "halves", "eroded", "shifted", "swapped", "masks")


def eroded(label: np.ndarray, thick: bool) -> np.ndarray:
    """Each structure without its outer voxels."""
    found = np.zeros_like(label)
    around = ndimage.generate_binary_structure(3, 1)
    if thick:
        around[:, :, [0, 2]] = False
    for value in np.unique(label[label != 0]):
        found[ndimage.binary_erosion(label == value, around)] = value
    return found


def shifted(label: np.ndarray, thick: bool) -> np.ndarray:
    """The label, moved."""
    return ndimage.shift(label, (SHIFT, SHIFT, 0 if thick else SHIFT), order=0)


def fitted(label: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Another case's label, cut or filled to this case's shape about the centre."""
    found = np.zeros(shape, label.dtype)
    ours, theirs = [], []
    for here, there in zip(shape, label.shape, strict=True):
        side = min(here, there)
        ours.append(slice((here - side) // 2, (here - side) // 2 + side))
        theirs.append(slice((there - side) // 2, (there - side) // 2 + side))
    found[tuple(ours)] = label[tuple(theirs)]
    return found


def write_drafts(cases: list[Case], kind: str, folder: Path) -> dict[str, Path]:
    """A draft of each case, made of true labels: its own, or the next case's."""
    change: dict[str, Callable[[np.ndarray, bool], np.ndarray]] = {
        "eroded": eroded, "shifted": shifted,
    }  # fmt: skip
    found = {}
    for place, case in enumerate(cases):
        source = cases[(place + 1) % len(cases)] if kind == "swapped" else case
        assert source.label is not None
        label = read_label(source.label.path).array[0]
        grid = read_grid(case.images[0])
        thick = max(grid.spacing) > 3 * min(grid.spacing)
        label = fitted(label, grid.shape) if kind == "swapped" else change[kind](label, thick)
        found[case.id] = folder / f"{case.id}.nii.gz"
        write_mask(found[case.id], label, case.images[0], overwrite=True)
    return found


def sparse(case: Case, seed: int) -> dict[str, object]:
    """Every few slices along the last axis, from a slice that the seed draws for each case."""
    assert case.label is not None
    first = int(numpy_generator(seed, 0, f"slices {case.id}").integers(EVERY))
    slices = list(range(first, read_grid(case.images[0]).shape[2], EVERY))
    return {"slices": {"at": slices, "axis": "z"}}


def halves(case: Case, place: int, values: list[int]) -> dict[str, object]:
    """One class alone, the classes in turn."""
    return {"classes": [values[place % len(values)]]}


def describe(data: Path, options: argparse.Namespace) -> dict[str, object]:
    """What the cohort.yaml holds."""
    cohort = load_cohort(data)
    cases = sorted(cohort.labelled, key=lambda case: case.id)
    rest, test = cases[: -options.test], cases[-options.test :]
    order = numpy_generator(options.seed, 0, "split").permutation(len(rest))
    drawn = [rest[index] for index in order]
    labelled, others = drawn[: options.labelled], drawn[options.labelled :]
    values = [value for value in cohort.class_names if value]
    drafts: dict[str, Path] = {}
    if options.kind == "masks":
        drafts = {scan_stem(path): path for path in options.drafts.iterdir() if path.is_file()}
    elif options.kind in ("eroded", "shifted", "swapped"):
        drafts = write_drafts(others, options.kind, options.out / "drafts")

    def entry(case: Case, **label: object) -> dict[str, object]:
        assert case.label is not None
        images = [str(path.resolve()) for path in case.images]
        path = {"path": str(case.label.path.resolve())}
        return {"id": case.id, "images": images, "label": path | label}

    def bare(case: Case) -> dict[str, object]:
        found = {key: value for key, value in entry(case).items() if key != "label"}
        draft = drafts.get(case.id)
        return found | ({"draft": str(draft.resolve())} if draft else {})

    of = {
        "sparse": lambda place, case: sparse(case, options.seed),
        "halves": lambda place, case: halves(case, place, values),
    }.get(options.kind, lambda place, case: {})
    return {
        "channels": list(cohort.channels),
        "classes": cohort.class_names,
        "labelled": [entry(case, **of(place, case)) for place, case in enumerate(labelled)],
        "unlabelled": [bare(case) for case in others],
        "test": [entry(case) for case in test],
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--labelled", type=int, default=10)
    parser.add_argument("--test", type=int, default=40)
    parser.add_argument("--kind", choices=KINDS, default="whole")
    parser.add_argument("--drafts", type=Path, help="masks of a tool, for --kind masks")
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    write_text(chosen.out / "cohort.yaml", to_yaml(describe(chosen.data, chosen)))
