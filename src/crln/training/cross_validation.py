"""How good the members of an ensemble are, told by the labelled cases that they left out."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from crln.cohort import Case, Cohort, mask_as_label
from crln.errors import CrlnError
from crln.evaluation import Evaluation, Unit, evaluate_pairs
from crln.evaluation.text import csv_text
from crln.files import checked, read_yaml, to_yaml, write_text
from crln.imaging import output_suffix
from crln.inference import Precision
from crln.inference.predictor import predictor_of
from crln.quality import Quality, Signals
from crln.report.gallery import PAGE
from crln.runs import EnsembleFolder, Member
from crln.runs.ensemble import OUT_OF_FOLD
from crln.training.ensemble_page import write_ensemble_page

SIGNALS = "signals.yaml"
"""Of each left-out case and structure, what tells how good its outline is."""

TABLE = "cases.csv"
COLUMNS = ("case", "value", "class", "dice", "asd", "sure", "agreement", "second", "flags")


def out_of_fold(
    ensemble: EnsembleFolder,
    cohort: Cohort,
    *,
    unit: Unit = "mm",
    device: str = "auto",
    precision: Precision = "32",
    say: Callable[[str], object] = print,
) -> Evaluation:
    """Measures each labelled case by the members that never saw it.

    It is an honest estimate for scans of the same kind, from labels that are there anyway. Each
    member has learnt from fewer labels than there are, and is one of several: all together will be
    rather better. Masks and figures are kept in `out-of-fold/`; masks that are there are not made
    again. What the cases tell of the quality of outlines is written to `quality.yaml`.

    Args:
        ensemble: whose members have finished.
        cohort: that it was trained on, in its split.
        unit: of distances.
        device: "auto", "cpu", "cuda" or "mps".
        precision: of the networks' arithmetic.
        say: told of each case.

    Raises:
        CrlnError: no case was left out (one fold), a case has lost its label, or a file is faulty.

    Examples:
        >>> ensemble = crln.open_ensemble("ensemble")
        >>> found = crln.out_of_fold(ensemble, crln.load_cohort("data"), say=str)
        >>> len(found.cases)
        6
    """
    left_out = _left_out(ensemble)
    cases = {case.id: case for case in cohort}
    if lost := [id for id in left_out if id not in cases or cases[id].label is None]:
        raise CrlnError(f"{cohort.root}: no label of {lost[0]}, which the ensemble left out")
    if not left_out:
        raise CrlnError(f"{ensemble.path}: no member left a case out; train with --folds 2 or more")
    folder = ensemble.path / OUT_OF_FOLD
    masks = {id: _mask(folder, cases[id]) for id in left_out}
    labels = ensemble.plan.labels
    written = {id: mask_as_label(mask, labels) for id, mask in masks.items()}
    signals = _read_signals(folder)
    todo = {
        id: members
        for id, members in left_out.items()
        if id not in signals or not all(file.exists() for file in written[id].files)
    }
    for id, told in _outlined(ensemble, todo, cases, masks, device, precision, say):
        signals[id] = told
        _write_signals(folder, signals)
    pairs = {id: (written[id], label) for id in left_out if (label := cases[id].label)}
    found = evaluate_pairs(pairs, unit=unit, classes=labels)
    found.save(folder / "metrics", overwrite=True)
    quality = Quality.learnt(found, signals)
    quality.write(ensemble.path)
    write_text(folder / TABLE, _table(found, signals, quality))
    if (ensemble.path / PAGE).exists():
        write_ensemble_page(ensemble)
    return found


def _outlined(
    ensemble: EnsembleFolder,
    todo: Mapping[str, tuple[Member, ...]],
    cases: Mapping[str, Case],
    masks: Mapping[str, Path],
    device: str,
    precision: Precision,
    say: Callable[[str], object],
) -> Iterator[tuple[str, dict[str, Signals]]]:
    """Writes the mask of each case by the members that left it out; what tells how good it is."""
    for members in dict.fromkeys(todo.values()):
        runs = [ensemble.run(member) for member in members]
        predictor = predictor_of(runs, device, precision, second_look=True)
        for id in (id for id, without in todo.items() if without == members):
            prediction = predictor.predict(cases[id].images)
            prediction.save(masks[id], overwrite=True)
            yield id, dict(prediction.signals)
            say(f"{id}: outlined by {', '.join(member.folder for member in members)}")


def _left_out(ensemble: EnsembleFolder) -> Mapping[str, tuple[Member, ...]]:
    """Case id to the members that left it out, ordered by id."""
    found: dict[str, tuple[Member, ...]] = {}
    for member in ensemble.members:
        for id in member.left_out:
            found[id] = (*found.get(id, ()), member)
    return dict(sorted(found.items()))


def _read_signals(folder: Path) -> dict[str, dict[str, Signals]]:
    """Of the cases that were outlined before."""
    file, remedy = folder / SIGNALS, "remove it; the cases are outlined again"
    if not file.exists():
        return {}
    return checked(read_yaml(file, remedy), dict[str, dict[str, Signals]], file, remedy)


def _write_signals(folder: Path, signals: Mapping[str, Mapping[str, Signals]]) -> None:
    told = {id: {name: of.told for name, of in each.items()} for id, each in signals.items()}
    write_text(folder / SIGNALS, to_yaml(told))


def _table(
    found: Evaluation, signals: Mapping[str, Mapping[str, Signals]], quality: Quality
) -> str:
    """`cases.csv`: what tells of each outline, how good it is, and what is strange of its label."""
    lines = []
    for row in found.rows:
        flags = quality.flags_of_label(row.case, row.name)
        metrics, of_row = row.metrics.figures, signals[row.case][row.name]
        lines.append([
            row.case, row.value, row.name, metrics.get("dice"), metrics.get("asd"),
            of_row.sure, of_row.agreement, of_row.second, "; ".join(flags),
        ])  # fmt: skip
    return csv_text(COLUMNS, lines)


def _mask(folder: Path, case: Case) -> Path:
    return folder / "masks" / f"{case.id}{output_suffix(case.images[0])}"
