"""How sure a mean over few cases is, and whether one method truly beats another.

The bootstrap interval is the percentile interval of the mean over cases drawn with replacement
(Efron 1979); the p values are Wilcoxon's signed-rank test on the cases' differences, corrected for
the number of methods by Holm's step-down rule (Holm 1979).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from crln.seeding import numpy_generator

RESAMPLES = 10_000

FEWEST = 6
"""Cases below which there is neither an interval nor a p value: with five, Wilcoxon's two-sided p
is never below 1/16, and a bootstrap interval covers the mean far less often than it says."""

TOO_FEW = f"fewer than {FEWEST} cases: too few cases for an interval or a p value"
"""What stands in their place."""


@dataclass(frozen=True)
class PairedDifference:
    """How one method's cases differ from the reference's, case by case.

    Attributes:
        cases: pairs in which both are defined.
        undefined: pairs left out, because either is NaN.
        mean: mean of method minus reference.
        low: lower end of the bootstrap interval of `mean`.
        high: upper end of it.
        p: two-sided Wilcoxon signed-rank p value; 1 where all pairs are equal, NaN below `FEWEST`
            pairs.
        p_holm: `p` corrected for the number of methods compared.
    """

    cases: int
    undefined: int
    mean: float
    low: float
    high: float
    p: float
    p_holm: float


def bootstrap_interval(
    values: Sequence[float] | np.ndarray,
    *,
    level: float = 0.95,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> tuple[float, float]:
    """The interval of the mean of `values`, one value per case.

    Args:
        values: (n,); NaN (undefined) entries are left out.
        level: share of the resampled means that the interval holds.
        resamples: how often n cases are drawn.
        seed: the same seed gives the same interval.

    Returns:
        (low, high); NaN, NaN with fewer than `FEWEST` defined values.
    """
    defined = only_defined(values)
    if len(defined) < FEWEST:
        return math.nan, math.nan
    return _interval(tuple(defined.tolist()), level, resamples, seed)


@lru_cache(4096)  # tables, pages and files ask for the same ones
def _interval(
    defined: tuple[float, ...], level: float, resamples: int, seed: int
) -> tuple[float, float]:
    values = np.array(defined)
    generator = numpy_generator(seed, 0, "bootstrap")
    draws = generator.integers(len(values), size=(resamples, len(values)))
    tail = 100 * (1 - level) / 2
    low, high = np.percentile(values[draws].mean(axis=1), [tail, 100 - tail])
    return float(low), float(high)


def mean_interval(mean: float, std: float, cases: int, level: float = 0.95) -> tuple[float, float]:
    """Student's interval of a mean over few cases: the bootstrap's is too narrow there.

    Args:
        mean: over cases.
        std: sample standard deviation over cases.
        cases: n.
        level: share of such intervals that hold the true mean.

    Returns:
        mean -+ t std / sqrt(n), t being the quantile of n - 1 degrees of freedom; NaN, NaN of one
        case.

    Examples:
        >>> low, high = mean_interval(0.85, 0.03, 10)
        >>> round(low, 3), round(high, 3)
        (0.829, 0.871)
    """
    from scipy.special import stdtrit

    if cases < 2:
        return math.nan, math.nan
    reach = float(stdtrit(cases - 1, (1 + level) / 2)) * std / math.sqrt(cases)
    return mean - reach, mean + reach


def paired_differences(
    methods: Mapping[str, Sequence[float] | np.ndarray],
    reference: Sequence[float] | np.ndarray,
    *,
    seed: int = 0,
) -> dict[str, PairedDifference]:
    """Each method against the reference on the same cases.

    Args:
        methods: name to (n,) values, one per case, in the reference's order of cases.
        reference: (n,) values of the reference method.
        seed: of the bootstrap intervals.

    Returns:
        Name to its difference, in the order of `methods`.

    Raises:
        ValueError: a method has another number of cases than the reference.
    """
    compared = {}
    for name, values in methods.items():
        if len(values) != len(reference):
            raise ValueError(f"{name} has {len(values)} cases, the reference {len(reference)}")
        compared[name] = np.asarray(values, dtype=float) - np.asarray(reference, dtype=float)
    raw = {name: _wilcoxon(only_defined(difference)) for name, difference in compared.items()}
    corrected = dict(zip(raw, holm(list(raw.values())), strict=True))
    results = {}
    for name, difference in compared.items():
        defined = only_defined(difference)
        low, high = bootstrap_interval(defined, seed=seed)
        results[name] = PairedDifference(
            cases=len(defined),
            undefined=len(difference) - len(defined),
            mean=float(defined.mean()) if len(defined) else math.nan,
            low=low, high=high, p=raw[name], p_holm=corrected[name],
        )  # fmt: skip
    return results


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down correction; NaN entries stay NaN and count as no test."""
    p = np.asarray(p_values, dtype=float)
    corrected = np.full(p.shape, math.nan)
    tested = np.flatnonzero(~np.isnan(p))
    order = tested[np.argsort(p[tested], kind="stable")]
    scaled = p[order] * np.arange(len(order), 0, -1)
    corrected[order] = np.minimum(np.maximum.accumulate(scaled), 1.0)
    return corrected.tolist()


def only_defined(values: Sequence[float] | np.ndarray) -> np.ndarray:
    """Those of (n,) values that are not NaN, float64."""
    array = np.asarray(values, dtype=float)
    return array[~np.isnan(array)]


def _wilcoxon(difference: np.ndarray) -> float:
    from scipy import stats  # as slow to import as all else that an evaluation needs

    if len(difference) < FEWEST:
        return math.nan
    if not difference.any():
        return 1.0
    return float(stats.wilcoxon(difference).pvalue)
