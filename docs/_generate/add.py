"""Adds a comparison's figures to the CSV files that the results pages are made of.

    python docs/_generate/add.py COMPARISON --data acdc --table acdc-8 --commit c74067c \
        --host "AMD EPYC, busy"

The table takes the place of one of that name; cases and trainings of the same data, method, labels
and seed take the place of older ones.
"""

import argparse
import csv
import re
import shutil
from collections.abc import Iterable
from pathlib import Path

import crln

RESULTS = Path(__file__).resolve().parent.parent / "results"
CELL = re.compile(r"(?P<method>.+)-(?P<labelled>\d+)-seed(?P<seed>\d+)")
KEY = ("data", "method", "labelled", "seed")
METRICS = ("dice", "jaccard", "hd95", "asd")


def main() -> None:
    parser = argparse.ArgumentParser(description="Adds a comparison to docs/results.")
    parser.add_argument("comparison", type=Path, help="the folder that `crln compare` wrote")
    parser.add_argument("--data", required=True, help="what the pages call the data")
    parser.add_argument("--table", help="name of its CSV file, without ending; none is no table")
    parser.add_argument("--commit", required=True, help="of the code that trained")
    parser.add_argument("--host", required=True, help="the machine; `, busy` where it was")
    parser.add_argument("--said", default="", help="added to every method's name")
    asked = parser.parse_args()
    if asked.table:
        shutil.copyfile(asked.comparison / "comparison.csv", RESULTS / f"{asked.table}.csv")
    cells = sorted(path.parent for path in asked.comparison.glob("cells/*/metrics.json"))
    keys = [_key(asked.data, cell, asked.said) for cell in cells]
    runs = [
        key | _training(cell) | {"commit": asked.commit, "host": asked.host}
        for key, cell in zip(keys, cells, strict=True)
    ]
    _merge("runs", runs)
    _merge(
        "cases", [key | row for key, cell in zip(keys, cells, strict=True) for row in _cases(cell)]
    )


def _key(data: str, cell: Path, said: str) -> dict[str, str]:
    """What tells a training from the others: of `crln-8-seed0`, method, labels and seed."""
    found = CELL.fullmatch(cell.name)
    assert found, f"{cell}: no cell of a comparison"
    return {"data": data, **found.groupdict(), "method": found["method"] + said}


def _training(cell: Path) -> dict[str, str]:
    """When a cell was trained, by what, how long."""
    run = crln.open_run(cell)
    facts = run.facts
    return {
        "started": facts.started[:10],
        "threads": str(facts.threads),
        "torch": facts.torch,
        "iterations": str(run.plan.training.iterations),
        "seconds": f"{facts.seconds:.1f}",
        "peak_gib": f"{facts.peak_memory_gib:.2f}",
        "parameters": str(facts.parameters),
    }


def _cases(cell: Path) -> Iterable[dict[str, str]]:
    """Each case's mean over the classes."""
    found = crln.read_evaluation(cell / "metrics.json")
    columns = {metric: found.values(metric) for metric in METRICS}
    for case in columns["dice"]:
        yield {"case": case} | {metric: f"{of[case]:.6g}" for metric, of in columns.items()}


def _merge(name: str, rows: list[dict[str, str]]) -> None:
    """Writes rows into a file of docs/results, in place of those with the same key."""
    path = RESULTS / f"{name}.csv"
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        columns = list(reader.fieldnames or ())
        new = {tuple(row[key] for key in KEY) for row in rows}
        kept = [row for row in reader if tuple(row[key] for key in KEY) not in new]
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(sorted(kept + rows, key=_order))


def _order(row: dict[str, str]) -> tuple[str, str, int, int]:
    return row["data"], row["method"], int(row["labelled"]), int(row["seed"])


if __name__ == "__main__":
    main()
