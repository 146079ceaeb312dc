"""A task beside any method: its backbones also clean noisy patches."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from crln.methods.batch import Step
from crln.methods.first_stages.denoising import cleaning_error, with_noise
from crln.networks import Backbone, Patchwise, Pointwise


class DenoisingBeside(Patchwise):
    """The task beside a method: a head for each of its backbones, thrown away afterwards.

    To a step's total it adds w (1 - progress) L, the L of `Denoising` on the unlabelled patches, or
    where there are none, on the labelled ones. The method's own networks, random draws and norm
    statistics stay as they are; its backbones alone learn more.

    Args:
        backbones: the method's that learn; they stay its own.
        channels: of the images.
        weight: w.
    """

    entries, exits = (), ("heads",)

    def __init__(self, backbones: Sequence[Backbone], channels: int, weight: float) -> None:
        super().__init__()
        self.heads = nn.ModuleList(Pointwise(each.widths[0], channels) for each in backbones)
        self._backbones = tuple(backbones)  # no submodules: their weights are the method's
        self.weight = weight

    def added(
        self, losses: dict[str, Tensor], images: Tensor, inside: Tensor, step: Step
    ) -> dict[str, Tensor]:
        """A step's terms with this one, `denoising`.

        Args:
            losses: the method's.
            images: views of patches, (B, C, X, Y, Z).
            inside: (B, X, Y, Z), bool: in the scan.
            step: where the training stands.
        """
        cost = self.cost(images, inside, step)
        total = losses["total"] + self.weight * (1 - step.progress) * cost
        return {**losses, "total": total, "denoising": cost}

    def cost(self, images: Tensor, inside: Tensor, step: Step) -> Tensor:
        """The sum of what it costs each backbone, unweighted.

        Args:
            images: views of patches, (B, C, X, Y, Z).
            inside: (B, X, Y, Z), bool.
            step: where the training stands.
        """
        noisy, spread = with_noise(images, inside, step.generator("denoising", images.device))
        errors = []
        for backbone, head in zip(self._backbones, self.heads, strict=True):
            with kept_statistics(backbone):
                features = backbone(noisy)[0]
            # A backbone that several processes cannot share has computed all rows in each.
            whole = len(features) == len(images)
            found = head.forward(features) if whole else head(features)
            errors.append(cleaning_error(found, images, inside, spread))
        return torch.stack(errors).sum()


@contextmanager
def kept_statistics(network: nn.Module) -> Iterator[None]:
    """Within it, norms see the statistics of what they are given, and remember none."""
    norms = [module for module in network.modules() if isinstance(module, _BatchNorm)]
    before = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = 0.0
    try:
        yield
    finally:
        for norm, momentum in zip(norms, before, strict=True):
            norm.momentum = momentum
