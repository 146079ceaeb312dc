"""The same network, faster: norms folded away, and convolutions that suit the device.

Measured in one process on a full-size LA volume with everyday windows (overlap 0.5), two cores:
7.32 s with norms folded and weights laid out channels last, 6.26 s with the first convolution
stacked as well, 5.24 s with Winograd's too. So the replaced convolutions save 28 % of a volume,
Winograd's alone 16 %; `benchmarks/inference.py` measures both ways again.
"""

import copy

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

_FEW, _MANY = 2, 16
"""At most so many input channels are stacked; from so many on, Winograd's saving outweighs its
mixing."""


def fold_norms(network: nn.Module) -> nn.Module:
    """A copy of a network in evaluation mode whose batch norms are part of its convolutions.

    In evaluation a batch norm is an affine map per channel; where it follows a (transposed)
    convolution in an `nn.Sequential`, that convolution's weight and bias take it in. Norms that
    depend on their input (instance, layer) stay.
    """
    folded = copy.deepcopy(network).eval().requires_grad_(False)
    for module in list(folded.modules()):
        if isinstance(module, nn.Sequential):
            _fold_pairs(module)
    return folded


def accelerate(network: nn.Module, device: torch.device | str, *, exact: bool = False) -> nn.Module:
    """A copy of a trained network that predicts the same, on `device`, in less time.

    Norms are folded in everywhere. On a processor, convolutions are replaced by equal ones that
    take fewer products (below) and weights are laid out channels last;
    probabilities differ from the plain network's by less than 1e-4.

    Args:
        network: (B, C, X, Y, Z) -> logits, its weights anywhere.
        device: where it will run.
        exact: fold the norms only.
    """
    faster: nn.Module = fold_norms(network).to(device)
    faster.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
    if torch.device(device).type == "cpu" and not exact:
        _replace_convolutions(faster)
    return faster


def _fold_pairs(chain: nn.Sequential) -> None:
    for place in range(len(chain) - 1):
        convolution, norm = chain[place], chain[place + 1]
        if not isinstance(norm, nn.BatchNorm3d):
            continue
        if isinstance(convolution, nn.Conv3d | nn.ConvTranspose3d):
            transposed = isinstance(convolution, nn.ConvTranspose3d)
            chain[place] = fuse_conv_bn_eval(convolution, norm, transpose=transposed)
            chain[place + 1] = nn.Identity()


def _replace_convolutions(network: nn.Module) -> None:
    for name, child in network.named_children():
        if type(child) is nn.Conv3d:  # a subclass has a way of its own
            setattr(network, name, _equal(child))
        else:
            _replace_convolutions(child)


def _equal(convolution: nn.Conv3d) -> nn.Module:
    """The fastest module that does what `convolution` does."""
    size, step, padding = convolution.kernel_size, convolution.stride, convolution.padding
    same = size == (3, 3, 3) and step == padding == convolution.dilation == (1, 1, 1)
    if not same or convolution.groups > 1 or convolution.padding_mode != "zeros":
        return convolution
    if convolution.in_channels <= _FEW:
        return StackedConv3d(convolution)
    if min(convolution.in_channels, convolution.out_channels) >= _MANY:
        return WinogradConv3d(convolution)
    return convolution


# F(4, 3) of Lavin and Gray (CVPR 2016), at the points 0, 1, -1, 2, -2 and infinity: four outputs
# of a three-tap filter from six products, where the sum by definition takes twelve.
_INPUT = (
    (4, 0, -5, 0, 1, 0),
    (0, -4, -4, 1, 1, 0),
    (0, 4, -4, -1, 1, 0),
    (0, -2, -1, 2, 1, 0),
    (0, 2, -1, -2, 1, 0),
    (0, 4, 0, -5, 0, 1),
)
_FILTER = (
    (1 / 4, 0, 0),
    (-1 / 6, -1 / 6, -1 / 6),
    (-1 / 6, 1 / 6, -1 / 6),
    (1 / 24, 1 / 12, 1 / 6),
    (1 / 24, -1 / 12, 1 / 6),
    (0, 0, 1),
)
_OUTPUT = (
    (1, 1, 1, 1, 1, 0),
    (0, 1, -1, 2, -2, 0),
    (0, 1, 1, 4, 4, 0),
    (0, 1, -1, 8, -8, 1),
)
_POINTS, _TILE = 6, 4
_BLOCK = 4
"""Tiles in one go: enough for the convolution to work on, few enough for the cache."""


class WinogradConv3d(nn.Module):
    """3x3x3 convolution of stride 1 and padding 1 with half the products: Winograd's along X.

    Four output planes along X come of six input planes: these are mixed by a 6x6 matrix, each
    mixture is convolved in Y and Z by a 3x3 filter of its own, and the results are mixed into the
    four. In float32 it differs from the sum by definition by some 1e-6 of the largest output.

    Args:
        convolution: the one to replace.
    """

    def __init__(self, convolution: nn.Conv3d) -> None:
        super().__init__()
        weight = convolution.weight.detach()  # (O, I, 3, 3, 3)
        filters = torch.einsum("kx,oixyz->koiyz", torch.tensor(_FILTER).to(weight), weight)
        self.filters = nn.ParameterList(
            nn.Parameter(f.contiguous(memory_format=torch.channels_last), requires_grad=False)
            for f in filters
        )
        self.bias = convolution.bias
        self.into: Tensor
        self.out_of: Tensor
        self.register_buffer("into", torch.tensor(_INPUT).to(weight))
        self.register_buffer("out_of", torch.tensor(_OUTPUT).to(weight))

    def forward(self, features: Tensor) -> Tensor:
        """(B, I, X, Y, Z) -> (B, O, X, Y, Z), channels last."""
        planes = features.permute(0, 2, 3, 4, 1).contiguous()  # (B, X, Y, Z, I)
        result = planes.new_empty(*planes.shape[:4], self.filters[0].shape[0])
        tiles = list(range(0, planes.shape[1], _TILE))
        for source, target in zip(planes, result, strict=True):
            for first in range(0, len(tiles), _BLOCK):
                self._block(source, target, tiles[first : first + _BLOCK])
        return result.permute(0, 4, 1, 2, 3)

    def _block(self, source: Tensor, target: Tensor, tiles: list[int]) -> None:
        """Fills the tiles of `target` (X, Y, Z, O) that start at the planes `tiles`."""
        _, y, z, inputs = source.shape
        outputs = target.shape[3]
        mixed = source.new_empty(_POINTS, len(tiles), y * z * inputs)
        for place, start in enumerate(tiles):
            torch.mm(self.into, _six_planes(source, start - 1), out=mixed[:, place])
        products = source.new_empty(_POINTS, len(tiles), y * z * outputs)
        for point, weight in enumerate(self.filters):
            planes = mixed[point].view(-1, y, z, inputs).permute(0, 3, 1, 2)
            # Every output takes the mixture at point 1 once, and so its bias.
            bias = self.bias if point == 1 else None
            product = F.conv2d(planes, weight, bias, padding=1).permute(0, 2, 3, 1)
            products[point].view(product.shape).copy_(product)
        for place, start in enumerate(tiles):
            planes = target[start : start + _TILE].flatten(1)
            torch.mm(self.out_of[: len(planes)], products[:, place], out=planes)


def _six_planes(source: Tensor, start: int) -> Tensor:
    """Planes `start`... of (X, Y, Z, I) as rows (6, Y Z I); zeros beyond the first and last."""
    stop = start + _POINTS
    inside = source[max(start, 0) : stop].flatten(1)
    if len(inside) == _POINTS:
        return inside
    rows = inside.new_zeros(_POINTS, inside.shape[1])
    rows[max(-start, 0) :][: len(inside)] = inside
    return rows


class StackedConv3d(nn.Module):
    """3x3x3 convolution, stride 1, padding 1, of few channels, as a 2D one of three times as many.

    oneDNN has no channels-last kernel for a 3D convolution of a single channel; its result would be
    laid out anew before the next convolution.

    Args:
        convolution: the one to replace.
    """

    def __init__(self, convolution: nn.Conv3d) -> None:
        super().__init__()
        weight = convolution.weight.detach().flatten(1, 2)  # (O, 3 I, 3, 3)
        weight = weight.contiguous(memory_format=torch.channels_last)
        self.weight = nn.Parameter(weight, requires_grad=False)
        self.bias = convolution.bias

    def forward(self, images: Tensor) -> Tensor:
        """(B, I, X, Y, Z) -> (B, O, X, Y, Z), channels last."""
        batch, _, length = images.shape[:3]
        padded = F.pad(images, (0, 0, 0, 0, 1, 1))
        stacked = torch.stack([padded[:, :, i : i + length] for i in range(3)], 2)
        planes = stacked.flatten(1, 2).permute(0, 2, 3, 4, 1).flatten(0, 1)  # (B X, Y, Z, 3 I)
        result = F.conv2d(planes.permute(0, 3, 1, 2), self.weight, self.bias, padding=1)
        return result.unflatten(0, (batch, length)).transpose(1, 2)
