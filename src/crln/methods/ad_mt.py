"""Alternate Diverse Teaching (AD-MT, Zhao et al., ECCV 2024): two teachers take turns."""

from functools import lru_cache
from typing import ClassVar, cast

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn

from crln.augmentation import (
    SOLID,
    add_noise,
    device_generator,
    draw_cutmix,
    happens,
    host_random,
)
from crln.labels import IGNORE
from crln.methods.base import Seen, SemiSupervised, Step
from crln.methods.published import Published
from crln.methods.ramps import Ramped
from crln.methods.teacher import Teacher
from crln.methods.totals import unheard, weighted
from crln.planning import Plan
from crln.planning.plan import Section
from crln.seeding import numpy_generator

EPSILON = 1e-7
"""Keeps a constant patch from dividing by zero."""


class AlternateTeaching(SemiSupervised):
    """One student, two teachers that follow it in random alternating periods and views.

    q = sum_i a_i q_i with a_i ~ exp(-H(q_i)), H in bits, is the pseudo-label. Where the teachers
    disagree and the student is surer of another class, its own prediction takes the label's place.
    L = seg(f(x), y) + w(t) CE(f(strong u), argmax q) over voxels with max q >= threshold; x and
    both views of u are one batch of the student, as published. The first teacher's turns change
    intensities, the second's mix by CutMix; student predictions are mixed along with the labels
    (the released code compares mixed labels with unmixed predictions). Both teachers label with
    averaged norms (released: the one whose turn it is, with those of its batch).
    """

    deep = True
    overlapping = True
    published: ClassVar[Published] = Published(15000, 0.01, "poly", "code for LA")

    class Options(Ramped):
        """Published constants (LA: 15,000 steps, the ramp over the first 6,000)."""

        weight: float = Field(
            default=2.0, ge=0, description=("of the pseudo-label loss, once the ramp is over")
        )
        ramp: float = Field(
            default=0.4, gt=0, description=("share of the training that the weight ramps up over")
        )
        confidence: float = Field(
            default=0.8, ge=0, le=1, description=("least confidence of a pseudo-label that counts")
        )
        longest: int = Field(default=19, ge=1, description="most steps of one teacher's turn")
        delay: float = Field(
            default=80 / 15000,
            ge=0,
            lt=1,
            description=("share of the training before the teachers begin to average"),
        )
        jittered: float = Field(
            default=0.8,
            ge=0,
            le=1,
            description=("how often brightness and contrast change in the first teacher's turn"),
        )
        jitter: float = Field(
            default=0.5,
            ge=0,
            description=("largest change of brightness and contrast in the first teacher's turn"),
        )
        noisy: float = Field(default=0.2, ge=0, le=1, description="how often there is noise there")
        noise: float = Field(
            default=1.0,
            ge=0,
            description=(
                "largest noise there, as a share of the channel's standard deviation; "
                "the least is a tenth of it"
            ),
        )

    options: Options

    def __init__(self, plan: Plan, options: Section) -> None:
        super().__init__(plan, options)
        self.student = self.new_network()
        # Norm statistics follow the student's, as published.
        teaching = plan.teacher.model_copy(update={"norm": "ema"})
        self.teachers = nn.ModuleList(Teacher(self.student, teaching) for _ in range(2))

    def from_labels(self, images: Tensor, target: Tensor, step: Step) -> dict[str, Tensor]:
        """Supervised loss."""
        return unheard(self.supervise(self.student.every(images), target), "unsupervised")

    def from_both(self, seen: Seen, step: Step) -> dict[str, Tensor]:
        """Supervised loss and the cross-entropy against the fused teachers."""
        images, target, weak, inside, generator = seen
        random = host_random(generator)
        mix = (
            draw_cutmix(random, len(weak), self.plan.patch_size, SOLID)
            if self._turn(step)
            else None
        )
        strong = mix(weak) if mix else self._jittered(weak, random)
        levels = self.student.every(torch.cat([images, weak, strong]))
        known = len(images)
        guess, guess_strong = levels[0][known:].split([len(weak), len(strong)])
        pseudo = self._pseudo_label(weak, guess).masked_fill(~inside, IGNORE)
        supervised = self.supervise([z[:known] for z in levels], target)
        unsupervised = self.criteria.cross_entropy(guess_strong, mix(pseudo) if mix else pseudo)
        return weighted(supervised, self.weight(step), unsupervised=unsupervised)

    @torch.no_grad()
    def _pseudo_label(self, weak: Tensor, student: Tensor) -> Tensor:
        """The fused label (B, X, Y, Z), IGNORE where it is not confident.

        Args:
            weak: (B, C, X, Y, Z).
            student: its logits there, (B, K, X, Y, Z).
        """
        networks = [cast(Teacher, teacher).network for teacher in self.teachers]
        first, second = (self.criteria.probabilities(network(weak)) for network in networks)
        bits = torch.stack([self.criteria.entropy(p) for p in (first, second)]) / np.log(2)
        share = (-bits).softmax(0).unsqueeze(2)
        confidence, label = self.criteria.confident(share[0] * first + share[1] * second)
        own, guess = self.criteria.confident(self.criteria.probabilities(student))
        decide = self.plan.labels.decide
        disputed = decide(first) != decide(second)
        corrected = disputed & (guess != label) & (own > confidence)
        label = torch.where(corrected, guess, label)
        confidence = torch.where(corrected, own, confidence)
        return label.masked_fill(confidence < self.options.confidence, IGNORE)

    def _jittered(self, images: Tensor, random: np.random.Generator) -> Tensor:
        """Brightness and contrast of each patch and channel, and noise."""
        options, noise = self.options, device_generator(random, images.device)
        views = torch.empty_like(images)
        for b, c in np.ndindex(*images.shape[:2]):
            channel = images[b, c]
            if happens(random, options.jittered):
                contrast, brightness = options.jitter * random.uniform(-1, 1, 2)
                channel = brightness_contrast(channel, 1 + float(contrast), float(brightness))
            if happens(random, options.noisy):
                strength = options.noise * random.uniform(0.1, 1)
                channel = add_noise(channel, strength, noise)
            views[b, c] = channel
        return views

    def _turn(self, step: Step) -> int:
        """Whose turn it is: 0 or 1."""
        ends = _turn_ends(step.seed, step.total, self.options.longest)
        return int(np.searchsorted(ends, step.index, side="right")) % 2

    def update(self, step: Step) -> None:
        """The teacher whose turn it is follows the student."""
        late = step.index // 2 - int(self.options.delay * step.total / 2)
        decay = 0.0 if late < 0 else min(1 - 1 / (late + 1), self.plan.teacher.decay)
        cast(Teacher, self.teachers[self._turn(step)]).update(self.student, step, decay)

    def predictor(self) -> nn.Module:
        """The student, as published."""
        return self.student


@lru_cache(maxsize=8)
def _turn_ends(seed: int, total: int, longest: int) -> np.ndarray:
    """The step after each turn's last; turns are 1..longest steps, uniformly."""
    return numpy_generator(seed, 0, "turns").integers(1, longest, total, endpoint=True).cumsum()


def brightness_contrast(channel: Tensor, contrast: float, brightness: float) -> Tensor:
    """Contrast c, brightness b: c v + b mean(c v) of values v scaled to 0..1, then clipped.

    As AD-MT's code has it: zero is the least value, not the mean.
    """
    low, high = torch.aminmax(channel)
    span = high - low + EPSILON
    unit = (channel - low).div_(span).mul_(contrast)
    return unit.add_(unit.mean() * brightness).clamp_(0, 1).mul_(span).add_(low)
