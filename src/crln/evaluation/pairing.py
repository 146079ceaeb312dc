"""Which prediction belongs to which truth."""

from collections.abc import Collection, Iterable
from pathlib import Path

from crln.errors import CrlnError
from crln.imaging import is_archive, is_scan, scan_stem

_SHOWN = 10


def find_masks(path: Path) -> dict[str, Path]:
    """Case id to mask file: of one file, of a folder, or of a folder of h5 case folders.

    Raises:
        CrlnError: there is no mask, or two files are of the same case.
    """
    path = Path(path)
    if not path.exists():
        raise CrlnError(f"{path}: no such file or folder; give the masks' folder")
    masks: dict[str, Path] = {}
    for file in _candidates(path):
        first = masks.setdefault(scan_stem(file), file)
        if first != file:
            raise CrlnError(f"{file}: of the same case as {first}; keep one of the two")
    if not masks:
        raise CrlnError(
            f"{path}: no mask in it (NIfTI, NRRD, MetaImage or h5); give another folder"
        )
    return masks


def pair_masks(
    predictions: Path,
    labels: Path,
    *,
    cases: Collection[str] | None = None,
    partial: bool = False,
) -> dict[str, tuple[Path, Path]]:
    """Case id to (prediction, label), sorted by id; the two may be of different formats.

    Args:
        predictions: a folder of masks, or one mask.
        labels: a folder of masks, or one mask; two single files are a pair whatever their names.
        cases: the ids to pair, such as those of the test split; None pairs all.
        partial: leave out labels without a prediction rather than refuse them.

    Raises:
        CrlnError: a case has a prediction without a label, or a label without a prediction.
    """
    predicted, true = find_masks(predictions), find_masks(labels)
    if Path(predictions).is_file() and Path(labels).is_file():
        (case, prediction), (label,) = next(iter(predicted.items())), true.values()
        return {case: (prediction, label)}
    if cases is not None:
        predicted = {case: path for case, path in predicted.items() if case in cases}
        true = {case: path for case, path in true.items() if case in cases}
        _refuse(labels, set(cases) - true.keys(), "no label for the cases asked for:", "add them")
    unknown = predicted.keys() - true.keys()
    _refuse(labels, unknown, "no label for the predicted cases:", "add them, or move these masks")
    if not partial:
        missing = true.keys() - predicted.keys()
        remedy = "predict them, or measure the others alone (--partial)"
        _refuse(predictions, missing, "no prediction for the labelled cases:", remedy)
    pairs = {case: (predicted[case], true[case]) for case in sorted(predicted.keys() & true.keys())}
    if not pairs:
        raise CrlnError(f"{predictions}: no case in common with {labels}; names must match")
    return pairs


def _candidates(path: Path) -> Iterable[Path]:
    if path.is_file():
        return [path]
    found = []
    for entry in sorted(path.iterdir()):
        # The research archives keep one folder a case, with an h5 file in it.
        if entry.is_dir():
            found += [file for file in sorted(entry.iterdir()) if is_archive(file)]
        elif is_scan(entry):
            found.append(entry)
    return found


def _refuse(path: Path, missing: Collection[str], found: str, remedy: str) -> None:
    if missing:
        listed = ", ".join(sorted(missing)[:_SHOWN])
        more = f" and {len(missing) - _SHOWN} more" if len(missing) > _SHOWN else ""
        raise CrlnError(f"{path}: {found} {listed}{more}; {remedy}")
