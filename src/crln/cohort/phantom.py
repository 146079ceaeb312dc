"""A cohort that the package makes itself: anatomy-like, hard with few labels, no download.

Each scan shows a bent organ in two parts, amid tissue, a vessel and blobs of the very same
intensity; bias field and noise on top. Pose and shape vary so much from case to case that a few
labels do not show what can happen: no threshold finds it, its shape and place do.
"""

from pathlib import Path

import nibabel as nib
import numpy as np
from scipy import ndimage

from crln.errors import CrlnError
from crln.seeding import numpy_generator

SPACING = 1.5
"""Voxel size in mm."""

TISSUE, ORGAN, EDGE = 0.35, 0.62, 0.035
"""Intensities of tissue and organ (its neighbours' too), and the softness of edges."""


def make_phantom(
    root: Path,
    *,
    labelled: int = 4,
    unlabelled: int = 12,
    test: int = 4,
    shape: tuple[int, int, int] = (48, 48, 40),
    seed: int = 0,
) -> Path:
    """Writes `images/`, `labels/` (of labelled and test cases only) and `test.list`.

    Args:
        root: the folder to make.
        labelled: cases with a label.
        unlabelled: cases without.
        test: cases with a label, listed as test cases.
        shape: voxels along X, Y, Z.
        seed: of everything.

    Returns:
        `root`.

    Raises:
        CrlnError: the folder cannot be written.
    """
    root = Path(root)
    try:
        for name in ("images", "labels"):
            (root / name).mkdir(parents=True, exist_ok=True)
        for index in range(labelled + unlabelled + test):
            case = f"phantom_{index:03d}"
            image, label = draw_phantom(shape, seed, index)
            _save(root / "images" / f"{case}.nii.gz", image)
            if index < labelled or index >= labelled + unlabelled:
                _save(root / "labels" / f"{case}.nii.gz", label)
        held = [f"phantom_{i:03d}" for i in range(labelled + unlabelled, labelled + unlabelled + test)]
        (root / "test.list").write_text("".join(f"{case}\n" for case in held), encoding="utf-8")
    except OSError as error:
        raise CrlnError(f"{root}: cannot be written ({error.strerror}); choose another") from error
    return root


def draw_phantom(
    shape: tuple[int, int, int], seed: int, index: int
) -> tuple[np.ndarray, np.ndarray]:
    """One case: image (X, Y, Z) int16 and label (X, Y, Z) uint8 with values 0, 1, 2."""
    random = numpy_generator(seed, index, "phantom")
    points = _deformed_grid(shape, random)
    organ, part = _bent_organ(points, random)
    distance = np.minimum(organ, _neighbours(points, random))
    inside = 1 / (1 + np.exp(np.clip(distance / EDGE, -30, 30)))
    body = 1 / (1 + np.exp(np.clip((np.linalg.norm(points, axis=0) - 1.05) / EDGE, -30, 30)))
    image = body * (TISSUE + _field(shape, random, 2.0, 0.04)) + inside * (ORGAN - TISSUE)
    image *= np.exp(_field(shape, random, min(shape) / 4, 0.18))
    image += random.normal(0, 0.07, shape)
    label = np.where(organ < 0, 1 + part, 0).astype(np.uint8)
    return (1000 * image).astype(np.int16), label


def _deformed_grid(shape: tuple[int, int, int], random: np.random.Generator) -> np.ndarray:
    """(3, X, Y, Z) coordinates in about -1..1, turned, scaled and bent at random."""
    axes = [np.linspace(-1, 1, n) for n in shape]
    grid = np.stack(np.meshgrid(*axes, indexing="ij"))
    turn = np.eye(3)
    for first, second in ((0, 1), (0, 2), (1, 2)):
        angle = random.uniform(-0.5, 0.5)
        step = np.eye(3)
        step[[first, first, second, second], [first, second, first, second]] = (
            np.cos(angle), -np.sin(angle), np.sin(angle), np.cos(angle),
        )  # fmt: skip
        turn = turn @ step
    scale = random.uniform(0.8, 1.2, 3)
    moved = np.einsum("ij,j...->i...", turn * scale, grid)
    moved += random.uniform(-0.15, 0.15, 3)[:, None, None, None]
    return moved + np.stack([_field(shape, random, min(shape) / 6, 0.09) for _ in range(3)])


def _field(
    shape: tuple[int, int, int], random: np.random.Generator, scale: float, size: float
) -> np.ndarray:
    """A smooth random field of standard deviation `size`, varying over `scale` voxels."""
    field = ndimage.gaussian_filter(random.normal(size=shape), scale, mode="reflect")
    result: np.ndarray = field * (size / field.std())
    return result


def _bent_organ(points: np.ndarray, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Signed distance of a bent tube that swells along its way, and which half a voxel is in."""
    x, y, z = points
    angle = np.arctan2(y, x)
    start, extent = random.uniform(-0.4, 0.4), random.uniform(2.2, 3.0)
    along = np.clip((angle - start) / extent, 0, 1)
    nearest = start + along * extent
    radius = random.uniform(0.42, 0.55)
    across = np.sqrt(
        (x - radius * np.cos(nearest)) ** 2 + (y - radius * np.sin(nearest)) ** 2 + z**2
    )
    swelling = random.uniform(0.0, 0.1) * np.cos(np.pi * along) + random.uniform(0.17, 0.22)
    return across - swelling, (along > random.uniform(0.42, 0.58)).astype(np.uint8)


def _neighbours(points: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Signed distance of what looks like the organ: a vessel, blobs, a second, shorter bend."""
    x, y, z = points
    vessel = np.sqrt((x - random.uniform(-0.2, 0.2)) ** 2 + (y + 0.75) ** 2) - 0.13
    short = np.sqrt((np.sqrt((x + 0.1) ** 2 + (y + 0.1) ** 2) - 0.3) ** 2 + (z - 0.62) ** 2) - 0.12
    distance = np.minimum(vessel, np.where(y < 0.1, short, 1.0))
    for _ in range(4):
        centre = random.uniform(-0.9, 0.9, 3)
        centre[2] = np.sign(centre[2]) * max(abs(centre[2]), 0.5)
        size = random.uniform(0.12, 0.22)
        blob = np.linalg.norm(points - centre[:, None, None, None], axis=0) - size
        distance = np.minimum(distance, blob)
    return distance


def _save(path: Path, array: np.ndarray) -> None:
    affine = np.diag([SPACING, SPACING, SPACING, 1.0])
    beside = path.with_name(f".partial-{path.name}")
    nib.save(nib.Nifti1Image(array, affine), beside)
    beside.replace(path)
