import numpy as np
import pytest
import torch
from scipy import ndimage
from scipy.spatial.transform import Rotation
from torch.nn import functional as F

from crln.augmentation.geometry import (
    KEYS,
    Turn,
    Warp,
    Zoom,
    affine_matrix,
    centre_crop,
    cubic_matrix,
    draw_turn,
    sampling_grid,
    separable,
    zoom_positions,
)
from crln.labels import IGNORE


@pytest.mark.parametrize("swap", [False, True])
@pytest.mark.parametrize("mirrored", [(), (0,), (0, 2), (0, 1, 2)])
def test_turn_swaps_then_mirrors(swap: bool, mirrored: tuple[int, ...]) -> None:
    volume = torch.randn(2, 4, 5, 6)
    expected = volume.numpy().swapaxes(1, 2) if swap else volume.numpy()
    expected = np.flip(expected, [axis + 1 for axis in mirrored])
    np.testing.assert_array_equal(Turn(swap, mirrored)(volume).numpy(), expected)


def test_quarter_turns_are_the_four_rotations() -> None:
    volume = torch.randn(4, 4, 3)
    random = np.random.default_rng(0)
    turns = {draw_turn(random, (4, 4, 3), True, ()) for _ in range(60)}
    rotated = {np.rot90(volume.numpy(), k).tobytes() for k in range(4)}
    assert {turn(volume).numpy().tobytes() for turn in turns} == rotated


def test_all_symmetries_are_equally_likely() -> None:
    random = np.random.default_rng(0)
    turns = [draw_turn(random, (4, 4, 3), True, (0, 1, 2)) for _ in range(3200)]
    counts = [turns.count(turn) for turn in set(turns)]
    assert len(counts) == 16  # 8 of the square, times Z
    assert min(counts) > 140


def test_uneven_patch_keeps_its_shape() -> None:
    random = np.random.default_rng(0)
    turns = {draw_turn(random, (4, 6, 3), True, ()) for _ in range(40)}
    assert turns == {Turn(), Turn(mirrored=(0, 1))}


def test_nothing_allowed_is_nothing_done() -> None:
    random = np.random.default_rng(0)
    assert all(draw_turn(random, (4, 4, 4), False, ()) == Turn() for _ in range(20))


def test_centre_crop_leaves_equal_margins() -> None:
    volume = torch.arange(8 * 6 * 10).view(1, 8, 6, 10)
    assert torch.equal(centre_crop(volume, (4, 6, 6)), volume[:, 2:6, :, 2:8])


def test_affine_matrix_against_scipy() -> None:
    degrees, zoom, spacing = (10.0, -25.0, 40.0), 1.3, np.array([1.0, 0.5, 2.5])
    rotation = Rotation.from_euler("xyz", degrees, degrees=True).as_matrix()
    expected = np.diag(1 / spacing) @ rotation @ np.diag(spacing) / zoom
    np.testing.assert_allclose(affine_matrix(degrees, zoom, spacing), expected, atol=1e-12)


def scipy_warp(volume: np.ndarray, matrix: np.ndarray, size: tuple, order: int, outside: float):
    centre_in, centre_out = (np.subtract(s, 1) / 2 for s in (volume.shape, size))
    offset = centre_in - np.asarray(matrix) @ centre_out
    mode = "grid-constant"  # beyond the last voxel's centre, interpolation towards the constant
    return ndimage.affine_transform(
        volume, matrix, offset, output_shape=size, order=order, mode=mode, cval=outside
    )


def test_warp_against_scipy() -> None:
    torch.manual_seed(0)
    source, size = (13, 11, 12), (9, 11, 8)
    image = torch.randn(2, *source)
    target, confidence = torch.randint(-1, 3, source), torch.rand(source)
    matrix = affine_matrix((20.0, -15.0, 30.0), 0.8, (1.0, 1.0, 2.0))
    warp = Warp(matrix, size)
    warped, label, sure = warp.image(image), warp.map(target, IGNORE), warp.map(confidence, 0)
    for c in range(2):
        expected = scipy_warp(image[c].double().numpy(), matrix, size, 1, 0)
        np.testing.assert_allclose(warped[c], expected, atol=1e-4)
    expected = scipy_warp(target.numpy(), matrix, size, 0, IGNORE)
    assert (label.numpy() == expected).all()
    assert (label == IGNORE).any()
    np.testing.assert_allclose(sure, scipy_warp(confidence.numpy(), matrix, size, 0, 0))


def test_identity_warp_is_the_centre_crop() -> None:
    image, target = torch.randn(1, 10, 8, 12), torch.randint(0, 5, (10, 8, 12))
    warp = Warp(affine_matrix((0, 0, 0), 1, (1, 1, 1)), (6, 8, 6))
    warped, label = warp.image(image), warp.map(target, IGNORE)
    torch.testing.assert_close(warped, centre_crop(image, (6, 8, 6)), atol=1e-5, rtol=0)
    assert torch.equal(label, centre_crop(target, (6, 8, 6)))


@pytest.mark.parametrize("source", [(13, 11, 12), (16, 20, 10)])
def test_a_map_is_sampled_where_grid_sample_would(source: tuple[int, int, int]) -> None:
    """And any type of it exactly, past what float32 holds."""
    random = np.random.default_rng(0)
    size = (9, 12, 8)
    number = torch.arange(source[0] * source[1] * source[2]).view(source)
    for _ in range(20):
        matrix = affine_matrix(random.uniform(-40, 40, 3), random.uniform(0.6, 1.5), (1, 1, 2))
        warp = Warp(matrix, size)
        grid = sampling_grid(matrix, source, size, number.device)
        raised = (number + 1).float()[None, None]  # 0 is what comes from outside
        expected = F.grid_sample(raised, grid, mode="nearest", align_corners=True)[0, 0].long() - 1
        assert torch.equal(warp.map(number, -1), expected)
        large = warp.map(number + 2**60, -1)
        assert torch.equal(large, torch.where(expected < 0, -1, expected + 2**60))
        assert torch.equal(warp.map(torch.ones(source, dtype=torch.bool), False), expected >= 0)
        soft = torch.stack([number, -number]).double()  # channels travel too
        assert torch.equal(warp.map(soft, 0.0)[1], -expected.clamp(min=0).double())


def test_separable_against_einsum() -> None:
    volume = torch.randn(2, 4, 5, 6).contiguous(memory_format=torch.channels_last)
    x, y, z = torch.randn(3, 4), torch.randn(7, 5), torch.randn(2, 6)
    expected = torch.einsum("cxyz,ax,by,dz->cabd", volume, x, y, z)
    torch.testing.assert_close(separable(volume, (x, y, z)), expected)
    expected = torch.einsum("cxyz,by->cxbz", volume, y)
    torch.testing.assert_close(separable(volume, (None, y, None)), expected)


def keys(distance: float) -> float:
    """Cubic convolution, Keys 1981, equation 15 for a = -1/2."""
    t = abs(distance)
    if t <= 1:
        return 1.5 * t**3 - 2.5 * t**2 + 1
    return -0.5 * t**3 + 2.5 * t**2 - 4 * t + 2 if t < 2 else 0.0


def test_cubic_matrix_against_loops() -> None:
    assert KEYS == -0.5
    positions = torch.tensor([-0.6, -0.3, 1.2, 3.0, 4.7, 6.4])
    for row, position in zip(cubic_matrix(positions), positions.tolist(), strict=True):
        weights = np.array([keys(position - voxel) for voxel in range(6)])
        expected = weights / weights.sum() if -0.5 <= position <= 5.5 else np.zeros(6)
        np.testing.assert_allclose(row, expected, atol=1e-5)


@pytest.mark.parametrize("zoom", [0.5, 0.73, 1.0, 1.5])
def test_zoom_against_loops(zoom: float) -> None:
    shape = (9, 8, 3)
    target, confidence = torch.randint(0, 4, shape), torch.rand(shape)
    image = torch.ones(2, *shape)
    change = Zoom(zoom)
    zoomed, label, sure = change.image(image), change.map(target, IGNORE), change.map(confidence, 0)
    for x, y, z in np.ndindex(*shape):
        source = [round((v - (n - 1) / 2) / zoom + (n - 1) / 2) for v, n in ((x, 9), (y, 8))]
        inside = 0 <= source[0] < 9 and 0 <= source[1] < 8
        assert label[x, y, z] == (target[source[0], source[1], z] if inside else IGNORE)
        assert sure[x, y, z] == (confidence[source[0], source[1], z] if inside else 0)
        assert (
            abs(zoomed[0, x, y, z] - float(inside)) < 1e-5
        )  # a constant stays one, and 0 comes in
    assert (label == IGNORE).any() == (zoom < 1)


def test_zoom_agrees_with_grid_sample_on_smooth_images() -> None:
    x, y = torch.meshgrid(torch.arange(20.0), torch.arange(16.0), indexing="ij")
    image = (torch.sin(x / 5) + torch.cos(y / 4))[None, :, :, None].repeat(1, 1, 1, 2)
    zoomed = Zoom(1.4).image(image)
    theta = torch.tensor([[[1 / 1.4, 0, 0], [0, 1 / 1.4, 0]]])
    grid = F.affine_grid(theta, (1, 1, 20, 16), align_corners=True)
    expected = F.grid_sample(image[None, ..., 0], grid, mode="bicubic", align_corners=True)[0]
    torch.testing.assert_close(zoomed[..., 0], expected, atol=0.02, rtol=0)
    assert torch.equal(zoomed[..., 0], zoomed[..., 1])


def test_zoom_of_one_stays() -> None:
    assert torch.equal(zoom_positions(7, 1.0, torch.device("cpu")), torch.arange(7.0))
    torch.testing.assert_close(cubic_matrix(torch.arange(7.0)), torch.eye(7))
