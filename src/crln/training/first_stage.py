"""The first stage of a training: what its networks learn from scans alone, before labels teach.

It is a training of its own, in a folder of its own within the run's, by the same loop.
"""

from dataclasses import replace
from pathlib import Path

import torch

from crln.cohort import Case, Cohort, unlabelled_pool, without_labels
from crln.cohort.parts import without_drafts
from crln.errors import CrlnError
from crln.methods.first_stages import FirstStage, build_first_stage
from crln.parallel.launch import by_first
from crln.planning import Plan
from crln.runs import RunFolder
from crln.runs.checkpoint import Origin, Progress, load_checkpoint, read_origin
from crln.runs.facts import FirstStageFacts
from crln.runs.folder import FIRST_STAGE
from crln.training.optimiser import build_optimiser
from crln.training.options import Training
from crln.training.phases import Phase
from crln.training.session import Session
from crln.training.stream import PatchStream
from crln.training.validation import Validation


def scans_to_begin_with(cohort: Cohort, plan: Plan, options: Training) -> tuple[Case, ...]:
    """The scans of the training, labels and drafts out of reach; none without a first stage."""
    if not plan.pretrain.steps(plan.training.iterations):
        return ()
    pool = unlabelled_pool(cohort, transductive=options.transductive)
    return without_drafts((*without_labels(cohort.labelled), *pool))


def begin_first_stage(at: Session) -> Session | None:
    """The first stage of a training that has not taken a step yet; None: there is none to take.

    Args:
        at: the training; its method has its first weights.

    Raises:
        CrlnError: the scans that the stage has learnt from have changed, or its checkpoint is
            damaged; or the method has no backbone that it could teach.
    """
    plan, fabric = at.task.plan, at.fabric
    steps = plan.pretrain.steps(plan.training.iterations)
    if not steps or at.state.step:
        return None
    stage = build_first_stage(at.learner)
    stage.to(fabric.device)
    stage.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
    own = plan.updated({"training": {"iterations": steps}})
    run = by_first(fabric, lambda: _folder(at.run, own))
    optimiser, state = build_optimiser(stage, own.training), Progress()
    origin = replace(at.origin, plan=own.model_dump(mode="json"), labels={}, drafts={})
    if by_first(fabric, run.checkpoint.exists):
        _check_origin(at.task.out, run.checkpoint, origin)
        state = load_checkpoint(run.checkpoint, stage, optimiser)
    told = [each for each in at.told if each.first_stage]
    stream = PatchStream(
        at.scans, plan.patch_size, stage.read_size, stage.patches, int(at.task.options.seed or 0),
        "first stage", 0.0, fabric.global_rank, fabric.world_size, fabric.device.type == "cuda",
    )  # fmt: skip
    stage_at = Session(
        fabric, replace(at.task, plan=own), run, origin, stage, optimiser, [stream],
        Validation((), plan, fabric.device), state, told, at.stop,
    )  # fmt: skip
    stage_at.tell_start((Phase(f"first stage: {plan.pretrain.task}", steps, "loss"),))
    return stage_at


def end_first_stage(stage: Session, at: Session) -> None:
    """The method begins with what its copies have learnt, and the run folder says so."""
    assert isinstance(stage.learner, FirstStage)
    stage.learner.give(at.learner)
    begun = FirstStageFacts(
        task=at.task.plan.pretrain.task, steps=stage.task.plan.training.iterations,
        scans=len(at.scans), seconds=round(stage.state.seconds, 1),
    )  # fmt: skip
    at.run = by_first(at.fabric, lambda: _noted(at.run, begun))


def _folder(run: RunFolder, plan: Plan) -> RunFolder:
    folder = run.path / FIRST_STAGE
    folder.mkdir(exist_ok=True)
    return RunFolder(folder, plan, run.facts)


def _noted(run: RunFolder, begun: FirstStageFacts) -> RunFolder:
    noted = RunFolder(run.path, run.plan, run.facts.updated(first_stage=begun))
    noted.write_facts()
    return noted


def _check_origin(out: Path, checkpoint: Path, now: Origin) -> None:
    """Refuses to go on with a stage whose scans or plan are others."""
    _, learnt = read_origin(checkpoint)
    other = learnt.changed(now, all_of_it=True)
    if not other and learnt.plan != now.plan:
        other = ["the plan"]
    if other:
        raise CrlnError(
            f"{out}: {other[0]} has changed since the first stage of this run; train again "
            "without --resume"
        )
