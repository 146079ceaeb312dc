"""What scores, flags and the estimate of a model are worth, against labels that it never saw.

Scores: rank correlation with true Dice, the area under the risk-coverage curve beside that of a
random order, of the best single signal and of an oracle, how often the interval holds the true
Dice, and the share of the worst tenth that is found among the first fifth. Flags: planted faults
that are told, and clean scans that are told too. The estimate: beside the truth.

Run: python benchmarks/trust.py ENSEMBLE DATA --split ENSEMBLE/split.yaml [--part unlabelled]
"""

import argparse
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import spearmanr

import crln
from crln.cohort import NEW, Case, load_cohort, read_outline, read_split
from crln.imaging import Grid, Volume, read_image, read_label
from crln.quality.estimate import contradicted
from crln.runs.ensemble import OUT_OF_FOLD, known_quality
from harness import Figure, main

SIGNALS = ("rank", "sure", "agreement", "second")
LOOKED_AT, WORST = 0.2, 0.1


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", type=Path)
    parser.add_argument("cohort", type=Path)
    parser.add_argument("--split", type=Path, required=True)
    parser.add_argument("--part", default="test", choices=["test", "unlabelled", "validation"])
    parser.add_argument("--first", type=int, help="of the part, its first cases, sorted")
    parser.add_argument("--last", type=int, help="of the part, its last cases, sorted")
    parser.add_argument("--second-look", action="store_true")
    parser.add_argument("--quality", type=Path, help="an ensemble whose map to use")
    parser.add_argument("--planted", type=int, default=5, help="cases to plant faults in")
    parser.add_argument("--other", type=Path, help="a scan of another organ")


def measure(options: argparse.Namespace) -> tuple[dict[str, Any], list[Figure]]:
    whole = load_cohort(options.cohort, split=NEW)
    cases = {case.id: case for case in whole}
    ids = sorted(read_split(options.split)[options.part])
    ids = ids[: options.first] if options.first else ids
    ids = ids[-options.last :] if options.last else ids
    predictor = crln.load_predictor(options.run, "cpu", second_look=options.second_look)
    if options.quality:
        predictor.appraiser = replace(predictor.appraiser, quality=known_quality(options.quality))
    rows, flagged = [], []
    for id in ids:
        prediction = predictor.predict(cases[id].images)
        flagged.append(bool(prediction.flags))
        dice = true_dice(prediction, cases[id])
        for name, signals in prediction.signals.items():
            score = prediction.scores.get(name, crln.Score(rank=signals.rank))
            rows.append({"case": id, "structure": name, "true": dice[name], **signals.told,
                         "rank": score.rank, "score": score.dice, "low": score.low,
                         "high": score.high})  # fmt: skip
    found: dict[str, Any] = {"part": options.part, "cases": len(ids), "rows": rows}
    found["structures"] = {
        name: worth([row for row in rows if row["structure"] == name])
        for name in dict.fromkeys(row["structure"] for row in rows)
    }
    found["clean scans with a flag"] = float(np.mean(flagged))
    found["planted"] = planted(predictor, [cases[id] for id in ids[: options.planted]], options)
    if (options.run / OUT_OF_FOLD).is_dir():
        found["planted"]["label shifted by 5 voxels"] = shifted_labels(options.run, cases)
    quality = predictor.appraiser.quality
    found["estimate"] = [each.model_dump() for each in quality.estimate] if quality else []
    found["truth"] = {
        name: float(np.nanmean([row["true"] for row in rows if row["structure"] == name]))
        for name in found["structures"]
    }
    for row in found["structures"].items():
        print(*row)
    print(found["planted"], found["clean scans with a flag"], found["truth"])
    return found, figures(found)


def figures(found: Mapping[str, Any]) -> list[Figure]:
    listed = [Figure("clean scans with a flag", found["clean scans with a flag"], 0.05)]
    for name, told in found["structures"].items():
        if "coverage" in told:
            listed += [
                Figure(f"{name}: coverage of the interval", told["coverage"], 0.85, most=False),
                Figure(f"{name}: coverage of the interval", told["coverage"], 0.95),
            ]
        listed.append(Figure(f"{name}: worst found", told["worst found"], 0.6, most=False))
    return listed + [
        Figure(f"planted: {name}", share, 1.0, most=False)
        for name, share in found["planted"].items()
    ]


def worth(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What the signals and the score of one structure are worth."""
    rows = [row for row in rows if not math.isnan(row["true"])]
    true = np.array([row["true"] for row in rows])
    told: dict[str, Any] = {"random": area(np.zeros(len(rows)), true), "oracle": area(true, true)}
    for name in SIGNALS:
        if all(name in row for row in rows):
            signal = np.array([row[name] for row in rows])
            told[name] = {"spearman": float(spearmanr(signal, true)[0]), "area": area(signal, true)}
    rank = np.array([row["rank"] for row in rows])
    worst = set(np.argsort(true)[: max(1, round(WORST * len(rows)))])
    told["worst found"] = len(worst & set(np.argsort(rank)[: round(LOOKED_AT * len(rows))])) / len(
        worst
    )
    if not any(math.isnan(row["score"]) for row in rows):
        told["coverage"] = float(
            np.mean([row["low"] <= row["true"] <= row["high"] for row in rows])
        )
        told["width"] = float(np.mean([row["high"] - row["low"] for row in rows]))
        told["error"] = float(np.mean([abs(row["score"] - row["true"]) for row in rows]))
    return told


def area(signal: np.ndarray, true: np.ndarray) -> float:
    """Under the risk-coverage curve (Geifman and El-Yaniv, 2017).

    The mean over n of the mean 1 - Dice of the n outlines that are trusted most; of equal signals
    that of a random order.
    """
    if np.ptp(signal) == 0:
        return float(1 - true.mean())
    risk = (1 - true)[np.argsort(-signal, kind="stable")]
    return float(np.mean(np.cumsum(risk) / np.arange(1, len(risk) + 1)))


def true_dice(prediction: crln.Prediction, case: Case) -> dict[str, float]:
    assert case.label
    truth = read_outline(case.label, prediction.grid).volume.array[0]
    values = {name: value for value, name in prediction.labels.structures.items()}
    found = {}
    for name, inside in prediction.structures.items():
        theirs = truth == values[name]
        size = inside.sum() + theirs.sum()
        found[name] = float(2 * (inside & theirs).sum() / size) if size else math.nan
    return found


def faults(scan: Volume) -> Iterator[tuple[str, Volume]]:
    """A scan with something wrong."""
    array, affine = scan.array, scan.grid.affine

    def placed(voxels: np.ndarray) -> Volume:
        x, y, z = voxels.shape[1:]
        return Volume(np.ascontiguousarray(voxels), Grid((x, y, z), affine))

    darkened = array.copy()
    darkened[:, : array.shape[1] // 2] *= 0.5
    yield "half intensity", placed(array * 0.5)
    yield "half intensity in one half", placed(darkened)
    yield "cut in half", placed(array[:, :, : array.shape[2] // 2])
    yield "swapped axes", placed(array.transpose(0, 2, 1, 3))


def planted(
    predictor: crln.Predictor, cases: Sequence[Case], options: argparse.Namespace
) -> dict[str, float]:
    told: dict[str, list[bool]] = {}
    for case in cases:
        for name, scan in faults(read_image(case.images)):
            told.setdefault(name, []).append(bool(predictor.predict(scan).flags))
    if options.other:
        told["another organ"] = [bool(predictor.predict(options.other).flags)]
    return {name: float(np.mean(flags)) for name, flags in told.items()}


def shifted_labels(run: Path, cases: Mapping[str, Case]) -> float:
    """Of each left-out case, were its label shifted along X: the share that is contradicted."""
    quality, labels = known_quality(run), crln.open_ensemble(run).plan.labels
    told = []
    for id in quality.structures[labels.names[1]].cases if quality else ():
        label = cases[id].label
        assert label
        (mask,) = (run / OUT_OF_FOLD / "masks").glob(f"{id}.*")
        outline = read_label(mask)
        truth = np.roll(read_outline(label, outline.grid).volume.array[0], 5, 0)
        flags = []
        for value, name in labels.structures.items():
            ours, theirs = outline.array[0] == value, truth == value
            points = quality.structures[name]
            dice = dict(zip(points.cases, points.dice, strict=True))
            dice[id] = float(2 * (ours & theirs).sum() / (ours.sum() + theirs.sum()))
            flags.append(id in contradicted(dice))
        told.append(any(flags))
    return float(np.mean(told))


if __name__ == "__main__":
    main(__doc__, measure, arguments)
