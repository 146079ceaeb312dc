"""What a round outlines, and what it knows of each outline."""

import threading
import time
from typing import TYPE_CHECKING, Any

import numpy as np

from crln.cohort import Case
from crln.cohort.outline import usual_axis
from crln.errors import CrlnError
from crln.reviewing.following import remove_leftovers
from crln.reviewing.masks import Record
from crln.reviewing.overlays import write_overlays
from crln.reviewing.project import Project
from crln.reviewing.rounds import Round, RoundProgress
from crln.reviewing.slices import wants_rest
from crln.reviewing.state import CaseState
from crln.suggestion.spots import doubtful_spots
from crln.suggestion.spread import apart_in_order

if TYPE_CHECKING:
    from crln.inference import Prediction, Predictor

MOST_SPOTS = 20
"""Places that a person is led to."""
MOST_SLICES = 8
"""Slices that are suggested for a check."""


def outline(round: Round, stop: threading.Event) -> None:
    """Outlines every scan that is not accepted; what people have decided meanwhile counts."""
    import crln

    project, order = Project(round.places.path), round.order()
    masks = round.places.masks(round.number)
    for folder in {masks, *project.structures.folders(masks)}:
        remove_leftovers(folder, project.cases)
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


def outline_case(round: Round, case: Case) -> None:
    """Outlines one case with a round's model, now."""
    import crln

    _outline_one(crln.load_predictor(round.model, round.order().device), round, case)


def _wants_mask(project: Project, round: Round, id: str) -> bool:
    return not _accepted(project, id) and not round.places.record(round.number, id).exists()


def _accepted(project: Project, id: str) -> bool:
    """Whether a case is accepted by now: the server's process decides, this one reads."""
    path = project.places.state(id)
    if not path.exists():
        return project.case(id).label is not None
    state = CaseState.read(path)
    return state.state == "accepted" and not wants_rest(state)


def _outline_one(predictor: "Predictor", round: Round, case: Case) -> None:
    """Writes the mask of a case, then what is known of it."""
    from crln.inference.table import add_rows, headings, rows_of

    began = time.perf_counter()
    prediction = predictor.predict(case.images, uncertainty=True, maps=True)
    assert prediction.uncertainty is not None
    path = round.places.mask(round.number, case.id)
    prediction.save(path, overwrite=True)
    write_overlays(round.places, round.number, case, prediction)
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
        spots=tuple(doubtful_spots(prediction.uncertainty, MOST_SPOTS)),
        check=_to_check(prediction),
    ).write(round.places.record(round.number, case.id))  # fmt: skip


def _to_check(prediction: "Prediction") -> tuple[int, ...]:
    """Of the slices that hold an outline the most doubtful, not side by side."""
    axis = usual_axis(prediction.grid)
    others = tuple(other for other in range(3) if other != axis)
    outlined = np.zeros(prediction.grid.shape[axis], bool)
    for mask in prediction.structures.values():
        outlined |= mask.any(others)
    return tuple(apart_in_order(prediction.doubt[axis], outlined, MOST_SLICES))


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
