import numpy as np
import pytest
import torch

from crln.augmentation.cutmix import Box, CutMix
from crln.augmentation.geometry import Turn, zoom_in_plane
from crln.augmentation.paper import PaperViews, StrongChanges, apply_strong
from crln.labels import IGNORE
from crln.planning.plan import Plan

SHAPE = (16, 16, 16)


def views(**changes: object) -> PaperViews:
    return PaperViews(Plan(patch_size=SHAPE, views={"kind": "paper", **changes}))


@pytest.fixture
def patches() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    return torch.rand(2, 1, *SHAPE), torch.randint(0, 3, (2, *SHAPE)), torch.rand(2, *SHAPE)


def test_pancreas_weak_view_is_the_crop_itself(patches: tuple) -> None:
    images, target, _ = patches
    weak, label = views(brightness=False).weak(images, target, torch.Generator())
    assert torch.equal(weak, images)
    assert torch.equal(label, target)


def test_weak_view_is_a_symmetry_times_a_brightness(patches: tuple) -> None:
    _, target, _ = patches
    images = target[:, None] + 1.0  # so that image and label can be compared
    generator, seen = torch.Generator().manual_seed(0), []
    for view in (views(mirror_axes=(0, 1), rotate90=True),) * 10:
        for make in (view.weak, view.labelled):
            weak, label = make(images, target, generator)
            for image, turned in zip(weak[:, 0], label, strict=True):
                ratio = image / (turned + 1)
                assert ratio.std() < 1e-5
                assert 0.75 <= ratio.mean() <= 1.25
                seen.append(turned.numpy().tobytes())
    originals = [
        np.flip(np.rot90(t, k), flips).tobytes()
        for t in target.numpy()
        for k in range(4)
        for flips in ((), (0,))
    ]
    assert set(seen) <= set(originals)
    assert len(set(seen)) > 10


def test_strong_view_against_its_parts(patches: tuple) -> None:
    images, target, confidence = patches
    changes = [
        StrongChanges(0.6, Turn(True, (0,)), 0.8, False),
        StrongChanges(1.4, Turn(), 1.2, True),
    ]
    box = Box((2, 3, 0), (9, 12, 16))
    mix = CutMix((box, None), (1, 0))
    image, label, sure = apply_strong(
        images, target, confidence, changes, mix, torch.Generator().manual_seed(3)
    )

    first = zoom_in_plane(images[0], target[0], confidence[0], 0.6)
    first = [np.flip(v.numpy().swapaxes(-3, -2), -3).copy() for v in first]
    second = [v.numpy() for v in zoom_in_plane(images[1], target[1], confidence[1], 1.4)]
    for a, b in zip(first, second, strict=True):
        a[..., 2:9, 3:12, :] = b[..., 2:9, 3:12, :]
    assert (first[1] == IGNORE).any()
    np.testing.assert_allclose(image[0], 0.8 * first[0], atol=1e-6)
    assert (label[0].numpy() == first[1]).all()
    assert (sure[0].numpy() == first[2]).all()

    noise = image[1].numpy() - 1.2 * second[0]
    assert np.abs(noise).max() <= 0.2 + 1e-6
    assert abs(noise.std() - 0.0957) < 0.004  # std of N(0, 0.1^2) clipped at 2 sigma
    assert (label[1].numpy() == second[1]).all()


def test_strong_draws_follow_the_published_probabilities() -> None:
    view, random = views(mirror_axes=(0, 1), rotate90=True), np.random.default_rng(0)
    drawn = [view._draw_strong(random) for _ in range(3000)]
    zooms = np.array([d.zoom for d in drawn])
    assert zooms.min() >= 0.5
    assert zooms.max() <= 1.5
    assert abs(zooms.mean() - 1) < 0.02
    assert abs(np.mean([d.noisy for d in drawn]) - 0.5) < 0.03
    assert abs(np.mean([d.brightness != 1 for d in drawn]) - 0.8) < 0.03
    # One of the eight symmetries is to stay.
    assert abs(np.mean([d.turn != Turn() for d in drawn]) - 0.5 * 7 / 8) < 0.03
