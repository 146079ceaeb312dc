"""Seconds of Dice, Jaccard, 95HD and ASD of a full-size LA case, and their equality with medpy.

Run: python benchmarks/metrics.py [--data ../shared/data]
"""

import argparse
from dataclasses import asdict

import edt
import h5py
import numpy as np
from medpy.metric import binary
from scipy import ndimage

from crln.evaluation.surfaces import case_metrics
from crln.profiling import repeat
from harness import Figure, Measured, main, say

SPACING = (0.625, 0.625, 0.625)


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


def measure(options: argparse.Namespace) -> Measured:
    found = []
    for path in sorted(options.data.glob("la_h5/*/*/mri_norm2.h5"))[: 1 if options.quick else None]:
        with h5py.File(path) as file:
            truth = file["label"][:] > 0
        for name, prediction in predictions(truth).items():
            ours = case_metrics(prediction, truth, SPACING, [1])[1]
            oracle = with_medpy(prediction, truth)

            def score(p: np.ndarray = prediction, t: np.ndarray = truth) -> object:
                return case_metrics(p, t, SPACING, [1])

            timing = repeat(score, 1 if options.quick else 7)
            medpy = repeat(lambda p=prediction, t=truth: with_medpy(p, t), 1, 0)
            transform = repeat(lambda p=prediction, t=truth: with_distance_transform(p, t), 3)
            difference = max(abs(ours[m] - v) for m, v in oracle.items())
            found.append({
                "case": path.parent.name, "shape": list(truth.shape), "prediction": name,
                "seconds": asdict(timing), "medpy": medpy.median,
                "distance_transforms": transform.median, "largest_difference": difference,
            })  # fmt: skip
            say(
                f"{path.parent.name} {truth.shape} {name:21s} {timing}  medpy {medpy.median:.2f} s"
                f"  two distance transforms alone {transform.median:.3f} s"
                f"  largest difference {difference:.1e}"
            )
    if not found:
        raise SystemExit(
            f"{options.data}: no la_h5 case; give the folder of the real scans, --data"
        )
    slowest = max(each["seconds"]["median"] for each in found)
    difference = max(each["largest_difference"] for each in found)
    return {"cases": found}, [
        Figure("four metrics of a full-size LA case", slowest, 0.1, unit=" s"),
        Figure("largest difference to medpy", difference, 1e-6),
    ]


if __name__ == "__main__":
    main(__doc__, measure)
