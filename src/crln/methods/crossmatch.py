"""CrossMatch (Zhao et al., IEEE JBHI 2024): perturbed images, perturbed features."""

from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn

from crln.errors import CrlnError
from crln.labels import IGNORE
from crln.methods.base import Seen, SemiSupervised, Step
from crln.methods.published import Published
from crln.methods.ramps import Ramped, gaussian_ramp
from crln.methods.totals import unheard, weighted
from crln.networks import Backbone, SegmentationNetwork, has_halves
from crln.planning import Plan
from crln.planning.plan import Section


class PerturbedBackbone(Backbone):
    """A backbone whose decoder can be run again on features with whole channels left out.

    Args:
        backbone: with an encoder and a decoder.
        weak: share of the channels that are left out in the second pass.
        strong: in the third.
    """

    def __init__(self, backbone: Backbone, weak: float, strong: float) -> None:
        super().__init__()
        self.backbone = backbone
        self.widths, self.strides = backbone.widths, backbone.strides
        self.deep_supervision = backbone.deep_supervision
        self.dropouts = nn.ModuleList(nn.Dropout3d(share) for share in (weak, strong))

    def forward(self, images: Tensor, perturbed: bool = False) -> list[Tensor]:
        """Decoder features, finest first; `perturbed`: the finest of all three passes instead."""
        skips = self.backbone.encode(images)
        features = self.backbone.decode(skips)
        if not perturbed:
            return features
        passes = ([dropout(skip) for skip in skips] for dropout in self.dropouts)
        return [features[0], *(self.backbone.decode(each)[0] for each in passes)]


class PerturbedNetwork(SegmentationNetwork):
    """A perturbed backbone and a head for all passes."""

    def passes(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Logits of the clean, the weakly and the strongly perturbed features."""
        clean, weak, strong = (self.head(f) for f in self.backbone(images, perturbed=True))
        return clean, weak, strong


class CrossMatch(SemiSupervised):
    """Strong views and dropped features learn what the plain network says of the weak view.

    u: a weak view; s, t: two strong views of it; f, f_w, f_s: logits of plain decoder features, and
    of features without a share of their channels, 0.25 and 0.75; y, y_w, y_s: their classes on u
    where confidence is at least tau, as they lie in the view at hand; D: Dice.

        L = seg(f(x), y) + w(t) (R + K),   R = 1/4 [D(f(s), y) + D(f(t), y)]
        K = (1 - e) mean[D(f_w(u), y), D(f_s(u), y), D(f_w(t), y), D(f_s(t), y)]
            + e mean[D(f_w(t), y_w), D(f_s(t), y_s)]

    Classes carry no gradient. Ours: the strong views are the plan's, with CutMix among the
    unlabelled patches of the step (published: bias field, gamma, blur; CutMix with a second batch);
    a ramp, short, where published there is none, since at full weight at once labels are unlearnt;
    the network's own dropouts stay on in all passes. The published half of the whole sum is left
    out: it scales the rate. tau is published for two classes, as a leftover of an entropy, with the
    ramp r of 17,000 steps: (0.75 + r / 4) ln 2. It keeps nearly every voxel at first.
    """

    deep = True
    overlapping = True
    published: ClassVar[Published] = Published(
        14000, 0.001, "poly",
        "code for LA; AdamW there too, its decay stopped at 14,000 of 17,000 steps",
        optimiser="adamw",
    )  # fmt: skip

    class Options(Ramped):
        """Published constants (LA: 14,000 steps), but for the ramp."""

        weight: float = Field(default=1.0, ge=0, description="w, once the ramp is over")
        ramp: float = Field(
            default=0.1,
            gt=0,
            description="share of the training that w ramps up over; published: none",
        )
        confidence: float = Field(
            default=0.52,
            ge=0,
            le=1,
            description="tau at first: least confidence of a pseudo-label that counts",
        )
        last_confidence: float = Field(default=0.67, ge=0, le=1, description="tau at the end")
        distillation: float = Field(
            default=0.3,
            ge=0,
            le=1,
            description="e, share of learning from equally perturbed features in K",
        )
        weak_dropout: float = Field(
            default=0.25, ge=0, lt=1, description="share of the channels left out in weak passes"
        )
        strong_dropout: float = Field(
            default=0.75, ge=0, lt=1, description="share of the channels left out in strong passes"
        )

    options: Options

    def __init__(self, plan: Plan, options: Section) -> None:
        super().__init__(plan, options)
        backbone = self.new_backbone()
        if not has_halves(backbone):
            raise CrlnError(
                f"plan: network.kind: crossmatch decodes features twice, and {plan.network.kind!r} "
                "has no encode and decode of their own; choose vnet, resenc or unet"
            )
        backbone = PerturbedBackbone(
            backbone, self.options.weak_dropout, self.options.strong_dropout
        )
        self.student = PerturbedNetwork(backbone, plan.classes)

    def from_labels(self, images: Tensor, target: Tensor, step: Step) -> dict[str, Tensor]:
        """Supervised loss."""
        return unheard(self.supervise(self.student.every(images), target), "strong", "distilled")

    def from_both(self, seen: Seen, step: Step) -> dict[str, Tensor]:
        """Supervised loss, R and K."""
        images, target, weak, inside, generator = seen
        known, channels = len(images), images.shape[1]
        s, t = (self.views.draw("strong", len(weak), channels, generator) for _ in range(2))
        levels = self.student.every(torch.cat([images, s.images(weak)]))
        supervised = self.supervise([z[:known] for z in levels], target)

        passes = self.student.passes(torch.cat([weak, t.images(weak)]))
        on_weak, on_strong = zip(*(z.chunk(2) for z in passes), strict=True)
        least = self._least(step)
        pseudo, *perturbed = (self._sure(z, inside, least) for z in on_weak)
        there = t.labels(pseudo)
        strong = self._dice((levels[0][known:], s.labels(pseudo)), (on_strong[0], there)) / 2
        plain = self._dice(
            *((z, pseudo) for z in on_weak[1:]), *((z, there) for z in on_strong[1:])
        )
        alike = self._dice(
            *((z, t.labels(own)) for z, own in zip(on_strong[1:], perturbed, strict=True))
        )
        share = self.options.distillation
        distilled = (1 - share) * plain + share * alike
        return weighted(supervised, self.weight(step), strong=strong, distilled=distilled)

    def _least(self, step: Step) -> float:
        """Tau at this step."""
        first, last = self.options.confidence, self.options.last_confidence
        return first + (last - first) * gaussian_ramp(step.index, step.total)

    def _sure(self, logits: Tensor, inside: Tensor, least: float) -> Tensor:
        """The likeliest class (B, X, Y, Z), IGNORE where it is not sure or not in the scan."""
        probabilities = self.criteria.probabilities(logits.detach())
        confidence, label = self.criteria.confident(probabilities, least)
        return label.masked_fill(~inside | (confidence < least), IGNORE)

    def _dice(self, *pairs: tuple[Tensor, Tensor]) -> Tensor:
        """The mean Dice loss of logits with labels."""
        return torch.stack([self.criteria.dice(*pair) for pair in pairs]).mean()

    def predictor(self) -> nn.Module:
        """The student, as published."""
        return self.student
