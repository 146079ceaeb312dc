"""Cooperative Positive Supervision where classes overlap.

The equations are those of `cooperative_positive_supervision`. A voxel is a positive of every class
that it is of, and so may be a query of several; a negative of a class is a voxel of another class
that is known not to be of this one: the core of a tumour is no negative of the whole.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from crln.labels import LabelSpace
from crln.losses import full_precision
from crln.methods.crln.contrastive import (
    CooperativeTerms,
    info_nce,
    moderated,
    pick_voxels,
)


def overlapping_positive_supervision(
    labels: LabelSpace,
    project: Callable[[Tensor], Tensor],
    probabilities: Tensor,
    classes: Tensor,
    prototypes: Tensor | None,
    *,
    queries: int = 256,
    negatives: int = 512,
    pool: int = 1024,
    xi: float = 0.6,
    temperature: float = 0.5,
    confidence: float = 0.97,
    generator: torch.Generator,
) -> CooperativeTerms:
    """Pulls uncertain voxels to the moderated means of their classes.

    Args:
        labels: of the classes.
        project: flat voxel indices (n,) into (B, X, Y, Z) -> embeddings (n, E).
        probabilities: (B, K, X, Y, Z), the student's, detached.
        classes: (B, X, Y, Z), int64: combination of classes, or IGNORE.
        prototypes: p_k, (K, E), or None: the positive is mu_k.
        queries: per class, drawn with replacement from its voxels of probability < `confidence`.
        negatives: per query of class k, drawn with replacement from `pool` candidates. Each
            candidate's class is drawn as if classes were exclusive, its voxel uniformly from those
            of that class's pool that are not of class k.
        pool: per class, voxels drawn with replacement; mu_k is their mean embedding.
        xi: unassertiveness.
        temperature: t.
        confidence: what counts as certain.
        generator: on the tensors' device.
    """
    number = labels.classes
    held_by = torch.stack([labels.holds(classes, k) for k in range(number)])  # (K, B, X, Y, Z)
    unsure = held_by & (probabilities.movedim(1, 0) < confidence)
    held_at, present = draw_of_each(held_by, pool, generator)
    asked_at, asked = draw_of_each(unsure, queries, generator)
    embedded = project(torch.cat([held_at, asked_at], 1).flatten())
    others = _known_others(classes.flatten()[held_at], labels) & present[:, None]
    with torch.autocast(embedded.device.type, enabled=False):
        unit = F.normalize(full_precision(embedded), dim=1).unflatten(0, (number, pool + queries))
        held, asking = unit[:, :pool].detach(), unit[:, pool:]  # (K, M, E), (K, Q, E)
        means = held.mean(1) * present[:, None]
        candidates = draw_others(means, others, temperature, generator)  # (K, M)
        likeness = asking @ held.flatten(0, 1)[candidates].mT  # (K, Q, M)
        shape = (number, queries, negatives)
        drawn = torch.randint(pool, shape, generator=generator, device=likeness.device)
        positive = moderated(means, prototypes, xi)
        to_positive = (asking @ positive[..., None]).squeeze(2)
        contrast = info_nce(to_positive, likeness.gather(2, drawn), temperature)
    counted = asked & others.flatten(1).any(1)
    loss = (contrast.mean(1) * counted).sum() / present.sum().clamp(min=1)
    return CooperativeTerms(loss, means, present)


def draw_of_each(masks: Tensor, draws: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Voxels of each mask, as `draw_voxels` draws those of each class.

    Args:
        masks: (K, B, X, Y, Z) bool.
        draws: per mask.
        generator: on the same device.

    Returns:
        Flat indices into (B, X, Y, Z), (K, draws), and which masks hold any, (K,) bool.
    """
    lines = masks.flatten(1, 3)  # (K, L, Z)
    each = torch.arange(len(lines), device=lines.device)[:, None]
    counts = lines.sum(2, dtype=torch.int32)
    return pick_voxels(counts, lambda line: lines[each, line], lines.shape[2], draws, generator)


def _known_others(combinations: Tensor, labels: LabelSpace) -> Tensor:
    """Which voxels of all pools, (K, M), are known not to be of each class: (K, K, M) bool."""
    return torch.stack([
        labels.knows(combinations, k) & ~labels.holds(combinations, k)
        for k in range(labels.classes)
    ])  # fmt: skip


def draw_others(
    means: Tensor, others: Tensor, temperature: float, generator: torch.Generator
) -> Tensor:
    """For each class, places in the pools that are of none of it, likelier in similar classes.

    Args:
        means: mu_k, (K, E).
        others: (K, K, M) bool: for each class, which voxels of every class's pool may be drawn.
        temperature: t of softmax(cos(mu_k, mu_j) / t), over the classes that have any such voxel.
        generator: on the same device.

    Returns:
        (K, M), int64, indices into the pools laid end to end; any where there is none to draw.
    """
    unit = F.normalize(means, dim=1)
    some = others.sum(2)
    likeness = (unit @ unit.T / temperature).masked_fill(some == 0, -1e4).softmax(1)
    share = likeness / some.clamp(min=1)  # of each voxel that may be drawn
    until = (share[..., None] * others).flatten(1).cumsum(1)
    shape = (len(means), others.shape[2])
    draw = torch.rand(shape, generator=generator, device=means.device) * until[:, -1:]
    return torch.searchsorted(until, draw, right=True).clamp(max=until.shape[1] - 1)
