"""Do suggestions teach more than a random draw? Rounds against labels that are known.

A few labels are drawn by the seed; the other labels are out of reach. Each round suggests scans by
either way, adds their labels, learns anew from nothing and measures the test cases. Everything is
kept in OUT: what was cut off goes on with the same line, and what is there is not done again. The
test cases are the last ones of the cohort, the same in every round.

Run: python benchmarks/suggest.py DATA OUT --first 5 --n 5 --rounds 2 --seeds 0 1 2 --test 60
     [--method NAME] [--plan FILE] [--iterations N] [--members M] [--device NAME]
"""

import argparse
import csv
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

import crln
from crln.cohort import NEW, Case, Cohort, mask_as_label, without_labels
from crln.evaluation import evaluate_pairs
from crln.evaluation.text import csv_text
from crln.files import write_text
from crln.planning import Plan

WAYS = ("doubt", "random")
COLUMNS = ("seed", "way", "round", "labelled", "dice", "low", "high", "added")


def main() -> None:
    asked = arguments()
    whole = crln.load_cohort(asked.data, split=NEW)
    plan = Plan.read(asked.plan) if asked.plan else None
    for seed in asked.seeds:
        first = crln.split_cohort(whole, labelled=asked.first, test=asked.test, seed=seed)
        plan = plan or crln.make_plan(first)
        if asked.iterations:
            plan = plan.updated({"training": {"iterations": asked.iterations}})
        folder = asked.out / f"seed-{seed}"
        start = outcome(first, plan, folder / "start", asked, seed)
        note(asked.out, seed, "both", 0, first, start, ())
        for way in asked.ways:
            cohort, run = first, folder / "start" / "run"
            for number in range(1, asked.rounds + 1):
                here = folder / way / f"round-{number}"
                added = suggested(run, revealable(whole, cohort), here, way, asked, seed)
                cohort = learnt(whole, cohort, added)
                found = outcome(cohort, plan, here, asked, seed)
                note(asked.out, seed, way, number, cohort, found, added)
                run = here / "run"
    print(summary(asked.out))


def revealable(whole: Cohort, cohort: Cohort) -> Cohort:
    """The cohort with the unlabelled cases alone whose label is known."""
    known = {case.id for case in whole if case.label}
    return replace(cohort, unlabelled=tuple(c for c in cohort.unlabelled if c.id in known))


def suggested(
    run: Path, cohort: Cohort, here: Path, way: str, asked: argparse.Namespace, seed: int
) -> list[str]:
    """The cases of a round, as they were drawn the first time."""
    file = here / "suggested.json"
    if not file.exists():
        found = crln.suggest(run, cohort, asked.n, by=way, seed=seed, device=asked.device)
        write_text(file, json.dumps([each.case for each in found]) + "\n")
    cases: list[str] = json.loads(file.read_text(encoding="utf-8"))
    return cases


def learnt(whole: Cohort, cohort: Cohort, added: Sequence[str]) -> Cohort:
    """The cohort with the labels of some of its unlabelled cases."""
    told = tuple(case for case in whole if case.id in added)
    rest = tuple(case for case in cohort.unlabelled if case.id not in added)
    return replace(cohort, labelled=cohort.labelled + told, unlabelled=rest)


def outcome(
    cohort: Cohort, plan: Plan, here: Path, asked: argparse.Namespace, seed: int
) -> crln.Evaluation:
    """Trains, outlines the test cases and measures them; what is done already is read."""
    options = crln.Training(
        method=asked.method, seed=seed, device=asked.device, resume=True, progress=False
    )
    if asked.members > 1:
        crln.train_ensemble(
            cohort, plan, here / "run", options, folds=1, members=asked.members, say=str
        )
    else:
        crln.train(cohort, plan, here / "run", options)
    return measured(here / "run", cohort.test, here, asked.device)


def measured(run: Path, test: Sequence[Case], here: Path, device: str) -> crln.Evaluation:
    """Outlines test cases and measures the masks; what is done already is read."""
    record = here / "metrics.json"
    if not record.exists():
        predictor = crln.load_predictor(run, device)
        pairs = {}
        for case, known in zip(without_labels(test), test, strict=True):
            mask = here / "masks" / f"{case.id}.nii.gz"
            if not mask.exists():
                predictor.predict(case.images).save(mask)
            assert known.label
            pairs[case.id] = (mask_as_label(mask, predictor.plan.labels), known.label)
        found = evaluate_pairs(pairs, classes=predictor.plan.labels)
        found.save(record.with_suffix(""), overwrite=True)
    return crln.read_evaluation(record)


def note(
    out: Path, seed: int, way: str, number: int, cohort: Cohort, found: crln.Evaluation,
    added: Sequence[str],
) -> None:  # fmt: skip
    """Adds a line to `rounds.csv`, or puts it in the place of the same one."""
    dice = found.summarised("dice")
    line = [seed, way, number, len(cohort.labelled), dice.mean, dice.low, dice.high]
    put_line(out / "rounds.csv", COLUMNS, [*line, " ".join(added)])
    print(f"seed {seed}, {way}, round {number}: {len(cohort.labelled)} labels, "
          f"Dice {100 * dice.mean:.2f}", flush=True)  # fmt: skip


def put_line(file: Path, columns: Sequence[str], line: Sequence[object]) -> None:
    """Adds a line to a table, or puts it in the place of that with the same first three entries."""
    lines = list(csv.reader(file.open(encoding="utf-8")))[1:] if file.exists() else []
    kept = [old for old in lines if old[:3] != [str(each) for each in line[:3]]]
    write_text(file, csv_text(columns, [*kept, line]))


def summary(out: Path) -> str:
    """The last round: mean over seeds of each way, and of their differences."""
    with (out / "rounds.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    last = max(row["round"] for row in rows)
    by = {
        way: {row["seed"]: 100 * float(row["dice"]) for row in rows
              if (row["way"], row["round"]) == (way, last)}
        for way in WAYS
    }  # fmt: skip
    lines = [f"{way}: {np.mean(list(of.values())):.2f}" for way, of in by.items() if of]
    both = sorted(by[WAYS[0]].keys() & by[WAYS[1]].keys())
    apart = [by[WAYS[0]][seed] - by[WAYS[1]][seed] for seed in both]
    if apart:
        lines.append(f"doubt less random: {np.mean(apart):+.2f} over {len(apart)} seeds "
                     f"({', '.join(f'{each:+.2f}' for each in apart)})")  # fmt: skip
    return f"Dice after round {last}: " + "; ".join(lines)


def arguments() -> argparse.Namespace:
    parser = rounds_parser(__doc__, WAYS)
    parser.add_argument("--plan", type=Path)
    parser.add_argument("--members", type=int, default=1)
    return parser.parse_args()


def rounds_parser(doc: str | None, ways: Sequence[str]) -> argparse.ArgumentParser:
    """What is asked of a benchmark that learns in rounds, each with more labels than the last."""
    parser = argparse.ArgumentParser(description=(doc or "").split("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--first", type=int, default=5)
    parser.add_argument("--n", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--ways", nargs="+", default=list(ways), choices=ways)
    parser.add_argument("--test", type=int, default=60)
    parser.add_argument("--method", default="crln")
    parser.add_argument("--iterations", type=int)
    parser.add_argument("--device", default="auto")
    return parser


if __name__ == "__main__":
    main()
