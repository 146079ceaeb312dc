"""Names of channels and classes, as a Decathlon or nnU-Net dataset.json tells them."""

from collections.abc import Iterable
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

    `ignore` is the label value of what nobody outlined, where there is one.
    """

    channels: tuple[str, ...] = ()
    classes: dict[int, str] = field(default_factory=dict)
    ignore: int | None = None


class _Dataset(BaseModel):
    """What of a dataset.json is of use here."""

    channel_names: dict[int, str] = Field(default_factory=dict)
    modality: dict[int, str] = Field(default_factory=dict)
    labels: dict[str, int | str | list[int]] = Field(default_factory=dict)


def read_names(path: Path) -> Names:
    """Reads a dataset.json; without one, nothing is named.

    Decathlon: `modality` {"0": "MRI"}, `labels` {"0": "background"}. nnU-Net v2: `channel_names`
    {"0": "T1"}, `labels` {"background": 0, "ignore": 2}.

    Raises:
        CrlnError: the file cannot be read, or names nothing as the two do; it has regions (lists of
            values); two values have one name.
    """
    if not path.exists():
        return Names()
    remedy = "make it as the Decathlon or nnU-Net has it, or remove it"
    told = checked(read_json(path, remedy), _Dataset, path, remedy)
    channels = told.channel_names or told.modality
    classes = []
    for key, value in told.labels.items():
        values = value if isinstance(value, list) else [value]
        if len(values) != 1:
            raise CrlnError(
                f"{path}: {key} is a region, of the values {values}: overlapping classes cannot be "
                "learnt yet; name each value as a class of its own"
            )
        if isinstance(values[0], int):
            classes.append((values[0], key))
        elif key.isdecimal():
            classes.append((int(key), values[0]))
        else:
            raise CrlnError(f"{path}: labels: neither {key!r} nor {value!r} is a number; {remedy}")
    named = tuple(channels[key] for key in sorted(channels))
    return Names(named, *settle_names(path, classes))


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
