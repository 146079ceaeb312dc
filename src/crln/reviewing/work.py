"""A round of learning, in a process of its own: train, then outline what is not accepted."""

import os
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import psutil

from crln.cohort import Case, Cohort
from crln.errors import CrlnError, reason
from crln.files import claim
from crln.labels import LabelSpace
from crln.reviewing.following import remove_leftovers
from crln.reviewing.masks import Record
from crln.reviewing.places import Places
from crln.reviewing.project import Project
from crln.reviewing.rounds import Order, Round, RoundProgress
from crln.reviewing.state import CaseState
from crln.training import Training
from crln.training.listeners import Course, Listener

if TYPE_CHECKING:
    from crln.inference import Prediction, Predictor
    from crln.planning import Plan

WARM_SHARE = 1 / 3
"""Of the plan's steps, where a round begins with the weights of the last."""
_SECONDS = 0.5
"""Between looks at whether it is to stop, and between tellings."""


def work(folder: Path, number: int) -> None:
    """Does a round; whatever comes of it is in its `progress.yaml`.

    Args:
        folder: of the project.
        number: of the round.
    """
    round = Round(Places(folder), number)
    with claim(round.lock, wait=False) as ours:
        if not ours:
            return
        end = {"stage": "stopped"}  # by a signal
        try:
            with _watched(round) as stop:
                if _learn(round, stop) and not stop.is_set():
                    _outline(round, stop)
                end = {"stage": "stopped" if stop.is_set() else "done"}
        except Exception as fault:
            message = str(fault) if isinstance(fault, CrlnError) else reason(fault)
            end = {"stage": "failed", "message": message}
            raise
        finally:
            round.tell(round.progress().model_copy(update=end))


def lower_priority() -> None:
    """So that the page stays quick while this process has every processor."""
    process = psutil.Process()
    try:
        below = getattr(psutil, "BELOW_NORMAL_PRIORITY_CLASS", None)
        process.nice(below if os.name == "nt" and below is not None else 10)
    except (psutil.Error, OSError):  # a system that does not let it
        pass


@contextmanager
def _watched(round: Round) -> Iterator[threading.Event]:
    """An event that is set once the round is asked to stop, by whatever process."""
    stop, ended = threading.Event(), threading.Event()

    def watch() -> None:
        while not ended.wait(_SECONDS):
            if round.stop.exists():
                stop.set()
                return

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield stop
    finally:
        ended.set()
        watcher.join()


class _Teller(Listener):
    """Writes how far the training is, not more often than somebody looks."""

    def __init__(self, round: Round) -> None:
        self._round, self._told, self._steps = round, 0.0, 0

    def prepared(self, done: int, of: int) -> None:
        self._tell(RoundProgress(stage="preparing", step=done, steps=of), done == of)

    def started(self, course: Course) -> None:
        self._steps = course.total
        self._tell(RoundProgress(stage="training", step=course.first, steps=course.total), True)

    def row(self, step: int, values: Mapping[str, float]) -> None:
        progress = RoundProgress(stage="training", step=step, steps=self._steps)
        self._tell(progress, step == self._steps)

    def _tell(self, progress: RoundProgress, due: bool) -> None:
        if due or time.monotonic() - self._told > _SECONDS:
            self._told = time.monotonic()
            self._round.tell(progress)


def _learn(round: Round, stop: threading.Event) -> bool:
    """Trains; whether there is a model to outline with."""
    import crln

    order, places = round.order(), round.places
    if order.run or ((round.run / "run.yaml").exists() and crln.open_run(round.run).finished):
        return True
    cohort = round.cohort()
    resume = (round.run / "run.yaml").exists()
    start = places.path / order.start_from if order.start_from else None
    plan = crln.open_run(round.run).plan if resume else _plan(order, cohort, start, places)
    options = Training(
        method=None if resume else order.method, device=cast(Any, order.device), progress=False,
        resume=resume, start_from=None if resume or start is None else _one_run(start),
        cache=Path(order.cache) if order.cache else None,
    )  # fmt: skip
    run = crln.train(cohort, plan, round.run, options, listeners=[_Teller(round)], stop=stop)
    return run.finished


def _one_run(path: Path) -> Path:
    """The run itself, or the first of an ensemble's members."""
    from crln.runs.ensemble import predicting_runs

    return predicting_runs(path)[0].path


def _plan(order: Order, cohort: Cohort, start: Path | None, places: Places) -> "Plan":
    """That of the file, or of the model to begin with while the classes are the same, or anew."""
    import crln

    if order.plan:
        plan = crln.Plan.read(places.path / order.plan)
    else:
        before = crln.open_run(_one_run(start)).plan if start else None
        labels = LabelSpace.of(
            sorted(cohort.class_names), cohort.class_names, cohort.ignore, regions=cohort.regions
        )
        same = before and (before.labels.known, before.labels.members) == (
            labels.known, labels.members,
        )  # fmt: skip
        if before and same:
            plan = before.updated({"labels": {"ignore": cohort.ignore}})
        else:
            plan = crln.make_plan(cohort, preset=order.preset)
    steps = order.iterations or (_warm_steps(places, start) if start else None)
    return plan.updated({"training": {"iterations": steps}}) if steps else plan


def _warm_steps(places: Places, start: Path) -> int:
    """A share of the steps of the project's longest training, which began from nothing."""
    import crln

    earlier = [places.run(number) for number in places.rounds()]
    runs = [path for path in earlier if (path / "run.yaml").exists()]
    longest = max(crln.open_run(path).plan.training.iterations for path in [*runs, _one_run(start)])
    return max(1, round(longest * WARM_SHARE))


def _outline(round: Round, stop: threading.Event) -> None:
    """Outlines every scan that is not accepted; what people have decided meanwhile counts."""
    import crln

    project, order = Project(round.places.path), round.order()
    remove_leftovers(round.places.masks(round.number), project.cases)
    waiting = [id for id in project.cases if _wants_mask(project, round, id)]
    waiting.sort(key=lambda id: project.status(id) == "skipped")
    progress = RoundProgress(stage="outlining", to_outline=len(waiting))
    round.tell(progress)
    predictor = crln.load_predictor(round.model, order.device)
    for id in waiting:
        if stop.is_set():
            break
        if _accepted(project, id):
            progress = progress.model_copy(update={"to_outline": progress.to_outline - 1})
            round.tell(progress)
            continue
        try:
            _outline_one(predictor, round, project.case(id))
            update: dict[str, Any] = {"outlined": progress.outlined + 1}
        except CrlnError as fault:
            update = {"faults": (*progress.faults, str(fault))}
        progress = progress.model_copy(update=update)
        round.tell(progress)


def _wants_mask(project: Project, round: Round, id: str) -> bool:
    return not _accepted(project, id) and not round.places.record(round.number, id).exists()


def _accepted(project: Project, id: str) -> bool:
    """Whether a case is accepted by now: the server's process decides, this one reads."""
    path = project.places.state(id)
    if not path.exists():
        return project.case(id).label is not None
    return CaseState.read(path).state == "accepted"


def _outline_one(predictor: "Predictor", round: Round, case: Case) -> None:
    """Writes the mask of a case, then what is known of it."""
    from crln.inference.table import add_rows, headings, rows_of

    began = time.perf_counter()
    prediction = predictor.predict(case.images)
    path = round.places.mask(round.number, case.id)
    prediction.save(path, overwrite=True)
    measures = prediction.measures()
    labels, channels = predictor.plan.labels, predictor.plan.channels
    rows = {case.id: rows_of(case.id, measures, labels, prediction.appraisal)}
    add_rows(round.places.masks(round.number), rows, headings(channels))
    scores = prediction.scores
    ranks = {name: _number(score.rank) for name, score in scores.items()}
    Record(
        round=round.number, seconds=_short(time.perf_counter() - began),
        score={name: _number(score.dice) for name, score in scores.items()},
        low={name: _number(score.low) for name, score in scores.items()},
        high={name: _number(score.high) for name, score in scores.items()},
        rank=ranks or _doubtful(prediction), flags=prediction.flags,
        volume_ml={
            name: _short(m.volume_ml) for name, m in measures.items() if np.isfinite(m.volume_ml)
        },
        doubt=tuple(tuple(np.round(axis, 3).tolist()) for axis in prediction.doubt),
    ).write(round.places.record(round.number, case.id))  # fmt: skip


def _doubtful(prediction: "Prediction") -> dict[str, float | None]:
    """A rank where the model has no record to tell by: one less the share expected to be wrong."""
    held = sum(int(np.count_nonzero(mask)) for mask in prediction.structures.values())
    wrong = float(prediction.doubt[0].sum())
    rank = 1 - wrong / (held + wrong) if held + wrong else 0.0
    return dict.fromkeys(prediction.structures, _short(rank))


def _short(value: float) -> float:
    """Rounded to four digits after the point: what a person reads."""
    return float(np.round(value, 4))


def _number(value: float) -> float | None:
    return _short(value) if np.isfinite(value) else None
