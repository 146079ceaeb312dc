"""Every way to store a scan and its mask comes back voxel for voxel, or is refused.

The oracle is a bright voxel at a known place of the *file*: what is drawn where the page shows it
bright must change that very voxel, and every other must stay as nibabel reads it.
"""

import gzip
import io
from dataclasses import dataclass, field
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk
from nibabel.orientations import axcodes2ornt, io_orientation, ornt_transform

from crln.cohort import Cohort, Label
from crln.errors import CrlnError
from crln.imaging import read_grid
from crln.reviewing.bridge import (
    Drawing,
    DrawingError,
    ras_affine,
    save_shown,
    shown_voxels,
    unpack,
    write_shown,
)
from crln.reviewing.outlines import StandingOutline, read_values
from crln.reviewing.structures import Structures

SHAPE = (7, 6, 5)
MARK = (5, 1, 3)
VALUES = (0, 1, 2, 7)
PLACE = ("pixdim", "xyzt_units", "qform_code", "sform_code", "quatern_b", "quatern_c", "quatern_d",
         "qoffset_x", "qoffset_y", "qoffset_z", "srow_x", "srow_y", "srow_z")  # fmt: skip


def turned(codes: str, zooms=(1.0, 1.5, 2.0), degrees=(0.0, 0.0)) -> np.ndarray:
    """An affine of these axes, then turned about z and x."""
    ornt = axcodes2ornt(tuple(codes))
    affine = np.zeros((4, 4))
    for axis, (world, flip) in enumerate(ornt):
        affine[int(world), axis] = flip * zooms[axis]
    affine[:3, 3], affine[3, 3] = (-12.5, 33, 7.25), 1
    a, b = np.radians(degrees)
    about_z = np.array([[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]])
    about_x = np.array([[1, 0, 0], [0, np.cos(b), -np.sin(b)], [0, np.sin(b), np.cos(b)]])
    affine[:3, :3] = about_x @ about_z @ affine[:3, :3]
    return affine


@dataclass
class Stored:
    """One way to store a scan and its mask."""

    affine: np.ndarray = field(default_factory=lambda: turned("RAS"))
    kind: Any = np.int16
    mask_kind: Any = np.uint8
    suffix: str = ".nii.gz"
    shape: tuple[int, ...] = SHAPE
    image: type = nib.Nifti1Image
    change: Any = None
    """Of the scan's image, before it is saved."""
    mask_as: Any = None
    """The mask's array and affine from those in the scan's order."""
    values: tuple[int, ...] = VALUES


def sheared() -> np.ndarray:
    affine = turned("RAS")
    affine[0, 1] = 0.4
    return affine


def scaled(image):
    image.header.set_slope_inter(0.5, -100)


def two_forms(image):
    image.set_sform(turned("RAS"), code=1)
    image.set_qform(turned("LPS"), code=2)


def no_form(image):
    image.set_sform(None, code=0)
    image.set_qform(None, code=0)


def qform_alone(image):
    image.set_qform(image.affine, code=1)
    image.set_sform(None, code=0)


def extended(image):
    image.header.extensions.append(nib.nifti1.Nifti1Extension("comment", b"x" * 40))


def endless(image):
    image.get_fdata()[0, 0, 0] = np.nan
    image.dataobj[0, 0, 0], image.dataobj[1, 0, 0] = np.nan, -np.inf


def in_order(codes: str):
    """A mask whose file has its axes otherwise than the scan."""

    def stored(mask, affine):
        image = nib.Nifti1Image(mask.astype(np.uint8), affine)
        change = ornt_transform(io_orientation(affine), axcodes2ornt(tuple(codes)))
        found = image.as_reoriented(change)
        return np.asarray(found.dataobj), found.affine

    return stored


WAYS = {
    "RAS": Stored(),
    "LPS": Stored(turned("LPS")),
    "ASL": Stored(turned("ASL")),
    "IAL": Stored(turned("IAL")),
    "PIR": Stored(turned("PIR")),
    "oblique": Stored(turned("RAS", degrees=(20, 0))),
    "oblique LPS": Stored(turned("LPS", degrees=(20, 10))),
    "oblique ASL": Stored(turned("ASL", degrees=(20, 10))),
    "shear": Stored(sheared()),
    "45 degrees": Stored(turned("RAS", (1, 1, 1), (45, 0))),
    "50 and 50 degrees": Stored(turned("RAS", (1, 1, 1), (50, 50))),
    "40 to 48 degrees": Stored(turned("RAS", (1, 1, 1), (40, 48))),
    "thick slices": Stored(turned("RAS", (1, 1, 6))),
    "thick slices LPS": Stored(turned("LPS", (1, 1, 6))),
    "uint8": Stored(kind=np.uint8),
    "uint16": Stored(kind=np.uint16),
    "int16": Stored(kind=np.int16),
    "int32": Stored(kind=np.int32),
    "float32": Stored(kind=np.float32),
    "float64": Stored(kind=np.float64),
    "scaled": Stored(change=scaled),
    "big endian": Stored(kind=">i2"),
    "NIfTI-2": Stored(image=nib.Nifti2Image),
    "not packed": Stored(suffix=".nii"),
    "one slice": Stored(shape=(7, 6, 1)),
    "mask uint8": Stored(turned("LPS"), mask_kind=np.uint8),
    "mask int16": Stored(turned("LPS"), mask_kind=np.int16),
    "mask int32": Stored(turned("LPS"), mask_kind=np.int32),
    "mask uint32": Stored(turned("LPS"), mask_kind=np.uint32),
    "mask int64": Stored(turned("LPS"), mask_kind=np.int64),
    "mask float32": Stored(turned("LPS"), mask_kind=np.float32),
    "mask float64": Stored(turned("LPS"), mask_kind=np.float64),
    "labels 0 to 255": Stored(shape=(32, 17, 4), values=tuple(range(256))),
    "labels above 255": Stored(mask_kind=np.int16, values=(0, 300, 1000)),
    "mask RAS, scan LPS": Stored(turned("LPS"), mask_as=in_order("RAS")),
    "mask in another order of axes": Stored(turned("LPS"), mask_as=in_order("SRA")),
    "an extension": Stored(change=extended),
    "three frames": Stored(shape=(7, 6, 5, 3)),
    "one frame": Stored(shape=(7, 6, 5, 1)),
    "two forms that differ": Stored(change=two_forms),
    "no form": Stored(change=no_form),
    "qform alone": Stored(turned("LPS", degrees=(20, 0)), change=qform_alone),
    "NaN and -inf": Stored(kind=np.float32, change=endless),
}


def stored_at(tmp_path, way: Stored):
    """Files of a scan and its mask, and the mask as the scan's file has its voxels."""
    chance = np.random.default_rng(0)
    mark = tuple(min(m, s - 1) for m, s in zip(MARK, way.shape[:3], strict=True))
    array = chance.integers(0, 100, way.shape).astype(way.kind)
    array[mark] = 200
    scan = way.image(array, way.affine)
    if way.change:
        way.change(scan)
    scan_path, mask_path = tmp_path / f"scan{way.suffix}", tmp_path / "mask.nii.gz"
    nib.save(scan, scan_path)
    mask = np.zeros(way.shape[:3], np.int32)
    apart = mask[::2, ::2, ::2]  # else it looks like a scan
    apart[...] = np.resize(chance.permutation(way.values), apart.shape)
    mask[0, 0, 0], mask[-1, -1, -1] = way.values[1], way.values[-1]
    kind, affine = np.dtype(way.mask_kind), nib.load(scan_path).affine
    written, place = way.mask_as(mask, affine) if way.mask_as else (mask, affine)
    nib.save(nib.Nifti1Image(written.astype(kind), place, dtype=kind), mask_path)
    return scan_path, mask_path, mask, mark


OF_ONE = Structures.of({0: "background", 1: "a"}, 9999, exclusive=True)


def opened(scan_path, mask_path):
    grid, standing = read_grid(scan_path), StandingOutline("label", Label(mask_path))
    cohort = Cohort(scan_path.parent, "yaml")
    held = read_values(standing, scan_path, grid, cohort, OF_ONE)
    return Drawing.of(grid, (0, 1), held, "a"), held


FEW = ("LPS", "PIR", "mask int32", "no form")  # tried each time; the rest takes seconds


@pytest.mark.parametrize(
    "name", [way if way in FEW else pytest.param(way, marks=pytest.mark.slow) for way in WAYS]
)
def test_a_drawing_comes_back_voxel_for_voxel(name, tmp_path):
    way = WAYS[name]
    scan_path, mask_path, mask, mark = stored_at(tmp_path, way)
    drawing, held = opened(scan_path, mask_path)
    assert np.array_equal(held, mask)

    write_shown(scan_path, 0, tmp_path / "shown.nii")
    shown = nib.load(tmp_path / "shown.nii")
    assert np.array_equal(shown.affine, np.diag(np.diag(shown.affine)))  # nothing to turn
    assert (np.diag(shown.affine) > 0).all()
    save_shown(tmp_path / "mask.nii", drawing.numbers(held), drawing.grid)
    numbers = np.asarray(nib.load(tmp_path / "mask.nii").dataobj).copy()
    assert numbers.dtype == np.uint8
    bright = np.unravel_index(np.argmax(shown.get_fdata()), shown.shape)
    new = next(k for k in range(len(drawing.values)) if k != numbers[bright])
    numbers[bright] = new  # what a person draws where the page shows the bright voxel

    back = drawing.outline(numbers.ravel(order="F"))
    expected = mask.copy()
    expected[mark] = drawing.values[new]
    out = tmp_path / "out.nii.gz"
    OF_ONE.write(out, back, scan_path)
    saved, scan = nib.load(out), nib.load(scan_path)
    assert np.array_equal(np.asarray(saved.dataobj), expected)
    for name in PLACE:
        ours, theirs = saved.header[name], scan.header[name]
        if name == "pixdim":
            ours, theirs = ours[:4], theirs[:4]
        assert np.array_equal(ours, theirs), name


def test_more_values_than_the_page_can_draw_are_refused(tmp_path):
    way = Stored(shape=(40, 21, 4), mask_kind=np.int16, values=tuple(range(400)))
    scan_path, mask_path, _, _ = stored_at(tmp_path, way)
    with pytest.raises(CrlnError, match="399 different values, and the page draws 255"):
        opened(scan_path, mask_path)


def test_what_is_saved_lies_where_simpleitk_places_the_scan(tmp_path):
    scan_path, mask_path, _, _ = stored_at(tmp_path, WAYS["oblique ASL"])
    _, held = opened(scan_path, mask_path)
    OF_ONE.write(tmp_path / "out.nii.gz", held, scan_path)
    ours, theirs = sitk.ReadImage(tmp_path / "out.nii.gz"), sitk.ReadImage(scan_path)
    assert ours.GetDirection() == theirs.GetDirection()
    assert ours.GetOrigin() == theirs.GetOrigin()
    assert ours.GetSpacing() == theirs.GetSpacing()


@pytest.mark.parametrize("name", ["RAS", "PIR", "oblique ASL", "50 and 50 degrees"])
def test_the_page_tells_the_millimetres_that_nibabel_has_for_a_voxel(name, tmp_path):
    scan_path, _, _, mark = stored_at(tmp_path, WAYS[name])
    write_shown(scan_path, 0, tmp_path / "shown.nii")
    shown = nib.load(tmp_path / "shown.nii").get_fdata()
    bright = np.unravel_index(np.argmax(shown), shown.shape)
    world = (ras_affine(read_grid(scan_path)) @ [*bright, 1])[:3]
    truth = (nib.load(scan_path).affine @ [*mark, 1])[:3]
    assert np.allclose(world, truth, atol=1e-4)


def test_a_file_of_several_channels_is_shown_channel_by_channel(tmp_path):
    scan_path, _, _, _ = stored_at(tmp_path, WAYS["three frames"])
    write_shown(scan_path, 2, tmp_path / "shown.nii")
    assert np.array_equal(
        nib.load(tmp_path / "shown.nii").get_fdata(), nib.load(scan_path).get_fdata()[..., 2]
    )
    with pytest.raises(CrlnError, match="has 3 channels"):
        write_shown(scan_path, 3, tmp_path / "shown.nii")


def test_what_is_not_finite_is_shown_as_the_nearest_that_is():
    shown = shown_voxels(np.array([[[np.nan, -np.inf, 2.0, 5.0, np.inf]]]))
    assert shown.tolist() == [[[2, 2, 2, 5, 5]]]
    assert shown_voxels(np.full((1, 1, 2), np.nan)).tolist() == [[[0, 0]]]


def _unpacked(packed: bytes, voxels: int, length: int | None = None) -> np.ndarray:
    return unpack(io.BytesIO(packed), len(packed) if length is None else length, voxels)


def test_a_drawing_is_unpacked_to_its_very_size():
    drawn = np.arange(200, dtype=np.uint8)
    assert np.array_equal(_unpacked(gzip.compress(drawn.tobytes()), 200), drawn)
    bomb = gzip.compress(b"\0" * 10_000_000)
    for packed, voxels, told in (
        (bomb, 1000, "more than 1000 voxels"),
        (gzip.compress(b"\0" * 10), 11, "of 10 voxels for a scan of 11"),
        (gzip.compress(b"\0" * 10)[:-9], 10, "of 10 voxels for a scan of 10"),
        (gzip.compress(b"\0" * 10) * 2, 10, "more than 10"),
        (b"no gzip at all", 10, "no gzip"),
        (b"", 10, "of 0 voxels"),
    ):
        with pytest.raises(DrawingError, match=told):
            _unpacked(packed, voxels)
    with pytest.raises(DrawingError, match="cut short"):
        _unpacked(gzip.compress(drawn.tobytes()), 200, length=10_000)


def test_a_drawing_of_another_scan_or_of_unknown_classes_is_refused(tmp_path):
    scan_path, mask_path, _, _ = stored_at(tmp_path, WAYS["RAS"])
    drawing, _ = opened(scan_path, mask_path)
    with pytest.raises(DrawingError, match="of 9 voxels for a scan of 210"):
        drawing.outline(np.zeros(9, np.uint8))
    with pytest.raises(DrawingError, match="class number 4, where there are 4"):
        drawing.outline(np.full(210, 4, np.uint8))
