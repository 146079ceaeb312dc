"""Overlapping classes as one integer a voxel, its combination: bit k - 1 is set where class k is.

So labels, patches and pseudo-labels of overlapping classes are the integers that those of exclusive
ones are, and are cut, turned and mixed alike. Combination 0 is the background. Above the bits of
the R classes are R more: bit R + k - 1 is set where nobody knows whether class k is.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor

Members = Sequence[Sequence[int]]
"""Of regions: the values in the label files that each class is the union of; the first are those
of no region, the background's."""

MOST = 31
"""Overlapping classes at most: a combination has two bits for each."""


def check_overlapping(values: Sequence[int], names: Sequence[str], members: Members) -> None:
    """Raises ValueError where overlapping classes are none."""
    if list(values) != list(range(len(values))):
        raise ValueError(f"overlapping classes are numbered 0, 1, 2, ..., got {list(values)}")
    if len(values) - 1 > MOST:
        raise ValueError(f"{len(values) - 1} overlapping classes; {MOST} at most")
    if members and (len(members) != len(values) or not all(members)):
        raise ValueError(f"members must be a list of values for each class, {len(values)}")
    sets = [frozenset(of) for of in members]
    if sets and sets[0] & frozenset[int]().union(*sets[1:]):
        raise ValueError("a value of the background lies in a region too; remove it from one")
    for i, region in enumerate(sets):
        if region in sets[:i]:
            same = names[sets.index(region)]
            raise ValueError(f"regions {same!r} and {names[i]!r} are the same values; remove one")


def combination_of(value: int, members: Members) -> int:
    """Of a value in a label file: the regions that hold it."""
    return sum(1 << k for k, region in enumerate(members[1:]) if value in region)


def possible_combinations(members: Members) -> dict[int, int]:
    """Each combination that a label file can say, to the value that is written for it.

    Of several values that lie in the same regions that is the smallest; of the background's, the
    first.
    """
    found = {0: members[0][0]}
    for value in sorted({value for region in members for value in region}):
        found.setdefault(combination_of(value, members), value)
    return found


def join(
    structures: Mapping[int, np.ndarray], unknown: Mapping[int, Any], number: int
) -> np.ndarray:
    """Masks of separate structures as combinations, in the smallest signed type that holds all R.

    Args:
        structures: class to its voxels, (X, Y, Z) bool; one that is not there is nowhere.
        unknown: class to where nobody knows whether it is, in the same form, or True: everywhere;
            one that is not there is known everywhere.
        number: R, the classes but the background.
    """
    bits = {k - 1: mask for k, mask in structures.items()}
    bits |= {number + k - 1: mask for k, mask in unknown.items()}
    # the bit of every class fits in, whatever is there
    kind = np.min_scalar_type(-(2 ** (1 + max(number - 1, *bits))))
    combined = np.zeros(next(iter(structures.values())).shape, kind)
    for bit, mask in bits.items():
        combined[mask] |= kind.type(1 << bit)
    return combined


def most_probable(probabilities: "Sequence[Tensor]") -> "Tensor":
    """The class of the largest probability, of equal ones the first, int64.

    A running maximum: many times as fast on a processor as argmax along the slowest axis.

    Args:
        probabilities: of each class, of any one shape.
    """
    best = probabilities[0]
    chosen = best.new_zeros(best.shape).long()
    for k, probability in enumerate(probabilities[1:], 1):
        chosen.masked_fill_(probability > best, k)
        best = best.maximum(probability)
    return chosen


def above_half(probabilities: "Sequence[Tensor]") -> "Tensor":
    """The combination of the classes whose probability is above 1/2, int64.

    Args:
        probabilities: of each class but the background, of any one shape.
    """
    combinations = probabilities[0].new_zeros(probabilities[0].shape).long()
    for k, probability in enumerate(probabilities):
        combinations |= (probability > 0.5).long() << k
    return combinations


def likeliest(probabilities: "Sequence[Tensor]", possible: Mapping[int, int]) -> "Tensor":
    """Of the possible combinations the likeliest, int64, were the classes independent.

    That is the one of the largest sum of its classes' log-odds; the background's is 0.
    """
    odds = [p.logit(1e-6) for p in probabilities]
    best = odds[0].new_zeros(odds[0].shape)
    chosen = best.long()
    for combination in possible:
        held = [z for k, z in enumerate(odds) if combination >> k & 1]
        score = sum(held[1:], held[0]) if held else best.new_zeros(())
        chosen = chosen.masked_fill(score > best, combination)
        best = best.maximum(score)
    return chosen


def settled(combinations: np.ndarray, possible: Mapping[int, int]) -> np.ndarray:
    """Possible combinations alone: what lost a region leaves those that lie in it."""
    made = combinations.copy()
    for combination in np.unique(combinations).tolist():
        within = (other for other in possible if other & ~combination == 0)
        made[combinations == combination] = max(within, key=int.bit_count)
    return made
