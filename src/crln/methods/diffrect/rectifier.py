"""The rectification network of DiffRect (Liu et al., MICCAI 2024), in three dimensions.

A U-Net reads a patch with a coloured label map and a number that tells how far the label is off;
its bottleneck, the latent, is replaced by one that a diffusion model denoised towards the latent
of a better label map, and decoded to logits.
"""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from crln.methods.diffrect.colours import COLOURS, colour, mixed_colour, palette
from crln.methods.diffrect.diffusion import add_noise, cosine_alphas, ddim, waves
from crln.networks.blocks import (
    CUBE,
    LAYOUT,
    Pointwise,
    check_patch,
    cubes,
    halvings,
    reached,
    same_size,
)
from crln.planning.plan import Triple

DROPOUT = (0.05, 0.1, 0.2, 0.3, 0.5)
"""Per level of the way down, finest first, as published; the last of all further ones."""

GROUPS, SMALLEST_GROUP = 8, 8
"""Of the denoiser's norm: groups at most, and channels in each at least."""


class Condition(NamedTuple):
    """A patch with its label map and guidance, encoded.

    Attributes:
        features: of the way down, finest first; the last is the latent, by default
            (B, C, X/16, Y/16, Z/16).
        surroundings: the image's own features, which were added to them.
        guidance: (B, E), the embedded guidance.
    """

    features: list[Tensor]
    surroundings: list[Tensor]
    guidance: Tensor

    def of(self, samples: slice) -> "Condition":
        """That of some patches of the batch."""
        return Condition(
            [f[samples] for f in self.features],
            [s[samples] for s in self.surroundings],
            self.guidance[samples],
        )


class LabelRectifier(nn.Module):
    """Label map and image in, logits of a better label map out.

    Args:
        in_channels: C of the images.
        classes: K, background included.
        widths: channels per level, finest first.
        steps: T of the diffusion.
        strides: from each level to the next; None: 2 along every axis.
        kernels: of each level's convolutions; None: 3 along every axis.
        exclusive: whether labels are classes; else they are combinations of them.
    """

    palette: Tensor
    alphas: Tensor

    def __init__(
        self,
        in_channels: int,
        classes: int,
        widths: Sequence[int],
        steps: int = 10,
        strides: Sequence[Triple] | None = None,
        kernels: Sequence[Triple] | None = None,
        *,
        exclusive: bool = True,
    ) -> None:
        super().__init__()
        self.colour = colour if exclusive else mixed_colour
        deepest, strides, kernels = (
            widths[-1], strides or halvings(widths), kernels or cubes(widths)
        )  # fmt: skip
        self.in_channels = in_channels
        self.step = reached(strides)[-1]
        self.register_buffer("palette", palette(classes), persistent=False)
        self.register_buffer("alphas", cosine_alphas(steps), persistent=False)
        self.guidance = TimeEmbedding(deepest // 2, 2 * deepest)
        self.encoder = Encoder(in_channels + COLOURS, widths, strides, kernels)
        self.surroundings = Encoder(in_channels, widths, strides, kernels)
        self.decoder = nn.ModuleList(
            Upward(widths[level + 1], widths[level], 2 * deepest, kernels[level])
            for level in reversed(range(len(strides)))
        )
        self.head = same_size(widths[0], classes, kernels[0])
        self.denoiser = Denoiser(deepest, kernels[-1])

    def condition(self, images: Tensor, labels: Tensor, guidance: Tensor) -> Condition:
        """Encodes what is to be rectified.

        Args:
            images: (B, C, X, Y, Z).
            labels: (B, X, Y, Z), class or IGNORE.
            guidance: how far the labels are off, 0..1; one number for the batch.
        """
        check_patch(images, self.in_channels, self.step)
        embedded = self.guidance((999 * guidance).expand(len(images)))
        surroundings = self.surroundings(images, embedded)
        features = self._encode(images, labels, surroundings, embedded)
        return Condition(features, surroundings, embedded)

    @torch.no_grad()
    def latent(self, images: Tensor, labels: Tensor, condition: Condition) -> Tensor:
        """The latent of other label maps of the same patches, z_0; carries no gradient."""
        return self._encode(images, labels, condition.surroundings, condition.guidance)[-1]

    def _encode(
        self, images: Tensor, labels: Tensor, surroundings: list[Tensor], guidance: Tensor
    ) -> list[Tensor]:
        coloured = torch.cat([images, self.colour(labels, self.palette)], 1)
        return self.encoder(coloured, guidance, surroundings)

    def denoise(self, condition: Condition, latent: Tensor, generator: torch.Generator) -> Tensor:
        """D(z_t, t; c), the estimate of z_0 from z_t at a step t that is drawn for each sample."""
        steps = torch.randint(
            len(self.alphas), (len(latent),), generator=generator, device=latent.device
        )
        noise = torch.empty_like(latent, dtype=torch.float32).normal_(generator=generator)
        noisy = add_noise(latent, noise, self.alphas[steps])
        estimate: Tensor = self.denoiser(noisy, steps, condition.features[-1])
        return estimate

    @torch.no_grad()
    def sample(self, condition: Condition, generator: torch.Generator, number: int) -> Tensor:
        """z_0 from noise in `number` deterministic steps."""
        latent = condition.features[-1]
        noise = torch.empty_like(latent, dtype=torch.float32).normal_(generator=generator)

        def estimate(noisy: Tensor, step: int) -> Tensor:
            steps = torch.full((len(noisy),), step, device=noisy.device)
            result: Tensor = self.denoiser(noisy, steps, latent).float()
            return result

        return ddim(estimate, noise, self.alphas, number)

    def decode(self, condition: Condition, latent: Tensor) -> Tensor:
        """Logits (B, K, X, Y, Z) of the label map that a latent stands for."""
        deep = latent
        for up, skip in zip(self.decoder, reversed(condition.features[:-1]), strict=True):
            deep = up(deep, skip, condition.guidance)
        logits: Tensor = self.head(deep)
        return logits


class Encoder(nn.Module):
    """The way down: a timed block per level, max pooling between."""

    def __init__(
        self,
        in_channels: int,
        widths: Sequence[int],
        strides: Sequence[Triple],
        kernels: Sequence[Triple],
    ) -> None:
        super().__init__()
        self.strides = strides
        inputs = [in_channels, *widths[:-1]]
        dropouts = [DROPOUT[min(level, len(DROPOUT) - 1)] for level in range(len(widths))]
        self.levels = nn.ModuleList(
            TimedBlock(i, o, 2 * widths[-1], nn.BatchNorm3d(o), nn.BatchNorm3d(o), dropout, kernel)
            for i, o, dropout, kernel in zip(inputs, widths, dropouts, kernels, strict=True)
        )

    def forward(
        self, images: Tensor, time: Tensor, added: Sequence[Tensor] | None = None
    ) -> list[Tensor]:
        """Features per level, finest first; those of `added` are added level by level."""
        features: list[Tensor] = []
        for place, level in enumerate(self.levels):
            before = F.max_pool3d(features[-1], self.strides[place - 1]) if place else images
            here = level(before, time)
            features.append(here if added is None else here + added[place])
        return features


class Upward(nn.Module):
    """One level up: fewer channels, trilinear upsampling, the skip concatenated, a timed block."""

    def __init__(self, deep: int, skip: int, time: int, kernel: Triple) -> None:
        super().__init__()
        self.reduce = Pointwise(deep, skip)
        first, second = (nn.BatchNorm3d(skip) for _ in range(2))
        self.block = TimedBlock(2 * skip, skip, time, first, second, kernel=kernel)

    def forward(self, deep: Tensor, skip: Tensor, time: Tensor) -> Tensor:
        """(B, deep, x, y, z), (B, skip, X, Y, Z) -> (B, skip, X, Y, Z)."""
        result: Tensor = self.block(_joined(self.reduce(deep), skip), time)
        return result


class Denoiser(nn.Module):
    """D(z_t, t; c): a U-Net of three levels on the latent grid.

    A 3D patch leaves a few voxels there (2 x 3 x 2 for 32 x 48 x 32), so sides are halved rounding
    up, and the norm is over groups of channels: the batch statistics of two values would be noise.
    """

    def __init__(self, width: int, kernel: Triple = CUBE) -> None:
        super().__init__()
        widths = (width, 3 * width // 2, 2 * width)
        self.time = TimeEmbedding(width // 2, 2 * width)
        self.down = nn.ModuleList(_grouped(i, o, 2 * width, kernel) for i, o in pairwise(widths))
        self.reduce = nn.ModuleList(
            Pointwise(i, o) for i, o in zip(widths[:0:-1], widths[-2::-1], strict=True)
        )
        self.up = nn.ModuleList(_grouped(2 * o, o, 2 * width, kernel) for o in widths[-2::-1])

    def forward(self, noisy: Tensor, steps: Tensor, condition: Tensor) -> Tensor:
        """z_t (B, C, X, Y, Z), t (B,), c of the shape of z_t -> the estimate of z_0."""
        time = self.time(steps)
        features = [noisy + condition]
        for block in self.down:
            features.append(block(F.max_pool3d(features[-1], 2, ceil_mode=True), time))
        deep = features.pop()
        for reduce, block in zip(self.reduce, self.up, strict=True):
            deep = block(_joined(reduce(deep), features.pop()), time)
        return deep


class TimedBlock(nn.Module):
    """Two convolutions with norm and leaky ReLU; a time's embedding is added in between."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        time: int,
        first_norm: nn.Module,
        second_norm: nn.Module,
        dropout: float = 0.0,
        kernel: Triple = CUBE,
    ) -> None:
        super().__init__()
        self.first = nn.Sequential(same_size(inputs, outputs, kernel), first_norm, nn.LeakyReLU())
        self.time = nn.Sequential(nn.SiLU(), nn.Linear(time, outputs))
        self.second = nn.Sequential(
            nn.Dropout(dropout), same_size(outputs, outputs, kernel), second_norm,
            nn.LeakyReLU(),
        )  # fmt: skip

    def forward(self, features: Tensor, time: Tensor) -> Tensor:
        """(B, C, X, Y, Z), (B, E) -> (B, C', X, Y, Z)."""
        shift = self.time(time)[:, :, None, None, None]
        hidden = self.first(features.contiguous(memory_format=LAYOUT)) + shift
        result: Tensor = self.second(hidden)
        return result


class TimeEmbedding(nn.Module):
    """Sines and cosines of a time (Ho et al., NeurIPS 2020) through two linear layers."""

    def __init__(self, waves: int, width: int) -> None:
        super().__init__()
        self.waves = waves
        self.layers = nn.Sequential(nn.Linear(waves, width), nn.SiLU(), nn.Linear(width, width))

    def forward(self, time: Tensor) -> Tensor:
        """(B,) -> (B, width)."""
        embedded: Tensor = self.layers(waves(time, self.waves))
        return embedded


def _joined(deep: Tensor, skip: Tensor) -> Tensor:
    """Brings deep features to the skip's size and concatenates them."""
    up = F.interpolate(deep, size=skip.shape[2:], mode="trilinear", align_corners=True)
    return torch.cat([skip, up], 1)


def _grouped(inputs: int, outputs: int, time: int, kernel: Triple) -> TimedBlock:
    groups = math.gcd(GROUPS, outputs) if outputs >= GROUPS * SMALLEST_GROUP else 1
    first, second = (nn.GroupNorm(groups, outputs) for _ in range(2))
    return TimedBlock(inputs, outputs, time, first, second, kernel=kernel)
