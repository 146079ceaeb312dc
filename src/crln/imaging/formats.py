"""Which file is a scan, and what it is called."""

from pathlib import Path
from typing import Literal

from crln.errors import CrlnError

Format = Literal["nifti", "itk", "h5", "dicom"]

NIFTI = (".nii.gz", ".nii")
ITK = (".nrrd", ".nhdr", ".mha", ".mhd")
ARCHIVE = (".h5", ".hdf5")
SUFFIXES = NIFTI + ITK + ARCHIVE

LA_ARCHIVE = "mri_norm2"
"""The file name that every case of the LA archive shares; its folder names the case."""

PANCREAS_ENDING = "_norm"


def scan_suffix(path: Path) -> str | None:
    """The ending by which a format is known, or None."""
    name = path.name.lower()
    return next((suffix for suffix in SUFFIXES if name.endswith(suffix)), None)


def scan_format(path: Path) -> Format:
    """By which library a file or DICOM folder is read.

    Raises:
        CrlnError: the name's ending is of no format that can be read.
    """
    suffix = scan_suffix(path)
    if suffix in NIFTI:
        return "nifti"
    if suffix in ITK:
        return "itk"
    if suffix in ARCHIVE:
        return "h5"
    if path.is_dir():
        return "dicom"
    if not path.exists():
        raise CrlnError(f"{path}: no such file; check the path")
    raise CrlnError(f"{path}: not a known format; give one of {', '.join(SUFFIXES)}, or DICOM")


def is_scan(path: Path) -> bool:
    """Whether a file's name is that of a scan in a format that can be read."""
    return not path.name.startswith(".") and scan_suffix(path) is not None


def is_archive(path: Path) -> bool:
    """Whether it is a research h5 archive that holds image and label."""
    return path.name.lower().endswith(ARCHIVE)


def is_dicom_folder(path: Path) -> bool:
    """Whether a folder's first file is DICOM (by its magic word at byte 128)."""
    if not path.is_dir():
        return False
    files = sorted(p for p in path.iterdir() if p.is_file() and not p.name.startswith("."))
    if not files or is_scan(files[0]):
        return False
    with files[0].open("rb") as file:
        return file.read(132)[128:] == b"DICM"


def scan_stem(path: Path) -> str:
    """A scan's name without its format: the case's id in most layouts."""
    suffix = scan_suffix(path)
    stem = path.name[: -len(suffix)] if suffix else path.name
    if is_archive(path):
        return path.parent.name if stem == LA_ARCHIVE else stem.removesuffix(PANCREAS_ENDING)
    return stem


def output_suffix(like: Path) -> str:
    """The ending of a mask for a scan: its own; `.nii.gz` for NIfTI and DICOM."""
    suffix = scan_suffix(like)
    if suffix is None or suffix in NIFTI:
        return ".nii.gz"
    return {".nhdr": ".nrrd", ".mhd": ".mha", ".hdf5": ".h5"}.get(suffix, suffix)
