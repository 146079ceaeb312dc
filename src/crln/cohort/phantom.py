"""A cohort that the package makes itself: no download, no patient, hard with few labels."""

import json
from pathlib import Path

import numpy as np

from crln.errors import CrlnError
from crln.files import whole_file, write_text
from crln.seeding import numpy_generator

_SPACING = (1.0, 1.0, 1.25)


def make_phantom(
    root: Path,
    *,
    labelled: int = 4,
    unlabelled: int = 12,
    test: int = 4,
    shape: tuple[int, int, int] = (32, 32, 32),
    seed: int = 0,
    fine: bool = False,
) -> Path:
    """Writes a cohort of anatomy-like scans as `images/`, `labels/` and `test.list`.

    Soft edges, bias field, noise, neighbours of the same intensity, and a shape that varies so much
    from case to case that a few labels do not show it all. A case looks the same whatever the
    number of cases.

    Args:
        root: the folder to make; it may exist if it holds no images/.
        labelled: training cases with a label.
        unlabelled: training cases without one.
        test: cases with a label that `test.list` keeps for evaluation.
        shape: voxels along X, Y and Z.
        seed: of every draw.
        fine: a tree of vessels down to one and a half voxels and a folded sheet, in place of a
            bent organ.

    Returns:
        `root`, which `load_cohort` reads.

    Raises:
        CrlnError: `root` holds images already, or cannot be written.
    """
    from crln.cohort import anatomy, fine_anatomy  # their filters are slow to import

    draw, classes = anatomy.draw_phantom, anatomy.CLASSES
    if fine:
        draw, classes = fine_anatomy.draw_fine_phantom, fine_anatomy.CLASSES
    root = Path(root)
    if (root / "images").exists():
        raise CrlnError(f"{root / 'images'}: exists; give another folder for the phantom")
    affine = np.diag([*_SPACING, 1.0])
    tested = [f"test_{index:03d}" for index in range(test)]
    parts = {
        "labelled": [f"labelled_{index:03d}" for index in range(labelled)],
        "unlabelled": [f"unlabelled_{index:03d}" for index in range(unlabelled)],
        "test": tested,
    }
    for part, ids in parts.items():
        for index, id in enumerate(ids):
            phantom = draw(shape, numpy_generator(seed, index, f"phantom {part}"))
            _save(root / "images" / f"{id}.nii.gz", phantom.image, affine)
            if part != "unlabelled":
                _save(root / "labels" / f"{id}.nii.gz", phantom.label, affine)
    names = {"modality": {"0": "MRI"}, "labels": {str(v): name for v, name in classes.items()}}
    write_text(root / "dataset.json", json.dumps(names, indent=1), overwrite=False)
    write_text(root / "test.list", "".join(f"{id}\n" for id in tested))
    return root


def _save(path: Path, array: np.ndarray, affine: np.ndarray) -> None:
    import nibabel as nib

    image = nib.Nifti1Image(array, affine)
    image.header.set_xyzt_units("mm")
    with whole_file(path) as target:
        image.to_filename(target)
