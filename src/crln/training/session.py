"""What a training is told, and what it holds while it takes steps."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from lightning_fabric import Fabric

from crln.cohort import Cohort
from crln.methods import Method
from crln.planning import Plan
from crln.preparation import PreparedCase
from crln.runs import RunFolder
from crln.runs.checkpoint import Origin, Progress
from crln.training.listeners import Course, Listener
from crln.training.options import Training
from crln.training.phases import Phase
from crln.training.stop import Stop
from crln.training.stream import PatchStream
from crln.training.validation import Validation


@dataclass(frozen=True)
class Task:
    """What every process is told.

    Attributes:
        cohort: split into its parts.
        plan: with every option of the method.
        out: the run folder.
        options: settled: method, seed and precision are given.
        listeners: of the user.
    """

    cohort: Cohort
    plan: Plan
    out: Path
    options: Training
    listeners: tuple[Listener, ...] = ()


@dataclass
class Session:
    """A training that is ready to take steps.

    Attributes:
        fabric: device, precision, and the other processes.
        task: what was asked for.
        run: the run folder.
        origin: what is learnt by and from.
        learner: the method, on its device.
        optimiser: of the learner.
        streams: of labelled and unlabelled patches.
        scoring: the validation.
        state: how far it has come.
        told: who listens; in other processes than the first nobody.
        stop: whether it is to end early.
        notes: sentences about what is different from what a person may expect.
        scans: that a first stage learns from; empty: there is none.
    """

    fabric: Fabric
    task: Task
    run: RunFolder
    origin: Origin
    learner: Method
    optimiser: torch.optim.Optimizer
    streams: Sequence[PatchStream]
    scoring: Validation
    state: Progress
    told: Sequence[Listener]
    stop: Stop
    notes: tuple[str, ...] = ()
    scans: Sequence[PreparedCase] = ()

    def tell_start(self, phases: tuple[Phase, ...]) -> None:
        """Listeners hear what is to come, step by step."""
        total = self.task.plan.training.iterations
        course = Course(self.run, self.state.step, total, phases, self.notes, self.stop.ask)
        for listener in self.told:
            listener.started(course)
