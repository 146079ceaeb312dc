"""The run folder: plan, facts, split, log, checkpoints, weights; nothing in it can run code."""

import json
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from crln.errors import CrlnError
from crln.files import checked, checksum, read_json, read_tensors, write_tensors, write_text
from crln.methods import build_method
from crln.methods.second import second_network
from crln.notebook import facts_html
from crln.planning import Plan
from crln.runs.checkpoint import method_weights
from crln.runs.facts import Facts
from crln.runs.packages import check_installed

PLAN, FACTS, SPLIT, LOG = "plan.yaml", "run.yaml", "split.yaml", "log.csv"
ENSEMBLE = "ensemble.yaml"
FIRST_STAGE = "first_stage"
"""Within the run folder: log and checkpoint of a first stage."""
CHECKPOINT, WEIGHTS, SEAL = "checkpoint.safetensors", "weights.safetensors", "seal.json"


@dataclass(frozen=True)
class RunFolder:
    """One training on disk.

    Attributes:
        path: the folder.
        plan: what was decided.
        facts: what was run, on what, where, and what it cost.

    Examples:
        >>> run = crln.open_run("run")
        >>> run.log.name, run.facts.method
        ('log.csv', 'crln')
    """

    path: Path
    plan: Plan
    facts: Facts

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        return facts_html(str(self.path), {
            "method": self.facts.method, "seed": self.facts.seed,
            "steps": self.plan.training.iterations,
            "finished": "yes" if self.finished else "no: go on with --resume",
            "classes": ", ".join(self.plan.labels.names),
        })  # fmt: skip

    @property
    def log(self) -> Path:
        """One CSV row per logged step."""
        return self.path / LOG

    @property
    def split(self) -> Path:
        """The case ids of each part."""
        return self.path / SPLIT

    @property
    def checkpoint(self) -> Path:
        """Everything that a resumed training needs."""
        return self.path / CHECKPOINT

    @property
    def weights(self) -> Path:
        """The trained weights of the network that predicts."""
        return self.path / WEIGHTS

    @property
    def finished(self) -> bool:
        """Whether the training reached its end."""
        return self.weights.exists() and self.sealed

    @property
    def sealed(self) -> bool:
        """Whether the training has reached its end once, wherever its weights are now."""
        return (self.path / SEAL).exists()

    def write_facts(self) -> None:
        """Saves the plan and the facts."""
        write_text(self.path / PLAN, self.plan.to_yaml())
        self.facts.write(self.path / FACTS)

    def save_weights(self, tensors: dict[str, Tensor]) -> None:
        """Saves the weights and seals the folder: from here on, a change of a file is noticed."""
        write_tensors(self.weights, tensors, {"format": "pt"})
        self.seal()

    def unseal(self) -> None:
        """Takes the result away, for a training that goes further."""
        (self.path / SEAL).unlink(missing_ok=True)
        self.weights.unlink(missing_ok=True)

    def seal(self) -> None:
        """Records the SHA-256 of what prediction reads."""
        sums = {name: checksum(self.path / name) for name in (PLAN, FACTS, WEIGHTS)}
        write_text(self.path / SEAL, json.dumps(sums, indent=1) + "\n")

    def load_network(self, device: torch.device | str = "cpu") -> nn.Module:
        """The network that predicts, in evaluation mode on `device`.

        Raises:
            CrlnError: a file of the folder is missing, truncated or not what was sealed.
        """
        return self._loaded(device)[1].to(device).eval()

    def predictor_weights(self) -> dict[str, Tensor]:
        """The weights of the network that predicts, by the names that its method has for them.

        Raises:
            CrlnError: a file of the folder is missing, truncated or not what was sealed.
        """
        method, network = self._loaded("cpu")
        own = {id(tensor) for tensor in network.state_dict(keep_vars=True).values()}
        every = method.state_dict(keep_vars=True).items()
        return {name: tensor.detach() for name, tensor in every if id(tensor) in own}

    def _loaded(self, device: torch.device | str) -> tuple[nn.Module, nn.Module]:
        """The method, and its network that predicts with the trained weights."""
        self.check_seal()
        tensors, _ = read_tensors(self.weights, device)
        method = build_method(self.facts.method, self.plan)
        network = method.predictor()
        try:
            # Before format 1 these weights were the whole method's.
            (network if self.facts.format else method).load_state_dict(tensors)
        except RuntimeError as error:
            raise CrlnError(
                f"{self.weights}: the weights do not fit {PLAN}; restore the folder or train again"
            ) from error
        return method, network

    def load_second(self, device: torch.device | str = "cpu") -> nn.Module | None:
        """Another network of the same training, in evaluation mode on `device`.

        The student beside its teacher, or the like; of a method with one network its last weights,
        where validation cases have chosen others. None where there is none, or no checkpoint.

        Raises:
            CrlnError: the checkpoint is damaged, or of another plan.
        """
        if not self.checkpoint.exists():
            return None
        method = build_method(self.facts.method, self.plan)
        tensors, _ = read_tensors(self.checkpoint)
        try:
            method.load_state_dict(method_weights(tensors))
        except RuntimeError as error:
            raise CrlnError(
                f"{self.checkpoint}: is not of {PLAN}; restore the folder, or predict without "
                "--second-look"
            ) from error
        other = second_network(method)
        if other is None and self.facts.chosen != "last":
            other = method.predictor()
        return other.to(device).eval() if other else None

    def check_seal(self) -> None:
        """Raises CrlnError where a file is missing or is not the one that training wrote."""
        if not self.weights.exists():
            remedy = "finish it with --resume" if self.checkpoint.exists() else "train first"
            raise CrlnError(f"{self.path}: no {WEIGHTS}: the training did not finish; {remedy}")
        seal, remedy = self.path / SEAL, "restore the run folder or train again"
        sums = checked(read_json(seal, remedy), dict[str, str], seal, remedy)
        for name in (PLAN, FACTS, WEIGHTS):
            if name not in sums:
                raise CrlnError(f"{seal}: {name}: is missing; {remedy}")
            if checksum(self.path / name) != sums[name]:
                raise CrlnError(
                    f"{self.path / name}: changed since training (checksum differs); {remedy}"
                )


def open_run(path: Path) -> RunFolder:
    """Opens a run folder.

    Raises:
        CrlnError: it is not one, its text files are missing or damaged, or a package that it needs
            is not installed.

    Examples:
        >>> crln.open_run("run").finished
        True
    """
    path = Path(path)
    if not path.is_dir():
        raise CrlnError(f"{path}: no such run folder; give the folder that `crln train` wrote")
    if (path / ENSEMBLE).is_file():
        raise CrlnError(f"{path}: an ensemble, where one run is due; give one of its members")
    for name in (PLAN, FACTS):
        if not (path / name).is_file():
            raise CrlnError(f"{path}: not a run folder: {name} is missing")
    facts = Facts.read(path / FACTS)
    check_installed(path, facts.packages)
    return RunFolder(path, Plan.read(path / PLAN), facts)
