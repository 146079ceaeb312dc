"""One scan: voxels and where they lie, read from and written to every format of the field."""

from crln.imaging.clutter import is_clutter
from crln.imaging.common import common_grid
from crln.imaging.dicom import (
    SeriesFound,
    find_series,
    is_dicom_file,
    label_file,
    outline_in,
    series_at,
)
from crln.imaging.format import Format, Output
from crln.imaging.formats import (
    KNOWN,
    MASKS,
    OPTIONS,
    check_option,
    is_archive,
    is_dicom_folder,
    is_outline,
    is_scan,
    names_itself,
    output_suffix,
    scan_format,
    scan_stem,
    scan_suffix,
)
from crln.imaging.grid import Grid, Shape, Spacing, Volume, check_same_grid
from crln.imaging.listing import group_channels, list_folder, readable_names, scans_by_name
from crln.imaging.near import match_names, nearest
from crln.imaging.read import (
    count_channels,
    label_names,
    read_grid,
    read_image,
    read_label,
    read_stored,
)
from crln.imaging.separate import folder_name, mask_files, written_labels
from crln.imaging.write import refuse_input, write_mask, write_scalar

__all__ = [
    "KNOWN",
    "MASKS",
    "OPTIONS",
    "Format",
    "Grid",
    "Output",
    "SeriesFound",
    "Shape",
    "Spacing",
    "Volume",
    "check_option",
    "check_same_grid",
    "common_grid",
    "count_channels",
    "find_series",
    "folder_name",
    "group_channels",
    "is_archive",
    "is_clutter",
    "is_dicom_file",
    "is_dicom_folder",
    "is_outline",
    "is_scan",
    "label_file",
    "label_names",
    "list_folder",
    "mask_files",
    "match_names",
    "names_itself",
    "nearest",
    "outline_in",
    "output_suffix",
    "read_grid",
    "read_image",
    "read_label",
    "read_stored",
    "readable_names",
    "refuse_input",
    "scan_format",
    "scan_stem",
    "scan_suffix",
    "scans_by_name",
    "series_at",
    "write_mask",
    "write_scalar",
    "written_labels",
]
