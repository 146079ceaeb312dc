"""Names of channels and classes, as a Decathlon or nnU-Net dataset.json tells them."""

from dataclasses import dataclass, field
from pathlib import Path

from pydantic import BaseModel, Field

from crln.errors import CrlnError
from crln.files import checked, read_json


@dataclass(frozen=True)
class Names:
    """What a data set calls its channels, in order, and its label values."""

    channels: tuple[str, ...] = ()
    classes: dict[int, str] = field(default_factory=dict)


class _Dataset(BaseModel):
    """What of a dataset.json is of use here."""

    channel_names: dict[int, str] = Field(default_factory=dict)
    modality: dict[int, str] = Field(default_factory=dict)
    labels: dict[str, int | str | list[int]] = Field(default_factory=dict)


def read_names(path: Path) -> Names:
    """Reads a dataset.json; without one, nothing is named.

    Decathlon: `modality` {"0": "MRI"}, `labels` {"0": "background"}. nnU-Net v2: `channel_names`
    {"0": "T1"}, `labels` {"background": 0}; its regions (lists of values) name no single value.

    Raises:
        CrlnError: the file cannot be read, or names nothing as the two do.
    """
    if not path.exists():
        return Names()
    remedy = "make it as the Decathlon or nnU-Net has it, or remove it"
    told = checked(read_json(path, remedy), _Dataset, path, remedy)
    channels = told.channel_names or told.modality
    classes = {}
    for key, value in told.labels.items():
        if isinstance(value, int):
            classes[value] = key
        elif isinstance(value, str) and key.isdecimal():
            classes[int(key)] = value
        elif isinstance(value, str):
            raise CrlnError(f"{path}: labels: neither {key!r} nor {value!r} is a number; {remedy}")
    return Names(tuple(channels[key] for key in sorted(channels)), dict(sorted(classes.items())))
