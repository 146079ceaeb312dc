"""What an evaluation did not measure, in words."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from crln.evaluation.pairing import shortened


@dataclass(frozen=True)
class LeftOut:
    """What an evaluation did not measure.

    Attributes:
        without_label: ids of the masks that have no label.
        without_mask: ids of the labels that have no mask.
        values: label value that is none of the classes, and so counted as background, to the ids
            of the cases whose label holds it.
        mask_values: the same of the masks.
    """

    without_label: tuple[str, ...] = ()
    without_mask: tuple[str, ...] = ()
    values: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    mask_values: Mapping[int, tuple[str, ...]] = field(default_factory=dict)

    @property
    def lines(self) -> list[str]:
        """A line for each kind; none where all was measured."""
        lines = []
        if self.without_label:
            lines.append(f"left out, for want of a label: {shortened(self.without_label)}")
        if self.without_mask:
            lines.append(f"left out, for want of a mask: {shortened(self.without_mask)}")
        lines += [
            f"value {value} in the {files} of {shortened(cases)} is none of the classes: "
            "counted as background"
            for files, values in (("labels", self.values), ("masks", self.mask_values))
            for value, cases in values.items()
        ]
        return lines
