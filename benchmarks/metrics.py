"""Seconds of Dice, Jaccard, 95HD and ASD of a full-size LA case, and their equality with medpy.

Run: python benchmarks/metrics.py [--data ../shared/data] [--repeats 7] [--json FILE]
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import edt
import h5py
import numpy as np
from medpy.metric import binary
from scipy import ndimage

from crln.evaluation.metrics import case_metrics

TARGET = 0.1
SPACING = (0.625, 0.625, 0.625)


def timed(call: Callable[[], object], repeats: int) -> tuple[float, float]:
    """Median seconds and spread (largest - smallest) of `repeats` calls, after one warm-up."""
    call()
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds), max(seconds) - min(seconds)


def with_medpy(prediction: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    return {
        "dice": binary.dc(prediction, truth),
        "jaccard": binary.jc(prediction, truth),
        "hd95": binary.hd95(prediction, truth, SPACING),
        "asd": binary.asd(prediction, truth, SPACING),
    }


def with_distance_transform(prediction: np.ndarray, truth: np.ndarray) -> None:
    """Only what the k-d tree replaces: both distance transforms, of the box around the masks."""
    box = ndimage.find_objects((prediction | truth).astype(np.uint8))[0]
    for mask in (prediction[box], truth[box]):
        edt.edt(~(mask ^ ndimage.binary_erosion(mask)), anisotropy=SPACING, parallel=2)


def predictions(truth: np.ndarray) -> dict[str, np.ndarray]:
    """Errors of the kinds that networks make, from slight to gross."""
    eroded = ndimage.binary_erosion(truth, iterations=2)
    speck = np.zeros_like(truth)
    speck[:4, :4, :4] = True
    return {
        "shifted by 2 voxels": np.roll(truth, 2, axis=0),
        "eroded by 2, shifted": np.roll(eroded, (2, -1, 1), axis=(0, 1, 2)),
        "with a far speck": eroded | speck,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--json", type=Path, help="write the figures here as well")
    options = parser.parse_args()

    figures = []
    for path in sorted(options.data.glob("la_h5/*/*/mri_norm2.h5")):
        with h5py.File(path) as file:
            truth = file["label"][:] > 0
        for name, prediction in predictions(truth).items():
            ours = case_metrics(prediction, truth, SPACING, [1])[1]
            oracle = with_medpy(prediction, truth)
            seconds, spread = timed(
                lambda p=prediction, t=truth: case_metrics(p, t, SPACING, [1]), options.repeats
            )
            medpy, _ = timed(lambda p=prediction, t=truth: with_medpy(p, t), 1)
            transform, _ = timed(lambda p=prediction, t=truth: with_distance_transform(p, t), 3)
            figures.append({
                "case": path.parent.name, "shape": list(truth.shape), "prediction": name,
                "seconds": seconds, "spread": spread, "medpy_seconds": medpy,
                "distance_transform_seconds": transform,
                "largest_difference": max(abs(getattr(ours, m) - v) for m, v in oracle.items()),
            })  # fmt: skip
            last = figures[-1]
            print(
                f"{last['case']} {truth.shape} {name:21s} {seconds:.3f} s (spread {spread:.3f})"
                f"  medpy {medpy:.2f} s  two distance transforms alone {transform:.3f} s"
                f"  largest difference {last['largest_difference']:.1e}"
            )
    if not figures:
        raise SystemExit(
            f"{options.data}: no la_h5 case; give the folder of the real scans, --data"
        )
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    slowest = max(figure["seconds"] for figure in figures)
    difference = max(figure["largest_difference"] for figure in figures)
    met = slowest < TARGET and difference < 1e-6
    print(
        f"metrics of an LA case: {slowest:.3f} s, target < {TARGET} s, largest difference to "
        f"medpy {difference:.1e}, target < 1e-6: {'met' if met else 'missed'}"
    )


if __name__ == "__main__":
    main()
