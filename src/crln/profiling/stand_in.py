"""Scans that nobody took, of a plan's shape, so that a machine can be measured without data."""

from math import ceil
from pathlib import Path

import numpy as np
from scipy.ndimage import zoom

from crln.cohort import Case, Label
from crln.planning import Plan
from crln.preparation import PreparedCase
from crln.preparation.store import load_case, store_case
from crln.seeding import numpy_generator

LARGER = 1.5
"""Sides of a stand-in, as a multiple of the patch's; the field's scans have 1 to 3."""

COARSE = 8
"""Voxels per node of the smooth field that structures are cut from."""


def stand_ins(
    plan: Plan, root: Path, count: int, labelled: bool, seed: int = 0
) -> list[PreparedCase]:
    """Prepared cases in a cache: smooth fields with noise, whose level sets are the classes.

    Args:
        plan: gives patch, channels and classes.
        root: the cache's folder.
        count: how many.
        labelled: whether labels are stored too.
        seed: of the fields.
    """
    cases = []
    for index in range(count):
        name = f"{'labelled' if labelled else 'unlabelled'}_{index}"
        image, label = _draw(plan, numpy_generator(seed, index, name))
        store_case(root / name, image, label if labelled else None, plan.labels)
        drawn = Label(root / name) if labelled else None
        case = load_case(Case(name, (root / name,), drawn), root / name)
        assert case is not None
        cases.append(case)
    return cases


def _draw(plan: Plan, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """(C, X, Y, Z) float32 and (X, Y, Z) classes."""
    shape = [ceil(side * LARGER) for side in plan.patch_size]
    nodes = random.normal(size=[side // COARSE + 2 for side in shape]).astype(np.float32)
    field = zoom(nodes, COARSE, order=1)[tuple(slice(side) for side in shape)]
    bounds = np.quantile(field, np.arange(1, plan.classes) / plan.classes)
    label = np.searchsorted(bounds, field).astype(np.min_scalar_type(plan.classes))
    noise = random.normal(0, 0.2, (len(plan.channels), *shape)).astype(np.float32)
    return field + noise, label
