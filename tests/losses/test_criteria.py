"""What criteria tell of single voxels, of exclusive classes and of overlapping ones."""

import math

import torch

from crln.labels import IGNORE, LabelSpace
from crln.losses import criteria_of

EXCLUSIVE = criteria_of(LabelSpace((0, 1, 2), ("background", "a", "b")))
OVERLAPPING = criteria_of(LabelSpace.of([0, 1, 2], {}, exclusive=False))


def voxel(*logits: float) -> torch.Tensor:
    return torch.tensor(logits).view(1, -1, 1, 1, 1)


def target(kind: int) -> torch.Tensor:
    return torch.full((1, 1, 1, 1), kind)


def test_squared_error_is_the_mean_over_known_classes() -> None:
    p = voxel(0.3, -1.0, 2.0).softmax(1).flatten().tolist()
    expected = ((p[0]) ** 2 + (1 - p[1]) ** 2 + p[2] ** 2) / 3
    torch.testing.assert_close(
        EXCLUSIVE.squared_error(voxel(0.3, -1.0, 2.0), target(1)).item(), expected
    )
    assert EXCLUSIVE.squared_error(voxel(0.3, -1.0, 2.0), target(IGNORE)) == 0
    # Of the first structure it is known that it is here, of the second nothing (bit 8).
    q = voxel(0.3, -1.0, 2.0).sigmoid().flatten().tolist()
    expected = (q[0] ** 2 + (1 - q[1]) ** 2) / 2
    found = OVERLAPPING.squared_error(voxel(0.3, -1.0, 2.0), target(1 + 8)).item()
    torch.testing.assert_close(found, expected)


def test_indecision_is_least_where_nothing_is_known() -> None:
    assert math.isclose(
        EXCLUSIVE.indecision(voxel(1.0, 1.0, 1.0)).item(), math.log(3), rel_tol=1e-6
    )
    assert math.isclose(
        OVERLAPPING.indecision(voxel(0.0, 0.0, 0.0)).item(), math.log(2), rel_tol=1e-6
    )
    p = voxel(2.0, -1.0, 0.5).softmax(1)
    expected = -p.log().mean().item()
    assert math.isclose(EXCLUSIVE.indecision(voxel(2.0, -1.0, 0.5)).item(), expected, rel_tol=1e-6)
    q = voxel(2.0, -1.0, 0.5).sigmoid()
    expected = -(q.log() + (1 - q).log()).mean().item() / 2
    assert math.isclose(
        OVERLAPPING.indecision(voxel(2.0, -1.0, 0.5)).item(), expected, rel_tol=1e-6
    )


def test_labels_differ_by_what_both_know() -> None:
    assert EXCLUSIVE.differ(target(1), target(2))
    assert not EXCLUSIVE.differ(target(1), target(1))
    assert not EXCLUSIVE.differ(target(1), target(IGNORE))
    assert OVERLAPPING.differ(target(1), target(3))
    assert not OVERLAPPING.differ(target(1 + 8), target(3))  # of the second, one knows nothing
