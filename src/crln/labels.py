"""What the values of label files mean, classes as every room uses them, and maps of classes."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import cc3d
import numpy as np

from crln.errors import CrlnError

if TYPE_CHECKING:
    from torch import Tensor

IGNORE = -1
"""Class of a voxel of which nobody knows the class: no loss and no metric counts it."""

LOWEST, HIGHEST = -(2**31), 2**31 - 1
"""Label values are 32-bit integers."""

DENSE = 2**16
"""Values this close together are looked up in a table, several times as fast as searched for."""


@dataclass(frozen=True)
class LabelSpace:
    """The classes of a cohort: their values in the label files, their names, and nothing else.

    Class k is the k-th value; class 0 is the background.

    Attributes:
        values: in the label files, background first; masks are written with them.
        names: one per value.
        ignore: the value in the label files of voxels that nobody outlined, or None.
        exclusive: every voxel is of one class. Overlapping classes cannot be learnt yet.
        codes: one per value, of a terminology, such as "SCT:10200004"; empty where none is known.

    Examples:
        >>> space = LabelSpace((0, 85), ("background", "left atrium"), ignore=255)
        >>> space.encode(np.array([[0, 85, 255]]))
        array([[ 0,  1, -1]], dtype=int8)
    """

    __pydantic_config__: ClassVar = {"extra": "forbid"}  # a plan refuses what it does not know

    values: tuple[int, ...] = (0, 1)
    names: tuple[str, ...] = ("background", "foreground")
    ignore: int | None = None
    exclusive: bool = True
    codes: tuple[str, ...] = ()

    @classmethod
    def of(
        cls, values: Sequence[int], names: Mapping[int, str], ignore: int | None = None
    ) -> "LabelSpace":
        """Of the values in use, background first; what has no name is called after its value.

        Raises:
            CrlnError: there is no such space.
        """
        usual = {value: f"class {value}" for value in values} | {values[0]: "background"}
        try:
            return cls(tuple(values), tuple({**usual, **names}[value] for value in values), ignore)
        except ValueError as error:
            raise CrlnError(f"labels: {error}") from error

    def __post_init__(self) -> None:
        """Raises ValueError where the parts do not agree."""
        values, names = self.values, self.names
        if len(values) < 2 or len(set(values)) != len(values):
            raise ValueError(f"values must be two or more different ones, got {list(values)}")
        if any(not LOWEST <= value <= HIGHEST for value in values):
            raise ValueError(f"values must be 32-bit integers, got {list(values)}")
        if len(names) != len(values) or (self.codes and len(self.codes) != len(values)):
            raise ValueError(f"names and codes must be as many as values, {len(values)}")
        if any(not name.strip() for name in names):
            raise ValueError(f"a class has no name: {list(names)}")
        if twice := next((name for i, name in enumerate(names) if name in names[:i]), None):
            raise ValueError(f"two classes are called {twice!r}; give each a name of its own")
        if self.ignore in values:
            raise ValueError(f"ignore is {self.ignore}, the value of a class; use another")
        if not self.exclusive:
            raise ValueError("exclusive: false: overlapping classes cannot be learnt yet")

    @property
    def classes(self) -> int:
        """K, background included."""
        return len(self.values)

    @property
    def structures(self) -> dict[int, str]:
        """Value to name of every class but the background."""
        return dict(zip(self.values[1:], self.names[1:], strict=True))

    @property
    def named(self) -> dict[int, str]:
        """Value to name of every class, and of what nobody outlined, for files that tell names."""
        ignored = {} if self.ignore is None else {self.ignore: "ignore"}
        return dict(zip(self.values, self.names, strict=True)) | ignored

    @cached_property
    def _table(self) -> tuple[np.ndarray, np.ndarray]:
        """The known values, ascending, and the class of each."""
        values = [*self.values] + ([] if self.ignore is None else [self.ignore])
        classes = [*range(self.classes)] + ([] if self.ignore is None else [IGNORE])
        order = np.argsort(values)
        # Signed, so that it holds IGNORE: int8 up to 128 classes.
        kind = np.min_scalar_type(-self.classes)
        return np.array(values)[order], np.array(classes, kind)[order]

    def encode(self, voxels: np.ndarray, source: Path | None = None) -> np.ndarray:
        """Values of a label file as classes.

        Args:
            voxels: (X, Y, Z), integers.
            source: the file, for the error.

        Returns:
            0..K-1, or IGNORE, in the smallest signed type that holds them.

        Raises:
            CrlnError: a value that is none of these classes.
        """
        known, classes = self._table
        if np.array_equal(known, classes) and voxels.min() >= 0 and voxels.max() < self.classes:
            return voxels.astype(classes.dtype)
        low, span = known[0], int(known[-1] - known[0]) + 1
        strange = np.iinfo(classes.dtype).min  # no class, nor IGNORE
        dense = np.full(min(span, DENSE), strange, classes.dtype)
        if span <= DENSE:
            dense[known - low] = classes
        encoded = np.empty(voxels.shape, classes.dtype)
        for plane, target in zip(voxels, encoded, strict=True):  # one at a time bounds the memory
            if span <= DENSE and low <= plane.min() and plane.max() <= known[-1]:
                np.take(dense, plane - low, out=target, mode="clip")
            else:
                place = np.searchsorted(known, plane).clip(max=len(known) - 1)
                target[...] = np.where(known[place] == plane, classes[place], strange)
            if (unknown := target == strange).any():
                raise CrlnError(
                    f"{source or 'label'}: holds the value {plane[unknown].flat[0]}, which is none "
                    f"of the plan's labels {list(self.values)}; correct the file, or add the class "
                    "to the plan, or name the value as labels.ignore"
                )
        return encoded

    def decode(self, classes: np.ndarray) -> np.ndarray:
        """Classes as values of the label files, in the smallest type that holds them all.

        Args:
            classes: 0..K-1; IGNORE too where these labels have a value for it.
        """
        values = list(self.values) + ([] if self.ignore is None else [self.ignore])
        if values == list(range(self.classes)):
            return classes
        dtype = np.result_type(*(np.min_scalar_type(value) for value in values))
        return np.array(values, dtype)[classes]  # IGNORE, -1, is the last

    def probabilities(self, logits: "Tensor") -> "Tensor":
        """Of each class, in float32: (B, K, X, Y, Z) -> the same shape."""
        return logits.float().softmax(1)

    def logits(self, probabilities: "Tensor") -> "Tensor":
        """Logits of these probabilities, (B, K, X, Y, Z): the way back."""
        return probabilities.log()

    def decide(self, probabilities: "Tensor", axis: int = 1) -> "Tensor":
        """The most probable class, int64: without `axis`, which is K long."""
        return probabilities.argmax(axis)


def largest_components(labels: np.ndarray, only: Collection[int] | None = None) -> np.ndarray:
    """`labels`, (X, Y, Z), with only the largest component of each value but 0.

    Voxels that share a face, an edge or a corner are connected, as in this field's released code.

    Args:
        labels: integers.
        only: the values to do so for; the others stay as they are.
    """
    components, count = cc3d.connected_components(labels, connectivity=26, return_N=True)
    sizes = np.bincount(components.ravel(), minlength=count + 1)
    value_of = np.zeros(count + 1, dtype=labels.dtype)
    value_of[components.ravel()] = labels.ravel()
    kept = np.zeros_like(value_of)
    for value in np.unique(value_of[1:]):
        if only is not None and value not in only:
            kept[value_of == value] = value
            continue
        members = np.flatnonzero(value_of == value)
        kept[members[np.argmax(sizes[members])]] = value
    return kept[components]
