import numpy as np
import pytest
import torch

from crln.augmentation.geometry import Turn, affine_matrix, centre_crop, warp
from crln.augmentation.recipe import Recipe, Tint
from crln.augmentation.rich import Placement, RichViews, margined, odd_axis, place, tint
from crln.labels import IGNORE
from crln.planning.plan import Plan

GEOMETRY = Recipe(rotation=1.0, zoom=1.0)


def test_margin_is_an_eighth_on_both_sides() -> None:
    assert margined((112, 112, 80)) == (140, 140, 100)
    assert margined((32, 48, 16)) == (40, 60, 20)


@pytest.mark.parametrize(
    ("patch", "spacing", "expected"),
    [
        ((64, 64, 64), (1, 1, 1), None),
        ((96, 96, 32), (1, 1, 3), None),
        ((128, 128, 32), (1, 1, 1), 2),
        ((64, 64, 64), (5, 1, 1), 0),
        ((16, 128, 128), (1, 1, 6), 2),
    ],
)
def test_odd_axis(patch: tuple, spacing: tuple, expected: int | None) -> None:
    assert odd_axis(patch, spacing) == expected


def test_anisotropic_patch_turns_about_its_odd_axis_only() -> None:
    view = RichViews(Plan(patch_size=(64, 64, 16), spacing=(1, 1, 4)), labelled=GEOMETRY)
    for seed in range(20):
        matrix = view._draw_placement(GEOMETRY, np.random.default_rng(seed)).matrix
        assert matrix is not None
        zoom = 1 / matrix[2][2]
        assert 0.7 <= zoom <= 1.4
        assert [matrix[2][0], matrix[2][1], matrix[0][2], matrix[1][2]] == [0, 0, 0, 0]
        assert matrix[0][0] * zoom >= np.cos(np.radians(30)) - 1e-9


def test_place_against_its_parts() -> None:
    images, target = torch.randn(2, 2, 20, 20, 20), torch.randint(0, 3, (2, 20, 20, 20))
    confidence = torch.rand(2, 20, 20, 20)
    matrix = affine_matrix((10, 20, -30), 0.9, (1, 1, 1))
    turn = Turn(True, (1,))
    size = (16, 16, 16)
    placements = [Placement(None, Turn(mirrored=(2,))), Placement(matrix, turn)]
    views, targets, sure = place(images, target, confidence, placements, size)
    assert torch.equal(views[0], centre_crop(images[0], size).flip(-1))
    assert torch.equal(targets[0], centre_crop(target[0], size).flip(-1))
    expected = warp(images[1], target[1], confidence[1], matrix, size)
    assert sure is not None
    for result, volume in zip((views[1], targets[1], sure[1]), expected, strict=True):
        assert torch.equal(result, turn(volume))


def test_tint_changes_the_channels_it_should() -> None:
    views = torch.randn(2, 2, 8, 8, 8)
    kept = views.clone()
    tint(views, [[Tint(), Tint(brightness=2.0)], [Tint(contrast=0.5), Tint()]], torch.Generator())
    assert torch.equal(views[0, 0], kept[0, 0])
    assert torch.equal(views[0, 1], 2 * kept[0, 1])
    assert not torch.equal(views[1, 0], kept[1, 0])
    assert torch.equal(views[1, 1], kept[1, 1])


@pytest.mark.parametrize("name", ["labelled", "weak"])
def test_label_follows_image(name: str) -> None:
    """Image and label both hold the voxel's number along X, which interpolation reproduces."""
    plan = Plan(patch_size=(16, 16, 16), views={"mirror_axes": (0, 2), "rotate90": True})
    view = RichViews(plan, labelled=GEOMETRY, weak=GEOMETRY)
    x = torch.arange(view.read_size[0])[:, None, None].expand(view.read_size)
    target = x.expand(2, *view.read_size)
    images = torch.stack([target, torch.ones_like(target)], 1).float()
    generator, outside = torch.Generator().manual_seed(0), []
    for _ in range(10):
        image, label = getattr(view, name)(images, target, generator)
        outside.append((label == IGNORE).float().mean())
        covered = image[:, 1] > 0.9999  # no corner of the interpolation lies outside
        assert covered.float().mean() > 0.6
        assert ((image[:, 0] - label).abs()[covered] <= 0.501).all()
    assert 0 < np.mean(outside) < 0.2


def test_strong_mixes_images_labels_and_confidence_alike() -> None:
    view = RichViews(Plan(patch_size=(16, 16, 16)), strong=Recipe(rotation=0, zoom=0, cutmix=1))
    sample = torch.arange(2).view(2, 1, 1, 1).expand(2, 16, 16, 16)
    image, label, sure = view.strong(
        sample[:, None].float(), sample, sample.float(), torch.Generator().manual_seed(0)
    )
    assert torch.equal(image[:, 0], sure)
    assert torch.equal(label.float(), sure)
    pasted = [(label[b] != b).float().mean() for b in range(2)]
    assert all(0.05 < share < 0.9 for share in pasted)
