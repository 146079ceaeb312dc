from collections.abc import Iterator

import nibabel as nib
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from crln.imaging import Grid, Volume
from crln.inference.restore import _along_there, outline, resample_slabs
from crln.inference.sliding import Slab
from crln.labels import LabelSpace
from crln.planning import Plan
from crln.preparation import Placement, prepare_image
from crln.preparation.resample import along, axis_matrix

Shape = tuple[int, int, int]


def cut(scores: Tensor, axis: int, thickness: int) -> Iterator[Slab]:
    start = 0
    for piece in scores.split(thickness, axis + 1):
        yield Slab(axis, start, piece)
        start += piece.shape[axis + 1]


def labels_of(classes: int) -> LabelSpace:
    return LabelSpace.of(range(classes), {})


def probabilities(shape: Shape, classes: int = 3) -> Tensor:
    torch.manual_seed(0)
    return (2 * torch.randn(classes, *shape)).softmax(0)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_gpu_takes_the_same_sums(axis: int) -> None:
    scores, matrix = probabilities((9, 8, 7)), axis_matrix((9, 8, 7)[axis], 11)
    there = _along_there(scores, torch.from_numpy(matrix.copy()), axis)
    torch.testing.assert_close(there, torch.from_numpy(along(scores.numpy(), matrix, axis)))


SIDES = st.tuples(*[st.integers(1, 20)] * 3)


@settings(max_examples=40, deadline=None)
@given(shape=SIDES, target=SIDES, axis=st.integers(0, 2), thickness=st.integers(1, 9))
def test_slab_by_slab_is_trilinear_interpolation_of_the_whole(
    shape: Shape, target: Shape, axis: int, thickness: int
) -> None:
    scores = probabilities(shape)
    result = torch.full((3, *target), torch.nan)
    for slab in resample_slabs(cut(scores, axis, thickness), shape, target):
        result[(slice(None), *slab.index)] = slab.scores
    expected = F.interpolate(scores[None], target, mode="trilinear")[0]
    torch.testing.assert_close(result, expected, atol=1e-5, rtol=0)


def turned_scan(codes: tuple[int, int, int], spacing: tuple[float, ...], shape: Shape) -> Volume:
    """A scan whose axes point along +-(|code| - 1) of RAS."""
    affine = np.eye(4)
    affine[:3, :3] = 0
    for axis, code in enumerate(codes):
        affine[abs(code) - 1, axis] = np.sign(code) * spacing[axis]
    random = np.random.default_rng(0)
    return Volume(random.normal(size=(1, *shape)).astype(np.float32), Grid(shape, affine))


def turned_back(array: np.ndarray, grid: Grid) -> np.ndarray:
    """From RAS to the scan's order of axes, by nibabel."""
    ras = np.array([[0, 1], [1, 1], [2, 1]])
    own = nib.orientations.io_orientation(grid.affine)
    return nib.orientations.apply_orientation(array, nib.orientations.ornt_transform(ras, own))


@pytest.mark.parametrize("codes", [(1, 2, 3), (-1, -2, 3), (3, 1, -2), (-2, 3, 1)])
def test_own_spacing_comes_back_exactly(codes: tuple[int, int, int]) -> None:
    volume = turned_scan(codes, (1, 1, 2), (9, 12, 7))
    image, placement = prepare_image(volume, Plan(intensity=({"scheme": "none"},)))
    scores = torch.stack([torch.from_numpy(image[0]), torch.zeros(image.shape[1:])]).softmax(0)
    found = outline(
        cut(scores, 1, 3), placement, labels_of(2), probabilities=True, uncertainty=True
    )
    first = 1 / (1 + np.exp(-volume.array[0]))
    assert found.probabilities is not None
    np.testing.assert_allclose(found.probabilities, [first, 1 - first], atol=1e-6)
    assert np.array_equal(found.classes, volume.array[0] < 0)
    entropy = -(first * np.log2(first) + (1 - first) * np.log2(1 - first))
    np.testing.assert_allclose(found.uncertainty, entropy, atol=1e-5)


@pytest.mark.parametrize("codes", [(1, 2, 3), (3, -1, 2)])
def test_another_spacing_comes_back_as_the_whole_array_would(codes: tuple[int, int, int]) -> None:
    volume = turned_scan(codes, (1.0, 1.3, 2.0), (16, 14, 9))
    _, placement = prepare_image(volume, Plan(spacing=(1.2, 1.2, 1.2)))
    scores = probabilities(placement.shape)
    found = outline(cut(scores, 2, 4), placement, labels_of(3), probabilities=True)
    whole = F.interpolate(scores[None], placement.turned, mode="trilinear")[0].numpy()
    expected = np.stack([turned_back(score, volume.grid) for score in whole])
    np.testing.assert_allclose(found.probabilities, expected, atol=1e-5)
    second, first = np.sort(expected, 0)[-2:]
    clear = first - second > 1e-4
    assert np.array_equal(found.classes[clear], expected.argmax(0)[clear])
    assert found.uncertainty is None


def test_entropy_is_0_where_certain_and_1_where_undecided() -> None:
    scores = torch.zeros(4, 2, 1, 1)
    scores[2, 0], scores[:, 1] = 1, 0.25
    placement = Placement(Grid((2, 1, 1)), (2, 1, 1))
    found = outline(cut(scores, 0, 1), placement, labels_of(4), uncertainty=True)
    np.testing.assert_allclose(found.uncertainty.ravel(), [0, 1], atol=1e-6)
    assert found.classes[0, 0, 0] == 2
    assert found.probabilities is None


@pytest.mark.parametrize("codes", [(1, 2, 3), (-1, -2, 3), (3, 1, -2), (-2, 3, 1)])
def test_doubt_is_how_many_voxels_of_a_slice_may_be_wrong(codes: tuple[int, int, int]) -> None:
    volume = turned_scan(codes, (1, 1, 2), (9, 12, 7))
    _, placement = prepare_image(volume, Plan())
    scores = probabilities(placement.shape)
    found = outline(cut(scores, 1, 3), placement, labels_of(3))
    wrong = turned_back(1 - scores.amax(0).numpy(), volume.grid)
    for axis, others in enumerate([(1, 2), (0, 2), (0, 1)]):
        np.testing.assert_allclose(found.doubt[axis], wrong.sum(others), rtol=1e-5)


def test_doubt_of_overlapping_classes_is_that_of_each() -> None:
    labels = LabelSpace((0, 1, 2), ("background", "liver", "tumour"), exclusive=False)
    scores = torch.tensor([0.5, 0.8, 0.3]).reshape(3, 1, 1, 1)
    placement = Placement(Grid((1, 1, 1)), (1, 1, 1))
    found = outline(cut(scores, 0, 1), placement, labels)
    np.testing.assert_allclose(found.doubt, [[0.5]] * 3, rtol=1e-6)
