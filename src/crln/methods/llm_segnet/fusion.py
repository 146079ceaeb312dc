"""A backbone whose bottleneck hears what a text says of the classes."""

import torch
from torch import Tensor, nn

from crln.methods.llm_segnet.text import WIDTH
from crln.networks import Backbone, Pointwise

START = -3.0
"""Of the balance: its sigmoid, about 0.05, is the text's share at first."""


class TextFusion(nn.Module):
    """F' = (1 - b) F + b softmax(Q F T'^T / sqrt(C)) T', T' = norm(W T): attention to the classes.

    T: a token of each class, (K, `WIDTH`). b, the sigmoid of a learnt number, balances image and
    text, Q and W are learnt. T, of a task always the same, is a constant: whatever it holds, W T is
    K vectors that could have been learnt (docs/reference/methods.md).

    Args:
        channels: C of the bottleneck.
        tokens: T.
        learnt: whether T is learnt, or stays.
    """

    def __init__(self, channels: int, tokens: Tensor, learnt: bool) -> None:
        super().__init__()
        tokens = tokens.to(torch.get_default_dtype())
        if learnt:
            self.tokens: Tensor = nn.Parameter(tokens)
        else:
            self.register_buffer("tokens", tokens)
        self.keys = nn.Sequential(nn.Linear(WIDTH, channels), nn.LayerNorm(channels))
        self.query = Pointwise(channels, channels)
        self.balance = nn.Parameter(torch.tensor(START))

    def forward(self, features: Tensor) -> Tensor:
        """(B, C, X, Y, Z) -> the same shape."""
        keys = self.keys(self.tokens)  # (K, C)
        likeness = self.query(features).movedim(1, -1) @ keys.T / keys.shape[1] ** 0.5
        told = (likeness.softmax(-1).to(keys.dtype) @ keys).movedim(-1, 1)
        return torch.lerp(features, told.to(features.dtype), self.balance.sigmoid().to(features))


class TextBackbone(Backbone):
    """A backbone with text between its halves.

    Args:
        backbone: with an encoder and a decoder.
        fusion: of its bottleneck.
    """

    def __init__(self, backbone: Backbone, fusion: TextFusion) -> None:
        super().__init__()
        self.backbone, self.fusion = backbone, fusion
        self.widths, self.strides = backbone.widths, backbone.strides

    def forward(self, images: Tensor) -> list[Tensor]:
        """(B, C, X, Y, Z) -> decoder features, finest first."""
        *skips, deepest = self.backbone.encode(images)
        return self.backbone.decode([*skips, self.fusion(deepest)])
