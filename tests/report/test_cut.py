import numpy as np
import pytest

from crln.imaging import Grid
from crln.report.cut import PIXELS, SLICES, Cut

RAS = np.diag([1.0, 1.0, 1.0, 1.0])
LPS = np.diag([-1.0, -1.0, 1.0, 1.0])


def box(shape: tuple[int, int, int], *sides: tuple[int, int]) -> np.ndarray:
    inside = np.zeros(shape, bool)
    inside[tuple(slice(*side) for side in sides)] = True
    return inside


def test_the_patients_right_is_on_the_left_and_the_front_on_top() -> None:
    shape = (6, 5, 4)
    image = np.arange(120).reshape(shape)
    cut = Cut.through(Grid(shape, RAS), np.zeros(shape, bool))
    assert (cut.plane, cut.letters) == ("axial", "RLAP")
    seen = cut.sample(image)
    assert seen.shape == (4, 5, 6)
    assert seen[2, 0, 0] == image[5, 4, 2]  # right, front
    assert seen[2, 4, 5] == image[0, 0, 2]  # left, back


def test_axes_of_any_direction_are_looked_at_alike() -> None:
    shape = (6, 5, 4)
    image = np.random.default_rng(0).integers(0, 99, shape)
    inside = box(shape, (1, 3), (2, 4), (1, 3))
    ras = Cut.through(Grid(shape, RAS), inside)
    turned = np.array([[0, 0, 1, 0], [-1, 0, 0, 0], [0, -1, 0, 0], [0, 0, 0, 1]], float)
    there = Grid((5, 4, 6), turned)  # its axes run to the back, down and to the right
    back = Cut.through(there, there.from_ras(inside))
    assert np.array_equal(back.sample(there.from_ras(image)), ras.sample(image))
    assert np.array_equal(back.whole(there.from_ras(image)), ras.whole(image))


@pytest.mark.parametrize(("affine", "number"), [(RAS, 8), (np.diag([1, 1, -1.0, 1]), 3)])
def test_slices_have_the_numbers_of_the_file_from_one(affine: np.ndarray, number: int) -> None:
    grid = Grid((6, 6, 10), affine)
    inside = grid.from_ras(box((6, 6, 10), (1, 3), (1, 3), (7, 8)))
    cut = Cut.through(grid, inside)
    assert cut.numbers[cut.key] == number


def test_the_slice_of_most_doubt_is_first_else_the_largest_section() -> None:
    shape = (8, 8, 12)
    inside = box(shape, (2, 4), (2, 4), (2, 10))
    inside[2:6, 2:6, 8] = True
    grid = Grid(shape, np.diag([1, 1, -1.0, 1]))
    assert Cut.through(grid, inside).numbers[Cut.through(grid, inside).key] == 9
    doubt = np.zeros(12, np.float32)
    doubt[4] = 3  # in the order of the file
    cut = Cut.through(grid, inside, (np.zeros(8), np.zeros(8), doubt))
    assert cut.numbers[cut.key] == 5
    assert max(cut.doubt) == cut.doubt[cut.key] == 1


@pytest.mark.parametrize(
    ("shape", "spacing", "plane"),
    [
        ((20, 20, 20), (1, 1, 1), "axial"),
        ((20, 6, 20), (1, 8, 1), "coronal"),
        ((6, 20, 20), (5, 1, 1), "sagittal"),
        ((20, 20, 20), (1, 1.5, 1), "axial"),
        ((1, 20, 20), (1, 1, 1), "sagittal"),
        ((20, 20, 1), (1, 1, 1), "axial"),
    ],
)
def test_thick_slices_and_flat_scans_are_looked_at_as_they_were_taken(
    shape: tuple[int, int, int], spacing: tuple[float, float, float], plane: str
) -> None:
    grid = Grid(shape, np.diag([*spacing, 1.0]))
    cut = Cut.through(grid, np.zeros(shape, bool))
    assert cut.plane == plane
    assert len(cut.numbers) == shape[cut.axis]


def test_a_picture_is_as_wide_as_the_scan_is_in_millimetres() -> None:
    grid = Grid((10, 10, 4), np.diag([1.0, 3.0, 10.0, 1.0]))
    cut = Cut.through(grid, np.zeros(grid.shape, bool))
    assert cut.size == (10, 10)
    assert cut.ratio == pytest.approx(1 / 3)


def test_of_a_large_scan_the_structures_and_some_around_them_are_shown() -> None:
    shape = (400, 400, 300)
    inside = box(shape, (100, 140), (200, 220), (50, 250))
    cut = Cut.through(Grid(shape, RAS), inside)
    columns, rows = cut.size
    assert len(cut.numbers) <= SLICES
    assert columns * rows * len(cut.numbers) <= 1.05 * PIXELS
    seen = cut.sample(inside)
    assert seen.any(axis=(1, 2)).mean() > 0.6
    assert 0.02 < seen[cut.key].mean() < 0.4
    assert not seen[:, [0, -1]].any()
    assert not seen[:, :, [0, -1]].any()


def test_nobody_knows_the_sides_of_a_scan_without_a_place() -> None:
    cut = Cut.through(Grid((4, 4, 4)), np.ones((4, 4, 4), bool))
    assert (cut.plane, cut.letters) == ("", "")
