"""Which prediction belongs to which truth."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from crln.cohort import NEW, Cohort, Label, Slices, check_structures, load_cohort
from crln.errors import CrlnError
from crln.imaging import (
    MASKS,
    folder_name,
    is_archive,
    is_scan,
    label_file,
    list_folder,
    match_names,
    outline_in,
    scans_by_name,
)
from crln.labels import LabelSpace

Pair = tuple[Path | Label, Path | Label]
"""A prediction and the truth; a label may tell of some classes or slices alone, and structures that
overlap have several files."""


def find_masks(path: Path) -> dict[str, Path]:
    """Case id to mask file: of one file, of a folder, or of a folder of h5 case folders.

    Raises:
        CrlnError: there is no mask, or two files are of the same case.
    """
    path = Path(path)
    if not path.exists():
        raise CrlnError(f"{path}: no such file or folder; give the masks' folder")
    masks = scans_by_name(_candidates(path), "of the same case as {}; keep one of the two")
    if not masks:
        raise CrlnError(f"{path}: no mask in it ({MASKS}); give another folder")
    return {case: label_file(mask) for case, mask in masks.items()}


def find_cohort(labels: Path, *, sparse: bool = False) -> Cohort | None:
    """The cohort that labels are of, whatever its cases are for; None where they lie alone.

    Args:
        labels: a cohort, or masks as `find_masks` takes them.
        sparse: of every label only the slices that hold anything were outlined.

    Raises:
        CrlnError: the cohort has a fault.
    """
    path = Path(labels)
    described = path.suffix in (".yaml", ".yml") or (path / "cohort.yaml").exists()
    if described or any((path / name).is_dir() for name in ("images", "imagesTr")):
        return load_cohort(path, sparse=sparse, split=NEW)
    return None


def find_scans(labels: Path, *places: Path) -> dict[str, tuple[Path, ...]]:
    """Case id to its image files, where they can be found: pictures show them, figures need none.

    Args:
        labels: a cohort, or a folder of masks, or one, that lies in a cohort.
        places: other folders that may be the cohort.
    """
    path = Path(labels)
    for place in (path, path.parent, path.parent.parent, *places):
        try:
            cohort = find_cohort(place)
        except CrlnError:
            continue
        if cohort:
            return {case.id: tuple(case.images) for case in cohort}
    return {}


@dataclass(frozen=True)
class Pairs:
    """Masks with their labels, and what has no partner.

    Attributes:
        pairs: case id to (prediction, label), sorted by id.
        without_label: ids of the predictions that have no label.
        without_mask: ids of the labels that have no prediction.
        ignore: the label value of what nobody outlined, as far as the labels' cohort says.
        scans: case id to its scan, as far as the labels' cohort knows them.
    """

    pairs: dict[str, Pair]
    without_label: tuple[str, ...] = ()
    without_mask: tuple[str, ...] = ()
    ignore: int | None = None
    scans: Mapping[str, Path] = field(default_factory=dict)


def pair_masks(
    predictions: Path,
    labels: Path | Cohort,
    space: LabelSpace | None = None,
    *,
    cases: Collection[str] | None = None,
    partial: bool = False,
    sparse: bool = False,
) -> Pairs:
    """The predictions and labels of the same case; the two may be of different formats.

    Args:
        predictions: a folder of masks, or one mask.
        labels: a folder of masks, or one mask, or a cohort; two single files are a pair whatever
            their names.
        space: of structures that have a file each: both folders hold a folder of masks for each
            structure, of its name, or `labels-NAME`.
        cases: the ids to pair, such as those of the test split; None pairs all that can be.
        partial: leave out those of `cases` that have no prediction rather than refuse them.
        sparse: of every label only the slices that hold anything were outlined; a `Cohort` says so
            itself.

    Raises:
        CrlnError: there is no pair, one of `cases` lacks a file, or no structure has a folder.
    """
    predicted = _masks(predictions, space)
    if not isinstance(labels, Cohort):
        labels = find_cohort(labels, sparse=sparse) or Path(labels)
    if isinstance(labels, Cohort):
        true, at, ignore = _labels(labels, space), labels.root, labels.ignore
    else:
        true, at, ignore = _masks(labels, space, Slices() if sparse else None), labels, None
    if not space and Path(predictions).is_file() and at.is_file() and len(true) == 1:
        (case, prediction), (label,) = next(iter(predicted.items())), true.values()
        return Pairs({case: (prediction, label)}, ignore=ignore)
    paired = _paired(predictions, at, predicted, true, cases, partial, ignore)
    known = labels if isinstance(labels, Cohort) else ()
    return replace(paired, scans={case.id: case.images[0] for case in known})


def _labels(cohort: Cohort, space: LabelSpace | None) -> dict[str, Path | Label]:
    """Case id to its label."""
    if space:
        check_structures(cohort, space)
    found: dict[str, Path | Label] = {case.id: case.label for case in cohort if case.label}
    if not found:
        raise CrlnError(f"{cohort.root}: no case has a label to measure against; add some")
    return found


def _masks(
    path: Path, space: LabelSpace | None, slices: Slices | None = None
) -> dict[str, Path | Label]:
    """Case id to its mask, or to the mask files of its structures."""
    if space is None:
        masks = find_masks(path)
        return {id: Label(mask, slices=slices) if slices else mask for id, mask in masks.items()}
    parts: dict[str, list[tuple[int, Path]]] = {}
    for k, name in enumerate(space.names[1:], 1):
        for folder in (Path(path) / folder_name(name), Path(path) / f"labels-{name}"):
            if folder.is_dir():
                for case, mask in find_masks(folder).items():
                    parts.setdefault(case, []).append((k, mask))
    if not parts:
        raise CrlnError(
            f"{path}: holds no folder of masks called {' or '.join(space.names[1:])}, as "
            "structures that overlap have; give another folder"
        )
    return {id: Label(of[0][1], slices=slices, parts=tuple(of)) for id, of in parts.items()}


def _paired(
    predictions: Path,
    labels: Path,
    predicted: Mapping[str, Path | Label],
    true: Mapping[str, Path | Label],
    cases: Collection[str] | None,
    partial: bool,
    ignore: int | None,
) -> Pairs:
    """What was found of both, by case; a label of a near name is the case's."""
    near = match_names(predicted.keys() | set(cases or ()), true).near
    true = {near.get(name, name): label for name, label in true.items()}
    if cases is not None:
        predicted = {case: path for case, path in predicted.items() if case in cases}
        true = {case: path for case, path in true.items() if case in cases}
        _refuse(labels, set(cases) - true.keys(), "no label for the cases asked for:", "add them")
        if not partial:
            missing = true.keys() - predicted.keys()
            remedy = "predict them, or measure the others alone (--partial)"
            _refuse(predictions, missing, "no mask for the cases asked for:", remedy)
    pairs = {case: (predicted[case], true[case]) for case in sorted(predicted.keys() & true.keys())}
    if not pairs:
        raise CrlnError(f"{predictions}: no case in common with {labels}; names must match")
    return Pairs(
        pairs,
        without_label=tuple(sorted(predicted.keys() - true.keys())),
        without_mask=tuple(sorted(true.keys() - predicted.keys())),
        ignore=ignore,
    )


def _candidates(path: Path) -> Iterable[Path]:
    if path.is_file():
        return [path]
    found = []
    for entry in list_folder(path):
        # The research archives keep one folder a case, with an h5 file in it.
        if entry.is_dir():
            found += [file for file in list_folder(entry) if is_archive(file)]
            found += [entry] if outline_in(entry) else []
        elif is_scan(entry):
            found.append(entry)
    return found


def _refuse(path: Path, missing: Collection[str], found: str, remedy: str) -> None:
    if missing:
        raise CrlnError(f"{path}: {found} {shortened(sorted(missing))}; {remedy}")


def shortened(names: Sequence[str], shown: int = 10) -> str:
    """The names, or the first of them and how many more there are."""
    more = f" and {len(names) - shown} more" if len(names) > shown else ""
    return ", ".join(names[:shown]) + more
