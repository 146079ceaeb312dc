from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from crln.errors import CrlnError
from crln.labels import HIGHEST, IGNORE, LOWEST, LabelSpace

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
        ({"exclusive": False, "values": (0, 5)}, r"numbered 0, 1, 2, \.\.\., got \[0, 5\]"),
        ({"members": ((0,), (1,))}, "members are those of regions; set exclusive: false"),
        ({"exclusive": False, "members": ((0,),)}, "a list of values for each class, 2"),
        ({"exclusive": False, "members": ((0, 1), (1,))}, "a value of the background lies in"),
        ({"exclusive": False, "members": ((0,), (1, 2)), "ignore": 2}, "ignore is 2, the value"),
        (
            {
                "exclusive": False,
                "values": (0, 1, 2),
                "names": ("a", "b", "c"),
                "members": ((0,), (1, 2), (2, 1)),
            },
            "regions 'b' and 'c' are the same values",
        ),
    ],
)
def test_labels_that_cannot_be_are_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        LabelSpace(**given)


BRAIN = {"whole": (1, 2, 3), "core": (2, 3), "enhancing": (3,)}


def regions_of(regions: dict[str, tuple[int, ...]] = BRAIN, **more: Any) -> LabelSpace:
    values = [0, *sorted({v for region in regions.values() for v in region})]
    return LabelSpace.of(values, {}, regions=regions, **more)


def test_values_become_the_regions_that_hold_them_and_come_back() -> None:
    space = regions_of(ignore=9)
    assert (space.classes, space.names) == (4, ("background", "whole", "core", "enhancing"))
    voxels = np.array([[0, 1, 2, 3, 9]])
    combined = space.encode(voxels)
    for k, members in enumerate([(0,), *BRAIN.values()]):
        np.testing.assert_array_equal(space.holds(combined, k), np.isin(voxels, members))
        np.testing.assert_array_equal(space.knows(combined, k), voxels != 9)
    np.testing.assert_array_equal(space.decode(combined), voxels)


def test_of_values_in_the_same_regions_the_smallest_is_written() -> None:
    space = LabelSpace.of([0, 4, 5, 6], {}, regions={"both": (6, 4), "one": (4,)})
    assert space.members == ((0, 5), (6, 4), (4,))
    written = space.decode(space.encode(np.array([[0, 4, 5, 6]])))
    assert written.tolist() == [[0, 4, 0, 6]]


@pytest.mark.parametrize("axis", [0, 1])
def test_of_regions_the_likeliest_that_a_file_can_say_is_decided(axis: int) -> None:
    space = regions_of()
    odds = 3 * torch.randn(2, 4, 5, 4, 3, generator=torch.Generator().manual_seed(1))
    found = space.decide(odds.sigmoid().movedim(1, axis), axis)
    # by definition: the largest product of p or 1 - p among the four that the file can say
    p = odds.double().sigmoid()[:, 1:]
    said = {0: (0, 0, 0), 1: (1, 0, 0), 3: (1, 1, 0), 7: (1, 1, 1)}
    products = torch.stack([
        torch.stack([p[:, k] if bit else 1 - p[:, k] for k, bit in enumerate(bits)]).prod(0)
        for bits in said.values()
    ])  # fmt: skip
    assert torch.equal(found, torch.tensor(list(said))[products.argmax(0)])


def test_separate_structures_decide_each_for_itself() -> None:
    space = LabelSpace.of([0, 1, 2], {1: "liver", 2: "tumour"}, exclusive=False)
    assert space.separate
    p = torch.tensor([[0.9, 0.2, 0.3], [0.1, 0.7, 0.3], [0.2, 0.5, 0.9], [0.0, 0.6, 0.8]])
    decided = space.decide(p)
    assert decided.tolist() == [0, 1, 2, 3]
    torch.testing.assert_close(space.probabilities(space.logits(p)), p)
    where = space.decode(decided.numpy())
    assert where.tolist() == [[True, False, False, False], [False, True, False, True],
                              [False, False, True, True]]  # fmt: skip


def test_the_largest_component_of_each_region_leaves_no_core_outside_its_whole() -> None:
    space = regions_of({"whole": (1, 2), "core": (2,)})
    voxels = np.zeros((20, 6, 6), np.int32)
    voxels[1:9, 1:5, 1:5] = 1
    voxels[2:4, 2:4, 2:4] = 2
    voxels[14:17, 1:4, 1:4] = 2  # a larger core, in a smaller whole
    kept = space.decode(space.cleaned(space.encode(voxels)))
    expected = voxels.copy()
    expected[10:] = 0
    expected[expected == 2] = 1
    np.testing.assert_array_equal(kept, expected)
    core = space.decode(space.cleaned(space.encode(voxels), [2]))
    assert (core[14:17, 1:4, 1:4] == 2).all()
    assert (core[2:4, 2:4, 2:4] == 1).all()
