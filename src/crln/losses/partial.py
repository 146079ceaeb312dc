"""Labels for which not every class was looked for: what their background tells, and what not."""

import torch
from torch import Tensor

from crln.labels import IGNORE
from crln.losses.terms import full_precision

IMPOSSIBLE = -1e4
"""Logit of a class whose probability another class has taken over: finite, and 0 as softmax."""


def mark_partial(target: Tensor, known: Tensor) -> Tensor:
    """Targets whose background says which case it is of, where not every class was looked for.

    There, background means "none of the classes that were looked for", and becomes -2 - b. It may
    then be cropped, turned, mixed and put together like any class: `marginal` knows it again.

    Args:
        target: (B, X, Y, Z), int64, class or IGNORE.
        known: (B, K), bool: which classes were looked for in the case of each patch.
    """
    partial = ~known.all(1)[:, None, None, None]
    cases = torch.arange(len(target), device=target.device)[:, None, None, None]
    return torch.where(partial & (target == 0), -2 - cases, target)


def without_partial(target: Tensor) -> Tensor:
    """The same classes, IGNORE where `mark_partial` marked a background that may be a class."""
    return target.clamp(min=IGNORE)


def marginal(logits: Tensor, target: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
    """What any loss takes so that no class is punished where nobody looked for it.

    Where the target is background of a case that was not searched for every class, the probability
    of background is summed with those of the classes that nobody looked for, which become 0:
    the marginal loss (Fang and Yan, IEEE TMI 2020; Shi et al., Medical Image Analysis 2021).

    Args:
        logits: (B, K, X, Y, Z).
        target: (B, X, Y, Z), of `mark_partial`.
        known: (C, K), as there.

    Returns:
        Logits in float32, and the target with class or IGNORE alone.

    Examples:
        >>> known = torch.tensor([[True, True, False]])
        >>> target = mark_partial(torch.zeros(1, 1, 1, 1).long(), known)
        >>> logits, target = marginal(torch.zeros(1, 3, 1, 1, 1), target, known)
        >>> logits.softmax(1).flatten(), target.flatten()
        (tensor([0.6667, 0.3333, 0.0000]), tensor([0]))
    """
    case = -2 - target
    partial = (case >= 0).unsqueeze(1)
    may_be = ~known[case.clamp(min=0)].movedim(-1, 1) & partial
    may_be[:, 0] = True
    logits = full_precision(logits)
    background = logits.masked_fill(~may_be, -torch.inf).logsumexp(1, keepdim=True)
    others = logits[:, 1:].masked_fill(may_be[:, 1:], IMPOSSIBLE)
    return torch.cat([background, others], 1), target.masked_fill(partial.squeeze(1), 0)
