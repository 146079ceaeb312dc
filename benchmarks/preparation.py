"""Preparation of a scan by part, the cache, and the patches that are cut from it.

A full-size LA archive where there is one, and a CT-like volume that is resampled.

Run: python benchmarks/preparation.py
"""

import argparse
import tempfile
from collections.abc import Callable
from dataclasses import asdict
from itertools import count
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

from crln.cohort import Case, Label
from crln.imaging import read_image, read_label
from crln.planning import Plan
from crln.preparation import prepare_cohort, prepare_image, prepare_label
from crln.preparation.store import load_case, store_case
from crln.profiling import repeat
from harness import Measured, main, preset_plan, say


def ct_case(folder: Path, shape: tuple[int, int, int]) -> Case:
    """A scan of noise and the label of a ball, as compressed NIfTI."""
    affine = np.diag([0.8, 0.8, 2.5, 1])
    field = np.random.default_rng(0).normal(50, 80, shape).astype(np.int16)
    places = np.indices(shape, sparse=True)
    inside = sum((p / n - 0.5) ** 2 for p, n in zip(places, shape, strict=True)) < 0.05
    for name, array in (("image", field), ("label", inside.astype(np.uint8))):
        nib.Nifti1Image(array, affine).to_filename(folder / f"{name}.nii.gz")
    return Case("ct", (folder / "image.nii.gz",), Label(folder / "label.nii.gz"))


def timings(case: Case, plan: Plan, folder: Path, repeats: int) -> dict[str, Any]:
    """Seconds of each part, one after the other."""
    assert case.label is not None
    volume, labels = read_image(case.images), read_label(case.label.path)
    image, placement = prepare_image(volume, plan)
    label = prepare_label(labels, plan, placement)
    number = count()

    def store() -> None:
        store_case(folder / f"{next(number)}", image, label, plan.labels)

    def fresh() -> None:
        prepare_cohort([case], plan, folder / f"cache {next(number)}")

    store()
    ready = load_case(case, folder / "0")
    assert ready is not None
    x, y, z = ((n - p) // 2 for n, p in zip(ready.shape, plan.patch_size, strict=True))
    prepare_cohort([case], plan, folder / "cache")
    parts: dict[str, Callable[[], object]] = {
        "read the scan": lambda: read_image(case.images),
        "read the label": lambda: read_label(case.label.path),
        "prepare the scan": lambda: prepare_image(volume, plan),
        "prepare the label": lambda: prepare_label(labels, plan, placement),
        "store": store,
        "all of it": fresh,
        "find it in the cache": lambda: prepare_cohort([case], plan, folder / "cache"),
        "cut a patch": lambda: ready.read((x, y, z), plan.patch_size),
    }
    found = {name: repeat(call, repeats) for name, call in parts.items()}
    for name, timing in found.items():
        say(f"{case.id} {image.shape} {name:22s} {timing}")
    size = sum(path.stat().st_size for path in (folder / "0").iterdir())
    return {
        "shape": image.shape, "cached_share": size / (image.nbytes + label.nbytes),
        "seconds": {name: asdict(timing) for name, timing in found.items()},
    }  # fmt: skip


def measure(options: argparse.Namespace) -> Measured:
    repeats = 1 if options.quick else 3
    found = {}
    with tempfile.TemporaryDirectory(prefix="crln-preparation-") as name:
        folder = Path(name)
        ct = ct_case(folder, (96, 96, 40) if options.quick else (256, 256, 120))
        plan = Plan(spacing=(1.0, 1.0, 2.0), patch_size=(64, 64, 64))
        found["CT, resampled"] = timings(ct, plan, folder / "ct", repeats)
        archives = sorted(options.data.glob("la_h5/*/*/mri_norm2.h5"))
        if archives:
            la = Case("LA", (archives[0],), Label(archives[0]))
            found["LA"] = timings(la, preset_plan("la"), folder / "la", repeats)
    return {"scans": found}, []


if __name__ == "__main__":
    main(__doc__, measure)
