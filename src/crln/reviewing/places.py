"""Where everything of a project lies in its folder."""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from crln.files import whole_file
from crln.reviewing.state import file_name

ORDER = "order.yaml"
"""Of a round, written last when it begins: where this is, there is a round."""


@dataclass(frozen=True)
class Places:
    """The folder of a project; text and NIfTI only.

    Attributes:
        path: the folder.
    """

    path: Path

    @property
    def settings(self) -> Path:
        """What the project is of; where this file is, there is a project."""
        return self.path / "project.yaml"

    @property
    def cohort(self) -> Path:
        """The cohort as it stands: what was accepted is labelled."""
        return self.path / "cohort.yaml"

    @property
    def lock(self) -> Path:
        """Held by the one process that may write here."""
        return self.path / ".lock"

    def state(self, case: str) -> Path:
        """What people have decided about a case."""
        return self.path / "cases" / f"{file_name(case)}.yaml"

    def label(self, case: str) -> Path:
        """What was accepted of a case."""
        return self.path / "labels" / f"{file_name(case)}.nii.gz"

    def drawing(self, case: str, number: int) -> Path:
        """A drawing: never changed once it is there."""
        return self.path / "drawings" / f"{file_name(case)}.{number}.nii.gz"

    def drawings(self, case: str) -> dict[int, list[Path]]:
        """The files of every drawing of a case, by number."""
        stem = f"{file_name(case)}."
        found: dict[int, list[Path]] = {}
        for path in (self.path / "drawings").rglob("*.nii.gz"):
            number = path.name.removeprefix(stem).removesuffix(".nii.gz")
            if path.name.startswith(stem) and number.isdecimal():
                found.setdefault(int(number), []).append(path)
        return found

    def rounds(self) -> list[int]:
        """Numbers of the rounds that were begun, ascending."""
        begun = (path.parent.name for path in (self.path / "rounds").glob(f"*/{ORDER}"))
        return sorted(int(name) for name in begun if name.isdecimal())

    @property
    def all_masks(self) -> Path:
        """A folder a round."""
        return self.path / "masks"

    def masks(self, round: int) -> Path:
        """What a round has outlined: never changed once it is there."""
        return self.all_masks / str(round)

    def mask(self, round: int, case: str) -> Path:
        """The mask of a case."""
        return self.masks(round) / f"{file_name(case)}.nii.gz"

    def record(self, round: int, case: str) -> Path:
        """What is known of that mask; written after it, so that where this is, the mask is."""
        return self.masks(round) / f"{file_name(case)}.yaml"

    def overlay(self, round: int, kind: str, case: str) -> Path:
        """A map that lies over a scan, beside the mask that it is of."""
        return self.masks(round) / kind / f"{file_name(case)}.nii.gz"

    def round(self, number: int) -> Path:
        """What a round was told, and how far it is."""
        return self.path / "rounds" / str(number)

    def run(self, number: int) -> Path:
        """The run folder of a round."""
        return self.path / "runs" / str(number)

    @property
    def shown(self) -> Path:
        """Scans as the page shows them; can be removed at any time."""
        return self.path / ".shown"


def link(source: Path, target: Path) -> None:
    """Gives a file that never changes a second name, or copies it where that cannot be."""
    with whole_file(target, overwrite=True) as partial:
        partial.unlink()
        try:
            os.link(source, partial)
        except OSError:
            shutil.copyfile(source, partial)
