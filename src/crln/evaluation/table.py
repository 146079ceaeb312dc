"""The table that a person reads on the screen."""

import math

from rich.table import Table

from crln.evaluation.results import FOREGROUND, Evaluation, Summary

HEADINGS = {"dice": "Dice %", "jaccard": "Jaccard %", "hd95": "95HD", "asd": "ASD"}


def evaluation_table(evaluation: Evaluation, *, per_case: bool = False) -> Table:
    """Mean, standard deviation and 95 % interval per class; `per_case` adds a row for each case.

    Overlaps are in per cent, distances in the evaluation's unit.
    """
    cases = len(evaluation.cases)
    component = ", largest component" if evaluation.largest_component else ""
    table = Table(
        title=f"{cases} case{'s' * (cases != 1)}{component}",
        caption="mean ± std, [95 % interval of the mean by bootstrap over cases]",
    )
    if per_case:
        table.add_column("case", no_wrap=True)
    table.add_column("class")
    for metric, heading in HEADINGS.items():
        unit = "" if _is_overlap(metric) else f" {evaluation.unit}"
        table.add_column(heading + unit, justify="right", no_wrap=True)
    if per_case:
        for case in evaluation.cases:
            for value, name in evaluation.class_names.items():
                figures = [evaluation.values(metric, value)[case] for metric in HEADINGS]
                cells = [_shown(f, m) for f, m in zip(figures, HEADINGS, strict=True)]
                table.add_row(case, name, *cells)
        table.add_section()
    names = list(evaluation.class_names.values())
    # With a single class the foreground would only repeat it.
    for name in [*names, FOREGROUND] if len(names) > 1 else names:
        cells = [format_summary(evaluation.summarised(metric, name)) for metric in HEADINGS]
        table.add_row(*(["all"] if per_case else []), name, *cells)
    return table


def format_summary(summary: Summary) -> str:
    """Lines such as `83.5 ± 2.1`, `[82.8, 84.1]` and, if there are any, `2 undefined`."""
    metric = summary.metric
    text = _shown(summary.mean, metric)
    if not math.isnan(summary.std):
        text += f" ± {_shown(summary.std, metric)}"
        text += f"\n[{_shown(summary.low, metric)}, {_shown(summary.high, metric)}]"
    return f"{text}\n{summary.undefined} undefined" if summary.undefined else text


def _shown(figure: float, metric: str) -> str:
    if math.isnan(figure):
        return "n/a"
    return f"{100 * figure:.1f}" if _is_overlap(metric) else f"{figure:.2f}"


def _is_overlap(metric: str) -> bool:
    return metric in {"dice", "jaccard"}
