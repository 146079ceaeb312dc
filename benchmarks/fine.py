"""Thin parts and surfaces: CRLN with and without each of its details, on vessels and left atria.

The vessels' training groups give four labelled crops and the rest unlabelled, two groups are held
out; of the atria the first 8 of the benchmark's order are labelled, the last 20 held out. Each arm
is CRLN with changes of one plan that has no details of its own, whatever the planner would choose.
Everything is kept in OUT: what was cut off goes on with the same line, and further arms, seeds or
cohorts add to what is there.

Run: python benchmarks/fine.py vessels OUT --arms plain all --seeds 0 1 2 --iterations 1000
     [--data FOLDER] [--device NAME] [--jobs N]
"""

import argparse
import csv
from pathlib import Path
from typing import Any

import crln
from crln.comparison import Comparison, Compute, Jobs, Settings, write_results
from crln.errors import CrlnError
from crln.evaluation.metrics import BY_KEY
from crln.files import to_yaml, write_text
from crln.planning import make_plan
from harness import DATA, say

HELD_OUT = ("burgess2014_tgMouse", "poon2015_BBB")
"""Groups of vessels; crops of one stack are alike."""
LABELLED = {"vessels": 4, "atria": 8}
TEST_ATRIA = 20

ARMS = {
    "plain": "",
    "skeleton_recall": "loss.terms=[dice_ce,skeleton_recall]",
    "cldice": "loss.terms=[dice_ce,cldice]",
    "surface_dice": "loss.terms=[dice_ce,surface_dice]",
    "thin_ce": "loss.terms=[dice_ce,thin_ce]",
    "boundary": "loss.terms=[dice_ce,boundary]",
    "thin_patches": "training.thin=0.33",
    "likely_patches": "training.likely=0.33",
    "full_resolution": "full_resolution=1",
    "thin_prototypes": "thin_prototypes=2",
    "thin_confidence": "thin_confidence=0.2",
    "detail_queries": "detail_queries=0.5",
    "detail_view": "detail_zoom=2.0",
    "whole_structures": "whole_structures=1",
    "bend": "views.options.labelled.bend=0.3,views.options.strong.bend=0.3",
}
"""Name to what it changes of the plan."""
ALONE = ("plain", "cldice", "surface_dice", "thin_ce", "boundary", "likely_patches")
"""What is in no arm but its own: a loss beside another, and scans that do not lie alike."""
ARMS["all"] = ",".join(ARMS[name] for name in ARMS if name not in ALONE)

METRICS = ("dice", "cldice", "nsd_fine", "thin_dice", "curvature")


def main() -> None:
    asked = arguments()
    out = asked.out / asked.cohort
    described = vessels(asked.data) if asked.cohort == "vessels" else atria(asked.data)
    file, start = out / "cohort.yaml", out / "plan.yaml"
    write_text(file, to_yaml(described))
    if not start.exists():
        write_text(start, plan_without_details(file).to_yaml())
    comparison = compared(asked, file, start, out / "comparison")
    write_results(comparison)
    print(table(comparison))


def vessels(data: Path) -> dict[str, Any]:
    """The cohort: a labelled crop of each stack in turn, the first of them first."""
    root = data / "vessel2p"
    with (root / "cases.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    test = [row["case"] for row in rows if row["group"] in HELD_OUT]
    stacks: dict[str, list[str]] = {}
    for row in rows:
        if row["group"] not in HELD_OUT:
            stacks.setdefault(row["stack"], []).append(row["case"])
    longest = max(map(len, stacks.values()))
    turns = [crops[n] for n in range(longest) for crops in stacks.values() if n < len(crops)]
    return described(root, "vessel", turns, LABELLED["vessels"], test)


def atria(data: Path) -> dict[str, Any]:
    """The cohort, in the benchmark's order."""
    root = data / "la_half"
    cases = (root / "train.list").read_text(encoding="utf-8").split()
    return described(root, "atrium", cases[:-TEST_ATRIA], LABELLED["atria"], cases[-TEST_ATRIA:])


def described(
    root: Path, structure: str, cases: list[str], labelled: int, test: list[str]
) -> dict[str, Any]:
    """What a cohort.yaml holds; the first of the cases are the labelled ones."""

    def entry(case: str, known: bool) -> dict[str, str]:
        found = {"id": case, "image": str((root / "images" / f"{case}.nii.gz").resolve())}
        label = str((root / "labels" / f"{case}.nii.gz").resolve())
        return found | ({"label": label} if known else {})

    return {
        "classes": {0: "background", 1: structure},
        "labelled": [entry(case, True) for case in cases[:labelled]],
        "unlabelled": [entry(case, False) for case in cases[labelled:]],
        "test": [entry(case, True) for case in test],
    }


def plan_without_details(file: Path) -> crln.Plan:
    """The automatic plan but for what it chooses for thin structures: that is the arms' to add."""
    plain = {"loss": "dice_ce", "training": {"thin": 0.0}}
    return make_plan(crln.load_cohort(file), changes=plain)


def method(arm: str) -> str:
    """As `crln compare --methods` takes it."""
    return f"crln[{ARMS[arm]}]" if ARMS[arm] else "crln"


def compared(asked: argparse.Namespace, file: Path, start: Path, out: Path) -> Comparison:
    """Trains what is not there yet, and measures."""
    arms = dict.fromkeys(["plain", *asked.arms])  # what the others are compared with
    settings = Settings(
        data=file, methods=tuple(map(method, arms)), labelled=(LABELLED[asked.cohort],),
        seeds=tuple(asked.seeds), iterations=asked.iterations, plan=start,
        reference=method("plain"), fine=True,
    )  # fmt: skip
    return crln.compare(
        settings, out, compute=Compute(asked.device), jobs=Jobs(asked.jobs), say=say
    )


def table(comparison: Comparison) -> str:
    """Each arm's means over cases, and what each lies above the plain one; all in points."""
    names = {method(arm): arm for arm in ARMS}
    plain = next(row for row in comparison.rows if names[row.method] == "plain")
    heads = [BY_KEY[key].title("mm") for key in METRICS]
    lines = [f"| arm | seeds | {' | '.join(heads)} |", "|---" * (2 + len(heads)) + "|"]
    for row in comparison.rows:
        cells = []
        for key in METRICS:
            ours, theirs = (100 * each.figure(key).mean for each in (row, plain))
            cells.append(f"{ours:.2f}" + ("" if row is plain else f" ({ours - theirs:+.2f})"))
        lines.append(f"| {names[row.method]} | {len(row.seeds)} | {' | '.join(cells)} |")
    return "\n".join(lines)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("cohort", choices=sorted(LABELLED))
    parser.add_argument("out", type=Path)
    parser.add_argument("--arms", nargs="+", choices=ARMS, default=list(ARMS), metavar="ARM")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--iterations", type=int)
    parser.add_argument("--data", type=Path, default=DATA, help="the folder of the real scans")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--jobs", type=int)
    asked = parser.parse_args()
    if not asked.data.is_dir():
        raise SystemExit(f"no scans at {asked.data}; give --data")
    return asked


if __name__ == "__main__":
    try:
        main()
    except CrlnError as error:
        raise SystemExit(f"error: {error}") from error
