"""DICOM series as scans: which files are of one, where their slices lie, and what they measure."""

from crln.imaging.dicom.files import is_dicom_file, is_dicom_folder
from crln.imaging.dicom.finding import SeriesFound, find_series, series_at
from crln.imaging.dicom.series import Series, slice_files

__all__ = [
    "Series",
    "SeriesFound",
    "find_series",
    "is_dicom_file",
    "is_dicom_folder",
    "series_at",
    "slice_files",
]
