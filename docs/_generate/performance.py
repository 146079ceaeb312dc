"""The measured part of the benchmarks page, from docs/results/performance.json."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

PRESETS = ("la", "pancreas", "brats19", "hippocampus", "phantom")

Parts = dict[str, Any]


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines) + "\n"


def timing(found: dict[str, float]) -> str:
    return f"{found['median']:.3g}\u00a0±\u00a0{found['spread'] / 2:.1g}"


def figures(parts: Parts) -> str:
    rows = [
        (
            each["name"],
            f"{each['value']:.3g}{each['unit']}",
            f"{'≤' if each['most'] else '≥'} {each['target']:g}{each['unit']}",
            "met" if each["met"] else "**missed**",
        )
        for part in parts.values()
        for each in part["figures"]
    ]
    return "## Figures\n\n" + table(("figure", "value", "target", ""), rows)


def steps(parts: Parts) -> str:
    found = {name: part["measured"] for name, part in parts.items() if name.startswith("step ")}
    rows = [
        (
            m["preset"], m["method"], "x".join(map(str, m["patch"])), timing(m["step"]),
            f"{m['ratio']:.2f}", f"{m['step_peak_gib']:.2f}", f"{m['page_faults']:,}",
            f"{m['work']['flops'] / 1e9:.0f}", f"{m['work']['bytes'] / 1e9:.1f}", m["limit"],
            f"{m['step']['median'] * m['iterations'] / 3600:.1f}",
        )
        for m in found.values()
    ]  # fmt: skip
    head = (
        "preset", "method", "patch", "step, s", "step / floor", "peak GiB", "page faults", "GFLOP",
        "GB moved", "limit", "hours of its plan",
    )  # fmt: skip
    text = "## A training step\n\n" + table(head, rows)
    ours = [found[f"step {name}"] for name in PRESETS if f"step {name}" in found]
    names = worth_a_row({m["preset"]: m["parts"] for m in ours})
    shares = [
        [part, *(f"{m['parts'].get(part, 0) / sum(m['parts'].values()):.1%}" for m in ours)]
        for part in names
    ]
    text += "\nBy part, CRLN, share of the step:\n\n"
    text += table(("part", *(m["preset"] for m in ours)), shares)
    others = {m["method"]: m["parts"] for m in found.values() if m["preset"] == "hippocampus"}
    names = worth_a_row(others)
    rows_by_method = [
        [part, *(f"{each[part]:.3f}" if part in each else "" for each in others.values())]
        for part in names
    ]
    text += "\nBy part, every method at the `hippocampus` preset, seconds:\n\n"
    return text + table(("part", *others), rows_by_method)


def worth_a_row(columns: dict[str, dict[str, float]]) -> list[str]:
    """The parts that take a thousandth of some step, and the wait for data, however short."""
    names = dict.fromkeys(part for column in columns.values() for part in column)
    return [
        name
        for name in names
        if name == "wait for data"
        or any(column.get(name, 0) > 0.001 * sum(column.values()) for column in columns.values())
    ]


def inference(parts: Parts) -> str:
    m = parts["inference"]["measured"]
    ways = [
        (name, each["windows"], f"{each['median']:.2f}")
        for name, each in m["speed"]["ways"].items()
    ]
    text = "## Prediction of a full-size LA volume\n\n" + table(("way", "windows", "seconds"), ways)
    text += "\nEveryday windows, by part:\n\n"
    text += table(("part", "seconds"), [(k, f"{v:.3f}") for k, v in m["speed"]["parts"].items()])
    models = m["speed"]["operations"]
    text += "\nOne window of 112x112x80 by kind of operation, both threads on it, seconds:\n\n"
    rows = [(kind, *(f"{each[kind]:.3f}" for each in models.values())) for kind in models["ours"]]
    text += table(("operation", *models), rows)
    for name, each in m.get("memory", {}).items():
        text += (
            f"\nCT of 512x512x600 voxels, 5 classes, {name}: {each['above']:.2f} GiB above the "
            f"volume, {each['seconds']:.0f} s.\n"
        )
    return text


def rest(parts: Parts) -> str:
    text = "## Preparation and cache\n\n"
    scans = parts["preparation"]["measured"]["scans"]
    names = next(iter(scans.values()))["seconds"]
    rows = [[n, *(timing(scan["seconds"][n]) for scan in scans.values())] for n in names]
    sizes = [f"{name}, {'x'.join(map(str, scan['shape'][1:]))}" for name, scan in scans.items()]
    text += table(("seconds", *sizes), rows)
    text += "\n## Metrics of a full-size LA case\n\n"
    text += table(
        ("prediction", "seconds", "medpy, seconds", "largest difference"),
        [
            (
                c["prediction"],
                timing(c["seconds"]),
                f"{c['medpy']:.2f}",
                f"{c['largest_difference']:.1g}",
            )
            for c in parts["metrics"]["measured"]["cases"]
        ],
    )
    m = parts["memory"]["measured"]
    text += f"\n## Freed memory, `{m['preset']}` preset\n\n"
    text += table(
        ("freed memory", "page faults a step", "seconds a step", "peak GiB"),
        [
            (
                n,
                f"{m[n]['faults'][-1]:,}",
                f"{m[n]['seconds'][-1]:.2f}",
                f"{m[n]['peak_gib'][-1]:.2f}",
            )
            for n in ("given back", "kept")
        ],
    )
    return text


def growth(parts: Parts) -> str:
    text = "## How cost grows\n\n"
    rows = []
    for name, each in parts["scaling"]["measured"]["series"].items():
        law, points = each["law"], each["points"]
        said = ", ".join(f"{x:,.0f}: {t['median']:.3g}" for x, t in points)
        line = f"{law['a']:.3g} + {law['b']:.3g} x"
        rows.append((name, said, line, f"{law['exponent']:.2f}"))
    text += table(("x", "measured, x: seconds", "line", "exponent of a power law"), rows)
    seconds = parts["losses"]["measured"]["seconds"]
    text += "\nCPS, forward and backward, 2 + 2 patches:\n\n"
    text += table(
        ("classes and patch", "seconds", "masks and draws alone"),
        [(n, timing(t["CPS"]), timing(t["CPS, masks and draws"])) for n, t in seconds.items()],
    )
    text += "\nCases of a cohort:\n\n"
    cases = parts["cohort"]["measured"]["cases"]
    return text + table(
        ("cases", "start-up, s", "of which plan", "of which cache", "wait / step", "peak GiB"),
        [
            (
                n, *(f"{c['seconds'][k]:.2f}" for k in ("start-up", "make the plan",
                "find in the cache")), f"{c['wait'] / c['step']:.3%}", f"{c['peak_gib']:.2f}",
            )
            for n, c in cases.items()
        ],
    )  # fmt: skip


def names(folder: Path) -> dict[str, str]:
    """What the template may use."""
    content = json.loads((folder / "performance.json").read_text(encoding="utf-8"))
    parts, machine = content["parts"], content["machine"]
    facts = (
        f"Measured {machine['started'][:10]} on {machine['device']}, {machine['cores']} cores, "
        f"torch {machine['torch']}, Python {machine['python']}.\n"
        "Medians ± half the spread of the repeats; [all of it](../results/performance.json)."
    )
    sections = [figures, steps, inference, rest, growth]
    return {"facts": facts, "measured": "\n".join(section(parts) for section in sections)}
