"""DiffRect (Liu et al., MICCAI 2024): latent diffusion rectifies pseudo-labels.

Published for 2D slices only (cardiac and prostate MR); this is a re-implementation in 3D, and no
3D figure of it is published.
"""

from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn

from crln.augmentation import View
from crln.labels import IGNORE, LabelSpace
from crln.losses import SMALLEST, Criteria
from crln.methods.base import Seen, SemiSupervised, Step
from crln.methods.diffrect.rectifier import Condition, LabelRectifier
from crln.methods.published import Published
from crln.methods.ramps import Ramped
from crln.methods.totals import summed
from crln.planning import Plan
from crln.planning.plan import Section


class DiffRect(SemiSupervised):
    """A diffusion model learns the way from strong-view to weak-view to drawn labels.

    y_w, y_s: the student's confident classes on the weak and on the strong view. The rectifier
    (`LabelRectifier`) reads image, coloured label map and the Dice loss between that map and the
    better one, and denoises the latent of the better one. With S = CE + Dice, D the denoised latent
    of the map z, r the rectified logits and y_r their confident classes:

    student             S(f(x), y) + w(t) [S(f(strong u), y_w) + C] + S(f(u), y_d)
    weak -> drawn       S(r(x, y_w), y) + |D - z(y)|^2
    strong -> weak      w(t) [S(r(strong u, y_s), y_r(u, y_w)) + C' + |D - z(y_w)|^2]

    C, C' are `complementary_loss` with what is least likely on the weak view; y_d is decoded from a
    latent that is drawn from noise, from `start` on. Prediction is the student's alone.

    Done right, where the released code has a defect: unsure voxels are ignored, not background;
    confidence is the largest probability (a min-max scaled one is above any threshold as soon as
    one of many classes is out of question); C takes log(1 - p) itself, not the cross-entropy of
    1 - p as logits, weighs it once, by the entropy over classes rather than pixels; the condition
    enters the denoiser at its input, not past its layers; an unlabelled patch does not teach the
    weak -> drawn latent, where its map would be its own target; the rectifier's rate decays too.
    The three optimiser steps of its loop are one: no gradient passes between the two networks.
    """

    own_loss = True
    overlapping = True
    published: ClassVar[Published] = Published(30000, 0.01, "poly", "code for ACDC, in 2D")

    class Options(Ramped):
        """Published constants (30,000 steps, the ramp over all of them)."""

        confidence: float = Field(
            default=0.8, ge=0, le=1, description=("least confidence of a pseudo-label that counts")
        )
        start: float = Field(
            default=1 / 30,
            ge=0,
            le=1,
            description=("share of the training before the student learns from rectified labels"),
        )
        steps: int = Field(default=10, ge=2, description="steps of the diffusion")
        sampled: int = Field(
            default=2, ge=1, description=("steps in which a rectified label is drawn from noise")
        )

    options: Options

    def __init__(self, plan: Plan, options: Section) -> None:
        super().__init__(plan, options)
        channels, classes, network = len(plan.channels), plan.classes, plan.network
        self.student = self.new_network()
        self.rectifier = LabelRectifier(
            channels,
            classes,
            network.widths,
            self.options.steps,
            network.strides,
            network.kernels,
            exclusive=plan.labels.exclusive,
        )

    def from_labels(self, images: Tensor, target: Tensor, step: Step) -> dict[str, Tensor]:
        """The student's supervised term and the rectifier's weak -> drawn ones."""
        logits = self.student(images)
        pseudo = self._confident(logits, target != IGNORE)
        noise = step.generator("noise", images.device)
        _, drawn, latent = self._weak_to_drawn(images, pseudo, target, noise)
        nothing = torch.zeros((), device=images.device)
        terms = {
            "supervised": self._taught(logits, target),
            "unsupervised": nothing,
            "weak_to_drawn": self._both(*self.marginal(drawn, target)) + latent,
            "strong_to_weak": nothing,
            "rectified": nothing,
        }
        return summed(terms)

    def from_both(self, seen: Seen, step: Step) -> dict[str, Tensor]:
        """The student's terms and the rectifier's."""
        images, target, weak, inside, generator = seen
        view = self.views.draw("strong", len(weak), weak.shape[1], generator)
        strong = view.images(weak)
        noise = step.generator("noise", weak.device)
        known = len(images)
        both, valid = torch.cat([images, weak]), torch.cat([target != IGNORE, inside])

        logits = self.student(both)
        pseudo = self._confident(logits, valid)
        condition, drawn, latent = self._weak_to_drawn(both, pseudo, target, noise)
        logits_s = self.student(strong)
        weight = self.options.weight * self.ramp(step, self.options.ramp)
        strong_to_weak = self._strong_to_weak(
            strong, self._confident(logits_s, view.maps(inside, outside=False)),
            view.labels(pseudo[known:]), (drawn[known:], inside), view, noise,
        )  # fmt: skip
        terms = {
            "supervised": self._taught(logits[:known], target),
            "unsupervised": weight * self._agreement(
                logits_s, view.labels(pseudo[known:]), logits[known:], inside, view
            ),
            "weak_to_drawn": self._both(*self.marginal(drawn[:known], target)) + latent,
            "strong_to_weak": weight * strong_to_weak,
            "rectified": torch.zeros((), device=weak.device),
        }  # fmt: skip
        if step.progress >= self.options.start:
            rectified = self._sampled(condition.of(slice(known, None)), inside, noise)
            terms["rectified"] = self._both(logits[known:], rectified)
        return summed(terms)

    def _confident(self, logits: Tensor, valid: Tensor) -> Tensor:
        """(B, X, Y, Z): the most likely class; IGNORE where it is not sure or not valid."""
        least = self.options.confidence
        probabilities = self.criteria.probabilities(logits.detach())
        confidence, label = self.criteria.confident(probabilities, least)
        return label.masked_fill(~valid | (confidence < least), IGNORE)

    def _weak_to_drawn(
        self, images: Tensor, pseudo: Tensor, target: Tensor, noise: torch.Generator
    ) -> tuple[Condition, Tensor, Tensor]:
        """The condition and rectified logits of all patches, the latent loss of the labelled."""
        known, target = len(target), self.certain(target)
        guidance = label_distance(pseudo[:known], target, self.plan.labels)
        condition = self.rectifier.condition(images, pseudo, guidance)
        better = torch.cat([target, pseudo[known:]])
        clean = self.rectifier.latent(images, better, condition)
        denoised = self.rectifier.denoise(condition, clean, noise)
        loss = _squared(denoised[:known], clean[:known])
        return condition, self.rectifier.decode(condition, denoised), loss

    def _strong_to_weak(
        self,
        images: Tensor,
        pseudo: Tensor,
        better: Tensor,
        refined: tuple[Tensor, Tensor],
        view: View,
        noise: torch.Generator,
    ) -> Tensor:
        """S(r(strong u, y_s), y_r) + C' + the latent loss.

        Args:
            images: strong u.
            pseudo: y_s.
            better: y_w on the strong view.
            refined: r(u, y_w), logits on the weak view, and which of its voxels are valid.
            view: the strong one of a weak one.
            noise: generator on the device.
        """
        target = view.labels(self._confident(*refined))
        guidance = label_distance(pseudo, target, self.plan.labels)
        condition = self.rectifier.condition(images, pseudo, guidance)
        clean = self.rectifier.latent(images, better, condition)
        denoised = self.rectifier.denoise(condition, clean, noise)
        logits = self.rectifier.decode(condition, denoised)
        return self._agreement(logits, target, *refined, view) + _squared(denoised, clean)

    def _agreement(
        self, logits: Tensor, target: Tensor, weak: Tensor, inside: Tensor, view: View
    ) -> Tensor:
        """S(logits, target) + C on a strong view, with what is least likely on the weak one."""
        absent = weak.detach().argmin(1).masked_fill(~inside, IGNORE)
        return self._both(logits, target) + complementary_loss(
            logits, view.labels(absent), self.criteria
        )

    def _taught(self, logits: Tensor, target: Tensor) -> Tensor:
        """S of a label, and what the plan adds to it."""
        logits, target = self.marginal(logits, target)
        loss = self._both(logits, target)
        return loss + self.details(logits, target) if self.plan.loss.detail else loss

    def _both(self, logits: Tensor, target: Tensor) -> Tensor:
        """S = CE + Dice, the background's included, as published."""
        criteria = self.criteria
        return criteria.cross_entropy(logits, target) + criteria.dice(
            logits, target, foreground=False
        )

    @torch.no_grad()
    def _sampled(self, condition: Condition, valid: Tensor, noise: torch.Generator) -> Tensor:
        """y_d, the confident classes of a latent drawn from noise."""
        latent = self.rectifier.sample(condition, noise, self.options.sampled)
        return self._confident(self.rectifier.decode(condition, latent), valid)

    def predictor(self) -> nn.Module:
        """The student, as published."""
        return self.student


def _squared(first: Tensor, second: Tensor) -> Tensor:
    """Mean squared difference of two latents."""
    return (first.float() - second.float()).square().mean()


def complementary_loss(logits: Tensor, absent: Tensor, criteria: Criteria) -> Tensor:
    """What is least likely must not be: s * mean over valid voxels of -log(1 - p_absent).

    s = 1 - mean H(p) / log K over the same voxels, how sure p is; it carries no gradient.

    Args:
        logits: (B, K, X, Y, Z).
        absent: (B, X, Y, Z), int64, the least likely class or IGNORE.
        criteria: say what logits mean, and what is as unsure as can be (log K).
    """
    probability = criteria.probabilities(logits)
    valid = absent != IGNORE
    count = valid.sum().clamp(min=1)
    there = probability.gather(1, absent.clamp(min=0).unsqueeze(1)).squeeze(1)
    denial = -torch.log1p(-there.clamp(max=1 - SMALLEST))
    disorder = (criteria.entropy(probability.detach()) * valid).sum() / count
    sureness = 1 - disorder / criteria.disorder
    return sureness * (denial * valid).sum() / count


def label_distance(
    labels: Tensor, target: Tensor, space: LabelSpace, epsilon: float = 1e-5
) -> Tensor:
    """Mean over classes of 1 - (2 |A n B| + e) / (|A| + |B| + e), 0 (alike) to 1; no gradient.

    Args:
        labels: A, (B, X, Y, Z), int64, class or IGNORE (of no class).
        target: B, of the same shape; where it is IGNORE, no voxel counts.
        space: of the labels.
        epsilon: e.
    """
    valid = target != IGNORE
    losses = []
    for k in range(space.classes):
        ours, theirs = space.holds(labels, k) & valid, space.holds(target, k)
        size = ours.sum() + theirs.sum()
        losses.append(1 - (2 * (ours & theirs).sum() + epsilon) / (size + epsilon))
    return torch.stack(losses).mean()
