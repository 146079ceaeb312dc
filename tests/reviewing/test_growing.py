"""Growing from strokes; a plain loop and known shapes are the oracles."""

import heapq

import numpy as np
import pytest

from crln.errors import CrlnError
from crln.reviewing import growing
from crln.reviewing.growing import box_of, grow

MARK, UNKNOWN = 4, 3


def _scan(shape=(40, 36, 30), noise=20.0) -> tuple[np.ndarray, np.ndarray]:
    """Two balls that touch, and which voxel is of which."""
    grid = np.moveaxis(np.indices(shape), 0, -1)
    true = np.where(np.linalg.norm(grid - [15, 18, 15], axis=-1) < 9, 1, 0)
    true[np.linalg.norm(grid - [28, 18, 15], axis=-1) < 5] = 2
    chance = np.random.default_rng(0).normal(size=shape) * noise
    return (np.array([0, 100, 180])[true] + chance).astype(np.int16), true


def _strokes(shape) -> np.ndarray:
    drawn = np.zeros(shape, np.uint8)
    drawn[11:19, 18, 15] = drawn[15, 15:22, 15] = 1
    drawn[27:30, 18, 15] = 2
    drawn[3, 10:26, 15] = MARK
    return drawn


def _dice(found: np.ndarray, true: np.ndarray, number: int) -> float:
    mine, its = found == number, true == number
    return float(2 * (mine & its).sum() / (mine.sum() + its.sum()))


@pytest.mark.parametrize("most", [growing._MOST, 2_000])
def test_a_few_strokes_grow_to_the_borders_at_once_or_by_coarser_voxels(monkeypatch, most):
    monkeypatch.setattr(growing, "_MOST", most)
    scan, true = _scan()
    drawn = _strokes(scan.shape)
    found = grow(scan, drawn, (1, 1, 1), MARK, UNKNOWN)
    assert _dice(found, true, 1) > 0.95
    assert _dice(found, true, 2) > 0.9
    assert (found[drawn == 1] == 1).all()
    assert (found[drawn == MARK] == 0).all()
    assert not (found == MARK).any()


def _slowly(image: np.ndarray, seeds: np.ndarray, spacing) -> np.ndarray:
    """Each voxel's seed by the shortest way, with a heap and nothing else."""
    far, found = np.full(seeds.shape, np.inf), seeds.copy()
    heap = [(0.0, tuple(at)) for at in np.argwhere(seeds).tolist()]
    for _, at in heap:
        far[at] = 0
    heapq.heapify(heap)
    while heap:
        cost, at = heapq.heappop(heap)
        if cost > far[at]:
            continue
        for axis in range(3):
            for by in (-1, 1):
                to = tuple(side + by * (k == axis) for k, side in enumerate(at))
                if not all(0 <= side < n for side, n in zip(to, seeds.shape, strict=True)):
                    continue
                step = abs(image[to] - image[at]) + 0.01 * spacing[axis] / min(spacing)
                if cost + step < far[to]:
                    far[to], found[to] = cost + step, found[at]
                    heapq.heappush(heap, (cost + step, to))
    return found


def test_every_voxel_goes_to_the_stroke_with_the_shortest_way():
    chance = np.random.default_rng(0)
    image = chance.random((7, 6, 5))
    seeds = np.zeros(image.shape, np.uint8)
    for number, at in enumerate(((0, 0, 0), (6, 5, 4), (3, 2, 4)), 1):
        seeds[at] = number
    spacing = np.array([1.0, 1.0, 2.5])
    found = growing._nearest(image, seeds, spacing)
    assert np.array_equal(found, _slowly(image, seeds, spacing))
    assert len(np.unique(found)) == 3


def test_only_the_box_around_the_strokes_changes_and_only_it_is_read():
    scan, _ = _scan((60, 60, 60))
    drawn = np.zeros(scan.shape, np.uint8)
    drawn[15, 18, 12:18] = 1
    box = box_of(drawn > 0, (1, 1, 1))
    assert [(part.start, part.stop) for part in box] == [(5, 26), (8, 29), (2, 28)]

    class Told:
        def __getitem__(self, wanted):
            assert wanted == box
            return scan[wanted]

    found = grow(Told(), drawn, (1, 1, 1), MARK, UNKNOWN)
    outside = np.ones(scan.shape, bool)
    outside[box] = False
    assert not found[outside].any()


def test_without_marks_the_faces_of_the_box_are_background():
    scan, true = _scan((60, 60, 60), noise=5.0)
    drawn = np.zeros(scan.shape, np.uint8)
    drawn[8:22, 18, 15] = drawn[15, 12:25, 15] = 1
    found = grow(scan, drawn, (1, 1, 1), MARK, UNKNOWN)
    assert _dice(found, np.where(true == 2, 0, true), 1) > 0.9


def test_what_nobody_knows_stays_unknown():
    scan, _ = _scan()
    drawn = _strokes(scan.shape)
    drawn[12:20, 20:24, 10:20] = UNKNOWN
    found = grow(scan, drawn, (1, 1, 1), MARK, UNKNOWN)
    assert np.array_equal(found == UNKNOWN, drawn == UNKNOWN)


def test_without_strokes_or_background_that_is_said():
    scan, _ = _scan((12, 12, 12))
    drawn = np.zeros(scan.shape, np.uint8)
    with pytest.raises(CrlnError, match="no class is drawn"):
        grow(scan, drawn, (1, 1, 1), MARK, UNKNOWN)
    drawn[4:8, 4:8, 4:8] = 1  # the box around it is the whole scan
    with pytest.raises(CrlnError, match="nothing is background"):
        grow(scan, drawn, (1, 1, 1), MARK, UNKNOWN)
