import numpy as np
import pytest
import torch

from crln.combinations import join, most_probable
from crln.labels import IGNORE, LabelSpace


def test_masks_become_combinations_that_know_what_nobody_knows() -> None:
    liver = np.array([[True, True, False, False]])
    tumour = np.array([[False, True, True, False]])
    hidden = np.array([[False, False, True, True]])
    space = LabelSpace.of([0, 1, 2], {}, exclusive=False)
    combined = join({1: liver, 2: tumour}, {2: hidden}, 2)
    assert space.holds(combined, 1).tolist() == liver.tolist()
    assert space.knows(combined, 1).all()
    np.testing.assert_array_equal(space.knows(combined, 2), ~hidden)
    # nothing is background where an unknown structure may be; a known one tells that it is not
    np.testing.assert_array_equal(space.knows(combined, 0), [[True, True, True, False]])


def test_a_structure_without_a_file_is_unknown_everywhere() -> None:
    space = LabelSpace.of([0, 1, 2], {}, exclusive=False)
    combined = join({1: np.array([[True, False]])}, {2: True}, 2)
    assert not space.knows(combined, 2).any()
    assert space.knows(combined, 0).tolist() == [[True, False]]
    assert not space.holds(np.array([IGNORE]), 1).any()


@pytest.mark.parametrize("number", [2, 8, 16, 31])
def test_a_file_of_the_first_structure_alone_tells_of_the_others_too(number: int) -> None:
    space = LabelSpace.of(range(number + 1), {}, exclusive=False)
    combined = join({1: np.array([[[True, False]]])}, {}, number)
    for k in range(number + 1):
        assert space.knows(combined, k).all()
        assert space.holds(combined, k).tolist() == [[[k == 1, k == 0]]]
    assert np.array_equal(space.cleaned(combined), combined)


@pytest.mark.parametrize(("number", "size"), [(3, 1), (7, 1), (8, 2), (31, 4)])
def test_combinations_take_as_few_bytes_as_they_can(number: int, size: int) -> None:
    masks = {k: np.array([True]) for k in range(1, number + 1)}
    assert join(masks, {}, number).itemsize == size
    assert join(masks, {number: np.array([True])}, number).tolist()[0] > 2**number


@pytest.mark.parametrize("classes", [2, 3, 14])
def test_the_most_probable_class_is_the_first_of_the_largest(classes: int) -> None:
    given = torch.Generator().manual_seed(0)
    tied = torch.randint(0, 3, (2, classes, 5, 4, 3), generator=given).float()
    for probabilities in (tied, torch.randn(2, classes, 5, 4, 3, generator=given)):
        assert torch.equal(most_probable(probabilities.unbind(1)), probabilities.argmax(1))
