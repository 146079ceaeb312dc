"""How figures are written in the tables of the results pages."""

from collections.abc import Callable, Iterable, Sequence

Row = dict[str, str]
NBSP = "\u00a0"
"""Keeps an interval on one line."""

SLOW = {"AMD EPYC": "", "AMD EPYC, busy": "\\*", "Intel Xeon": "†"}
"""Marks of the seconds that were not taken on the quiet machine."""


def markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def percent(value: str) -> str:
    return f"{100 * float(value):.2f}"


def interval(row: Row, metric: str) -> str:
    """Mean, and the interval over cases where there is one."""
    if not row[f"{metric}_low"]:
        return percent(row[f"{metric}_mean"])
    low, high = (f"{100 * float(row[f'{metric}_{end}']):.1f}" for end in ("low", "high"))
    return f"{percent(row[f'{metric}_mean'])} [{low},{NBSP}{high}]"


def gain(row: Row) -> str:
    """Points above the reference, with their interval."""
    if not row["dice_difference_mean"]:
        return ""
    low, high = (f"{100 * float(row[f'dice_difference_{end}']):+.2f}" for end in ("low", "high"))
    return f"{100 * float(row['dice_difference_mean']):+.2f} [{low},{NBSP}{high}]"


def p_value(value: str) -> str:
    if not value:
        return ""
    p = float(value)
    return f"<{NBSP}0.001" if p < 0.001 else f"{p:.2g}"


def gain_own(row: Row) -> str:
    """The gain and the p that no other row is corrected for."""
    return f"{gain(row)}, {p_value(row['dice_difference_p'])}"


def seconds(row: Row, runs: list[Row]) -> str:
    """Seconds a step, marked where the machine was not the quiet one."""
    if not row["seconds_per_step"]:
        return ""
    marks = {SLOW[run["host"]] for run in runs}
    return f"{float(row['seconds_per_step']):.2f}{''.join(sorted(marks))}"


COLUMNS: dict[str, tuple[str, Callable[[Row, list[Row]], str]]] = {
    "dice": ("Dice %", lambda row, runs: interval(row, "dice")),
    "spread": (
        "± over seeds",
        lambda row, runs: percent(row["dice_std"]) if row["dice_std"] else "",
    ),
    "gain": ("gain", lambda row, runs: gain(row)),
    "p": ("p", lambda row, runs: p_value(row["dice_difference_p_holm"])),
    "hd95": ("95HD, mm", lambda row, runs: f"{float(row['hd95_mean']):.2f}"),
    "asd": ("ASD, mm", lambda row, runs: f"{float(row['asd_mean']):.2f}"),
    "largest": (
        "Dice %, largest component",
        lambda row, runs: percent(row["dice_largest_component_mean"]),
    ),
    "cost": ("cost, s a step", seconds),
    "gib": (
        "GiB",
        lambda row, runs: f"{float(row['peak_memory_gib']):.1f}" if row["peak_memory_gib"] else "",
    ),
    "prediction": (
        "prediction, processor s",
        lambda row, runs: f"{float(row['prediction_cpu_seconds']):.0f}",
    ),
    "run": ("run", lambda row, runs: ", ".join(dict.fromkeys(r["commit"][:7] for r in runs))),
}
"""Name -> heading and text of a cell."""
