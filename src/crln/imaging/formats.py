"""The formats, and which of them a file is of by its name."""

import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import Path

from crln.errors import CrlnError
from crln.imaging import dicom
from crln.imaging.archive import Archive
from crln.imaging.format import Format
from crln.imaging.itk import Itk
from crln.imaging.nifti import Nifti
from crln.imaging.slicer import Slicer

NIFTI = Nifti()
SERIES = dicom.Series()
OUTLINE = dicom.Segmentation()
# Of two suffixes the first is one file, the second a header whose voxels lie in another.
FORMATS: tuple[Format, ...] = (
    NIFTI,
    Slicer(),  # before NRRD, whose suffix its own ends with
    Itk("NRRD", (".nrrd", ".nhdr")),
    Itk("MetaImage", (".mha", ".mhd")),
    Archive(),
    SERIES,
    OUTLINE,
    dicom.StructureSet(),
)
"""A new format is one file and one line here."""


def _either(formats: Sequence[Format]) -> str:
    return f"{', '.join(f.name for f in formats[:-1])} or {formats[-1].name}"


KNOWN = _either([format for format in FORMATS if not format.outlines_only])
"""What scans are read from, for a message."""
MASKS = _either([format for format in FORMATS if format.writes])
"""What masks are read from and written to, for a message."""

OPTIONS = {format.option: format for format in FORMATS if format.option and format.writes}
"""What a person may ask masks to be written in, whatever the format of the scan."""

_FORMAT_OF = {suffix: format for format in FORMATS for suffix in format.suffixes}
_DICOM = ".dcm"


def scan_suffix(path: Path) -> str:
    """The suffix that tells the format, such as ".nii.gz"; "" if the name is not a scan's.

    A DICOM file may be anything by its name: one that is no outline counts as a slice of a series.
    """
    name = path.name.lower()
    if name.startswith("."):
        return ""
    found = (suffix for suffix in _FORMAT_OF if name.endswith(suffix))
    suffix = max(found, key=len, default="")
    scan = suffix == _DICOM and path.is_file() and not dicom.is_dicom_outline(path)
    return "" if scan else suffix


def scan_format(path: Path) -> Format:
    """The format of a file, by its name, or a series' for a folder or one of its slices.

    Raises:
        CrlnError: there is no such file, or no scan has such a name.
    """
    if path.is_dir():
        return SERIES
    if suffix := scan_suffix(path):
        return _FORMAT_OF[suffix]
    if not path.exists():
        raise CrlnError(f"{path}: no such file; check the path")
    if dicom.is_dicom_file(path):
        return SERIES
    raise CrlnError(f"{path}: not a scan by its name; give {KNOWN}")


def label_format(path: Path) -> Format:
    """The format of a label: as `scan_format`, or that of the outline that a folder holds.

    Raises:
        CrlnError: there is no such file, or no label has such a name.
    """
    named = scan_suffix(path) if not path.is_dir() else ""
    return OUTLINE if not named and dicom.outline_files(path) else scan_format(path)


def names_itself(path: Path) -> bool:
    """Whether a label file is of a kind that names its classes."""
    return label_format(path).outlines_only


def is_scan(path: Path) -> bool:
    """Whether a file has a scan's name, or a folder holds DICOM slices."""
    return is_dicom_folder(path) if path.is_dir() else bool(scan_suffix(path))


def is_outline(path: Path) -> bool:
    """Whether, by its name, a file holds outlines and can be no scan."""
    suffix = scan_suffix(path)
    return bool(suffix) and _FORMAT_OF[suffix].outlines_only


def is_archive(path: Path) -> bool:
    """Whether, by its name, one file holds the scan and its label (h5)."""
    suffix = scan_suffix(path)
    return bool(suffix) and _FORMAT_OF[suffix].archive


def is_dicom_folder(path: Path) -> bool:
    """Whether a folder holds DICOM slices; False if it is none, or may not be read."""
    # Slices often have no suffix, so files of other names are looked into.
    others = [suffix for suffix in _FORMAT_OF if not suffix.endswith(_DICOM)]
    return path.is_dir() and dicom.is_dicom_folder(path, others)


def scan_stem(path: Path) -> str:
    """The case that a file's name tells.

    "case.nii.gz", "case_norm.h5" (Pancreas) and "case/mri_norm2.h5" (LA) are of "case"; so is the
    folder "case" of DICOM slices. Letters with marks are composed (NFC), as not every system has
    them.
    """
    suffix = scan_suffix(path)
    name = _FORMAT_OF[suffix].case(path) if suffix else path.name
    return unicodedata.normalize("NFC", name)


def output_suffix(like: Path, *, map: bool = False, option: str | None = None) -> str:
    """The suffix of what goes with a scan: its own format's, or NIfTI's where that is not written.

    Args:
        like: the scan.
        map: for a map, such as probabilities; in an archive, it could be taken for a case's.
        option: one of `OPTIONS`, for another format than the scan's.
    """
    format = OPTIONS[option] if option else _FORMAT_OF.get(scan_suffix(like), SERIES)
    unfit = not format.writes or (map and (format.archive or format.outlines_only))
    return (NIFTI if unfit else format).suffixes[0]


def check_option(option: str, scans: Iterable[Path]) -> None:
    """Refuses a format that masks of these scans cannot be written in.

    Raises:
        CrlnError: there is no such format, or it refers to a DICOM series and a scan is none.
    """
    if option not in OPTIONS:
        raise CrlnError(f"--format {option}: not a format of masks; give {', '.join(OPTIONS)}")
    format = OPTIONS[option]
    for scan in scans if format.of_series else ():
        if scan_format(scan) is not SERIES:
            raise CrlnError(
                f"{scan}: is no DICOM series, which a mask as {format.name} refers to; give the "
                "series, or another format"
            )
