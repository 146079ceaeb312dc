"""What papers and released code report, for their presets; never mixed with measurements."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any

from crln.comparison.variant import Variant, read_variant
from crln.files import from_yaml


@dataclass(frozen=True)
class PublishedRow:
    """One published row.

    Attributes:
        method: the method of this package that it corresponds to, with its options.
        name: what the source calls it.
        labelled: how many labels.
        source: where the figures are from.
        checkpoint: which weights they are of.
        figures: key of a metric to its figure, in per cent or voxels; those that the source gives.
    """

    method: str
    name: str
    labelled: int
    source: str
    checkpoint: str
    figures: Mapping[str, float]


@dataclass(frozen=True)
class Publication:
    """What is published for one data set.

    Attributes:
        dataset: which, and how it is split.
        notes: what a reader must know before comparing.
        order: keys of the metrics that are published.
        rows: by number of labels.
    """

    dataset: str
    notes: tuple[str, ...]
    order: tuple[str, ...]
    rows: tuple[PublishedRow, ...]

    def of(self, variant: Variant, labelled: int) -> tuple[PublishedRow, ...]:
        """The rows of a method with its options and a number of labels."""
        return tuple(
            row for row in self.rows
            if row.labelled == labelled and _same(read_variant(row.method), variant)
        )  # fmt: skip


def read_published(preset: str | None) -> Publication | None:
    """What is published for a preset; None for one that is of no paper."""
    text = (resources.files(__package__) / "published.yaml").read_text(encoding="utf-8")
    content: dict[str, Any] = from_yaml(text)
    if preset not in content["presets"]:
        return None
    entry = content["presets"][preset]
    rows = [
        PublishedRow(
            method=row["method"],
            name=row["name"],
            labelled=row["labelled"],
            source=content["sources"][row["source"]],
            checkpoint=row["checkpoint"],
            figures={
                key: figure
                for key, figure in zip(content["order"], row["figures"], strict=True)
                if figure is not None
            },
        )
        for row in entry["rows"]
    ]
    rows.sort(key=lambda row: row.labelled)
    return Publication(
        entry["dataset"], tuple(entry["notes"]), tuple(content["order"]), tuple(rows)
    )


def _same(one: Variant, other: Variant) -> bool:
    """Whether two names mean the same, however their options are written.

    Learning from every label is the same as `supervised` with that many.
    """
    return (one.method, one.changes) == (other.method, other.changes)
