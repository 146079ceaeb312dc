"""Cooperative Positive Supervision (CPS): docs/explanation/method.md, section 3.

Only the masks grow with the patch: voxels are drawn from them, and only those drawn are embedded.
No step waits for the device: nothing is counted on the host, and a class that is absent is weighed
by 0 rather than skipped.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from crln.labels import IGNORE
from crln.losses import full_precision
from crln.methods.draws import Drawn, draw_voxels


@dataclass(frozen=True)
class CooperativeTerms:
    """The loss, and what the embedding of the prototypes may learn from.

    Attributes:
        loss: InfoNCE, averaged over each class's queries, then over the classes present.
        means: mu_k, (K, E), without gradient; zero for an absent class.
        present: (K,) bool.
    """

    loss: Tensor
    means: Tensor
    present: Tensor


class VoxelDraws:
    """Which voxels CPS looks at, where every voxel is of one class."""

    def voxels(
        self,
        probabilities: Tensor,
        classes: Tensor,
        *,
        pool: int,
        queries: int,
        confidence: float,
        generator: torch.Generator,
    ) -> tuple[Drawn, Drawn]:
        """Each class's pool and its queries; arguments are those of CPS."""
        number = probabilities.shape[1]
        own = probabilities.gather(1, classes.clamp(min=0).unsqueeze(1)).squeeze(1)
        unsure = classes.masked_fill(own >= confidence, IGNORE)
        held = draw_voxels(classes, number, pool, generator)
        return held, draw_voxels(unsure, number, queries, generator)

    def candidates(
        self,
        classes: Tensor,
        held: Drawn,
        means: Tensor,
        temperature: float,
        generator: torch.Generator,
    ) -> tuple[Tensor, Tensor]:
        """What the negatives of each class are drawn from.

        Args:
            classes: as of CPS.
            held: the pools, of M voxels each.
            means: mu_k, (K, E).
            temperature: as of CPS.
            generator: on the same device.

        Returns:
            (K, M), int64, indices into the pools laid end to end; and whether there are any voxels
            to tell a class from, bool, (K,) or for all classes alike.
        """
        places, present = held
        drawn = draw_candidates(means, present, places.shape[1], temperature, generator)
        return drawn, present.sum() > 1


EXCLUSIVE = VoxelDraws()


def cooperative_positive_supervision(
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
    draws: VoxelDraws = EXCLUSIVE,
    generator: torch.Generator,
) -> CooperativeTerms:
    """Pulls uncertain voxels to their class's moderated mean, away from other classes' voxels.

    For a query q of class k: -log e^{q.m/t} / (e^{q.m/t} + sum_n e^{q.n/t}) on cosine similarities,
    m = (mu_k + xi p_k) / (1 + xi). All embeddings are brought to unit length first, mu_k and p_k
    too, so that xi alone weighs them. Only queries carry a gradient. A class without uncertain
    voxels, or without another class to be told from, counts 0.

    Where classes overlap (`OverlappingDraws`), a voxel is a positive of every class that it is of.

    Args:
        project: flat voxel indices (n,) into (B, X, Y, Z) -> embeddings (n, E). Called once, for
            pools and queries together, since a batch norm within takes its statistics per call.
        probabilities: (B, K, X, Y, Z), the student's, detached.
        classes: (B, X, Y, Z), int64: label or pseudo-label, of overlapping classes a combination;
            IGNORE where not valid.
        prototypes: p_k, (K, E), or None: the positive is mu_k.
        queries: per class, drawn with replacement from its voxels of probability < `confidence`.
        negatives: per query of class k, drawn with replacement from `pool` candidates. Each
            candidate's class is drawn with probability softmax(cos(mu_k, mu_j) / t) over the other
            classes present, its voxel uniformly from that class's pool.
        pool: per class, voxels drawn with replacement; mu_k is their mean embedding.
        xi: unassertiveness.
        temperature: t.
        confidence: what counts as certain.
        draws: which voxels these are.
        generator: on the tensors' device.
    """
    pools, asked = draws.voxels(
        probabilities, classes,
        pool=pool, queries=queries, confidence=confidence, generator=generator,
    )  # fmt: skip
    present, number = pools[1], probabilities.shape[1]
    embedded = project(torch.cat([pools[0], asked[0]], 1).flatten())
    with torch.autocast(embedded.device.type, enabled=False):
        unit = F.normalize(full_precision(embedded), dim=1).unflatten(0, (number, pool + queries))
        held, asking = unit[:, :pool].detach(), unit[:, pool:]  # (K, M, E), (K, Q, E)
        means = held.mean(1) * present[:, None]
        positive = moderated(means, prototypes, xi)
        candidates, others = draws.candidates(classes, pools, means, temperature, generator)
        likeness = asking @ held.flatten(0, 1)[candidates].mT  # (K, Q, M), linear in K
        shape = (number, queries, negatives)
        drawn = torch.randint(pool, shape, generator=generator, device=likeness.device)
        to_positive = (asking @ positive[..., None]).squeeze(2)
        contrast = info_nce(to_positive, likeness.gather(2, drawn), temperature)
    counted = asked[1] & others
    loss = (contrast.mean(1) * counted).sum() / present.sum().clamp(min=1)
    return CooperativeTerms(loss, means, present)


def moderated(means: Tensor, prototypes: Tensor | None, xi: float) -> Tensor:
    """The positives, (K, E): (mu_k + xi p_k) / (1 + xi), or mu_k, all of unit length."""
    positive = F.normalize(means, dim=1)
    if prototypes is not None:
        own_prototype = F.normalize(full_precision(prototypes.detach()), dim=1)
        positive = (positive + xi * own_prototype) / (1 + xi)
    return F.normalize(positive, dim=1)


def prototype_alignment(prototypes: Tensor, terms: CooperativeTerms) -> Tensor:
    """1 - cos(p_k, mu_k), averaged over the classes present.

    CPS gives its positives no gradient, so this is how the map from prototypes into embedding space
    learns. The released code has no such map: it averages each prototype over its features.

    Args:
        prototypes: p_k, (K, E).
        terms: of the same step.
    """
    distance = 1 - F.cosine_similarity(full_precision(prototypes), terms.means, dim=1)
    return (distance * terms.present).sum() / terms.present.sum().clamp(min=1)


def draw_candidates(
    means: Tensor, present: Tensor, pool: int, temperature: float, generator: torch.Generator
) -> Tensor:
    """For each class, places in the other classes' pools, likelier in those of similar classes.

    Args:
        means: mu_k, (K, E).
        present: (K,) bool.
        pool: M, the size of each class's pool, and how many are drawn per class.
        temperature: t of softmax(cos(mu_k, mu_j) / t), j != k and present.
        generator: on the same device.

    Returns:
        (K, M), int64, indices into the pools laid end to end, (K M,).
    """
    unit = F.normalize(means, dim=1)
    itself = torch.eye(len(means), dtype=torch.bool, device=means.device)
    # not -inf: a class that is alone would get nan
    likeness = (unit @ unit.T / temperature).masked_fill(itself | ~present, -1e4)
    until = likeness.softmax(1).cumsum(1)
    shape = (len(means), pool)
    draw = torch.rand(shape, generator=generator, device=means.device) * until[:, -1:]
    kind = torch.searchsorted(until, draw, right=True).clamp(max=len(means) - 1)
    return kind * pool + torch.randint(pool, shape, generator=generator, device=means.device)


def info_nce(to_positive: Tensor, to_negatives: Tensor, temperature: float) -> Tensor:
    """Cosines (K, Q), (K, Q, n) -> (K, Q): -log e^{q.m/t} / (e^{q.m/t} + sum_n e^{q.n/t})."""
    return F.softplus((to_negatives / temperature).logsumexp(2) - to_positive / temperature)
