from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from crln.errors import CrlnError
from crln.labels import HIGHEST, IGNORE, LOWEST, LabelSpace, largest_components

VALUES = st.lists(st.integers(LOWEST, HIGHEST), min_size=3, max_size=300, unique=True)


def space_of(values: list[int], **more: Any) -> LabelSpace:
    return LabelSpace(tuple(values), tuple(f"k{k}" for k in range(len(values))), **more)


@given(VALUES, st.integers(0, 9))
def test_values_become_classes_and_come_back(values: list[int], seed: int) -> None:
    *known, ignore = values
    space = space_of(known, ignore=ignore)
    place = np.random.default_rng(seed).integers(-1, len(known), (3, 4, 5))
    voxels = np.array(values)[place]  # -1 is the last, the ignored value
    classes = space.encode(voxels)
    np.testing.assert_array_equal(classes, np.where(voxels == ignore, IGNORE, place))
    np.testing.assert_array_equal(space.decode(classes), voxels)


def test_a_byte_holds_the_classes_where_it_can() -> None:
    for count, size in ((2, 1), (128, 1), (129, 2), (300, 2)):
        space = space_of(list(range(count)), ignore=-1)
        assert space.encode(np.array([[0, count - 1, -1]])).tolist() == [[0, count - 1, IGNORE]]
        assert space.encode(np.array([[0]])).itemsize == size


def test_a_value_of_no_class_is_named_with_its_file() -> None:
    space = space_of([0, 85], ignore=255)
    with pytest.raises(
        CrlnError, match=r"a\.nii: holds the value 9, .* labels \[0, 85\]; .*ignore"
    ):
        space.encode(np.array([[0, 85], [255, 9]]), Path("a.nii"))


def test_structures_are_all_but_the_background() -> None:
    space = LabelSpace((3, 0, 7), ("air", "foreground", "b"))
    assert (space.classes, space.structures) == (3, {0: "foreground", 7: "b"})


def test_logits_become_probabilities_and_a_decision() -> None:
    logits = torch.randn(2, 3, 4, 4, 4, generator=torch.Generator().manual_seed(0))
    space = space_of([0, 1, 2])
    found = space.probabilities(logits.bfloat16())
    assert found.dtype == torch.float32
    torch.testing.assert_close(found.sum(1), torch.ones(2, 4, 4, 4))
    power = logits.bfloat16().float().exp()
    torch.testing.assert_close(found, power / power.sum(1, keepdim=True))
    assert torch.equal(space.decide(found), space.decide(found[:, :].movedim(1, 0), 0))
    assert (found.gather(1, space.decide(found)[:, None]) == found.amax(1, keepdim=True)).all()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"values": (0,), "names": ("a",)}, "two or more"),
        ({"values": (0, 0)}, "different"),
        ({"values": (0, 2**31)}, "32-bit"),
        ({"names": ("a",)}, "as many as values, 2"),
        ({"codes": ("a",)}, "as many as values, 2"),
        ({"names": ("a", "a")}, "two classes are called 'a'"),
        ({"names": ("a", " ")}, "has no name"),
        ({"ignore": 1}, "ignore is 1, the value of a class"),
        ({"exclusive": False}, "cannot be learnt yet"),
    ],
)
def test_labels_that_cannot_be_are_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        LabelSpace(**given)


def test_keeps_the_largest_component_of_each_class() -> None:
    classes = np.zeros((12, 10, 8), np.uint8)
    classes[1:5, 1:5, 1:5] = 1
    classes[8, 8, 6] = 1
    classes[7:9, 1:3, 1:3] = 2
    classes[10:12, 6:10, 2] = 3
    expected = classes.copy()
    expected[8, 8, 6] = 0
    assert np.array_equal(largest_components(classes), expected)
    assert classes[8, 8, 6] == 1


def test_voxels_that_share_a_corner_are_connected() -> None:
    classes = np.zeros((6, 6, 6), np.uint8)
    classes[0, 0, 0] = classes[1, 1, 1] = classes[5, 5, 5] = 1
    kept = largest_components(classes)
    assert kept[0, 0, 0] == kept[1, 1, 1] == 1
    assert kept[5, 5, 5] == 0


@pytest.mark.parametrize("kind", [np.uint8, np.int32, np.int64])
def test_same_as_scipy_on_noise(kind: type) -> None:
    classes = np.random.default_rng(0).integers(0, 3, (14, 12, 10)).astype(kind)
    classes[np.random.default_rng(1).random(classes.shape) < 0.7] = 0
    expected = np.zeros_like(classes)
    for k in (1, 2):
        parts, _ = ndimage.label(classes == k, np.ones((3, 3, 3)))
        sizes = np.bincount(parts.ravel())[1:]
        assert (sizes == sizes.max()).sum() == 1
        expected[parts == sizes.argmax() + 1] = k
    assert np.array_equal(largest_components(classes), expected)


def test_background_alone_stays() -> None:
    assert not largest_components(np.zeros((3, 3, 3), np.uint8)).any()
