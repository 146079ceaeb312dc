import pytest
import torch
from torch import Tensor

from crln.methods.crln.projection import ProjectionHead
from crln.networks.blocks import LAYOUT

SIZE = (3, 4, 5)


@pytest.fixture
def head() -> ProjectionHead:
    torch.manual_seed(0)
    head = ProjectionHead(4, 3).double()
    with torch.no_grad():
        head.norm.running_mean.normal_()
        head.norm.running_var.uniform_(0.5, 2)
        head.norm.weight.uniform_(0.5, 2)
        head.norm.bias.normal_()
    return head


def maps(*batches: int, layout: torch.memory_format = LAYOUT) -> list[Tensor]:
    torch.manual_seed(1)
    return [
        torch.randn(b, 4, *SIZE, dtype=torch.double).contiguous(memory_format=layout)
        for b in batches
    ]


def rows(embedded: Tensor) -> Tensor:
    return embedded.movedim(1, -1).flatten(0, 3)


def test_dense_head_is_convolution_norm_relu_convolution(head: ProjectionHead) -> None:
    (features,) = maps(1)
    head.eval()
    padded = torch.nn.functional.pad(features, (1,) * 6)
    result = head(features)
    norm = head.norm
    for x in range(SIZE[0]):
        for y in range(SIZE[1]):
            for z in range(SIZE[2]):
                hidden = torch.zeros(4, dtype=torch.double)
                for o in range(4):
                    window = padded[0, :, x : x + 3, y : y + 3, z : z + 3]
                    hidden[o] = (head.convolution.weight[o] * window).sum()
                hidden = (hidden - norm.running_mean) / (norm.running_var + norm.eps).sqrt()
                hidden = (hidden * norm.weight + norm.bias).clamp(min=0)
                expected = head.embed.weight[:, :, 0, 0, 0] @ hidden + head.embed.bias
                torch.testing.assert_close(result[0, :, x, y, z], expected)


def test_a_flat_kernel_reads_its_own_slice() -> None:
    """Of a voxel the other slices are not seen, whether it is read alone or all at once."""
    torch.manual_seed(0)
    head = ProjectionHead(4, 3, (3, 3, 1)).double().eval()
    (features,) = maps(2)
    voxels = torch.arange(2 * 60)
    torch.testing.assert_close(head.at([features], voxels), rows(head(features)))
    one_slice = head(features[..., 1:2])
    torch.testing.assert_close(head(features)[..., 1:2], one_slice)


@pytest.mark.parametrize("layout", [torch.contiguous_format, LAYOUT])
def test_at_every_voxel_it_is_the_dense_head(
    head: ProjectionHead, layout: torch.memory_format
) -> None:
    features = maps(2, 1, layout=layout)
    head.eval()
    voxels = torch.randperm(3 * 60)
    dense = rows(head(torch.cat(features)))
    torch.testing.assert_close(head.at(features, voxels), dense[voxels])


def test_gradients_are_those_of_the_dense_head(head: ProjectionHead) -> None:
    head.eval()
    voxels = torch.tensor([0, 59, 60, 61, 61, 119, 120, 150, 179])  # corners, borders, a repeat
    weights = torch.randn(len(voxels), 3, dtype=torch.double)
    gradients = []
    for sampled in (True, False):
        features = [f.requires_grad_() for f in maps(2, 1)]
        head.zero_grad()
        embedded = head.at(features, voxels) if sampled else rows(head(torch.cat(features)))[voxels]
        (embedded * weights).sum().backward()
        gradients.append([f.grad for f in features] + [p.grad for p in head.parameters()])
    for ours, dense in zip(*gradients, strict=True):
        torch.testing.assert_close(ours, dense)


def test_when_training_the_norm_sees_the_sampled_voxels(head: ProjectionHead) -> None:
    features = maps(2)
    voxels = torch.randint(0, 120, (40,))
    before = head.norm.running_mean.clone()
    hidden = rows(head.convolution(features[0]))[voxels]
    normed = (hidden - hidden.mean(0)) / (hidden.var(0, correction=0) + head.norm.eps).sqrt()
    normed = (normed * head.norm.weight + head.norm.bias).clamp(min=0)
    expected = normed @ head.embed.weight.flatten(1).T + head.embed.bias
    torch.testing.assert_close(head.at(features, voxels), expected)
    torch.testing.assert_close(head.norm.running_mean, 0.9 * before + 0.1 * hidden.mean(0))


def test_with_every_voxel_sampled_training_is_the_dense_heads(head: ProjectionHead) -> None:
    features = maps(2)
    sampled = head.at(features, torch.arange(120))
    torch.testing.assert_close(sampled, rows(head(features[0])))


def test_parts_of_two_batches_sum_to_the_whole(head: ProjectionHead) -> None:
    """As processes hold them, each with its own indices; what is in no part counts 0."""
    features = maps(2, 4)
    voxels = torch.randperm(6 * 60)
    whole = head.around(features, [voxels, voxels - 120])
    parts = [
        head.around(
            [features[0].chunk(2)[rank], features[1].chunk(2)[rank]],
            [voxels - rank * 60, voxels - 120 - rank * 120],
        )
        for rank in range(2)
    ]
    assert torch.equal(sum(parts), whole)
