"""Which files are scans, of what format, and of which case."""

from pathlib import Path
from typing import Literal

from pydicom.misc import is_dicom

from crln.errors import CrlnError

Format = Literal["nifti", "itk", "h5", "dicom"]

_FORMAT_OF: dict[str, Format] = {
    ".nii.gz": "nifti",
    ".nii": "nifti",
    ".nrrd": "itk",
    ".nhdr": "itk",
    ".mha": "itk",
    ".mhd": "itk",
    ".h5": "h5",
}
# Headers whose voxels lie in a second file: written as the one-file sibling instead.
_OUTPUT_SUFFIX = {".nii": ".nii.gz", ".nhdr": ".nrrd", ".mhd": ".mha"}
KNOWN = "NIfTI, NRRD, MetaImage, h5 or a folder of DICOM slices"

# The research archives name files after what was done to them, not after the case alone.
_LA_ARCHIVE = "mri_norm2"
_PANCREAS_ENDING = "_norm"


def scan_suffix(path: Path) -> str:
    """The suffix that tells the format, such as ".nii.gz"; "" if the name is not a scan's."""
    name = path.name.lower()
    if name.startswith("."):
        return ""
    return next((suffix for suffix in _FORMAT_OF if name.endswith(suffix)), "")


def scan_format(path: Path) -> Format:
    """The format of a file, by its name, or "dicom" for a folder.

    Raises:
        CrlnError: there is no such file, or no scan has such a name.
    """
    if path.is_dir():
        return "dicom"
    if suffix := scan_suffix(path):
        return _FORMAT_OF[suffix]
    if not path.exists():
        raise CrlnError(f"{path}: no such file; check the path")
    raise CrlnError(f"{path}: not a scan by its name; give {KNOWN}")


def is_scan(path: Path) -> bool:
    """Whether a file has a scan's name, or a folder holds DICOM slices."""
    return is_dicom_folder(path) if path.is_dir() else bool(scan_suffix(path))


def is_archive(path: Path) -> bool:
    """Whether a file's name is that of a research archive (h5)."""
    return scan_suffix(path) == ".h5"


def is_dicom_folder(path: Path) -> bool:
    """Whether a folder holds DICOM slices; False if it is none, or may not be read."""
    try:
        # Slices often have no suffix, so files of other names are looked into.
        return any(
            is_dicom(file)
            for file in path.iterdir()
            if file.is_file() and not scan_suffix(file) and not file.name.startswith(".")
        )
    except OSError:
        return False


def scan_stem(path: Path) -> str:
    """The case that a file's name tells.

    "case.nii.gz", "case_norm.h5" (Pancreas) and "case/mri_norm2.h5" (LA) are of "case"; so is the
    folder "case" of DICOM slices.
    """
    suffix = scan_suffix(path)
    stem = path.name[: len(path.name) - len(suffix)]
    if suffix != ".h5":
        return stem
    return path.parent.name if stem == _LA_ARCHIVE else stem.removesuffix(_PANCREAS_ENDING)


def output_suffix(like: Path) -> str:
    """The suffix of a mask that goes with a scan: its own format, or NIfTI for DICOM."""
    suffix = scan_suffix(like)
    return _OUTPUT_SUFFIX.get(suffix, suffix) or ".nii.gz"
