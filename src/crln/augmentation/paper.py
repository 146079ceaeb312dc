"""The views of the CRLN paper (Wang et al. 2025), made for intensities scaled to 0..1."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from crln.augmentation.batch import empty_views, exact
from crln.augmentation.cutmix import IN_PLANE, CutMix, draw_cutmix
from crln.augmentation.draws import device_generator, happens, host_random
from crln.augmentation.geometry import Turn, draw_turn, zoom_in_plane
from crln.planning.plan import Plan

BRIGHTNESS = (0.75, 1.25)
ZOOM = (0.5, 1.5)
NOISE = 0.1
NOISE_LIMIT = 0.2
P_BRIGHTNESS, P_NOISE, P_TURN = 0.8, 0.5, 0.5


@dataclass(frozen=True)
class StrongChanges:
    """What one sample's strong view does, apart from CutMix."""

    zoom: float
    turn: Turn
    brightness: float
    noisy: bool


class PaperViews:
    """Weak: quarter turn, mirroring, brightness. Strong: zoom, CutMix, brightness, noise, turn.

    Turns and mirroring only as `plan.views` allows; the labelled view is a weak view. A strong
    view's turn comes before CutMix here rather than last: the same set of views, and the pasted
    part is turned on its own. Parameters are drawn on the host: the generator is a CPU generator.
    """

    def __init__(self, plan: Plan) -> None:
        self.read_size = plan.patch_size
        self.patch = plan.patch_size
        self.plan = plan.views

    @exact
    def labelled(
        self, images: Tensor, target: Tensor, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """See `Views.labelled`."""
        return self.weak(images, target, generator)

    @exact
    def weak(
        self, images: Tensor, target: Tensor, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """See `Views.weak`."""
        random = host_random(generator)
        views, targets = empty_views(images), torch.empty_like(target)
        for b in range(len(images)):
            turn = self._turn(random)
            brightness = random.uniform(*BRIGHTNESS) if self.plan.brightness else 1.0
            torch.mul(turn(images[b]), brightness, out=views[b])
            targets[b] = turn(target[b])
        return views, targets

    @exact
    def strong(
        self, images: Tensor, target: Tensor, confidence: Tensor, generator: torch.Generator
    ) -> tuple[Tensor, Tensor, Tensor]:
        """See `Views.strong`."""
        random = host_random(generator)
        changes = [self._draw_strong(random) for _ in range(len(images))]
        mix = draw_cutmix(random, len(images), self.patch, IN_PLANE)
        return apply_strong(
            images, target, confidence, changes, mix, device_generator(random, images.device)
        )

    def _turn(self, random: np.random.Generator) -> Turn:
        return draw_turn(random, self.patch, self.plan.rotate90, self.plan.mirror_axes)

    def _draw_strong(self, random: np.random.Generator) -> StrongChanges:
        return StrongChanges(
            zoom=random.uniform(*ZOOM),
            turn=self._turn(random) if happens(random, P_TURN) else Turn(),
            brightness=random.uniform(*BRIGHTNESS) if happens(random, P_BRIGHTNESS) else 1.0,
            noisy=happens(random, P_NOISE),
        )


def apply_strong(
    images: Tensor,
    target: Tensor,
    confidence: Tensor,
    changes: list[StrongChanges],
    mix: CutMix,
    noise: torch.Generator,
) -> tuple[Tensor, Tensor, Tensor]:
    """The strong views of a batch, given what was drawn for each sample.

    Args:
        images: (B, C, X, Y, Z).
        target: (B, X, Y, Z) pseudo-labels.
        confidence: (B, X, Y, Z).
        changes: one a sample.
        mix: which box of which sample goes where, after zoom and turn.
        noise: generator on the device.
    """
    views = empty_views(images)
    targets, confidences = torch.empty_like(target), torch.empty_like(confidence)
    for b, change in enumerate(changes):
        zoomed = zoom_in_plane(images[b], target[b], confidence[b], change.zoom)
        views[b], targets[b], confidences[b] = (change.turn(volume) for volume in zoomed)
    views, targets, confidences = mix(views), mix(targets), mix(confidences)
    for view, change in zip(views, changes, strict=True):
        view *= change.brightness
        if change.noisy:
            field = torch.empty_like(view).normal_(0, NOISE, generator=noise)
            view += field.clamp_(-NOISE_LIMIT, NOISE_LIMIT)
    return views, targets, confidences
