"""What a first stage is worth: test Dice with and without, at equal seconds, for few labels.

The training without one takes its steps; with one, the first stage takes a share of the same time,
as a few timed steps of either have it, and the training the rest. So does denoising beside the
method, whose steps cost more. OUT holds a comparison, which is gone on with by the same line;
steps.json keeps what was timed, so that it is the same trainings then.

Run: python benchmarks/first_stages.py DATA OUT --preset hippocampus --iterations 1000 --test 60
"""

import argparse
import json
import time
from pathlib import Path

import torch
from lightning_fabric import Fabric

import crln
from crln.comparison import write_results
from crln.files import write_text
from crln.jobs import Jobs
from crln.methods import Step, build_method
from crln.methods.first_stages import TASKS, build_first_stage
from crln.planning import Plan, make_plan, read_preset
from crln.profiling.estimate import estimate_training
from crln.testing import make_batch
from crln.training.loop import make_step
from crln.training.optimiser import build_optimiser

TIMED = 3
"""Steps of a first stage that are timed, after one that is not; the fastest counts."""
BESIDE = "training.denoise=0.1"


def stage_seconds(plan: Plan, method: str, task: str) -> float:
    """Of one step of a first stage, on patches made for it."""
    fabric = Fabric(accelerator="auto", devices=1)
    stage = build_first_stage(build_method(method, plan.updated({"pretrain": task})))
    stage.to(fabric.device).to(memory_format=torch.channels_last_3d)
    patches = make_batch(stage, 0, labelled=False, size=stage.patches).each(fabric.to_device)
    step, seconds = make_step(fabric, stage, build_optimiser(stage, plan.training)), []
    for index in range(1 + TIMED):
        began = time.perf_counter()
        float(step(Step(index, 1 + TIMED, 0), [patches])["total"])  # waits for the device
        seconds.append(time.perf_counter() - began)
    return min(seconds[1:])


def variants_of(plan: Plan, method: str, share: float) -> dict[str, str]:
    """What is compared: nothing, each first stage, and denoising beside, each of equal seconds."""
    steps = plan.training.iterations
    whole = estimate_training(plan, method).seconds
    found = {"none": method}
    for task in TASKS:
        first = max(1, round(share * whole / stage_seconds(plan, method, task)))
        rest = max(1, round((1 - share) * steps))
        found[task] = (
            f"{method}[pretrain.task={task},pretrain.iterations={first},training.iterations={rest}]"
        )
    slower = estimate_training(plan.updated({"training": {"denoise": 0.1}}), method).seconds
    rest = max(1, round(steps * whole / slower))
    return found | {"beside": f"{method}[{BESIDE},training.iterations={rest}]"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--preset", help="default: a plan for the data")
    parser.add_argument("--method", default="crln")
    parser.add_argument("--iterations", type=int, default=1000, help="without a first stage")
    parser.add_argument("--share", type=float, default=0.25, help="of the time, for a first stage")
    parser.add_argument("--labelled", type=int, nargs="+", default=[3, 5, 10])
    parser.add_argument("--test", type=int, default=40)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--jobs", type=int, default=1)
    chosen = parser.parse_args()
    written, timed = chosen.out / "plan.yaml", chosen.out / "steps.json"
    if not timed.exists():
        preset = chosen.preset
        plan = read_preset(preset) if preset else make_plan(crln.load_cohort(chosen.data))
        plan = plan.updated({"training": {"iterations": chosen.iterations}})
        write_text(written, plan.to_yaml())
        made = variants_of(plan, chosen.method, chosen.share)
        write_text(timed, json.dumps(made, indent=1) + "\n")
    variants: dict[str, str] = json.loads(timed.read_text())
    settings = crln.Settings(
        chosen.data, methods=tuple(variants.values()), labelled=tuple(chosen.labelled),
        seeds=tuple(chosen.seeds), test=chosen.test, plan=written, reference=variants["none"],
    )  # fmt: skip
    compared = crln.compare(settings, chosen.out / "comparison", jobs=Jobs(chosen.jobs))
    write_results(compared)
    names = {variant: name for name, variant in variants.items()}
    for row in compared.rows:
        told = (
            f"{row.labelled} labels, {names[row.method]}: {100 * row.figure('dice').mean:.2f} Dice"
        )
        if row.differences:
            gain = row.differences["dice"]
            told += f", {100 * gain.mean:+.2f} [{100 * gain.low:.2f}, {100 * gain.high:.2f}]"
        facts = [run.facts for run in row.runs]
        first = [each.first_stage.seconds if each.first_stage else 0.0 for each in facts]
        seconds = sum(each.seconds or 0.0 for each in facts) + sum(first)
        print(f"{told}, {seconds / len(facts):.0f} s in steps")


if __name__ == "__main__":
    main()
