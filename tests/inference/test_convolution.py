import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from crln.inference.fuse import StackedConv3d, WinogradConv3d


@pytest.mark.slow
@settings(max_examples=15, deadline=None)
@given(
    shape=st.tuples(*[st.integers(1, 12)] * 3),
    batch=st.integers(1, 2), inputs=st.integers(1, 5), outputs=st.integers(1, 5),
    bias=st.booleans(), channels_last=st.booleans(),
)  # fmt: skip
def test_equal_to_the_convolution(
    shape: tuple[int, int, int], batch: int, inputs: int, outputs: int, bias: bool,
    channels_last: bool,
) -> None:  # fmt: skip
    layout = torch.channels_last_3d if channels_last else torch.contiguous_format
    images = torch.randn(batch, inputs, *shape).contiguous(memory_format=layout)
    wide = nn.Conv3d(inputs, outputs, 3, padding=1, bias=bias)
    with torch.inference_mode():
        for faster in (WinogradConv3d(wide), StackedConv3d(wide)):
            torch.testing.assert_close(faster(images), wide(images), atol=2e-5, rtol=1e-5)


@pytest.mark.parametrize("kind", [WinogradConv3d, StackedConv3d])
def test_results_are_channels_last(kind: type[nn.Module]) -> None:
    with torch.inference_mode():
        result = kind(nn.Conv3d(3, 16, 3, padding=1))(torch.randn(1, 3, 9, 8, 8))
    assert result.is_contiguous(memory_format=torch.channels_last_3d)


def test_winograd_is_about_as_precise_as_the_sum() -> None:
    torch.manual_seed(0)
    wide = nn.Conv3d(64, 64, 3, padding=1).double()
    images = torch.randn(1, 64, 16, 8, 8).double()
    with torch.inference_mode():
        true = wide(images)
        ours = WinogradConv3d(wide.float())(images.float())
    assert (ours - true).abs().max() < 1e-5 * true.abs().max()
