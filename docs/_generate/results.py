"""Tables and figures of the results pages, from the CSV files of docs/results."""

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from cells import COLUMNS, Row, gain_own, interval, markdown, percent

CASES = tuple[str, str, str]
"""Data, method and number of labels."""

Seeds = dict[str, dict[str, float]]
"""Seed -> case -> Dice in per cent."""


def names(folder: Path) -> dict[str, Any]:
    """What the templates may use."""
    found = Results(folder)
    return {
        "table": found.table,
        "labels": found.labels,
        "seeds": found.seeds,
        "paired": found.paired,
        "ahead": found.ahead,
        "against": found.against,
        "unlabelled": found.unlabelled,
        "classes": found.classes,
        "worst": found.worst,
        "mean_dice": found.mean_dice,
        "dice_by": found.dice_by,
        "largest": found.largest,
        "scores": found.scores,
    }


def overview(folder: Path, where: str) -> str:
    """The table of README and home page: each data set, the labels alone and what is learnt."""
    found = Results(folder)
    sets = (
        (f"[heart]({where}/acdc.md), thick-slice MR, 20 test scans, 1 seed",
         "acdc-8", "8", "8 of 40"),
        (f"[hippocampus]({where}/hippocampus.md), MR, 40 test scans, 3 seeds",
         "hippocampus-10-three-seeds", "10", "10 of 160"),
        (f"[left atrium]({where}/left-atrium.md), MR at half resolution, 20 test scans, 1 seed",
         "la-half-8", "8", "8 of 60"),
    )  # fmt: skip
    rows = []
    for title, name, labelled, said in sets:
        methods = found.methods(name, labelled)
        peers = [m for m in methods if "[" not in m and m not in ("crln", "supervised")]
        dice = {m: percent(methods[m]["dice_mean"]) for m in methods}
        best = max(peers, key=lambda m: float(dice[m]), default=None)
        peer = f"{dice[best]} (`{best}`)" if best else ""
        rows.append((title, said, dice["supervised"], peer, dice["crln"]))
    head = ("scans", "labels", "labels alone", "best peer", "CRLN")
    return markdown(head, rows)


class Results:
    """The files of a folder, read when they are first asked for."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.runs = {
            (r["data"], r["method"], r["labelled"], r["seed"]): r for r in self._read("runs")
        }
        self.cases: dict[CASES, Seeds] = {}
        for r in self._read("cases"):
            seeds = self.cases.setdefault((r["data"], r["method"], r["labelled"]), {})
            seeds.setdefault(r["seed"], {})[r["case"]] = 100 * float(r["dice"])

    def _read(self, name: str) -> list[Row]:
        with (self.folder / f"{name}.csv").open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))

    def methods(self, name: str, labelled: str = "") -> dict[str, Row]:
        """Method -> its row over all classes, best Dice first; with the labels asked for."""
        rows = [
            r for r in self._read(name)
            if r["class"] == "foreground" and labelled in ("", r["labelled"])
        ]  # fmt: skip
        rows.sort(key=lambda r: -float(r["dice_mean"]))
        return {r["method"]: r for r in rows}

    def row(self, name: str, method: str, labelled: str = "") -> Row:
        return self.methods(name, labelled)[method]

    def table(
        self, name: str, columns: Sequence[str], data: str, said: dict[str, str] | None = None
    ) -> str:
        """A row a method, best Dice first.

        Args:
            name: the CSV file.
            columns: keys of COLUMNS.
            data: the data set as `runs.csv` calls it.
            said: what to call a method, and which are shown; None: all, by their names.
        """
        rows = []
        for method, row in self.methods(name).items():
            if said is not None and method not in said:
                continue
            keys = [(data, method, row["labelled"], seed) for seed in row["seeds"].split()]
            runs = [self.runs[key] for key in keys if key in self.runs]
            label = f"`{method}`" if said is None else said[method]
            rows.append([label, *(COLUMNS[column][1](row, runs) for column in columns)])
        return markdown(["method", *(COLUMNS[column][0] for column in columns)], rows)

    def classes(self, name: str, methods: Sequence[str], said: dict[str, str]) -> str:
        """Dice of each class: a row a method; `said` is what to call each label value."""
        found = {(r["method"], r["value"]): r for r in self._read(name)}
        rows = [(f"`{m}`", *(interval(found[m, v], "dice") for v in said)) for m in methods]
        return markdown(("method", *said.values()), rows)

    def worst(self, data: str, method: str, labelled: str) -> str:
        """The lowest Dice of any test case, over all seeds."""
        scores = self.cases[data, method, labelled].values()
        return f"{min(min(of.values()) for of in scores):.1f}"

    def mean_dice(self, data: str, method: str, labelled: str) -> str:
        """The mean Dice of all test cases and seeds."""
        scores = self.cases[data, method, labelled].values()
        return f"{mean(value for of in scores for value in of.values()):.2f}"

    def dice_by(self, methods: Sequence[str], arms: dict[str, tuple[str, str]]) -> str:
        """Mean Dice: a row an arm, a column a method; empty where nothing was trained.

        Args:
            methods: of the columns.
            arms: what to call each, to its data and number of labels.
        """
        rows = [
            (said, *(
                self.mean_dice(data, m, labelled) if (data, m, labelled) in self.cases else ""
                for m in methods
            ))
            for said, (data, labelled) in arms.items()
        ]  # fmt: skip
        return markdown(("outlined", *(f"`{m}`" for m in methods)), rows)

    def largest(self, name: str, method: str, metric: str) -> str:
        """The mean of a distance where each class keeps its largest component alone."""
        return f"{float(self.row(name, method)[f'{metric}_largest_component_mean']):.1f}"

    def scores(self, name: str) -> str:
        """What scores were worth: a row a part of the scans and structure."""
        shares = ("coverage", "worst_found")
        areas = ("area", "random", "best_signal", "oracle")
        rows = [
            (f"{r['scans']} {r['part']}", r["structure"].lower(),
             *(f"{100 * float(r[share]):.0f} %" if r[share] else "" for share in shares),
             f"{float(r['spearman']):.2f}",
             *(f"{float(r[area]):.3f}" for area in areas))
            for r in self._read(name)
        ]  # fmt: skip
        head = ("scans", "structure", "inside the interval", "worst found", "rank correlation",
                "risk", "of chance", "of the best signal", "of an oracle")  # fmt: skip
        return markdown(head, rows)

    def labels(self, name: str, method: str, whole: str) -> str:
        """A row a number of labels: the method, the labels alone, and the gain."""
        rows = []
        for labelled in sorted({r["labelled"] for r in self._read(name)}, key=int):
            ours, alone = (self.row(name, each, labelled) for each in (method, "supervised"))
            rows.append((labelled, interval(ours, "dice"), interval(alone, "dice"), gain_own(ours)))
        every = self.row(whole, "supervised_all")
        rows.append((every["labelled"], "", interval(every, "dice"), ""))
        return markdown(("labels", f"`{method}`", "labels alone", "gain, p of the row alone"), rows)

    def seeds(self, data: str, labelled: str, methods: Sequence[str]) -> str:
        """Mean Dice of each seed."""
        rows = [
            (f"`{m}`", *(f"{mean(s.values()):.2f}" for s in self.cases[data, m, labelled].values()))
            for m in methods
        ]
        count = len(self.cases[data, methods[0], labelled])
        return markdown(("method", *(f"seed {n}" for n in range(count))), rows)

    def difference(self, data: str, a: str, b: str, labelled: str) -> tuple[str, str, str]:
        """Points that a is ahead of b, standard error over cases, and cases won.

        Each case is its mean over the seeds that both have been trained with.
        """
        first, second = self.cases[data, a, labelled], self.cases[data, b, labelled]
        seeds = [seed for seed in first if seed in second]
        first, second = (_over_seeds(each, seeds) for each in (first, second))
        by_case = [first[case] - second[case] for case in first]
        error = stdev(by_case) / len(by_case) ** 0.5
        won = sum(value > 0 for value in by_case)
        return f"{mean(by_case):+.2f}", f"{error:.2f}", f"{won} of {len(by_case)}"

    def ahead(self, data: str, method: str, labelled: str, others: Sequence[str]) -> str:
        """The method against each other one, paired by case."""
        rows = [(f"`{other}`", *self.difference(data, method, other, labelled)) for other in others]
        return markdown(
            (f"`{method}` against", "points ahead", "standard error", "cases won"), rows
        )

    def paired(self, data: str, labelled: str, pairs: Iterable[tuple[str, str]]) -> str:
        """Pairs of methods, the first against the second."""
        rows = [(f"`{a}`", f"`{b}`", *self.difference(data, a, b, labelled)) for a, b in pairs]
        return markdown(("method", "against", "points ahead", "standard error", "cases won"), rows)

    def against(self, data: str, a: str, b: str, labels: Sequence[str]) -> str:
        """One pair of methods at several numbers of labels."""
        rows = [(labelled, *self.difference(data, a, b, labelled)) for labelled in labels]
        return markdown(("labels", "points ahead", "standard error", "cases won"), rows)

    def unlabelled(self) -> str:
        """CRLN and AD-MT on the scans that they had seen without a label, by seed."""
        rows = []
        found = self._read("hippocampus-10-unlabelled")
        for seed in sorted({r["seed"] for r in found}):
            both = [
                (float(r["crln_dice_percent"]), float(r["ad_mt_dice_percent"]))
                for r in found if r["seed"] == seed
            ]  # fmt: skip
            by_case = [a - b for a, b in both]
            error = stdev(by_case) / len(by_case) ** 0.5
            ours, theirs = (mean(pair[i] for pair in both) for i in (0, 1))
            rows.append(
                (seed, f"{ours:.2f}", f"{theirs:.2f}", f"{mean(by_case):+.2f}", f"{error:.2f}")
            )
        return markdown(("seed", "`crln`", "`ad_mt`", "points ahead", "standard error"), rows)


def _over_seeds(scores: Seeds, seeds: Sequence[str]) -> dict[str, float]:
    """The mean of each case over some seeds."""
    return {case: mean(scores[seed][case] for seed in seeds) for case in scores[seeds[0]]}
