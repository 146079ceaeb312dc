"""Where a NIfTI header places its voxels: as ITK reads it, where its fields disagree.

A header states the voxels' size in `pixdim`, their place as a rotation (`qform`) and as a matrix
(`sform`), each of the two with a code that says what it is good for, and a unit of length. ITK
takes the size from `pixdim` alone, and the place as `_choose` does (ITK 5.4,
`NiftiImageIO::SetImageIOOrientationFromNIfTI`).
"""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from crln.imaging.grid import Grid, Shape, apart, perpendicular, shown
from crln.imaging.telling import tell_once

if TYPE_CHECKING:
    import nibabel as nib

_UNITS = {1: ("metres", 1e3), 3: ("micrometres", 1e-3)}
_SPACE = 7
"""The bits of xyzt_units that are of space."""
_SCANNER = 1
"""The code of a place in the scanner."""
_SIZES, _PLACES = 0.01, 0.1
"""Sizes that differ by a smaller share, or places by a smaller share of a voxel, are rounded."""


def grid_of(path: Path, header: "nib.Nifti1Header", shape: Shape) -> Grid:
    """The grid that a header means; what disagrees in it is told, once.

    Args:
        path: the file.
        header: as it is in the file, unchecked.
        shape: (X, Y, Z).
    """
    qform, sform = _qform(header), _sform(header)
    place = _choose(header, qform, sform)
    pixdim = np.abs(header["pixdim"][1:4].astype(float))
    lengths = np.linalg.norm(place[:3, :3], axis=0)
    # A size that is not stated is the matrix's.
    size = np.where(np.isfinite(pixdim) & (pixdim > 0), pixdim, 0 if sform is None else lengths)
    name, scale = _UNITS.get(int(header["xyzt_units"]) & _SPACE, ("", 1.0))
    affine = np.eye(4)
    affine[:3, :3] = place[:3, :3] / np.where(lengths > 0, lengths, 1) * size * scale
    affine[:3, 3] = place[:3, 3] * scale
    if name:
        tell_once(
            f"{path}: counts in {name}: its voxels are {shown(size * scale)} mm, and so are all of "
            "such files; if they are millimetres, set xyzt_units to 2",
            "units",
        )
    to_mm = np.diag([scale, scale, scale, 1])
    # Where nibabel reads another place, as do programs that read the matrix alone, their labels lie
    # there.
    if sform is not None:
        _tell(path, header, shape, size, place, qform, sform)
        return Grid(shape, affine, to_mm @ sform)
    return Grid(shape, affine, to_mm @ header.get_base_affine() if qform is None else None)


def _qform(header: "nib.Nifti1Header") -> np.ndarray | None:
    """The rotation's affine; None where the code says that there is none, or it is no rotation."""
    if not int(header["qform_code"]):
        return None
    plain = header.copy()
    plain["pixdim"][0] = -1 if plain["pixdim"][0] < 0 else 1
    plain["pixdim"][1:4] = np.abs(plain["pixdim"][1:4])
    try:
        return np.asarray(plain.get_qform(), float)
    except ValueError:
        return None


def _sform(header: "nib.Nifti1Header") -> np.ndarray | None:
    """The matrix; None where the code says that there is none, or it is no affine."""
    sform = np.asarray(header.get_sform(), float)
    usable = np.isfinite(sform).all() and np.linalg.norm(sform[:3, :3], axis=0).all()
    return sform if int(header["sform_code"]) and usable else None


def _choose(
    header: "nib.Nifti1Header", qform: np.ndarray | None, sform: np.ndarray | None
) -> np.ndarray:
    """The affine that says where the voxels lie, and along which directions.

    The matrix, where its axes are perpendicular and it is the scanner's or the only one; else the
    rotation. Of two that agree, the matrix has the more digits.
    """
    if sform is None:
        return np.diag([-1.0, -1.0, 1.0, 1.0]) if qform is None else qform
    if qform is None:
        return sform
    straight = perpendicular(sform)
    if straight and int(header["sform_code"]) == _SCANNER:
        return sform
    return sform if straight and np.allclose(qform, sform, rtol=0, atol=1e-4) else qform


def _tell(
    path: Path,
    header: "nib.Nifti1Header",
    shape: Shape,
    size: np.ndarray,
    place: np.ndarray,
    qform: np.ndarray | None,
    sform: np.ndarray,
) -> None:
    lengths = np.linalg.norm(sform[:3, :3], axis=0)
    if (np.abs(lengths - size) > _SIZES * size).any():
        tell_once(
            f"{path}: voxels of {shown(size)} mm by its pixdim, {shown(lengths)} mm by its sform: "
            "pixdim is taken, as ITK does, wherever they disagree; if the sform is right, set "
            "pixdim to it",
            "sizes",
        )
    elif qform is not None and (far := apart(shape, qform, sform)) > _PLACES * size.min():
        taken, other, code = ("sform", "qform", 2) if place is sform else ("qform", "sform", 1)
        tell_once(
            f"{path}: its qform and its sform lie up to {far:.3g} mm apart: the {taken} is taken, "
            f"as ITK does, wherever they disagree; if the {other} is right, set sform_code to "
            f"{code}",
            "forms",
        )
    elif not perpendicular(place):
        tell_once(
            f"{path}: its axes are not perpendicular, so programs of ITK do not open it nor its "
            "mask; resample it if they should",
            "sheared",
        )
