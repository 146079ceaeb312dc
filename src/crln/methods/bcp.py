"""Bidirectional Copy-Paste (Bai et al., CVPR 2023)."""

from typing import ClassVar, NamedTuple

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn

from crln.augmentation import Box, draw_copy_paste_box, host_random, swap_box
from crln.labels import IGNORE
from crln.methods.base import Batch, Method, Step
from crln.methods.published import Published
from crln.methods.teacher import Teacher
from crln.planning import Plan
from crln.planning.plan import Section


class Mixture(NamedTuple):
    """Patches with a box of other ones in them.

    Attributes:
        images: (B, C, X, Y, Z), mixed.
        outside: what is known of the patches, (B, X, Y, Z), class or IGNORE; counts outside the
            box.
        inside: of the other ones, counts inside it.
        box: where these are.
        outside_weight: of the voxels outside the box.
        inside_weight: of those inside it.
    """

    images: Tensor
    outside: Tensor
    inside: Tensor
    box: Box
    outside_weight: float
    inside_weight: float

    @property
    def within(self) -> Tensor:
        """(X, Y, Z) bool: inside the box."""
        return self.box.mask(self.outside.shape[1:], self.outside.device)

    @property
    def labels(self) -> Tensor:
        """(B, X, Y, Z): what is known of the mixed images."""
        return torch.where(self.within, self.inside, self.outside)

    @property
    def weights(self) -> Tensor:
        """(X, Y, Z): of their voxels."""
        inside, outside = self.inside_weight, self.outside_weight
        return self.within * (inside - outside) + outside


class BidirectionalCopyPaste(Method):
    """Labelled boxes pasted into unlabelled patches and the reverse, in a mean-teacher loop.

    Stage 1 learns from two views of each labelled patch, mixed with each other; it is this method's
    labelled start, and lasts as long as the plan's where that is longer. Stage 2 mixes labelled
    with unlabelled both ways; the pseudo-label is the largest component of each class of the
    teacher's argmax. Each mix costs 1/2 sum over its two regions of omega (CE + Dice of that
    region).
    """

    own_loss = True
    overlapping = True
    published: ClassVar[Published] = Published(
        17000,
        0.01,
        "step",
        "code for LA; there a tenth every 2,500 steps, which leaves 1e-5 for half of stage 2",
    )

    class Options(Section):
        """Published constants (2,000 steps of stage 1 before 15,000 of stage 2)."""

        pretraining: float = Field(
            default=2 / 17,
            ge=0,
            lt=1,
            description=(
                "share of the training in the first stage, on mixtures of labelled patches"
            ),
        )
        box: float = Field(
            default=2 / 3,
            gt=0,
            lt=1,
            description=("side of the pasted box, as a share of the patch's"),
        )
        pseudo_weight: float = Field(
            default=0.5, ge=0, description="weight of pseudo-labelled voxels"
        )
        largest_component: bool = Field(
            default=True,
            description=("keep only the pseudo-label's largest component of each class"),
        )

    options: Options

    def __init__(self, plan: Plan, options: Section) -> None:
        super().__init__(plan, options)
        self.student = self.new_network()
        self.teacher = Teacher(self.student, plan.teacher)

    def losses(self, labelled: Batch, unlabelled: Batch | None, step: Step) -> dict[str, Tensor]:
        """Both mixes of the stage that the step is in."""
        outward, inward = (
            self._mix_loss(self.student(mix.images), mix)
            for mix in self.mixtures(labelled, unlabelled, step)
        )
        return {"total": outward + inward, "outward": outward, "inward": inward}

    def mixtures(
        self, labelled: Batch, unlabelled: Batch | None, step: Step
    ) -> tuple[Mixture, Mixture]:
        """The two mixes of a step: labelled outside the box, and labelled inside it."""
        assert unlabelled is not None
        generator = step.generator("views", "cpu")
        box = draw_copy_paste_box(host_random(generator), self.plan.patch_size, self.options.box)
        if self._pretraining(step):
            # A second view of each patch, in another's place: no mix is another's mirror image.
            both, classes = self.labelled_view(labelled, generator, views=2)
            (images, partner), (target, labels) = both.chunk(2), classes.chunk(2)
            partner, labels, weight = partner.roll(1, 0), labels.roll(1, 0), 1.0
        else:
            images, target = self.labelled_view(labelled, generator)
            partner, inside = self.weak_view(unlabelled, generator)
            labels, weight = self._pseudo_label(partner, inside), self.options.pseudo_weight
            images, target = self.with_drafts(images, target, unlabelled, step)
            if (rounds := -(-len(images) // len(partner))) > 1:
                partner, labels = torch.cat([partner] * rounds), torch.cat([labels] * rounds)
        count = min(len(images), len(partner))
        mixed, other = swap_box(images[:count], partner[:count], box)
        # `mixed` is labelled outside the box, `other` inside.
        known, guessed = target[:count], labels[:count]
        return (
            Mixture(mixed, known, guessed, box, 1.0, weight),
            Mixture(other, guessed, known, box, weight, 1.0),
        )

    def _pretraining(self, step: Step) -> bool:
        start = self.plan.training.labelled_start
        return step.progress < max(self.options.pretraining, start)

    def _mix_loss(self, logits: Tensor, mix: Mixture) -> Tensor:
        """1/2 sum over the two regions of a mix of omega (CE + Dice)."""
        within = mix.within
        total = torch.zeros((), device=logits.device)
        for target, region, weight in (
            (mix.outside, ~within, mix.outside_weight),
            (mix.inside, within, mix.inside_weight),
        ):
            guess, here = self.marginal(logits, target.masked_fill(~region, IGNORE))
            dice = self.criteria.dice(guess, here, squared=False, foreground=False, over="sample")
            total = total + 0.5 * weight * (self.criteria.cross_entropy(guess, here) + dice)
            if self.plan.loss.detail:
                total = total + weight * self.details(guess, here)
        return total

    @torch.no_grad()
    def _pseudo_label(self, images: Tensor, inside: Tensor) -> Tensor:
        """The teacher's argmax, cleaned; IGNORE outside the scan."""
        pseudo = self.criteria.label(self.teacher.network(images))
        if self.options.largest_component:
            host = pseudo.cpu().numpy()  # there, as published
            kept = np.stack([self.plan.labels.cleaned(sample) for sample in host])
            pseudo = torch.from_numpy(kept).to(pseudo.device)
        return pseudo.masked_fill(~inside, IGNORE)

    def update(self, step: Step) -> None:
        """Stage 2 starts with the teacher equal to the student; then a constant decay."""
        decay = 0.0 if self._pretraining(step) else self.plan.teacher.decay
        self.teacher.update(self.student, step, decay)

    def predictor(self) -> nn.Module:
        """The student, as published."""
        return self.student
