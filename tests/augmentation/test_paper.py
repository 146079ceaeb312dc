from typing import get_args

import numpy as np
import pytest
import torch

from crln.augmentation import Kind, View, build_views
from crln.augmentation.cutmix import Box, CutMix
from crln.augmentation.geometry import Placed, Turn, Zoom
from crln.augmentation.paper import Light, PaperViews
from crln.labels import IGNORE
from crln.planning.plan import Plan

SHAPE = (16, 16, 16)


def views(**changes: object) -> PaperViews:
    made = build_views(Plan(patch_size=SHAPE, views={"kind": "paper", **changes}))
    assert isinstance(made, PaperViews)
    return made


def seen(
    kind: Kind,
    made: PaperViews,
    images: torch.Tensor,
    target: torch.Tensor,
    random: torch.Generator,
) -> tuple[torch.Tensor, torch.Tensor]:
    view = made.draw(kind, len(images), images.shape[1], random)
    return view.images(images), view.labels(target)


@pytest.fixture
def patches() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    return torch.rand(2, 1, *SHAPE), torch.randint(0, 3, (2, *SHAPE)), torch.rand(2, *SHAPE)


def test_pancreas_weak_view_is_the_crop_itself(patches: tuple) -> None:
    images, target, _ = patches
    weak, label = seen("weak", views(brightness=False), images, target, torch.Generator())
    assert torch.equal(weak, images)
    assert torch.equal(label, target)


def test_weak_view_is_a_symmetry_times_a_brightness(patches: tuple) -> None:
    _, target, _ = patches
    images = target[:, None] + 1.0  # so that image and label can be compared
    generator, found = torch.Generator().manual_seed(0), []
    for view in (views(mirror_axes=(0, 1), rotate90=True),) * 10:
        for kind in get_args(Kind)[:2]:
            weak, label = seen(kind, view, images, target, generator)
            for image, turned in zip(weak[:, 0], label, strict=True):
                ratio = image / (turned + 1)
                assert ratio.std() < 1e-5
                assert 0.75 <= ratio.mean() <= 1.25
                found.append(turned.numpy().tobytes())
    originals = [
        np.flip(np.rot90(t, k), flips).tobytes()
        for t in target.numpy()
        for k in range(4)
        for flips in ((), (0,))
    ]
    assert set(found) <= set(originals)
    assert len(set(found)) > 10


def test_strong_view_against_its_parts(patches: tuple) -> None:
    images, target, confidence = patches
    placings = [Placed(Zoom(0.6), Turn(True, (0,))), Placed(Zoom(1.4), Turn())]
    changes = [Light(0.8), Light(1.2, 0.1, 0.2)]
    box = Box((2, 3, 0), (9, 12, 16))
    mix = CutMix((box, None), (1, 0))
    view = View(SHAPE, placings, mix, changes, noise=3)
    image, label, sure = view.images(images), view.labels(target), view.maps(confidence)

    def zoomed(sample: int, zoom: float) -> list[torch.Tensor]:
        change = Zoom(zoom)
        return [
            change.image(images[sample]),
            change.map(target[sample], IGNORE),
            change.map(confidence[sample], 0),
        ]

    first = zoomed(0, 0.6)
    first = [np.flip(v.numpy().swapaxes(-3, -2), -3).copy() for v in first]
    second = [v.numpy() for v in zoomed(1, 1.4)]
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
    zooms = np.array([placed.source.zoom for placed, _ in drawn])
    assert zooms.min() >= 0.5
    assert zooms.max() <= 1.5
    assert abs(zooms.mean() - 1) < 0.02
    assert abs(np.mean([light.noise > 0 for _, light in drawn]) - 0.5) < 0.03
    assert abs(np.mean([light.brightness != 1 for _, light in drawn]) - 0.8) < 0.03
    # One of the eight symmetries is to stay.
    assert abs(np.mean([placed.turn != Turn() for placed, _ in drawn]) - 0.5 * 7 / 8) < 0.03
