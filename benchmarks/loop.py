"""What a person's corrections bring, round by round: the loop of `crln review`, simulated.

The true labels are the person. A project is begun with a few labels; each round learns, outlines
what is not accepted, and has some of the scans corrected: those that are likely to be the worst,
some drawn by chance, or what `crln suggest` names. Test cases are never in the project. With
--anew the last round learns once more from nothing, with the same labels and the first round's
steps. What was cut off goes on with the same line.

Run: python benchmarks/loop.py DATA OUT --first 5 --n 5 --rounds 4 --seeds 0 1 2 --test 60
     [--ways worst random suggest] [--preset NAME] [--iterations N] [--anew]
"""

import argparse
import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

import crln
from crln.cohort import NEW, Case, Cohort, read_outline, without_labels, write_description
from crln.imaging import read_grid
from crln.reviewing.begin import begin_project, opened
from crln.reviewing.outlines import agreement
from crln.reviewing.overview import worst_first
from crln.reviewing.places import Places
from crln.reviewing.project import Project
from crln.reviewing.rounds import Order, Round, begin_round, order_for
from crln.reviewing.work import work
from suggest import measured, put_line, rounds_parser

WAYS = ("worst", "random", "suggest")
GOOD = 0.98
"""Dice of a mask that needs no correction."""
COLUMNS = (
    "seed", "way", "round", "labels", "test", "cohort", "changed", "left", "voxels_left", "by_hand",
    "steps", "seconds",
)  # fmt: skip


@dataclass(frozen=True)
class Person:
    """Who knows the true labels.

    Attributes:
        cases: of the project, by id, with their labels.
        cohort: that says how a label is read.
    """

    cases: dict[str, Case]
    cohort: Cohort

    def outline(self, id: str) -> np.ndarray:
        """The true label, (X, Y, Z) values on the scan's grid."""
        case = self.cases[id]
        assert case.label
        return read_outline(case.label, read_grid(case.images[0]), None, self.cohort.ignore).values

    def correct(self, project: Project, id: str) -> None:
        """Draws the true label over what stands, and accepts it."""
        round = project.masks.round(id)
        project.save(id, self.outline(id), round=round)
        project.decide(id, "accepted", round=round)


def main() -> None:
    asked = arguments()
    whole = crln.load_cohort(asked.data, split=NEW)
    for seed in asked.seeds:
        first = crln.split_cohort(whole, labelled=asked.first, test=asked.test, seed=seed)
        ids = {case.id for case in first.training}
        person = Person({case.id: case for case in whole if case.id in ids and case.label}, whole)
        shared: Path | None = None  # the first round is the same, whatever comes after it
        for way in asked.ways:
            places = begun(first, asked.out / f"seed-{seed}" / way, shared)
            shared = shared or places.run(1)
            for number in range(1, asked.rounds + 2):
                go_round(places, number, asked, seed, way, person)
                row = outcome(places, number, first, person, asked)
                note(asked.out, [seed, way, *row])
            if asked.anew:
                note(asked.out, [seed, way, *anew(places, first, person, asked)])
    print(summary(asked.out))


def begun(first: Cohort, folder: Path, shared: Path | None) -> Places:
    """The project of one way, with the labels of the first cases alone."""
    places = Places(folder / "project")
    if not places.settings.exists():
        data = replace(
            first, root=folder / "data.yaml", unlabelled=without_labels(first.unlabelled),
            validation=(), test=(),
        )  # fmt: skip
        folder.mkdir(parents=True, exist_ok=True)
        write_description(data, data.root)
        begin_project(data.root, places.path, split=NEW, say=lambda line: None)
        if shared:
            places.run(1).parent.mkdir()
            places.run(1).symlink_to(shared.resolve())
    return places


def go_round(
    places: Places, number: int, asked: argparse.Namespace, seed: int, way: str, person: Person
) -> None:
    """Corrects some scans of the round before, learns and outlines; what is done stays done."""
    with opened(places, "the true labels") as project:
        if number not in places.rounds():
            if number > 1:
                done = sum(state(project, id) == "accepted" for id in project.cases)
                wanted = asked.first + asked.n * (number - 1) - done
                for id in chosen(project, number, wanted, asked, seed, way):
                    person.correct(project, id)
            usual = Order(preset=asked.preset, device=asked.device, method=asked.method)
            order = usual.model_copy(update={"iterations": asked.iterations})
            if number > 1:
                order = order_for(places, usual, None)
            begin_round(places, order, project.cohort())
    if Round(places, number).progress().stage != "done":
        work(places.path, number)


def state(project: Project, id: str) -> str:
    return project.state(id).state


def chosen(
    project: Project, number: int, n: int, asked: argparse.Namespace, seed: int, way: str
) -> list[str]:
    """The scans that the person looks at."""
    waiting = worst_first(project)
    if way == "worst":
        return waiting[:n]
    if way == "random":
        drawn = np.random.default_rng([seed, number]).permutation(sorted(waiting))
        return [str(id) for id in drawn[:n]]
    run = project.places.run(number - 1)
    found = crln.suggest(run, project.cohort(), n, seed=seed, device=asked.device)
    return [each.case for each in found]


def outcome(
    places: Places, number: int, first: Cohort, person: Person, asked: argparse.Namespace
) -> list[Any]:
    """A row: of the test scans, of the cohort as it stands, and of what is still to be done."""
    run = crln.open_run(places.run(number))
    test = measured(run.path, first.test, places.path.parent / f"test-{number}", asked.device)
    steps, seconds = run.plan.training.iterations, run.facts.seconds
    with opened(places) as project:
        told = list(standing(project, person))
        done = [project.state(id) for id in project.cases if state(project, id) == "accepted"]
    cohort = float(np.mean([dice for dice, _, _ in told]))
    wrong = [voxels for dice, voxels, _ in told if dice < GOOD]
    return [
        number, len(done), test.summarised("dice").mean, cohort,
        sum(each.changed or 0 for each in done), len(wrong), sum(wrong),
        sum(size for _, _, size in told), steps, round(seconds, 1),
    ]  # fmt: skip


def standing(project: Project, person: Person) -> Iterator[tuple[float, int, int]]:
    """Of each scan: Dice of the outline as it stands, voxels that are wrong, and voxels of it."""
    for id in person.cases:
        truth, values = person.outline(id), project.values(id)
        dice = agreement(values, truth, project.structures)
        wrong = int(np.count_nonzero(values != truth))
        yield 1.0 if dice is None else dice, wrong, int(np.count_nonzero(truth))


def anew(places: Places, first: Cohort, person: Person, asked: argparse.Namespace) -> list[Any]:
    """The labels of the last round, learnt from nothing with the steps of the first."""
    last, here = max(places.rounds()), places.path.parent / "anew"
    plan = crln.open_run(places.run(1)).plan
    options = crln.Training(
        method=asked.method, device=asked.device, resume=True, progress=False, page=False
    )
    run = crln.train(Round(places, last).cohort(), plan, here / "run", options)
    test = measured(run.path, first.test, here, asked.device)
    seconds = round(run.facts.seconds, 1)
    labels = len(Round(places, last).order().labelled)
    blank = [""] * 5
    dice = test.summarised("dice").mean
    return ["anew", labels, dice, *blank, plan.training.iterations, seconds]


def note(out: Path, line: Sequence[Any]) -> None:
    """Adds a line to `rounds.csv`, or puts it in the place of the same one."""
    put_line(out / "rounds.csv", COLUMNS, line)
    print(dict(zip(COLUMNS, line, strict=True)), flush=True)


def summary(out: Path) -> str:
    """Dice on the test scans after each round, mean over the seeds, a line a way."""
    with (out / "rounds.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    lines = []
    for way in dict.fromkeys(row["way"] for row in rows):
        of = [row for row in rows if row["way"] == way]
        by: dict[str, list[float]] = {}
        for row in of:
            by.setdefault(row["round"], []).append(100 * float(row["test"]))
        told = ", ".join(f"{number}: {np.mean(dice):.2f}" for number, dice in by.items())
        lines.append(f"{way}, Dice by round: {told}")
    return "\n".join(lines)


def arguments() -> argparse.Namespace:
    parser = rounds_parser(__doc__, WAYS)
    parser.set_defaults(rounds=4)
    parser.add_argument("--preset")
    parser.add_argument("--anew", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    main()
