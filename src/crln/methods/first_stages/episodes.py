"""Episodes: a supervoxel is a class for one step, told from one view and found in another.

After ADNet (Hansen et al., MedIA 2022) and SSL-ALPNet (Ouyang et al., ECCV 2020), in three
dimensions and of any number of classes.
"""

from math import prod
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from crln.labels import IGNORE
from crln.losses import full_precision
from crln.methods.base import Method
from crln.methods.batch import Batch, Step
from crln.methods.first_stages.stage import FirstStage
from crln.methods.first_stages.supervoxels import cell_counts, cell_sides, supervoxels
from crln.planning import Plan

SCALE = 20.0
"""What the cosine is multiplied with, as published."""
THRESHOLD = 10.0
"""What background says at first: a cosine of a half; published, and learnt."""
BACKGROUND = 0.1
"""Weight of its voxels, of which there are many times as many; as published."""
FEWEST = 8
"""Voxels of a class in either view, at least."""
FLAT = 0.05
"""Deviation of a supervoxel's intensities, in those of its patch, below which it is air."""


class Episodes(FirstStage):
    """K - 1 supervoxels of each patch are found again in another view of it, by their prototypes.

    c_k: the mean of the embedding e over the voxels of supervoxel k in view a. In view b,

        p = softmax(t, 20 cos(e_v, c_1), ..., 20 cos(e_v, c_{K-1})),   L = CE(p, k_v)

    t a learnt score of background, whose voxels have a tenth of the weight; and the same from b to
    a. K is the plan's number of classes, so that an episode is as hard as the task to come. Both
    views are those of labelled patches.
    """

    views_a_patch: ClassVar[int] = 2

    def __init__(self, method: Method) -> None:
        super().__init__(method)
        self.threshold = nn.Parameter(torch.tensor(THRESHOLD))

    @staticmethod
    def outputs(plan: Plan) -> int:
        """Channels of the embedding."""
        return plan.network.embedding

    def cost(self, patches: Batch, step: Step) -> Tensor:
        """The cross-entropy of both ways, for each network."""
        images, labels = self.episode(patches, step)
        costs = []
        for network in self.networks:
            first, second = network(images).chunk(2)
            one, other = labels.chunk(2)
            ways = self.plan.classes - 1
            there = prototype_loss(first, one, second, other, ways, self.threshold)
            back = prototype_loss(second, other, first, one, ways, self.threshold)
            costs.append((there + back) / 2)
        return torch.stack(costs).sum()

    def episode(self, patches: Batch, step: Step) -> tuple[Tensor, Tensor]:
        """Both views of every patch, one after the other, and their classes for this step.

        Returns:
            (2B, C, X, Y, Z), and (2B, X, Y, Z), int64: 0 is background, IGNORE outside the scan.
        """
        images, inside = patches.images, patches.inside
        sides = cell_sides(self.plan.patch_size, self.plan.step)
        parts = supervoxels(images, inside, sides)
        generator = step.generator("views", "cpu")
        seen, shown = [], []
        for _ in range(2):
            view = self.views.draw("labelled", len(images), images.shape[1], generator)
            seen.append(view.images(images))
            shown.append(view.labels(parts))
        count = prod(cell_counts(images.shape[2:], sides))
        eligible = _varied(images, parts, count)
        for part in shown:
            eligible = eligible & (_sizes(part, count) >= FEWEST)
        drawing = step.generator("supervoxels", images.device)
        chosen = draw_classes(eligible, self.plan.classes - 1, drawing)
        return torch.cat(seen), torch.cat([renumbered(part, chosen) for part in shown])


def draw_classes(eligible: Tensor, ways: int, generator: torch.Generator) -> Tensor:
    """(B, W): for each patch the numbers of `ways` supervoxels; -2 where there are too few.

    Args:
        eligible: (B, V), bool.
        ways: W.
        generator: on the same device.
    """
    drawn = torch.rand(eligible.shape, generator=generator, device=eligible.device)
    score, chosen = (drawn + eligible).topk(min(ways, eligible.shape[1]), 1)
    chosen = chosen.masked_fill(score < 1, -2)
    return F.pad(chosen, (0, ways - chosen.shape[1]), value=-2)


def renumbered(parts: Tensor, chosen: Tensor) -> Tensor:
    """Classes of an episode: 1.. for the chosen supervoxels, 0 for others, IGNORE as it was.

    Args:
        parts: (B, X, Y, Z), supervoxels.
        chosen: (B, W).
    """
    classes = parts.clamp(max=0)  # 0, or IGNORE
    for way, number in enumerate(chosen.unbind(1), 1):
        classes = classes.masked_fill(parts == number[:, None, None, None], way)
    return classes


def prototype_loss(
    support: Tensor, told: Tensor, query: Tensor, asked: Tensor, ways: int, threshold: Tensor
) -> Tensor:
    """Cross-entropy of finding the classes of one view in another.

    Args:
        support: embedding of the view that tells, (B, E, X, Y, Z).
        told: its classes, (B, X, Y, Z), 0.., or IGNORE.
        query: embedding of the view that is asked.
        asked: its classes.
        ways: classes besides background.
        threshold: score of background, ().
    """
    support, query = full_precision(support), F.normalize(full_precision(query), dim=1)
    scores, known = [threshold.expand(asked.shape)], asked != IGNORE
    for way in range(1, ways + 1):
        mask = (told == way)[:, None].to(support)
        prototype = F.normalize((support * mask).sum((2, 3, 4), keepdim=True), dim=1)
        absent = mask.sum((1, 2, 3, 4)) == 0
        cosine = (query * prototype).sum(1)
        scores.append((SCALE * cosine).masked_fill(absent[:, None, None, None], -1e4))
        known = known & ~(absent[:, None, None, None] & (asked == way))
    target = asked.clamp(min=0)
    surprise = F.cross_entropy(torch.stack(scores, 1), target, reduction="none")
    weight = torch.where(target == 0, BACKGROUND, 1.0) * known
    return (surprise * weight).sum() / weight.sum().clamp(min=1e-6)


def _sizes(parts: Tensor, count: int) -> Tensor:
    """(B, V): voxels of each supervoxel."""
    known = (parts != IGNORE).flatten(1)
    sizes = torch.zeros(len(parts), count, dtype=torch.float32, device=parts.device)
    return sizes.scatter_add_(1, parts.clamp(min=0).flatten(1), known.float())


def _varied(images: Tensor, parts: Tensor, count: int) -> Tensor:
    """(B, V), bool: not as flat as air, in some channel."""
    known = (parts != IGNORE).flatten(1).to(images)
    index, sizes = parts.clamp(min=0).flatten(1), _sizes(parts, count).clamp(min=1)

    def mean(values: Tensor) -> Tensor:
        return images.new_zeros(sizes.shape).scatter_add_(1, index, values * known) / sizes

    varied = torch.zeros_like(sizes, dtype=torch.bool)
    for channel in images.flatten(2).unbind(1):
        whole = (channel * known).sum(1) / known.sum(1).clamp(min=1)
        apart = (channel - whole[:, None]) * known
        spread = (apart.square().sum(1) / known.sum(1).clamp(min=1)).sqrt()
        own = (mean(apart.square()) - mean(apart).square()).clamp(min=0).sqrt()
        varied |= own > FLAT * spread[:, None]
    return varied
