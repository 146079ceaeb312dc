"""Label maps as images of three colours, for the rectifier to read."""

import colorsys

import torch
from torch import Tensor

from crln.labels import IGNORE

COLOURS = 3


def palette(classes: int) -> Tensor:
    """(K, 3): black for the background, evenly spaced hues for the rest.

    Red, green and blue for the four classes of the published data sets.
    """
    hues = [colorsys.hsv_to_rgb(k / (classes - 1), 1, 1) for k in range(classes - 1)]
    return torch.tensor([(0.0, 0.0, 0.0), *hues])


def colour(labels: Tensor, colours: Tensor) -> Tensor:
    """(B, X, Y, Z) -> (B, 3, X, Y, Z); what is IGNORE is black."""
    return colours[labels.masked_fill(labels == IGNORE, 0)].movedim(-1, 1)


def mixed_colour(labels: Tensor, colours: Tensor) -> Tensor:
    """The same of combinations: the mean of their classes' colours."""
    bits = torch.arange(len(colours) - 1, device=labels.device)
    held = (labels.clamp(min=0).unsqueeze(-1) >> bits & 1).to(colours.dtype)
    return (held @ colours[1:] / held.sum(-1, keepdim=True).clamp(min=1)).movedim(-1, 1)
