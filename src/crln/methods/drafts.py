"""What masks of unknown worth may teach: views of unlabelled patches, their drafts as targets.

A draft is some tool's mask of a scan that nobody outlined. It may be as good as a label, or an
older version of it, or of another patient. The network that predicts judges it anew whenever it is
shown, on a weak view of the patch:

    a = Dice of prediction and draft, mean over the classes that either holds
    chance = the same of predictions and drafts of other patches of the step
    agreement = (a - chance) / (1 - chance)
    worth = (agreement - doubted) / (trusted - doubted), within 0..1

Agreement beyond chance (as Cohen's kappa has it) is what tells a draft of this scan from one of
another: structures lie where they lie in most scans. A voxel of the draft teaches, as a label
would, with probability weight * worth * (1 - progress / fade), unless the network gives its class
less probability than `overruled`. So a draft that nothing bears out teaches nothing, and in the end
none does.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from math import log
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from crln.labels import IGNORE
from crln.losses import Criteria
from crln.planning.plan import DraftsPlan

if TYPE_CHECKING:
    from crln.methods.base import Batch, Method, Step


def drafted_view(
    method: "Method", unlabelled: "Batch", step: "Step"
) -> tuple[Tensor, Tensor] | None:
    """Weak views of unlabelled patches, and what their drafts may teach; None: no draft may.

    Args:
        method: its predictor is the judge.
        unlabelled: the patches; only they have drafts.
        step: where the training stands.

    Returns:
        (B, C, X, Y, Z), and (B, X, Y, Z), int64: class or IGNORE.
    """
    plan = method.plan.drafts
    share = plan.weight * max(0.0, 1 - step.progress / plan.fade)
    if unlabelled.draft is None or not share:
        return None
    generator = step.generator("drafts", "cpu")
    images, drafts = unlabelled.images, unlabelled.draft
    view = method.views.draw("weak", len(images), images.shape[1], generator)
    images, drafts = view.images(images), view.labels(drafts)
    # A judge takes whole voxels of its coarsest level; views of some methods are larger.
    every = zip(images.shape[2:], method.plan.step, strict=True)
    x, y, z = (slice(side // stride * stride) for side, stride in every)
    target = torch.full_like(drafts, IGNORE)
    target[..., x, y, z] = believed(
        drafts[..., x, y, z], images[..., x, y, z], method.predictor(), method.criteria, plan,
        share, step.generator("drafts", images.device),
    )  # fmt: skip
    return images, target


@torch.no_grad()
def believed(
    drafts: Tensor,
    images: Tensor,
    judge: nn.Module,
    criteria: Criteria,
    plan: DraftsPlan,
    share: float,
    generator: torch.Generator,
) -> Tensor:
    """Of drafts what may teach: class, or IGNORE.

    Args:
        drafts: (B, X, Y, Z), int64, class or IGNORE.
        images: the patches that they are of, (B, C, X, Y, Z).
        judge: the network that predicts.
        criteria: what its logits mean.
        plan: when a draft is believed.
        share: of the voxels of a draft beyond doubt.
        generator: on the images' device.
    """
    with _judging(judge):
        logits = judge(images)
    worth = worths(agreements(criteria.label(logits), drafts, criteria), plan)
    drawn = torch.rand(drafts.shape, generator=generator, device=drafts.device)
    doubted = drawn >= share * worth[:, None, None, None]
    overruled = criteria.voxel_cross_entropy(logits, drafts) > -log(plan.overruled)
    return drafts.masked_fill(doubted | overruled, IGNORE)


def agreements(guesses: Tensor, drafts: Tensor, criteria: Criteria) -> Tensor:
    """Dice of every guess with every draft, (B, B), mean over the classes that either holds.

    Args:
        guesses: (B, X, Y, Z), classes.
        drafts: (B, X, Y, Z), class or IGNORE, whose voxels do not count.
        criteria: tells which classes these are.
    """
    known = (drafts != IGNORE).flatten(1).float()
    both = torch.zeros(len(drafts), len(drafts), device=drafts.device)
    classes = both.clone()
    ours, theirs = criteria.held(guesses).flatten(2), criteria.held(drafts).flatten(2)
    for k in range(1, ours.shape[1]):
        guess, draft = ours[:, k].float(), theirs[:, k].float()
        size = guess @ known.T + draft.sum(1)
        both += 2 * (guess @ draft.T) / size.clamp(min=1)
        classes += size > 0
    return both / classes.clamp(min=1)


def worths(agreement: Tensor, plan: DraftsPlan) -> Tensor:
    """What each draft is worth, (B,), 0..1, by the `agreements` (B, B) of a step."""
    own = agreement.diagonal()
    others = len(agreement) - 1
    chance = (agreement.sum(1) + agreement.sum(0) - 2 * own) / (2 * max(1, others))
    beyond = (own - chance) / (1 - chance).clamp(min=1e-6)
    return ((beyond - plan.doubted) / (plan.trusted - plan.doubted)).clamp(0, 1)


@contextmanager
def _judging(network: nn.Module) -> Iterator[None]:
    """Within it the network is as at prediction, and its norms learn nothing."""
    modes = {module: module.training for module in network.modules()}
    network.eval()
    try:
        yield
    finally:
        for module, mode in modes.items():
            module.training = mode
