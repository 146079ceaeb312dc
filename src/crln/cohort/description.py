"""cohort.yaml: files and splits named outright."""

import unicodedata
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from crln.cohort.case import Case, Cohort, Kind, Label, Slices
from crln.cohort.listing import repeated
from crln.cohort.names import check_regions, settle_names
from crln.cohort.parts import PARTS, change_cases, check_groups
from crln.cohort.words import Words
from crln.errors import CrlnError
from crln.files import checked, read_yaml
from crln.imaging import label_file, list_folder, nearest, scan_stem

_REMEDY = "mend the file"

Region = Annotated[tuple[int, ...], Field(min_length=1)]


class _Slices(BaseModel):
    """Which slices were outlined; `outlined`, or a list of numbers, is short for `at`."""

    model_config = ConfigDict(extra="forbid")

    at: Literal["outlined"] | tuple[Annotated[int, Field(ge=0)], ...] = "outlined"
    axis: Literal["x", "y", "z"] | None = None

    @model_validator(mode="before")
    @classmethod
    def _spell_out(cls, given: Any) -> Any:
        return {"at": given} if isinstance(given, str | list) else given

    @property
    def slices(self) -> Slices:
        """As the cohort has it."""
        axis = None if self.axis is None else "xyz".index(self.axis)
        return Slices(None if self.at == "outlined" else self.at, axis)


class _Label(BaseModel):
    """One label; the path alone is short for `path: a.nii.gz`."""

    model_config = ConfigDict(extra="forbid")

    path: Path
    classes: tuple[int | str, ...] | None = Field(default=None, min_length=1)
    kind: Kind = "outline"
    slices: _Slices | None = None

    @model_validator(mode="before")
    @classmethod
    def _spell_out(cls, given: Any) -> Any:
        return {"path": given} if isinstance(given, str) else given


class _Entry(BaseModel):
    """One case; `image: a.nii.gz` and the path alone are short for `images: [a.nii.gz]`."""

    model_config = ConfigDict(extra="forbid", coerce_numbers_to_str=True)

    id: str = ""
    images: list[Path] = Field(min_length=1)
    label: _Label | None = None
    draft: _Label | None = None
    labels: dict[str, Path] = Field(default_factory=dict)
    slices: _Slices | None = None
    group: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _spell_out(cls, given: Any) -> Any:
        if isinstance(given, str):
            return {"images": [given]}
        if isinstance(given, dict) and "image" in given:
            if "images" in given:
                raise ValueError("give image or images, not both")
            return {**{k: v for k, v in given.items() if k != "image"}, "images": [given["image"]]}
        return given

    @model_validator(mode="after")
    def _one_kind_of_label(self) -> Self:
        if self.label and self.labels:
            raise ValueError("give label or labels, not both")
        if self.slices and not self.labels:
            raise ValueError(
                "slices of a case are those of its labels; of one label, say them there"
            )
        return self


class _Description(BaseModel):
    """The whole file."""

    model_config = ConfigDict(extra="forbid")

    channels: list[str] = Field(default_factory=list)
    classes: dict[int, str | Annotated[list[str], Field(min_length=1)]] = Field(
        default_factory=dict
    )
    ignore: int | None = None
    exclusive: bool = True
    regions: dict[str, Region] = Field(default_factory=dict)
    slices: _Slices | None = None
    labelled: list[_Entry] = Field(default_factory=list)
    unlabelled: list[_Entry] = Field(default_factory=list)
    validation: list[_Entry] = Field(default_factory=list)
    test: list[_Entry] = Field(default_factory=list)

    @property
    def names(self) -> dict[int, str]:
        """Label value to name: of several, the first."""
        return {v: n if isinstance(n, str) else n[0] for v, n in self.classes.items()}

    @property
    def called(self) -> tuple[tuple[str, str], ...]:
        """What files may call a class, and the class."""
        several = [names for names in self.classes.values() if not isinstance(names, str)]
        return tuple((name, names[0]) for names in several for name in names[1:])


def read_description(path: Path) -> Cohort:
    """Reads a cohort.yaml; its paths are relative to its folder, its order is the cohort's.

    Raises:
        CrlnError: it cannot be read, has an unknown or impossible field, names a file that does not
            exist or a case twice, or its cases differ in their number of channels; a labelled or
            validation case has no label, or an unlabelled one has; or a group lies on both sides of
            the split; or two classes have one name.
    """
    given = _parse(path)
    names, called = settle_names(path, _classes(given).items())
    labelled, unlabelled, validation, test = (
        tuple(_case(path, entry, given.slices, names) for entry in getattr(given, part))
        for part in PARTS
    )
    cohort = _with_called(
        Cohort(path, "yaml", labelled, unlabelled, validation, test), given.called
    )
    _check(path, cohort)
    count = len(next(iter(cohort)).images)
    default = ["image"] if count == 1 else [f"channel {c}" for c in range(count)]
    channels = tuple(given.channels or default)
    for case in cohort:
        # One file a case may hold all channels.
        if len(case.images) != len(channels) and not len(case.images) == count == 1:
            raise CrlnError(
                f"{path}: case {case.id} has {len(case.images)} images where {len(channels)} "
                "channels are due; name one file per channel"
            )
    check_groups(cohort)
    ignore = called if given.ignore is None else given.ignore
    if ignore in names:
        raise CrlnError(
            f"{path}: ignore is {ignore}, which is {names[ignore]!r}; use another value"
        )
    check_regions(path, given.regions, ignore, exclusive=given.exclusive)
    return replace(
        cohort, channels=channels, class_names=names, ignore=ignore, ordered=True,
        exclusive=given.exclusive, regions=dict(given.regions),
    )  # fmt: skip


def _with_called(cohort: Cohort, called: tuple[tuple[str, str], ...]) -> Cohort:
    """The cohort, its labels told what files may call the classes."""
    if not called:
        return cohort

    def told(case: Case) -> Case:
        return replace(
            case,
            label=case.label and replace(case.label, called=called),
            draft=case.draft and replace(case.draft, called=called),
        )

    return change_cases(cohort, told)


def _parse(path: Path) -> _Description:
    return checked(read_yaml(path, _REMEDY, Words), _Description, path, _REMEDY)


def _classes(given: _Description) -> dict[int, str]:
    """Label value to name; structures of a file each are numbered in their order."""
    entries = (entry for part in PARTS for entry in getattr(given, part))
    found = dict.fromkeys(name for entry in entries for name in entry.labels)
    if given.classes and given.exclusive:
        return given.names
    named = [name for value, name in sorted(given.names.items()) if value]
    return dict(enumerate(named or found, 1))


def _case(path: Path, entry: _Entry, usual: _Slices | None, names: dict[int, str]) -> Case:
    folder = path.parent
    images = tuple(_found(folder / image) for image in entry.images)
    id = unicodedata.normalize("NFC", entry.id) or scan_stem(images[0])
    label, draft = (
        _label(folder, given, slices, names, f"{path}: case {id}")
        for given, slices in ((entry.label, usual), (entry.draft, None))
    )
    if label and label.kind == "draft":
        label, draft = None, draft or label
    draft = draft and replace(draft, kind="draft")
    if entry.labels:
        label = _parts(path, id, entry.labels, entry.slices or usual, names)
    return Case(id, images, label, entry.group, draft)


def _label(
    folder: Path, given: _Label | None, usual: _Slices | None, names: dict[int, str], at: str
) -> Label | None:
    if given is None:
        return None
    of = given.slices or (usual if given.kind == "outline" else None)
    slices = of.slices if of else None
    looked = None
    if given.classes is not None:
        looked = tuple(_value(name, names, at) for name in given.classes)
    return Label(label_file(_found(folder / given.path)), looked, given.kind, slices)


def _value(given: int | str, names: dict[int, str], at: str) -> int:
    """The label value of a class that somebody looked for, who gave that or the name."""
    if isinstance(given, int):
        return given
    values = {name: value for value, name in names.items()}
    if given not in values:
        raise CrlnError(
            f"{at}: label.classes: {given!r} is no class ({', '.join(values) or 'none is named'}); "
            "name it under classes, with its value"
        )
    return values[given]


def _found(path: Path) -> Path:
    """The file of a name, also where the letters with marks are composed otherwise on the disk."""
    if path.exists():
        return path
    name = unicodedata.normalize("NFC", path.name)
    alike = [n for n in _names(path.parent) if unicodedata.normalize("NFC", n) == name]
    return path.with_name(alike[0]) if alike else path


def _names(folder: Path) -> list[str]:
    return [entry.name for entry in list_folder(folder)] if folder.is_dir() else []


def _parts(
    path: Path, id: str, files: dict[str, Path], usual: _Slices | None, names: dict[int, str]
) -> Label:
    """The label of a case that has a file a class."""
    values = {name: value for value, name in names.items()}
    if strange := next((name for name in files if name not in values), None):
        raise CrlnError(
            f"{path}: case {id}: labels: {strange!r} is no class; name it under classes"
        )
    parts = tuple((values[name], _found(path.parent / file)) for name, file in files.items())
    looked = tuple(value for value, _ in parts)
    every = set(looked) == set(names) - {0}
    return Label(
        parts[0][1], None if every else looked,
        slices=usual.slices if usual else None, parts=parts,
    )  # fmt: skip


def _check(path: Path, cohort: Cohort) -> None:
    cases = list(cohort)
    if not cases:
        raise CrlnError(f"{path}: names no case; list some under {', '.join(PARTS)}")
    if twice := repeated(case.id for case in cases):
        raise CrlnError(f"{path}: names case {twice} twice; give each case an id of its own")
    for case in cases:
        masks = [file for label in (case.label, case.draft) if label for file in label.files]
        for file in (*case.images, *masks):
            if not file.exists():
                near = nearest(file.name, _names(file.parent))
                raise CrlnError(
                    f"{path}: case {case.id}: no such file {file}; mend the path"
                    + (f": the nearest is {near}" if near else "")
                )
    for case in cohort.labelled + cohort.validation:
        if case.label is None:
            hint = ", for a draft is none" if case.draft else ""
            raise CrlnError(
                f"{path}: case {case.id} has no label{hint}; name one, or move the case"
            )
    for case in cohort.unlabelled:
        if case.label:
            raise CrlnError(
                f"{path}: case {case.id} is unlabelled, yet has a label; remove it or move the case"
            )
