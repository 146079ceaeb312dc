"""DICOM: series as scans; SEG and RTSTRUCT as outlines, read and written."""

from crln.imaging.dicom.files import is_dicom_file, is_dicom_folder, is_dicom_outline, outline_files
from crln.imaging.dicom.finding import SeriesFound, find_series, series_at
from crln.imaging.dicom.outline import Segmentation, StructureSet, label_file, outline_in
from crln.imaging.dicom.series import Series

__all__ = [
    "Segmentation",
    "Series",
    "SeriesFound",
    "StructureSet",
    "find_series",
    "is_dicom_file",
    "is_dicom_folder",
    "is_dicom_outline",
    "label_file",
    "outline_files",
    "outline_in",
    "series_at",
]
