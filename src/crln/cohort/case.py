"""Which scans there are, and what each may be used for."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from crln.errors import CrlnError
from crln.labels import LabelSpace
from crln.notebook import facts_html

Kind = Literal["outline", "draft"]

DESCRIPTIONS = ("cohort.yaml", "dataset.json", "split.yaml")
"""Files in a cohort's folder that may say what is in it."""


@dataclass(frozen=True)
class Slices:
    """Which slices of a label somebody outlined; of the others nobody knows anything.

    Attributes:
        at: their numbers along the axis, from 0; None: those that hold anything.
        axis: 0, 1 or 2, of the file's voxels; None: along which slices stand alone; where none do,
            that of the thickest slices, and of equal ones the last.
    """

    at: tuple[int, ...] | None = None
    axis: int | None = None


@dataclass(frozen=True)
class Label:
    """What somebody, or some tool, outlined of one scan.

    Attributes:
        path: the label file; for an h5 archive the same file as the scan.
        classes: the label values that its maker looked for; None: all. What is none of these is
            background or any of the others.
        kind: an outline that a person stands behind, or a draft, which may be wrong.
        slices: the slices that were outlined; None: all.
        parts: of classes with a label file each: the value of each and its file, of which `path` is
            the first; what is not 0 in a file is its class.
        called: of files that name their classes: what a file may call a class, and the class.

    Examples:
        >>> from crln.cohort import Label, Slices
        >>> [path.name for path in Label(Path("a.nii.gz"), slices=Slices(at=(3, 7))).files]
        ['a.nii.gz']
    """

    path: Path
    classes: tuple[int, ...] | None = None
    kind: Kind = "outline"
    slices: Slices | None = None
    parts: tuple[tuple[int, Path], ...] = ()
    called: tuple[tuple[str, str], ...] = ()

    @property
    def files(self) -> tuple[Path, ...]:
        """Every file of it."""
        return tuple(path for _, path in self.parts) or (self.path,)

    @property
    def limits(self) -> tuple[str, ...]:
        """What else than the content of its files decides what it tells; () where nothing does."""
        parts = tuple(value for value, _ in self.parts) or None
        given = (self.classes, self.slices, parts, self.called or None)
        return tuple(repr(each) for each in given if each is not None)


@dataclass(frozen=True)
class Case:
    """One scan and, if somebody drew it, its outline.

    Attributes:
        id: unique within the cohort.
        images: one path per channel; or one h5 archive, or one folder of DICOM slices.
        label: what was outlined of it, or None: no label may be read.
        group: cases of one group, such as a patient's, lie on one side of every split.
        draft: some tool's mask of it, which is only ever a hint at what to learn, or None.

    Examples:
        >>> from pathlib import Path
        >>> case = crln.Case("patient_a", images=(Path("a/t1.nii.gz"), Path("a/flair.nii.gz")))
    """

    id: str
    images: tuple[Path, ...]
    label: Label | None = None
    group: str | None = None
    draft: Label | None = None

    def __post_init__(self) -> None:
        """Raises CrlnError where a draft is given as a label."""
        if self.label and self.label.kind == "draft":
            raise CrlnError(
                f"{self.label.path}: case {self.id}: a draft is no label; give it as the case's "
                "draft, or correct it and call it an outline"
            )

    @property
    def mask(self) -> Label | None:
        """What a training may know of the scan: its label, or else its draft."""
        return self.label or self.draft


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
        ignore: the label value of voxels that nobody outlined, or None.
        exclusive: every voxel is of one class; false: structures overlap, and have a label file
            each (`Label.parts`).
        regions: name to the label values that it is the union of; where there are any, they are
            what is learnt.
        ordered: whether the order of the cases was given by a list (then the first N are labelled).
        kept: the file of the split that says who is held out, if an earlier command drew it.
        grouping: the pattern on names that gave the cases their groups, if one did.

    Examples:
        >>> cohort = crln.load_cohort("data")
        >>> [case.id for case in cohort.unlabelled]
        ['case_07']
    """

    root: Path
    layout: str
    labelled: tuple[Case, ...] = ()
    unlabelled: tuple[Case, ...] = ()
    validation: tuple[Case, ...] = ()
    test: tuple[Case, ...] = ()
    channels: tuple[str, ...] = ("image",)
    class_names: dict[int, str] = field(default_factory=dict)
    ignore: int | None = None
    exclusive: bool = True
    regions: dict[str, tuple[int, ...]] = field(default_factory=dict)
    ordered: bool = False
    kept: Path | None = None
    grouping: str | None = None

    @property
    def training(self) -> tuple[Case, ...]:
        """Labelled cases, then unlabelled ones."""
        return self.labelled + self.unlabelled

    @property
    def files(self) -> Iterator[Path]:
        """What no output may replace: scans, labels that are known, and what describes them."""
        for case in self:
            yield from case.images
            for label in (case.label, case.draft):
                yield from label.files if label else ()
        if self.root.is_file():
            yield self.root
        described = (self.root / name for name in DESCRIPTIONS)
        yield from (path for path in described if path.is_file())
        yield from self.root.glob("*.list")
        if self.kept:
            yield self.kept

    def channel_names(self, count: int) -> tuple[str, ...]:
        """The names of so many channels, which a file may hold several of.

        Raises:
            CrlnError: so many are not named.
        """
        if count == len(self.channels):
            return self.channels
        if len(self.channels) > 1:
            raise CrlnError(
                f"{self.root}: names {len(self.channels)} channels ({', '.join(self.channels)}), "
                f"but its scans hold {count}; name all of them"
            )
        return tuple(f"channel {channel}" for channel in range(count))

    @property
    def named(self) -> dict[int, str]:
        """Label value to name, and of what nobody outlined, for files that tell names."""
        return self.class_names | ({} if self.ignore is None else {self.ignore: "ignore"})

    @property
    def overlapping(self) -> LabelSpace | None:
        """The classes, where it says that these overlap; None where they exclude each other."""
        if self.exclusive and not self.regions:
            return None
        return LabelSpace.of(
            sorted({0, *self.class_names}), self.class_names, self.ignore,
            exclusive=self.exclusive, regions=self.regions,
        )  # fmt: skip

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        return facts_html(str(self.root), {
            "labelled": len(self.labelled), "unlabelled": len(self.unlabelled),
            "validation": len(self.validation), "test": len(self.test),
            "channels": ", ".join(self.channels),
            "classes": ", ".join(self.regions)
            or ", ".join(f"{value}: {name}" for value, name in self.class_names.items()),
        })  # fmt: skip

    def __iter__(self) -> Iterator[Case]:
        """All cases: labelled, unlabelled, validation, test."""
        yield from self.labelled + self.unlabelled + self.validation + self.test
