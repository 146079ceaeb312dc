"""What a project is of, as its `project.yaml` says."""

import os
from dataclasses import replace
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from crln.cohort import NEW, Cohort, load_cohort
from crln.cohort.layouts import UnknownLayoutError
from crln.cohort.write import path_beside
from crln.errors import refuse_newer
from crln.files import checked, read_yaml, to_yaml, write_text
from crln.reviewing.places import Places
from crln.reviewing.structures import Structures

FORMAT = 1
_REMEDY = "restore the file, or begin the project anew in another folder"


class ProjectSettings(BaseModel):
    """What a project was begun with.

    Attributes:
        format: of the folder.
        data: the person's scans and labels, relative to the project or outright.
        split: the run folder or file whose split counts; "new": none; None: that beside the data.
        group: pattern on ids that tells the patient.
        sparse: of the person's labels only the slices that hold anything are outlined.
        classes: label value to name, background included.
        regions: name to the label values that it is the union of.
        exclusive: every voxel is of one class; false: structures overlap, and have a file each.
        ignore: the label value of voxels that nobody knows.
        run: a run folder to begin with, in place of the first round.
        introduced: somebody has seen the first steps on the page.
        folds: parts of the labelled cases that are left out in turn, to measure rounds by.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: int = FORMAT
    data: str
    split: str | None = None
    group: str | None = None
    sparse: bool = False
    classes: dict[int, str] = Field(min_length=2)
    regions: dict[str, tuple[int, ...]] = Field(default_factory=dict)
    exclusive: bool = True
    ignore: int
    run: str | None = None
    introduced: bool = False
    folds: int | None = Field(default=None, ge=2)

    def write(self, places: Places) -> None:
        """Makes the folder a project."""
        write_text(places.settings, to_yaml(self.model_dump(mode="json")))

    @classmethod
    def read(cls, places: Places) -> "ProjectSettings":
        """Opens it; CrlnError where there is none, or it is damaged or of a newer version."""
        path = places.settings
        content = checked(read_yaml(path, _REMEDY), dict, path, _REMEDY)
        refuse_newer(path, content, FORMAT)
        return checked(content, cls, path, _REMEDY)

    def cohort(self, places: Places) -> Cohort:
        """The person's own cohort, as it lies there now, with the classes of the project."""
        split = self.split if self.split in (None, NEW) else str(resolved(self.split, places))
        found = load_data(
            resolved(self.data, places), split=split, group=self.group, sparse=self.sparse
        )
        return replace(
            found, class_names=self.classes, regions=self.regions, exclusive=self.exclusive
        )

    @property
    def structures(self) -> Structures:
        """What its outlines are of."""
        return Structures.of(self.classes, self.ignore, exclusive=self.exclusive)


def load_data(
    data: Path, *, split: str | None = None, group: str | None = None, sparse: bool = False
) -> Cohort:
    """A cohort of any layout, or the scans that lie in a folder without one.

    Raises:
        CrlnError: there is no scan, or the cohort has a fault.
    """
    try:
        return load_cohort(data, split=split, group=group, sparse=sparse)
    except UnknownLayoutError:
        from crln.inference.discover import discover_inputs

        cases = tuple(discover_inputs([data]))
        return Cohort(data, "scans", unlabelled=cases)


def resolved(told: str, places: Places) -> Path:
    """The path that a project names."""
    return Path(os.path.normpath(places.path / told))


def named(path: Path, places: Places) -> str:
    """How a project names a path."""
    return path_beside(path, places.path)


def named_split(split: str | None, places: Places) -> str | None:
    """How a project names whose split counts."""
    return split if split in (None, NEW) else named(Path(split), places)
