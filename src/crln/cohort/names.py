"""Names of channels and classes, as a Decathlon or nnU-Net dataset.json tells them."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from crln.errors import CrlnError


@dataclass(frozen=True)
class Names:
    """What a data set calls its channels, in order, and its label values."""

    channels: tuple[str, ...] = ()
    classes: dict[int, str] = field(default_factory=dict)


def read_names(path: Path) -> Names:
    """Reads a dataset.json; without one, nothing is named.

    Decathlon: `modality` {"0": "MRI"}, `labels` {"0": "background"}. nnU-Net v2: `channel_names`
    {"0": "T1"}, `labels` {"background": 0}; its regions (lists of values) name no single value.

    Raises:
        CrlnError: the file cannot be read, or names nothing as the two do.
    """
    if not path.exists():
        return Names()
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        channels = content.get("channel_names", content.get("modality", {}))
        labels = content.get("labels", {}).items()
        classes = [_class_name(key, value) for key, value in labels if not isinstance(value, list)]
        return Names(
            tuple(str(channels[key]) for key in sorted(channels, key=int)), dict(sorted(classes))
        )
    except (OSError, UnicodeDecodeError, ValueError, TypeError, AttributeError) as error:
        raise CrlnError(
            f"{path}: not a dataset.json of the Decathlon or nnU-Net ({error}); mend or remove it"
        ) from error


def _class_name(key: str, value: Any) -> tuple[int, str]:
    """(label value, name), whichever of the two is the key."""
    return (value, key) if isinstance(value, int) else (int(key), str(value))
