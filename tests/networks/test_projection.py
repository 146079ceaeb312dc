import pytest
import torch

from crln.networks import ProjectionHead

SHAPE = (4, 5, 3)


def make_head() -> ProjectionHead:
    torch.manual_seed(0)
    head = ProjectionHead(6, 5)
    with torch.no_grad():
        head.norm.running_mean.normal_()
        head.norm.running_var.uniform_(0.5, 2)
    return head


def every_voxel(batch: int) -> torch.Tensor:
    return torch.arange(batch * SHAPE[0] * SHAPE[1] * SHAPE[2])


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last_3d])
def test_sampled_equals_dense(layout: torch.memory_format) -> None:
    head = make_head().eval()
    features = torch.randn(2, 6, *SHAPE).contiguous(memory_format=layout)
    dense = head(features).permute(0, 2, 3, 4, 1).reshape(-1, 5)
    torch.testing.assert_close(head.at([features], every_voxel(2)), dense)
    some = torch.tensor([7, 0, 119, 7])
    torch.testing.assert_close(head.at([features], some), dense[some])


def test_several_maps_are_one() -> None:
    head = make_head().eval()
    first, second = torch.randn(2, 6, *SHAPE), torch.randn(1, 6, *SHAPE)
    together = head.at([torch.cat([first, second])], every_voxel(3))
    torch.testing.assert_close(head.at([first, second], every_voxel(3)), together)


def test_gradients_equal_dense_ones() -> None:
    gradients = []
    for sampled in (True, False):
        head = make_head().train()
        torch.manual_seed(1)
        features = torch.randn(2, 6, *SHAPE, requires_grad=True)
        if sampled:
            result = head.at([features], every_voxel(2))
        else:
            result = head(features).permute(0, 2, 3, 4, 1).reshape(-1, 5)
        (result * torch.linspace(-1, 1, result.numel()).reshape(result.shape)).sum().backward()
        gradients.append([features.grad, *(p.grad for p in head.parameters())])
    for ours, theirs in zip(*gradients, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)


def test_statistics_come_from_the_sampled_voxels() -> None:
    head = make_head().train()
    head.norm.momentum = 1.0
    features = torch.randn(1, 6, *SHAPE)
    voxels = torch.tensor([3, 9, 20, 31])
    head.at([features], voxels)
    hidden = head.convolution(features).permute(0, 2, 3, 4, 1).reshape(-1, 6)[voxels]
    torch.testing.assert_close(head.norm.running_mean, hidden.mean(0))
