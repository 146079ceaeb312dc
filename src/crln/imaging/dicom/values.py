"""What the voxels of slices measure, whatever they are compressed with, by SimpleITK (GDCM)."""

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from crln.errors import CrlnError, bare_reason
from crln.imaging.dicom.frames import Frame
from crln.imaging.faults import reading
from crln.imaging.itk import itk

if TYPE_CHECKING:
    from pydicom import Dataset
    from SimpleITK import ImageFileReader


def read_values(frames: Sequence[Frame]) -> np.ndarray:
    """(X, Y, Z), each slice rescaled by its own slope and intercept.

    Whole numbers stay what they are in the files where all slices are of one type, else float32.

    Args:
        frames: in the order of Z.

    Raises:
        CrlnError: a file is truncated, or its compression is not known; the file is named.
    """
    reader = itk().ImageFileReader()
    reader.SetImageIO("GDCMImageIO")
    slices = np.empty(0)
    by_file = sorted(range(len(frames)), key=lambda k: (str(frames[k].file), frames[k].index))
    for file, group in groupby(by_file, key=lambda k: frames[k].file):
        places = list(group)
        with reading(file):
            found = _decoded(file, reader, frames[places[0]].read_as)
            for k in places:
                values = _rescaled(file, found, frames[k])
                slices = _room(slices, values, len(frames))
                slices[k] = values
    return slices.T


def _decoded(file: Path, reader: "ImageFileReader", rescale: tuple[float, float]) -> np.ndarray:
    """(frames, rows, columns) of a file, rescaled; of many frames, all as the first one is.

    GDCM knows every compression, and stumbles over some files; pydicom reads some of these.
    """
    reader.SetFileName(str(file))
    try:
        image = reader.Execute()
    except RuntimeError as fault:
        import pydicom

        dataset = pydicom.dcmread(file, force=True)
        try:
            stored = dataset.pixel_array
        except Exception:
            raise _cannot_decode(file, dataset, fault) from fault
        slope, intercept = dataset.get("RescaleSlope"), dataset.get("RescaleIntercept")
        slope, intercept = float(slope or rescale[0]), float(intercept or rescale[1])
        return stored.reshape(-1, *stored.shape[-2:]) * slope + intercept
    found: np.ndarray = itk().GetArrayFromImage(image)
    return found


def _cannot_decode(file: Path, dataset: "Dataset", fault: RuntimeError) -> Exception:
    syntax = getattr(dataset.file_meta, "TransferSyntaxUID", None)
    if syntax is None or not syntax.is_compressed:
        return fault
    return CrlnError(
        f"{file}: its voxels cannot be decoded ({syntax.name}: {bare_reason(fault)}); export the "
        "series again, uncompressed"
    )


def _room(slices: np.ndarray, values: np.ndarray, count: int) -> np.ndarray:
    """The array of slices, of a type that holds these values, too."""
    if not slices.size:
        whole = values.dtype.kind in "iu"
        return np.empty((count, *values.shape), values.dtype if whole else np.float32)
    if slices.dtype in (values.dtype, np.float32):
        return slices
    return slices.astype(np.float32)


def _rescaled(file: Path, found: np.ndarray, frame: Frame) -> np.ndarray:
    """One frame (rows, columns) of a file, by its own slope and intercept."""
    columns, rows = frame.shape
    if found.ndim != 3 or found.shape[1:] != (rows, columns) or frame.index >= len(found):
        raise CrlnError(
            f"{file}: holds {' x '.join(map(str, found.shape))} voxels, not what its header says; "
            "export the series again"
        )
    values: np.ndarray = found[frame.index]
    if frame.rescale == frame.read_as:
        return values
    slope, intercept = frame.read_as
    return (values - intercept) / slope * frame.rescale[0] + frame.rescale[1]
