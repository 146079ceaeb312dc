"""Names of channels and classes, as a Decathlon or nnU-Net dataset.json tells them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import BaseModel, Field

from crln.errors import CrlnError
from crln.files import checked, read_json

IGNORED = "ignore"
"""What nnU-Net calls the value of voxels that nobody outlined."""


@dataclass(frozen=True)
class Names:
    """What a data set calls its channels, in order, and its label values.

    `ignore` is the label value of what nobody outlined, where there is one; `regions` and
    `exclusive` are as a `Cohort`'s.
    """

    channels: tuple[str, ...] = ()
    classes: dict[int, str] = field(default_factory=dict)
    ignore: int | None = None
    regions: dict[str, tuple[int, ...]] = field(default_factory=dict)
    exclusive: bool = True


class _Dataset(BaseModel):
    """What of a dataset.json is of use here."""

    channel_names: dict[int, str] = Field(default_factory=dict)
    modality: dict[int, str] = Field(default_factory=dict)
    labels: dict[str, int | str | list[int]] = Field(default_factory=dict)
    exclusive: bool = True


def read_names(path: Path) -> Names:
    """Reads a dataset.json; without one, nothing is named.

    Decathlon: `modality` {"0": "MRI"}, `labels` {"0": "background"}. nnU-Net v2: `channel_names`
    {"0": "T1"}, `labels` {"background": 0, "ignore": 2}, or regions, {"whole": [1, 2], "core": 2}.

    Raises:
        CrlnError: the file cannot be read, or names nothing as the two do; two values have one
            name, or two regions the same values.
    """
    if not path.exists():
        return Names()
    remedy = "make it as the Decathlon or nnU-Net has it, or remove it"
    told = checked(read_json(path, remedy), _Dataset, path, remedy)
    channels = told.channel_names or told.modality
    classes: list[tuple[int, str]] = []
    lists: dict[str, tuple[int, ...]] = {}
    for key, value in told.labels.items():
        if isinstance(value, list):
            lists[key] = tuple(value)
        elif isinstance(value, int):
            classes.append((value, key))
        elif key.isdecimal():
            classes.append((int(key), value))
        else:
            raise CrlnError(f"{path}: labels: neither {key!r} nor {value!r} is a number; {remedy}")
    named = tuple(channels[key] for key in sorted(channels))
    if all(len(values) == 1 for values in lists.values()):
        classes += [(value, key) for key, (value,) in lists.items()]
        return Names(named, *settle_names(path, classes), exclusive=told.exclusive)
    # Among regions, a single value is one too.
    single = {name: (value,) for value, name in classes}
    regions = {
        name: values
        for name in told.labels
        if (values := (lists | single)[name]) != (0,) and name != IGNORED
    }
    ignore = (lists | single).get(IGNORED, (None,))[0]
    check_regions(path, regions, ignore, exclusive=told.exclusive)
    return Names(named, {}, ignore, regions)


def check_regions(
    path: Path, regions: Mapping[str, tuple[int, ...]], ignore: int | None, *, exclusive: bool
) -> None:
    """Raises CrlnError where regions are none.

    Args:
        path: the file that says so, for the error.
        regions: name to label values.
        ignore: the label value of what nobody outlined.
        exclusive: whether structures have a label file each.
    """
    if regions and not exclusive:
        raise CrlnError(
            f"{path}: has regions, which are of one label file, and exclusive: false, which is of "
            "a file a structure; remove one of them"
        )
    names: dict[frozenset[int], str] = {}
    for name, values in regions.items():
        for value, what in ((0, "background"), (ignore, "ignored")):
            if value in values:
                raise CrlnError(
                    f"{path}: region {name!r} holds the value {value}, which is {what}; remove it "
                    "from the region"
                )
        other = names.setdefault(frozenset(values), name)
        if other != name:
            raise CrlnError(
                f"{path}: regions {other!r} and {name!r} are of the same values; remove one"
            )


def settle_names(
    path: Path, classes: Iterable[tuple[int, str]]
) -> tuple[dict[int, str], int | None]:
    """Label value to name, ascending, and the value of what is called `ignore`.

    Args:
        path: the file that says so, for the error.
        classes: (label value, name).

    Raises:
        CrlnError: two values have one name, or one has two.
    """
    settled: dict[int, str] = {}
    values: dict[str, int] = {}
    for value, name in sorted(classes):
        if settled.setdefault(value, name) != name:
            raise CrlnError(
                f"{path}: calls the value {value} both {settled[value]!r} and {name!r}; remove one"
            )
        if values.setdefault(name, value) != value:
            raise CrlnError(
                f"{path}: calls the values {values[name]} and {value} {name!r}; give each class a "
                "name of its own"
            )
    ignore = values.get(IGNORED)
    return {value: name for value, name in settled.items() if value != ignore}, ignore
