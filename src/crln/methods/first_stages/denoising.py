"""Denoising: Feyjie et al.'s surrogate task (arXiv 2003.08462), in three dimensions."""

import torch
from torch import Tensor

from crln.losses import full_precision
from crln.methods.batch import Batch, Step
from crln.methods.first_stages.inside import mean_and_deviation
from crln.methods.first_stages.stage import FirstStage

NOISE = (0.1, 0.6)
"""Its standard deviation, uniform for each patch, in those of the patch (published: of 1)."""


class Denoising(FirstStage):
    """The clean patch is made of a noisy one.

    L = sum_n mean (g_n(x + s d n) - x)^2 / d^2 over the voxels in the scan; n Gaussian, d the
    patch's own deviation, s uniform in 0.1..0.6. Published: slices, from an encoder's output at a
    quarter of the resolution, by cross-entropy; here the whole network, at full resolution.
    """

    def cost(self, patches: Batch, step: Step) -> Tensor:
        """The error of what is cleaned."""
        images, inside = self.weak_view(patches, step.generator("views", "cpu"))
        noisy, spread = with_noise(images, inside, step.generator("noise", images.device))
        errors = [
            cleaning_error(network(noisy), images, inside, spread) for network in self.networks
        ]
        return torch.stack(errors).sum()


def with_noise(images: Tensor, inside: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Noisy patches (B, C, X, Y, Z), and each one's own deviation (B, C, 1, 1, 1).

    Args:
        images: (B, C, X, Y, Z).
        inside: (B, X, Y, Z), bool: in the scan.
        generator: on the images' device.
    """
    _, spread = mean_and_deviation(images, inside)
    low, high = NOISE
    strength = torch.empty(len(images), 1, 1, 1, 1, device=images.device)
    strength.uniform_(low, high, generator=generator)
    noise = torch.empty_like(images).normal_(generator=generator)
    return images + strength * spread * noise, spread


def cleaning_error(found: Tensor, images: Tensor, inside: Tensor, spread: Tensor) -> Tensor:
    """Mean squared error over the voxels in the scan, in units of each patch's variance."""
    counted = inside[:, None].to(images)
    errors = ((full_precision(found) - images) / spread).square() * counted
    return errors.sum() / (counted.sum() * images.shape[1]).clamp(min=1)
