"""MC-Net (Wu et al., MICCAI 2021) and MC-Net+ (Medical Image Analysis 2022)."""

from itertools import permutations
from typing import ClassVar, cast

import torch
from pydantic import Field
from torch import Tensor, nn

from crln.errors import CrlnError
from crln.labels import IGNORE
from crln.losses import (
    full_precision,
    mean_squared_difference,
)
from crln.methods.base import Seen, SemiSupervised, Step
from crln.methods.published import Published
from crln.methods.ramps import Ramped
from crln.methods.totals import unheard, weighted
from crln.networks import Backbone, Patchwise, VNet, VNetDecoder, VNetEncoder
from crln.networks.blocks import reached
from crln.networks.vnet import Upsampling
from crln.planning import Plan
from crln.planning.plan import Section

UPSAMPLING: tuple[Upsampling, ...] = ("transposed", "trilinear", "nearest")


class Branches(Patchwise):
    """One V-Net encoder, several decoders that differ in their upsampling, a head each."""

    entries, exits = ("encoder",), ("heads",)

    def __init__(self, plan: Plan, decoders: int) -> None:
        super().__init__()
        network = plan.network
        strides, kernels = network.strides, network.kernels
        self.encoder = VNetEncoder(
            len(plan.channels), network.widths, network.dropout, strides, kernels
        )
        self.decoders = nn.ModuleList(
            VNetDecoder(network.widths, network.dropout, kind, strides, kernels)
            for kind in UPSAMPLING[:decoders]
        )
        self.heads = nn.ModuleList(
            nn.Conv3d(network.widths[0], plan.classes, 1) for _ in range(decoders)
        )

    def every(self, images: Tensor) -> list[Tensor]:
        """Logits of every decoder."""
        skips = self.encoder(images)
        pairs = zip(self.decoders, self.heads, strict=True)
        return [head(decoder(skips)[0]) for decoder, head in pairs]

    def forward(self, images: Tensor) -> Tensor:
        """Logits of the first decoder, the one that is used at test."""
        logits: Tensor = self.heads[0](self.decoders[0](self.encoder(images))[0])
        return logits


class Branch(VNet):
    """The encoder and the first decoder of some branches, as a backbone; weights are theirs."""

    def __init__(self, branches: Branches, plan: Plan) -> None:
        nn.Module.__init__(self)  # nothing is made anew
        network = plan.network
        self.widths, self.strides = network.widths[:-1], reached(network.strides)[:-1]
        self.encoder, self.decoder = branches.encoder, cast(VNetDecoder, branches.decoders[0])


class MCNet(SemiSupervised):
    """Decoders that differ in upsampling match each other's sharpened output.

    L = sum_k seg(f_k(x), y) + w(t) sum_{i != j} mean (p_i - sharpen_T(p_j))^2 over labelled and
    unlabelled patches; the sharpened side keeps its gradient, as published. Published is 0.5 Dice
    in the place of seg, without squares and without cross-entropy (`dice_alone`): in a short
    training that held the method level with the labels alone (docs/explanation/decisions/).
    """

    overlapping = True
    published: ClassVar[Published] = Published(15000, 0.01, "constant", "code for LA")

    class Options(Ramped):
        """Published constants (15,000 steps, the ramp over the first 6,000)."""

        decoders: int = Field(
            default=3,
            ge=2,
            le=3,
            description=(
                "3: MC-Net+, with transposed, trilinear and nearest upsampling; 2: MC-Net"
            ),
        )
        weight: float = Field(
            default=1.0, ge=0, description=("of the consistency loss, once the ramp is over")
        )
        ramp: float = Field(
            default=0.4, gt=0, description=("share of the training that the weight ramps up over")
        )
        temperature: float = Field(default=0.1, gt=0, description="T of the sharpening p^(1/T)")
        dice_alone: bool = Field(
            default=False,
            description=(
                "labels teach by Dice alone, without squares, as published; false: by "
                "cross-entropy and Dice, as in every other method"
            ),
        )

    options: Options

    def __init__(self, plan: Plan, options: Section) -> None:
        super().__init__(plan, options)
        if plan.network.kind != "vnet":
            raise CrlnError("plan: mcnet's decoders are those of a V-Net; set network.kind: vnet")
        self.student = Branches(plan, self.options.decoders)

    def from_labels(self, images: Tensor, target: Tensor, step: Step) -> dict[str, Tensor]:
        """What labels teach every decoder."""
        supervised = self._supervised(self.student.every(images), target)
        return unheard(supervised, "agreement")

    def from_both(self, seen: Seen, step: Step) -> dict[str, Tensor]:
        """What labels teach every decoder, and the agreement of every ordered pair."""
        images, target, weak, inside, _ = seen
        logits = [full_precision(z) for z in self.student.every(torch.cat([images, weak]))]
        known = len(images)
        supervised = self._supervised([z[:known] for z in logits], target)
        valid = torch.cat([target != IGNORE, inside])
        soft = [self.criteria.probabilities(z) for z in logits]
        sharp = [self.criteria.sharpen(p, self.options.temperature) for p in soft]
        pairs = permutations(range(len(logits)), 2)
        agreement = torch.stack(
            [mean_squared_difference(soft[i], sharp[j], valid) for i, j in pairs]
        ).sum()
        return weighted(supervised, self.weight(step), agreement=agreement)

    def _supervised(self, logits: list[Tensor], target: Tensor) -> Tensor:
        """sum_k seg(f_k(x), y), or 0.5 sum_k Dice(p_k, y)."""
        if self.options.dice_alone:
            pairs = (self.marginal(z, target) for z in logits)
            dice = [self.criteria.dice(*pair, squared=False) for pair in pairs]
            return 0.5 * torch.stack(dice).sum()
        return torch.stack([self.supervise(z, target) for z in logits]).sum()

    def backbones(self) -> list[Backbone]:
        """One: the encoder and the first decoder; the others differ from it on purpose."""
        return [Branch(self.student, self.plan)]

    def predictor(self) -> nn.Module:
        """The encoder and the first decoder."""
        return cast(nn.Module, self.student)
