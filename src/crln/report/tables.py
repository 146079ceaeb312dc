"""Evaluations side by side, as a table of a page."""

import math
from collections.abc import Mapping, Sequence

from crln.evaluation import FOREGROUND, Evaluation, PairedDifference, Summary, paired_differences
from crln.report.page import Table

_METRICS = {"dice": "Dice %", "jaccard": "Jaccard %", "hd95": "95HD", "asd": "ASD"}
_OVERLAPS = {"dice", "jaccard"}


def comparison_table(
    evaluations: Mapping[str, Evaluation],
    *,
    name: str = FOREGROUND,
    reference: str | None = None,
    caption: str = "",
) -> Table:
    """One row per method: mean, standard deviation and 95 % interval of each metric.

    Args:
        evaluations: method to its evaluation; all of the same cases, in the same unit.
        name: a class, or the mean over classes.
        reference: a method; adds a column with each other method's paired difference in Dice to it,
            its 95 % interval, and Wilcoxon's p corrected by Holm.
        caption: comes before the explanation of the cells.
    """
    unit = next(iter(evaluations.values())).unit
    header = ["Method"]
    header += [h if m in _OVERLAPS else f"{h} {unit}" for m, h in _METRICS.items()]
    found = {
        method: [evaluation.summarised(metric, name) for metric in _METRICS]
        for method, evaluation in evaluations.items()
    }
    rows = [[method, *(_cell(s) for s in summaries)] for method, summaries in found.items()]
    how = "Mean ± standard deviation over cases; small: bootstrap 95 % interval of the mean."
    if reference is not None:
        header.append(f"Dice, points above {reference}")
        differences = _differences(evaluations, name, reference)
        for row in rows:
            row.append(_difference_cell(differences.get(row[0])))
        how += f" Paired differences are to {reference}, p by Wilcoxon's test corrected by Holm."
    if any(summary.undefined for summaries in found.values() for summary in summaries):
        how += " Undefined distances (one of the masks is empty) are counted, not scored."
    best = _best(list(found.values()))
    return Table(header=header, rows=rows, caption=f"{caption} {how}".strip(), best=best)


def _differences(
    evaluations: Mapping[str, Evaluation], name: str, reference: str
) -> dict[str, PairedDifference]:
    def dice(evaluation: Evaluation) -> list[float]:
        values = {n: v for v, n in evaluation.class_names.items()}
        by_case = evaluation.values("dice", values.get(name))
        return [by_case[case] for case in evaluations[reference].cases]

    others = {method: dice(e) for method, e in evaluations.items() if method != reference}
    return paired_differences(others, dice(evaluations[reference]))


def _best(found: Sequence[Sequence[Summary]]) -> frozenset[tuple[int, int]]:
    """The leading mean of each column (all of them where they tie)."""
    cells = set()
    for column in range(len(_METRICS) if len(found) > 1 else 0):
        means = [summaries[column].mean for summaries in found]
        defined = [mean for mean in means if not math.isnan(mean)]
        if defined:
            lead = max(defined) if found[0][column].metric in _OVERLAPS else min(defined)
            cells |= {(row, column + 1) for row, mean in enumerate(means) if mean == lead}
    return frozenset(cells)


def _cell(summary: Summary) -> str:
    overlap = summary.metric in _OVERLAPS
    scale, digits = (100, 1) if overlap else (1, 2)
    if math.isnan(summary.mean):
        return f"n/a|{summary.undefined} undefined"
    text = f"{scale * summary.mean:.{digits}f}"
    details = []
    if not math.isnan(summary.std):
        text += f" ± {scale * summary.std:.{digits}f}"
        details.append(f"{scale * summary.low:.{digits}f} to {scale * summary.high:.{digits}f}")
    if summary.undefined:
        details.append(f"{summary.undefined} undefined")
    return f"{text}|{', '.join(details)}" if details else text


def _difference_cell(difference: PairedDifference | None) -> str:
    if difference is None or math.isnan(difference.mean):
        return "n/a" if difference else ""
    text = f"{100 * difference.mean:+.1f}"
    if math.isnan(difference.low):
        return text
    low, high = 100 * difference.low, 100 * difference.high
    return f"{text}|{low:+.1f} to {high:+.1f}, p = {difference.p_holm:.2g}"
