"""One scan: voxels and where they lie, read from and written to every format of the field."""

from crln.imaging.formats import (
    is_archive,
    is_dicom_folder,
    is_scan,
    output_suffix,
    scan_stem,
    scan_suffix,
)
from crln.imaging.header import Header, check_same_grid
from crln.imaging.read import read_header, read_image, read_label
from crln.imaging.volume import Volume
from crln.imaging.write import write_mask, write_scalar

__all__ = [
    "Header",
    "Volume",
    "check_same_grid",
    "is_archive",
    "is_dicom_folder",
    "is_scan",
    "output_suffix",
    "read_header",
    "read_image",
    "read_label",
    "scan_stem",
    "scan_suffix",
    "write_mask",
    "write_scalar",
]
