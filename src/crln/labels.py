"""What the values of label files mean, classes as every room uses them, and maps of classes."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from crln.combinations import (
    above_half,
    check_overlapping,
    combination_of,
    likeliest,
    most_probable,
    possible_combinations,
    settled,
)
from crln.components import largest_components
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

    Class k is the k-th value; class 0 is the background. Classes that overlap are of two kinds.
    *Regions* are unions of the values of one label file, such as a whole tumour of core and oedema:
    `members` lists them. *Separate* structures have a label file each. Of either kind the classes
    of a voxel are one integer, its *combination*: bit k - 1 is set where class k is.

    Attributes:
        values: in the label files, background first; masks are written with them. Of overlapping
            classes their numbers, 0, 1, 2, ..., in tables of metrics.
        names: one per value.
        ignore: the value in the label files of voxels that nobody outlined, or None.
        exclusive: every voxel is of one class; false: a voxel may be of several.
        codes: one per value, of a terminology, such as "SCT:10200004"; empty where none is known.
        members: of regions: the values in the label files that each class is the union of, those
            of none of them first; empty for all else.

    Examples:
        >>> space = LabelSpace((0, 85), ("background", "left atrium"), ignore=255)
        >>> space.encode(np.array([[0, 85, 255]]))
        array([[ 0,  1, -1]], dtype=int8)
        >>> regions = LabelSpace.of([0, 1, 2], {}, regions={"whole": (1, 2), "core": (2,)})
        >>> regions.encode(np.array([[0, 1, 2]]))
        array([[0, 1, 3]], dtype=int8)
    """

    __pydantic_config__: ClassVar = {"extra": "forbid"}  # a plan refuses what it does not know

    values: tuple[int, ...] = (0, 1)
    names: tuple[str, ...] = ("background", "foreground")
    ignore: int | None = None
    exclusive: bool = True
    codes: tuple[str, ...] = ()
    members: tuple[tuple[int, ...], ...] = ()

    @classmethod
    def of(
        cls,
        values: Sequence[int],
        names: Mapping[int, str],
        ignore: int | None = None,
        *,
        exclusive: bool = True,
        regions: Mapping[str, Sequence[int]] | None = None,
    ) -> "LabelSpace":
        """Of the values in use, background first; what has no name is called after its value.

        Args:
            values: that the label files hold; of separate structures their numbers.
            names: value to name.
            ignore: the value of what nobody outlined.
            exclusive: false: structures of a label file each.
            regions: name to the values that it is the union of; the classes are then these.

        Raises:
            CrlnError: there is no such space.
        """
        usual = {value: f"class {value}" for value in values} | {values[0]: "background"}
        called = tuple({**usual, **names}[value] for value in values)
        try:
            if not regions:
                return cls(tuple(values), called, ignore, exclusive)
            held = {value for region in regions.values() for value in region}
            rest = tuple(value for value in values if value not in held) or (0,)
            members = (rest, *(tuple(region) for region in regions.values()))
            numbers, called = tuple(range(len(members))), ("background", *regions)
            return cls(numbers, called, ignore, exclusive=False, members=members)
        except ValueError as error:
            raise CrlnError(f"labels: {error}") from error

    def __post_init__(self) -> None:
        """Raises ValueError where the parts do not agree."""
        values, names = self.values, self.names
        if len(values) < 2 or len(set(values)) != len(values):
            raise ValueError(f"values must be two or more different ones, got {list(values)}")
        if any(not LOWEST <= value <= HIGHEST for value in self.known):
            raise ValueError(f"values must be 32-bit integers, got {list(self.known)}")
        if len(names) != len(values) or (self.codes and len(self.codes) != len(values)):
            raise ValueError(f"names and codes must be as many as values, {len(values)}")
        if any(not name.strip() for name in names):
            raise ValueError(f"a class has no name: {list(names)}")
        if twice := next((name for i, name in enumerate(names) if name in names[:i]), None):
            raise ValueError(f"two classes are called {twice!r}; give each a name of its own")
        if self.ignore in self.known:
            raise ValueError(f"ignore is {self.ignore}, the value of a class; use another")
        if self.exclusive and self.members:
            raise ValueError("members are those of regions; set exclusive: false, or remove them")
        if not self.exclusive:
            check_overlapping(values, names, self.members)

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
        """Value to name of every class, and of what nobody outlined, for files that tell names.

        Of overlapping classes, which have no value of their own, there is none.
        """
        if not self.exclusive:
            return {}
        ignored = {} if self.ignore is None else {self.ignore: "ignore"}
        return dict(zip(self.values, self.names, strict=True)) | ignored

    @property
    def separate(self) -> bool:
        """Whether each structure has a label file of its own."""
        return not self.exclusive and not self.members

    @property
    def known(self) -> tuple[int, ...]:
        """Every value that a label file may hold, but `ignore`; of regions, their members'."""
        return tuple(dict.fromkeys(value for of in self.members for value in of)) or self.values

    @property
    def highest(self) -> int:
        """The largest class, or the largest combination."""
        return self.classes - 1 if self.exclusive else 2 ** (self.classes - 1) - 1

    @cached_property
    def possible(self) -> dict[int, int]:
        """Of regions: each combination that a label file can say, to the value written for it."""
        return possible_combinations(self.members) if self.members else {}

    @cached_property
    def _table(self) -> tuple[np.ndarray, np.ndarray]:
        """The known values, ascending, and the class, or combination, of each."""
        values = [*self.known] + ([] if self.ignore is None else [self.ignore])
        classes = [*range(self.classes)]
        if self.members:
            classes = [combination_of(value, self.members) for value in self.known]
        classes += [] if self.ignore is None else [IGNORE]
        order = np.argsort(values)
        # Signed, so that it holds IGNORE: int8 up to 128 classes.
        kind = np.min_scalar_type(-self.highest - 1)
        return np.array(values)[order], np.array(classes, kind)[order]

    def encode(self, voxels: np.ndarray, source: Path | None = None) -> np.ndarray:
        """Values of a label file as classes.

        Args:
            voxels: (X, Y, Z), integers.
            source: the file, for the error.

        Returns:
            0..K-1, or IGNORE, in the smallest signed type that holds them; of regions,
            combinations.

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
                    f"of the plan's labels {list(self.known)}; correct the file, or add the class "
                    "to the plan, or name the value as labels.ignore"
                )
        return encoded

    def decode(self, classes: np.ndarray) -> np.ndarray:
        """Classes as values of the label files, in the smallest type that holds them all.

        Args:
            classes: 0..K-1, or combinations; IGNORE too where these labels have a value for it.

        Returns:
            Of the same shape. Of regions the smallest value that lies in them all and in no other;
            of separate structures (K, ...) bool, where each is.
        """
        if self.separate:
            return np.stack([self.holds(classes, k) for k in range(self.classes)])
        meant = self.possible or dict(enumerate(self.values))
        values = list(meant.values()) + ([] if self.ignore is None else [self.ignore])
        if values == list(range(self.classes)) and self.exclusive:
            return classes
        dtype = np.result_type(*(np.min_scalar_type(value) for value in values))
        if self.members:
            written = np.full(classes.shape, values[-1], dtype)
            for combination, value in meant.items():
                written[classes == combination] = value
            return written
        return np.array(values, dtype)[classes]  # IGNORE, -1, is the last

    def holds(self, classes: Any, k: int) -> Any:
        """Which voxels are of class k, bool.

        Args:
            classes: an array or a tensor of classes or combinations.
            k: 0..K-1; IGNORE is of no class.
        """
        if self.exclusive or k == 0:
            return classes == k
        return (classes >= 0) & ((classes >> (k - 1)) & 1 == 1)

    def knows(self, classes: Any, k: int) -> Any:
        """Of which voxels it is known whether they are of class k, bool; as `holds`.

        Of the background that is so where a class is, or where each is known not to be.
        """
        if self.exclusive:
            return classes != IGNORE
        others = self.classes - 1
        if k == 0:
            return (classes == 0) | ((classes > 0) & (classes & self.highest != 0))
        return (classes >= 0) & ((classes >> (others + k - 1)) & 1 == 0)

    def probabilities(self, logits: "Tensor") -> "Tensor":
        """Of each class, in float32: (B, K, X, Y, Z) -> the same shape."""
        return logits.float().softmax(1) if self.exclusive else logits.float().sigmoid()

    def logits(self, probabilities: "Tensor") -> "Tensor":
        """Logits of these probabilities, (B, K, X, Y, Z): the way back."""
        return probabilities.log() if self.exclusive else probabilities.logit()

    def decide(self, probabilities: "Tensor", axis: int = 1) -> "Tensor":
        """The most probable class, or combination, int64: without `axis`, which is K long.

        Overlapping classes decide each for itself: where its probability is above 1/2. Of regions
        only what a label file can say is chosen, the combination of the largest sum of its classes'
        logits, so that a core never lies outside its whole.
        """
        if self.exclusive:
            return most_probable(probabilities.unbind(axis))
        each = probabilities.unbind(axis)[1:]
        return likeliest(each, self.possible) if self.members else above_half(each)

    def cleaned(self, classes: np.ndarray, only: Collection[int] | None = None) -> np.ndarray:
        """Classes, or combinations, (X, Y, Z), with only the largest component of each class.

        Args:
            classes: of one scan.
            only: the classes to do so for; None: all but the background.
        """
        if self.exclusive:
            return largest_components(classes, only)
        kept = classes.copy()
        for k in range(1, self.classes) if only is None else only:
            mask = self.holds(classes, k)
            lost = mask & ~largest_components(mask.astype(np.uint8)).astype(bool)
            kept[lost] &= ~kept.dtype.type(1 << (k - 1))
        return settled(kept, self.possible) if self.members else kept
