import numpy as np
import pytest
import torch

from crln.augmentation import Kind, View, build_views
from crln.augmentation.geometry import Crop, Placed, Turn, Warp, affine_matrix, centre_crop
from crln.augmentation.recipe import Recipe, Tint
from crln.augmentation.rich import RichViews, margined, odd_axis, tint
from crln.labels import IGNORE
from crln.planning.plan import Plan

GEOMETRY = Recipe(rotation=1, zoom=1).model_dump()


def rich(plan: Plan, **options: object) -> RichViews:
    views = build_views(plan.updated({"views": {"options": options}}))
    assert isinstance(views, RichViews)
    return views


def test_margin_is_an_eighth_on_both_sides() -> None:
    assert margined((112, 112, 80), 1 / 8) == (140, 140, 100)
    assert margined((32, 48, 16), 1 / 8) == (40, 60, 20)


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
    assert odd_axis(patch, spacing, 3) == expected


def test_anisotropic_patch_turns_about_its_odd_axis_only() -> None:
    view = rich(Plan(patch_size=(64, 64, 16), spacing=(1, 1, 4)), labelled=GEOMETRY)
    for seed in range(20):
        source = view._draw_placing(view.options.labelled, np.random.default_rng(seed)).source
        assert isinstance(source, Warp)
        matrix = source.matrix
        zoom = 1 / np.hypot(matrix[0][0], matrix[0][1])
        assert 0.7 <= zoom <= 1.4
        assert matrix[2] == (0, 0, 1)
        assert (matrix[0][2], matrix[1][2]) == (0, 0)
        assert matrix[0][0] * zoom >= np.cos(np.radians(30)) - 1e-9


@pytest.mark.parametrize("kind", ["rich", "paper"])
@pytest.mark.parametrize(
    ("axis", "patch", "spacing"),
    [
        (0, (4, 16, 16), (5, 1, 1)),
        (1, (16, 4, 16), (1, 5, 1)),
        (2, (16, 16, 4), (1, 1, 5)),
        (2, (16, 16, 1), (1, 1, 1)),
    ],
)
def test_no_view_mixes_slices(
    kind: str, axis: int, patch: tuple[int, ...], spacing: tuple[int, ...]
) -> None:
    """What is in one slice alone stays there, and each slice's label keeps its number."""
    views: dict = {"kind": kind, "rotate90": True}
    views["options"] = {"noisy": 0}
    if kind == "rich":
        views["options"] = {
            "margin": 1 / 4,
            "strong": {
                **GEOMETRY, "noise": 0, "blur": 1, "low_resolution": 1, "brightness": 0,
                "contrast": 0, "gamma": 0, "inverted_gamma": 0, "cutmix": 0,
            },
        }  # fmt: skip
    view = build_views(Plan(patch_size=(16, 16, 16)).updated({
        "network": {"strides": [[1 if a == axis else 2 for a in range(3)]] * 4},
        "patch_size": patch, "spacing": spacing, "views": views,
    }))  # fmt: skip
    number = torch.arange(patch[axis]).view([-1 if a == axis else 1 for a in range(3)])
    slices = number.expand(2, *patch)
    assert view.read_size[axis] == patch[axis]
    generator = torch.Generator().manual_seed(0)
    for _ in range(10):
        drawn = view.draw("strong", 2, 1, generator)
        labels = drawn.labels(slices)
        assert ((labels == slices) | (labels == IGNORE)).all()
        alone = torch.where(slices == patch[axis] // 2, 1.0, 0.0)[:, None]
        images = drawn.images(alone)
        assert images.any()
        elsewhere = (labels != patch[axis] // 2) & (labels != IGNORE)
        assert not images[:, 0][elsewhere].any()


def test_a_view_against_its_parts() -> None:
    images, target = torch.randn(2, 2, 20, 20, 20), torch.randint(0, 3, (2, 20, 20, 20))
    confidence = torch.rand(2, 20, 20, 20)
    size = (16, 16, 16)
    warp = Warp(affine_matrix((10, 20, -30), 0.9, (1, 1, 1)), size)
    turn = Turn(True, (1,))
    placings = [Placed(Crop(size), Turn(mirrored=(2,))), Placed(warp, turn)]
    view = View(size, placings, None, [None, None])
    views, targets, sure = view.images(images), view.labels(target), view.maps(confidence)
    assert torch.equal(views[0], centre_crop(images[0], size).flip(-1))
    assert torch.equal(targets[0], centre_crop(target[0], size).flip(-1))
    assert torch.equal(views[1], turn(warp.image(images[1])))
    assert torch.equal(targets[1], turn(warp.map(target[1], IGNORE)))
    assert torch.equal(sure[1], turn(warp.map(confidence[1], 0)))


def test_tint_changes_the_channels_it_should() -> None:
    views = torch.randn(2, 2, 8, 8, 8)
    kept = views.clone()
    for view, tints in zip(
        views, ([Tint(), Tint(brightness=2.0)], [Tint(contrast=0.5), Tint()]), strict=True
    ):
        tint(tints, view, torch.Generator())
    assert torch.equal(views[0, 0], kept[0, 0])
    assert torch.equal(views[0, 1], 2 * kept[0, 1])
    assert not torch.equal(views[1, 0], kept[1, 0])
    assert torch.equal(views[1, 1], kept[1, 1])


@pytest.mark.slow
@pytest.mark.parametrize("name", ["labelled", "weak"])
def test_label_follows_image(name: Kind) -> None:
    """Image and label both hold the voxel's number along X, which interpolation reproduces."""
    plan = Plan(patch_size=(16, 16, 16), views={"mirror_axes": (0, 2), "rotate90": True})
    view = rich(plan, labelled=GEOMETRY, weak=GEOMETRY)
    x = torch.arange(view.read_size[0])[:, None, None].expand(view.read_size)
    target = x.expand(2, *view.read_size)
    images = torch.stack([target, torch.ones_like(target)], 1).float()
    generator, outside = torch.Generator().manual_seed(0), []
    for _ in range(10):
        drawn = view.draw(name, 2, 2, generator)
        image, label = drawn.images(images), drawn.labels(target)
        outside.append((label == IGNORE).float().mean())
        covered = image[:, 1] > 0.9999  # no corner of the interpolation lies outside
        assert covered.float().mean() > 0.6
        assert ((image[:, 0] - label).abs()[covered] <= 0.501).all()
    assert 0 < np.mean(outside) < 0.2


def test_strong_mixes_images_labels_and_confidence_alike() -> None:
    mixing = Recipe(rotation=0, zoom=0, cutmix=1).model_dump()
    view = rich(Plan(patch_size=(16, 16, 16)), strong=mixing)
    sample = torch.arange(2).view(2, 1, 1, 1).expand(2, 16, 16, 16)
    drawn = view.draw("strong", 2, 1, torch.Generator().manual_seed(0))
    image = drawn.images(sample[:, None].float())
    label, sure = drawn.labels(sample), drawn.maps(sample.float())
    assert torch.equal(image[:, 0], sure)
    assert torch.equal(label.float(), sure)
    pasted = [(label[b] != b).float().mean() for b in range(2)]
    assert all(0.05 < share < 0.9 for share in pasted)
