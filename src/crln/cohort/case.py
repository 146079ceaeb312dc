"""Which scans there are, and what each may be used for."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Case:
    """One scan and, if somebody drew it, its outline.

    Attributes:
        id: unique within the cohort.
        images: one path per channel; or one h5 archive, or one folder of DICOM slices.
        label: the label file (for an h5 archive the same file), or None: no label may be read.
    """

    id: str
    images: tuple[Path, ...]
    label: Path | None = None


@dataclass(frozen=True)
class Cohort:
    """The cases of one study, each in exactly one of four parts.

    Attributes:
        root: the folder or cohort.yaml that it was read from.
        layout: which layout was recognised: "folders", "decathlon", "h5" or "yaml".
        labelled: training cases whose label is learnt from.
        unlabelled: training cases without a label; `label` is None for each.
        validation: cases that may choose a checkpoint, never learnt from.
        test: cases kept for evaluation alone.
        channels: a name per channel, such as "CT" or "T1".
        class_names: label value in the files to its name, as far as the data set says.
        ordered: whether the order of the cases was given by a list (then the first N are labelled).
    """

    root: Path
    layout: str
    labelled: tuple[Case, ...] = ()
    unlabelled: tuple[Case, ...] = ()
    validation: tuple[Case, ...] = ()
    test: tuple[Case, ...] = ()
    channels: tuple[str, ...] = ("image",)
    class_names: dict[int, str] = field(default_factory=dict)
    ordered: bool = False

    @property
    def training(self) -> tuple[Case, ...]:
        """Labelled cases, then unlabelled ones."""
        return self.labelled + self.unlabelled

    def __iter__(self) -> Iterator[Case]:
        """All cases: labelled, unlabelled, validation, test."""
        yield from self.labelled + self.unlabelled + self.validation + self.test
