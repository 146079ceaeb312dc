"""The views of the CRLN paper (Wang et al. 2025), made for intensities scaled to 0..1."""

from dataclasses import dataclass

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from crln.augmentation.cutmix import draw_cutmix
from crln.augmentation.geometry import Crop, Placed, Turn, Zoom, draw_turn
from crln.augmentation.recipe import Range
from crln.augmentation.views import Kind, View, Views, happens, host_random
from crln.planning.plan import Section


class PaperOptions(Section):
    """The paper's numbers; 'how often' is of a strong view's samples."""

    brightness: Range = Field(default=(0.75, 1.25), description="factor, weak and strong")
    zoom: Range = Field(default=(0.5, 1.5), description="factor in plane")
    noise: float = Field(default=0.1, ge=0, description="std")
    noise_limit: float = Field(default=0.2, ge=0, description="noise is clipped to +- this")
    brightened: float = Field(default=0.8, ge=0, le=1, description="how often: brightness")
    noisy: float = Field(default=0.5, ge=0, le=1, description="how often: noise")
    turned: float = Field(default=0.5, ge=0, le=1, description="how often: turns and mirroring")


@dataclass(frozen=True)
class Light:
    """A factor on a sample's intensities, then noise: a `Change`."""

    brightness: float
    noise: float = 0.0
    limit: float = 0.0

    def __call__(self, view: Tensor, generator: torch.Generator) -> None:
        """Changes (C, X, Y, Z) in place."""
        view *= self.brightness
        if self.noise:
            field = torch.empty_like(view).normal_(0, self.noise, generator=generator)
            view += field.clamp_(-self.limit, self.limit)


class PaperViews(Views):
    """Weak: quarter turn, mirroring, brightness. Strong: zoom, CutMix, brightness, noise, turn.

    Turns and mirroring only as `plan.views` allows; the labelled view is a weak view. A strong
    view's turn comes before CutMix here rather than last: the same set of views, and the pasted
    part is turned on its own.
    """

    Options = PaperOptions
    options: PaperOptions

    def draw(self, kind: Kind, samples: int, channels: int, generator: torch.Generator) -> View:
        """See `Views.draw`."""
        random = host_random(generator)
        if kind != "strong":
            drawn = [self._draw_weak(random) for _ in range(samples)]
            return View(self.size, [p for p, _ in drawn], None, [c for _, c in drawn])
        strong = [self._draw_strong(random) for _ in range(samples)]
        mix = draw_cutmix(random, samples, self.size, self.plane)
        noise = int(random.integers(2**62))
        return View(self.size, [p for p, _ in strong], mix, [c for _, c in strong], noise)

    def _draw_weak(self, random: np.random.Generator) -> tuple[Placed, Light | None]:
        turn = self._turn(random)
        if not self.plan.views.brightness:
            return Placed(Crop(self.size), turn), None
        return Placed(Crop(self.size), turn), Light(random.uniform(*self.options.brightness))

    def _draw_strong(self, random: np.random.Generator) -> tuple[Placed, Light]:
        options = self.options
        zoom = Zoom(random.uniform(*options.zoom), self.plane)
        turn = self._turn(random) if happens(random, options.turned) else Turn()
        bright = happens(random, options.brightened)
        brightness = random.uniform(*options.brightness) if bright else 1.0
        noise = options.noise if happens(random, options.noisy) else 0.0
        return Placed(zoom, turn), Light(brightness, noise, options.noise_limit)

    def _turn(self, random: np.random.Generator) -> Turn:
        views = self.plan.views
        return draw_turn(random, self.size, views.rotate90, views.mirror_axes, self.plane)
