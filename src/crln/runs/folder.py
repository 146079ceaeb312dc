"""The model folder: plan, facts, split, log, checkpoints, weights; nothing in it can run code."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import yaml

from crln.errors import CrlnError
from crln.files import checksum, read_tensors, write_tensors, write_text
from crln.methods import Method, build_method
from crln.planning import Plan

PLAN, FACTS, SPLIT, LOG = "plan.yaml", "run.yaml", "split.yaml", "log.csv"
CHECKPOINT, WEIGHTS, SEAL = "checkpoint.safetensors", "weights.safetensors", "seal.json"


@dataclass(frozen=True)
class RunFolder:
    """One training on disk.

    Attributes:
        path: the folder.
        plan: what was decided.
        facts: method, seed, command, commit, versions, hardware, seconds.
    """

    path: Path
    plan: Plan
    facts: dict[str, Any]

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
        """The trained weights."""
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
        write_text(self.path / FACTS, yaml.safe_dump(self.facts, sort_keys=False))

    def save_weights(self, method: Method) -> None:
        """Saves the weights and seals the folder: from here on, a change of a file is noticed."""
        write_tensors(self.weights, dict(method.state_dict()), {"format": "pt"})
        self.seal()

    def seal(self) -> None:
        """Records the SHA-256 of what prediction reads."""
        sums = {name: checksum(self.path / name) for name in (PLAN, FACTS, WEIGHTS)}
        write_text(self.path / SEAL, json.dumps(sums, indent=1) + "\n")

    def load_method(self, device: torch.device | str = "cpu") -> Method:
        """The trained method in evaluation mode on `device`.

        Raises:
            CrlnError: a file of the folder is missing, truncated or not what was sealed.
        """
        self.check_seal()
        method = build_method(self.facts["method"], self.plan)
        tensors, _ = read_tensors(self.weights, device)
        try:
            method.load_state_dict(tensors)
        except RuntimeError as error:
            raise CrlnError(
                f"{self.weights}: the weights do not fit {PLAN}; restore the folder or train again"
            ) from error
        return method.to(device).eval()

    def check_seal(self) -> None:
        """Raises CrlnError where a file is missing or is not the one that training wrote."""
        if not self.weights.exists():
            remedy = "finish it with --resume" if self.checkpoint.exists() else "train first"
            raise CrlnError(f"{self.path}: no {WEIGHTS}: the training did not finish; {remedy}")
        try:
            sums = json.loads((self.path / SEAL).read_text(encoding="utf-8"))
            expected = {name: sums[name] for name in (PLAN, FACTS, WEIGHTS)}
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise CrlnError(
                f"{self.path / SEAL}: missing or damaged; restore the model folder or train again"
            ) from error
        for name, expected_sum in expected.items():
            if checksum(self.path / name) != expected_sum:
                raise CrlnError(
                    f"{self.path / name}: changed since training (checksum differs); "
                    "restore the model folder or train again"
                )


def open_run(path: Path) -> RunFolder:
    """Opens a model folder.

    Raises:
        CrlnError: it is not one, or its text files are missing or damaged.
    """
    path = Path(path)
    if not path.is_dir():
        raise CrlnError(f"{path}: no such model folder; give the folder that `crln train` wrote")
    for name in (PLAN, FACTS):
        if not (path / name).is_file():
            raise CrlnError(f"{path}: not a model folder: {name} is missing")
    try:
        facts = yaml.safe_load((path / FACTS).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise CrlnError(f"{path / FACTS}: damaged; restore the model folder") from error
    if not isinstance(facts, dict) or not {"method", "seed"} <= facts.keys():
        raise CrlnError(f"{path / FACTS}: damaged: no method and seed; restore the model folder")
    return RunFolder(path, Plan.read(path / PLAN), facts)
