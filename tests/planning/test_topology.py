import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crln.planning.topology import is_uneven, topology

SIDES = st.tuples(*[st.integers(1, 400)] * 3)
SPACINGS = st.tuples(*[st.floats(0.1, 10)] * 3)


@pytest.mark.parametrize(
    ("spacing", "size", "uneven"),
    [
        ((1.0, 1.0, 1.0), (35, 51, 36), False),
        ((0.8, 0.8, 1.6), (512, 512, 300), False),
        ((0.8, 0.8, 1.7), (512, 512, 300), True),
        ((1.0, 1.0, 1.0), (12, 12, 12), False),  # small, but not beside another side
        ((1.0, 1.0, 1.0), (256, 216, 64), False),
        ((1.0, 1.0, 2.0), (256, 216, 63), True),  # four halvings leave three slices
        ((1.0, 1.0, 1.0), (90, 80, 32), False),
        ((1.0, 1.0, 1.0), (256, 216, 10), True),  # an archive of thick slices knows no spacing
        ((1.0, 1.0, 1.0), (256, 216, 1), True),
    ],
)
def test_only_thick_slices_or_few_of_them_are_uneven(
    spacing: tuple[float, ...], size: tuple[int, ...], uneven: bool
) -> None:
    assert is_uneven(spacing, size) is uneven


def test_slices_wait_until_their_plane_is_as_coarse() -> None:
    """1.5 x 1.5 x 10, 3 x 3 x 10, then 6 x 6 x 10 mm: from there on 10 is within twice 6."""
    network = topology((1.5, 1.5, 10), (224, 256, 16))
    assert network.strides == ((2, 2, 1), (2, 2, 1), (2, 2, 2), (2, 2, 2))
    assert network.kernels == ((3, 3, 1), (3, 3, 1), (3, 3, 3), (3, 3, 3), (3, 3, 3))


def test_the_axes_of_sagittal_slices_change_places() -> None:
    network = topology((10, 1.5, 1.5), (16, 224, 256))
    assert network.strides == ((1, 2, 2), (1, 2, 2), (2, 2, 2), (2, 2, 2))
    assert network.kernels[:2] == ((1, 3, 3), (1, 3, 3))


def test_halving_leaves_four_voxels() -> None:
    network = topology((2.5, 2.5, 10), (96, 96, 8))
    assert network.step == (16, 16, 2)
    assert topology((2.5, 2.5, 10), (96, 96, 7)).step == (16, 16, 1)


@pytest.mark.parametrize(("slices", "step"), [(8, 2), (16, 4), (31, 4), (32, 8), (63, 8)])
def test_few_slices_keep_four_at_the_coarsest_level(slices: int, step: int) -> None:
    assert topology((1.0, 1.0, 1.0), (256, 256, slices)).step == (16, 16, step)


def test_a_single_slice_is_two_dimensional() -> None:
    network = topology((1.5, 1.5, 1.5), (256, 256, 1))
    assert network.step == (16, 16, 1)
    assert set(network.kernels) == {(3, 3, 1)}


def test_a_small_plane_has_fewer_levels_but_three_to_read() -> None:
    network = topology((1.0, 1.0, 5.0), (30, 30, 6))
    assert (network.step, len(network.widths)) == ((8, 8, 1), 4)


@settings(max_examples=100, deadline=None)
@given(SPACINGS, SIDES.filter(lambda sides: max(sides) > 1))
def test_every_topology_is_a_network(spacing: tuple[float, ...], size: tuple[int, ...]) -> None:
    """Checked level by level: what is halved is near, and along it the kernel reaches."""
    network = topology(spacing, size)
    lengths = list(spacing)
    kernels = network.kernels
    assert len(kernels) == len(network.widths) == len(network.strides) + 1
    for kernel, deeper, stride in zip(kernels, kernels[1:], network.strides, strict=False):
        for axis in range(3):
            assert deeper[axis] >= kernel[axis]
            assert size[axis] > 1 or (kernel[axis], stride[axis]) == (1, 1)
        finest = min((mm for mm, n in zip(lengths, size, strict=True) if n > 1), default=0)
        for axis, mm in enumerate(lengths):
            if size[axis] > 1 and mm <= 2 * finest:
                assert kernel[axis] == 3
        halved = [mm for mm, step in zip(lengths, stride, strict=True) if step == 2]
        assert max(halved) <= 2.01 * min(halved)
        lengths = [mm * step for mm, step in zip(lengths, stride, strict=True)]
