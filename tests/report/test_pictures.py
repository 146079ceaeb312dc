"""Pictures of scans: what is drawn, where, and in which shape."""

import nibabel as nib
import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.contour import QuadContourSet
from matplotlib.figure import Figure

from crln.imaging import Grid, Volume
from crln.report import slice_picture
from crln.report.style import class_colour

pytestmark = pytest.mark.slow

SHAPE = (20, 30, 16)


def scan(affine: np.ndarray | None) -> Volume:
    image = np.random.default_rng(0).normal(size=(1, *SHAPE)).astype(np.float32)
    return Volume(image, Grid(SHAPE, affine))


@pytest.fixture
def truth() -> np.ndarray:
    mask = np.zeros(SHAPE, np.uint8)
    mask[3:9, 10:18, 4:7] = 1
    mask[5:7, 18:20, 4:7] = 2
    return mask


def panels(figure: Figure) -> np.ndarray:
    figure.draw_without_rendering()
    return np.array(figure.axes).reshape(-1, 3)


def outlines(axis) -> list[tuple[str, bool]]:
    """Hue of each outline, and whether it is dashed."""
    drawn = [child for child in axis.get_children() if isinstance(child, QuadContourSet)]
    return [(to_hex(c.get_edgecolor()[0]), c.get_linestyle()[0][1] is not None) for c in drawn]


FIRST, SECOND = class_colour(0), class_colour(1)


def test_a_row_per_prediction_the_truth_solid_and_what_is_predicted_dashed(truth):
    figure = slice_picture(
        scan(np.diag([1, 1, 2, 1.0])), truth, {"one": truth, "two": np.zeros_like(truth)}
    )
    grid = panels(figure)
    assert grid.shape == (2, 3)
    assert [axis.get_title() for axis in grid[0]] == ["axial", "coronal", "sagittal"]
    assert [row[0].get_ylabel() for row in grid] == ["one", "two"]
    assert {dashed for _, dashed in outlines(grid[0, 0])} == {False, True}
    assert {dashed for _, dashed in outlines(grid[1, 0])} == {False}
    # A class has one hue in both.
    assert set(outlines(grid[0, 2])) == {(hue, d) for hue in (FIRST, SECOND) for d in (False, True)}


def test_voxels_have_their_size_in_millimetres(truth):
    grid = panels(slice_picture(scan(np.diag([0.5, 1, 4, 1.0])), truth, {"p": truth}))
    assert [axis.get_aspect() for axis in grid[0]] == pytest.approx([2.0, 8.0, 4.0])


def test_the_slice_with_most_truth_is_shown(truth):
    volume = scan(np.diag([1, 1, 1, 1.0]))
    volume.array[0, :, :, 5] = 70
    truth[4:8, 11:17, 5] = 1
    truth[3:9, 10:18, 4] = truth[3:9, 10:18, 6] = 0
    shown = panels(slice_picture(volume, truth, {"p": truth}))[0, 0].images[0].get_array()
    np.testing.assert_array_equal(shown, 1)  # white


def test_the_view_is_around_the_structure_unless_told_otherwise(truth):
    volume = scan(np.diag([2, 1, 1, 1.0]))
    near = panels(slice_picture(volume, truth, {"p": truth}))[0, 0]
    assert near.get_xlim() == (14.5, -0.5)
    assert near.get_ylim() == (-0.5, 29.5)
    whole = panels(slice_picture(volume, truth, {"p": truth}, zoom=False))[0, 0]
    assert whole.get_xlim() == (19.5, -0.5)


@pytest.mark.slow
@pytest.mark.parametrize("codes", ["LPS", "SAR", "PIR", "RAS"])
def test_a_scan_of_any_orientation_looks_the_same(truth, codes):
    affine = np.diag([1, 1.5, 2, 1.0])
    expected = panels(slice_picture(scan(affine), truth, {"p": truth}))
    stored = nib.Nifti1Image(scan(affine).array[0], affine)
    turn = nib.orientations.ornt_transform(
        nib.orientations.io_orientation(affine), nib.orientations.axcodes2ornt(codes)
    )
    stored, mask = (i.as_reoriented(turn) for i in (stored, nib.Nifti1Image(truth, affine)))
    turned = Volume(np.asarray(stored.dataobj)[None], Grid(stored.shape, stored.affine))
    array = np.asarray(mask.dataobj)
    for there, here in zip(
        panels(slice_picture(turned, array, {"p": array}))[0], expected[0], strict=True
    ):
        np.testing.assert_array_equal(there.images[0].get_array(), here.images[0].get_array())
        assert there.get_aspect() == pytest.approx(here.get_aspect())
        assert there.get_xlim() == here.get_xlim()


def test_sides_are_marked_only_where_there_is_a_geometry(truth):
    marked = panels(slice_picture(scan(np.diag([1, 1, 2, 1.0])), truth, {"p": truth}))[0, 0]
    assert [text.get_text() for text in marked.texts] == list("RLAP")
    unknown = panels(slice_picture(scan(None), truth, {"p": truth}))[0, 0]
    assert not unknown.texts


def test_without_truth_the_prediction_leads_and_nothing_shown_is_no_fault(truth):
    volume = scan(np.diag([1, 1, 2, 1.0]))
    figure = slice_picture(volume, None, {"p": truth})
    assert {dashed for _, dashed in outlines(panels(figure)[0, 0])} == {True}
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["prediction"]
    nothing = panels(slice_picture(volume, None, {"p": np.zeros_like(truth)}))[0]
    assert nothing[0].get_xlim() == (19.5, -0.5)
    assert not outlines(nothing[0])
