"""The weights of another run to begin with: what fits is taken, what does not is named."""

from pathlib import Path

from torch import Tensor, nn

from crln.errors import CrlnError
from crln.files import read_tensors
from crln.runs import open_run
from crln.runs.checkpoint import method_weights

STUDENT, TEACHER = "student.", "teacher.network."
MOST = 8
"""Parts that are named; the others are counted."""


def take_weights(learner: nn.Module, path: Path) -> str:
    """Gives a method's networks the weights of another run, by name, where the shapes agree.

    The run may be of other classes, channels or another method. A network that it does not have
    takes those of its counterpart: a teacher begins as the student of a run without teachers.

    Args:
        learner: the method, with its first weights.
        path: the run folder of the other run.

    Returns:
        A sentence: how many were taken, and which parts of the networks were not.

    Raises:
        CrlnError: the run has no weights, or none that fits.
    """
    theirs, alone = _weights_of(path)
    state = learner.state_dict()
    fitting: dict[str, Tensor] = {}
    anew: dict[str, None] = {}  # in order, each once
    for name, ours in state.items():
        found = _counterpart(name, theirs)
        if found is not None and found.shape == ours.shape:
            fitting[name] = found.to(ours)
        elif found is None:
            anew[f"{_part(name)} (not there)"] = None
        elif ours.dim() > 1:  # its shift, or the like, goes with it
            anew[f"{name} ({_sides(found)} there, {_sides(ours)} here)"] = None
    if not any(state[name].dim() > 1 for name in fitting):
        raise CrlnError(
            f"--start-from {path}: none of its weights fits; give a run with the same network"
        )
    learner.load_state_dict(fitting, strict=False)
    named = f"; begun anew: {', '.join([*anew][:MOST])}" if anew else ""
    more = f" and {len(anew) - MOST} more" if len(anew) > MOST else ""
    return f"{len(fitting)} of {len(state)} weights taken from {path}{alone}{named}{more}"


def _part(name: str) -> str:
    """The part of a network that a tensor belongs to, such as "student.head"."""
    return ".".join(name.split(".")[: 3 if name.startswith(TEACHER) else 2])


def _weights_of(path: Path) -> tuple[dict[str, Tensor], str]:
    """All networks' weights, of a checkpoint or a folder of format 0; of others the predictor's.

    Also a few words that say where it is that.
    """
    run = open_run(path)
    if run.checkpoint.exists():
        return method_weights(read_tensors(run.checkpoint)[0]), ""
    if run.facts.format == 0 and run.weights.exists():
        return read_tensors(run.weights)[0], ""
    if run.finished:
        return run.predictor_weights(), ", which has those of its predictor alone"
    raise CrlnError(
        f"--start-from {path}: {run.checkpoint.name} is missing, which holds the weights of its "
        "student and teacher; give a run that has it"
    )


def _counterpart(name: str, theirs: dict[str, Tensor]) -> Tensor | None:
    """The tensor of this name; of a student or teacher that is not there, of the other."""
    if name in theirs:
        return theirs[name]
    for ours, other in ((TEACHER, STUDENT), (STUDENT, TEACHER)):
        if name.startswith(ours):
            return theirs.get(other + name.removeprefix(ours))
    return None


def _sides(tensor: Tensor) -> str:
    return " x ".join(map(str, tensor.shape))
