"""A round's training: one network, or several that each leave cases out, and what these tell."""

import shutil
import tempfile
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from crln.cohort import Cohort, mask_as_label
from crln.cohort.folds import draw_folds
from crln.labels import LabelSpace
from crln.reviewing.estimate import RoundEstimate
from crln.reviewing.places import Places
from crln.reviewing.rounds import Order, Round, RoundProgress
from crln.runs.ensemble import is_ensemble, predicting_runs
from crln.training import Training
from crln.training.kept_folds import parts_of, start_of
from crln.training.listeners import Course, Listener

if TYPE_CHECKING:
    from crln.planning import Plan

WARM_SHARE = 1 / 3
"""Of the plan's steps, where a round begins with the weights of the last."""
SECONDS = 0.5
"""Between looks at whether it is to stop, and between tellings."""


class StoppedError(Exception):
    """A person has stopped the round."""


class _Teller(Listener):
    """Writes how far the training is, not more often than somebody looks.

    Args:
        round: told of.
        networks: that it trains, one after the other.
    """

    def __init__(self, round: Round, networks: int) -> None:
        self._round, self._networks, self._told = round, networks, 0.0
        self._before, self._steps = 0, 0

    def prepared(self, done: int, of: int) -> None:
        self._tell(RoundProgress(stage="preparing", step=done, steps=of), done == of)

    def started(self, course: Course) -> None:
        part = 1
        if self._networks > 1:
            part = int(course.run.path.name.rpartition("-")[2])
        self._before, self._steps = (part - 1) * course.total, self._networks * course.total
        self.row(course.first, {})

    def row(self, step: int, values: Mapping[str, float]) -> None:
        step += self._before
        progress = RoundProgress(stage="training", step=step, steps=self._steps)
        self._tell(progress, step == self._steps or not values)

    def _tell(self, progress: RoundProgress, due: bool) -> None:
        if due or time.monotonic() - self._told > SECONDS:
            self._told = time.monotonic()
            self._round.tell(progress)


def learn(round: Round, stop: threading.Event) -> bool:
    """Trains; whether there is a model to outline with."""
    import crln

    order, places = round.order(), round.places
    if order.run or finished(round.run):
        return True
    cohort = round.cohort()
    start = places.path / order.start_from if order.start_from else None
    teller = _Teller(round, order.folds or 1)
    options = Training(
        method=order.method, device=cast(Any, order.device), progress=False,
        cache=Path(order.cache) if order.cache else None,
    )  # fmt: skip
    if order.folds:
        resume = is_ensemble(round.run)
        if not resume:  # killed while it began
            shutil.rmtree(round.run, ignore_errors=True)
        plan = crln.open_ensemble(round.run).plan if resume else None
        ensemble = crln.train_ensemble(
            cohort, plan or _plan(order, cohort, start, places), round.run, options,
            start_from=start, resume=resume, folds=order.folds, listeners=[teller], stop=stop,
            say=str,
        )  # fmt: skip
        return ensemble.finished
    told: dict[str, Any]
    if (round.run / "run.yaml").exists():
        plan, told = crln.open_run(round.run).plan, {"method": None, "resume": True}
    else:
        plan = _plan(order, cohort, start, places)
        told = {"start_from": _one_run(start) if start else None}
    run = crln.train(cohort, plan, round.run, options, listeners=[teller], stop=stop, **told)
    return run.finished


def finished(path: Path) -> bool:
    """Whether a run, or every member of an ensemble, has come to its end."""
    import crln

    if is_ensemble(path):
        return crln.open_ensemble(path).finished
    return (path / "run.yaml").exists() and crln.open_run(path).finished


def _one_run(path: Path) -> Path:
    """The run itself, or the first of an ensemble's members."""
    return predicting_runs(path)[0].path


def _plan(order: Order, cohort: Cohort, start: Path | None, places: Places) -> "Plan":
    """That of the file, or of the model to begin with while the classes are the same, or anew."""
    import crln

    if order.plan:
        plan = crln.Plan.read(places.path / order.plan)
    else:
        before = crln.open_run(_one_run(start)).plan if start else None
        labels = LabelSpace.of(
            sorted(cohort.class_names), cohort.class_names, cohort.ignore,
            exclusive=cohort.exclusive, regions=cohort.regions,
        )  # fmt: skip
        same = before and (before.labels.known, before.labels.members, before.labels.separate) == (
            labels.known, labels.members, labels.separate,
        )  # fmt: skip
        if before and same:
            plan = before.updated({"labels": {"ignore": cohort.ignore}})
        else:
            plan = crln.make_plan(cohort, preset=order.preset)
    steps = order.iterations or (_steps_after(places, start, order, cohort) if start else None)
    return plan.updated({"training": {"iterations": steps}}) if steps else plan


def _steps_after(places: Places, start: Path, order: Order, cohort: Cohort) -> int:
    """A share of the steps of the project's longest training, which began from nothing.

    All of them, where a network begins anew, as its left-out cases would be known to it otherwise.
    """
    import crln

    earlier = [_one_run(places.run(number)) for number in places.rounds() if _begun(places, number)]
    runs = [*earlier, _one_run(start)]
    longest = max(crln.open_run(path).plan.training.iterations for path in runs)
    if order.folds:
        parts = draw_folds(cohort, order.folds, kept=parts_of(start))
        if any(start_of(start, part) is None for part in parts):
            return longest
    return max(1, round(longest * WARM_SHARE))


def _begun(places: Places, number: int) -> bool:
    run = places.run(number)
    return (run / "run.yaml").exists() or (run / "member-1" / "run.yaml").exists()


def measure(round: Round, stop: threading.Event) -> None:
    """Tells how good the model is on labelled cases that it has not learnt, if there are any.

    Raises:
        StoppedError: a person does not wait for it.
    """
    if RoundEstimate.read(round.path) is not None:
        return
    order, cohort = round.order(), round.cohort()
    if order.folds:
        _measure_left_out(round, cohort, order, stop)
    elif any(case.label for case in cohort.validation) and not order.run:
        _measure_validation(round, cohort, order, stop)


def _measure_left_out(round: Round, cohort: Cohort, order: Order, stop: threading.Event) -> None:
    import crln

    of, done = len(cohort.labelled), 0
    round.tell(RoundProgress(stage="measuring", steps=of))

    def say(line: str) -> None:
        nonlocal done
        done += 1
        round.tell(RoundProgress(stage="measuring", step=done, steps=of))
        if stop.is_set():
            raise StoppedError

    ensemble = crln.open_ensemble(round.run)
    found = crln.out_of_fold(ensemble, cohort, device=order.device, say=say)
    RoundEstimate.of(found, "left out").write(round.path)


def _measure_validation(round: Round, cohort: Cohort, order: Order, stop: threading.Event) -> None:
    import crln
    from crln.evaluation import evaluate_pairs

    cases = {case: case.label for case in cohort.validation if case.label}
    round.tell(RoundProgress(stage="measuring", steps=len(cases)))
    predictor, pairs = crln.load_predictor(round.run, order.device), {}
    labels = predictor.plan.labels
    with tempfile.TemporaryDirectory() as folder:
        for done, (case, label) in enumerate(cases.items(), 1):
            if stop.is_set():
                raise StoppedError
            mask = Path(folder) / f"{done}.nii.gz"
            predictor.predict(case.images).save(mask)
            pairs[case.id] = mask_as_label(mask, labels), label
            round.tell(RoundProgress(stage="measuring", step=done, steps=len(cases)))
        found = evaluate_pairs(pairs, classes=labels)
    RoundEstimate.of(found, "validation").write(round.path)
