"""Everything a resumed training needs, in one file that can run no code."""

import json
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from crln.errors import CrlnError
from crln.files import read_tensors, write_tensors
from crln.methods import Method


@dataclass
class Progress:
    """How far a training has come.

    Attributes:
        step: steps done.
        seconds: spent in steps so far.
        best: the best validation score, if there is a validation split.
        best_step: the steps done when it was reached.
    """

    step: int = 0
    seconds: float = 0.0
    best: float | None = None
    best_step: int | None = None


def save_checkpoint(
    path: Path, method: Method, optimiser: torch.optim.Optimizer, progress: Progress
) -> None:
    """Writes weights, optimiser state and progress beside `path` and renames."""
    tensors = {f"method.{name}": tensor for name, tensor in method.state_dict().items()}
    for index, state in optimiser.state_dict()["state"].items():
        for name, value in state.items():
            if isinstance(value, Tensor):
                tensors[f"optimiser.{index}.{name}"] = value
    write_tensors(path, tensors, {"progress": json.dumps(vars(progress))})


def load_checkpoint(path: Path, method: Method, optimiser: torch.optim.Optimizer) -> Progress:
    """Puts a checkpoint back.

    Raises:
        CrlnError: the file is damaged or belongs to another plan.
    """
    tensors, notes = read_tensors(path)
    weights: dict[str, Tensor] = {}
    state: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        kind, rest = name.split(".", 1)
        if kind == "method":
            weights[rest] = tensor
        else:
            index, key = rest.split(".", 1)
            state.setdefault(int(index), {})[key] = tensor
    try:
        method.load_state_dict(weights)
        groups = optimiser.state_dict()["param_groups"]
        optimiser.load_state_dict({"state": state, "param_groups": groups})
        return Progress(**json.loads(notes["progress"]))
    except (RuntimeError, ValueError, KeyError, TypeError) as error:
        raise CrlnError(
            f"{path}: this checkpoint is not of this plan; train again without --resume"
        ) from error
