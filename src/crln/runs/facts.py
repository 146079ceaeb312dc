"""What a run folder says of itself: what was run, on what, where, and what it cost."""

from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from crln.errors import CrlnError, refuse_newer
from crln.files import read_yaml, to_yaml, write_text
from crln.preparation.likeness import Looks
from crln.quality import Features, LabelRanges
from crln.runs.packages import Needed

FORMAT = 1
"""Of a run folder; 0, before it was numbered: `weights.safetensors` holds the whole method."""

REMEDY = "restore the run folder"


class Change(BaseModel):
    """A field of the plan that a resumed training goes on with otherwise."""

    step: int
    field: str
    before: Any
    now: Any


class FirstStageFacts(BaseModel):
    """A first stage that the training began with: its task, its steps, and what it took."""

    task: str
    steps: int
    scans: int
    seconds: float


class Facts(BaseModel):
    """`run.yaml`; fields that a later version adds are kept as they are.

    Attributes:
        format: of the folder.
        method: how it learns.
        seed: of every random draw.
        precision: of the networks.
        transductive: whether it learns from validation and test scans, too.
        data: the cohort's folder.
        labelled: cases; so `unlabelled`, `validation` and `test`.
        processes: that share a step.
        start_from: the run whose weights it starts with.
        distil: the ensemble whose outlines it learns from.
        first_stage: what its networks learnt from scans alone before.
        changes: what was changed at a resumption, and after which step.
        packages: whose method, network or views the run needs besides crln.
        command: the line that began it; `started`: when.
        crln: version; `commit`: of the source tree, if it is run from one.
        python: version; so `torch`.
        device: model of the processor or GPU; `threads` of torch; `cores` of the machine.
        chosen: which weights are the result.
        seconds: spent in steps.
        peak_memory_gib: the most memory held, of the GPU if there is one.
        parameters: of the network that predicts.
        seen: what the training scans are like, so that another can be told from them.
        shared: whether the folder is a model to hand on, without what else a training leaves.
        outlined: what their labels are like, for the same.
        features: the coarsest features of some of the scans, for the same.
    """

    model_config = ConfigDict(extra="allow", frozen=True, coerce_numbers_to_str=True)

    format: int = 0
    method: str
    seed: int
    precision: str = "32"
    transductive: bool = False
    data: str = ""
    labelled: int = 0
    unlabelled: int = 0
    validation: int = 0
    test: int = 0
    processes: int = 1
    start_from: str | None = None
    distil: str | None = None
    first_stage: FirstStageFacts | None = None
    changes: tuple[Change, ...] = Field(default=())
    packages: tuple[Needed, ...] = Field(default=())
    command: str = ""
    started: str = ""
    crln: str = ""
    commit: str | None = None
    python: str = ""
    torch: str = ""
    device: str = ""
    threads: int | None = None
    cores: int | None = None
    chosen: str | None = None
    seconds: float | None = None
    peak_memory_gib: float | None = None
    parameters: int | None = None
    seen: Looks | None = None
    shared: bool | None = None
    outlined: LabelRanges | None = None
    features: Features | None = None

    def updated(self, **changes: Any) -> Self:
        """A copy with other values."""
        return self.model_copy(update=changes)

    def write(self, path: Path) -> None:
        """Saves them as YAML."""
        write_text(path, to_yaml(self.model_dump(mode="json", exclude_none=True)))

    @classmethod
    def read(cls, path: Path) -> Self:
        """Of a run folder, old or new.

        Raises:
            CrlnError: damaged, or written by a newer version.
        """
        content = read_yaml(path, f"damaged; {REMEDY}")
        if not isinstance(content, dict) or not {"method", "seed"} <= content.keys():
            raise CrlnError(f"{path}: damaged: no method and seed; {REMEDY}")
        refuse_newer(path, content, FORMAT)
        try:
            return cls.model_validate(content)
        except ValidationError as error:
            fault = error.errors()[0]
            where = ".".join(map(str, fault["loc"]))
            raise CrlnError(f"{path}: damaged: {where}: {fault['msg']}; {REMEDY}") from error
