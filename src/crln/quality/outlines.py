"""What the outlines of a training are like, and what of another is far from that, in words."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Self

import numpy as np
from pydantic import Field

from crln.planning.plan import Section
from crln.quality.shape import Shape

FAR, SPREAD = 1.5, 0.5
"""A size is far from the labels' where it is beyond the least or the largest by this factor, and by
this share of their range, on a logarithmic scale."""

WHOLE = 0.9
"""A structure is in pieces where the largest holds less than this share of what it holds in the
label that is most in pieces."""

FEWEST = 4
"""Labels of a structure below which nothing is said but that it is missing."""

ASTRAY = math.cos(math.radians(45))
"""Cosine of the angle, beyond that of the labels, from which a direction is another."""

WITHIN, OTHERWISE = 0.6, 0.3
"""Share of a structure's faces behind which the same other lies, in every label, so that it lies
within that; and below which it does not."""


class Outlined(Section):
    """One structure in the labels: of every figure the lowest and the highest.

    Attributes:
        labels: that were outlined for it.
        present: of these, how many have it.
        volume: in mm^3, or voxels.
        extent: in mm along each axis of RAS, of the box around it.
        compactness: see `Shape`.
        largest: share of its voxels in its largest piece, the lowest.
        border: how many touch the edge of their scan.
        beside: of each other structure, the share of the faces that it lies behind.
        towards: of each other structure, the mean direction to its centre, a vector of length 1,
            and the least cosine of a label's angle to it; nothing where there is no direction.
    """

    labels: int
    present: int
    volume: tuple[float, float] = (0, 0)
    extent: tuple[tuple[float, float], ...] = ()
    compactness: tuple[float, float] = (0, 0)
    largest: float = 1
    border: int = 0
    beside: dict[str, tuple[float, float]] = Field(default_factory=dict)
    towards: dict[str, tuple[tuple[float, float, float], float]] = Field(default_factory=dict)

    @classmethod
    def of(cls, name: str, cases: Sequence[Mapping[str, Shape | None]]) -> Self:
        """Over the labels that were outlined for a structure."""
        having = [case for case in cases if case[name]]
        shapes = [shape for case in having if (shape := case[name])]
        if not shapes:
            return cls(labels=len(cases), present=0)
        others = shapes[0].beside
        return cls(
            labels=len(cases),
            present=len(shapes),
            volume=_ends(shape.volume for shape in shapes),
            extent=tuple(_ends(shape.extent[axis] for shape in shapes) for axis in range(3)),
            compactness=_ends(shape.compactness for shape in shapes),
            largest=_ends(shape.largest for shape in shapes)[0],
            border=sum(shape.border for shape in shapes),
            beside={other: _ends(shape.beside[other] for shape in shapes) for other in others},
            towards={
                other: found for other in others if (found := _direction(name, other, having))
            },
        )

    @classmethod
    def together(cls, several: Sequence["Outlined"]) -> "Outlined":
        """Over members of an ensemble, of which each saw some of the labels."""
        first, *_ = having = [each for each in several if each.present] or list(several)
        labels = max(each.labels for each in several)
        return cls(
            labels=labels,
            present=labels - max(each.labels - each.present for each in several),
            volume=_over(each.volume for each in having),
            extent=tuple(map(_over, zip(*(each.extent for each in having), strict=True))),
            compactness=_over(each.compactness for each in having),
            largest=min(each.largest for each in having),
            border=max(each.border for each in having),
            beside={other: _over(each.beside[other] for each in having) for other in first.beside},
            towards={
                other: (way, min(each.towards[other][1] for each in having))
                for other, (way, _) in first.towards.items()
                if all(other in each.towards for each in having)
            },
        )

    def flags(self, name: str, shapes: Mapping[str, Shape | None]) -> list[str]:
        """What of an outline is far from the labels', each to be read after the structure's name.

        Args:
            name: of the structure.
            shapes: of all structures of the scan.
        """
        shape = shapes[name]
        if shape is None:
            always = self.present == self.labels and self.labels > 1
            return ["is missing, which every label has"] if always else []
        if not self.present and self.labels >= FEWEST:
            return ["is there, as in no label"]
        if self.present < FEWEST:
            return []
        found = [*_size(shape.volume, self.volume, "large")]
        if not found:
            found = self._elongated(shape)
        if shape.compactness < self.compactness[0] / FAR:
            found.append("has a far rougher surface than any label")
        if shape.largest < WHOLE * self.largest:
            found.append(f"is in {shape.pieces} pieces")
        if shape.border and not self.border:
            found.append("touches the edge of the scan, as no label does")
        return found + self._misplaced(name, shapes)

    def _elongated(self, shape: Shape) -> list[str]:
        for axis, side, ends in zip("XYZ", shape.extent, self.extent, strict=True):
            if words := _size(side, ends, "long", f" along {axis}"):
                return words
        return []

    def _misplaced(self, name: str, shapes: Mapping[str, Shape | None]) -> list[str]:
        """Whether it lies in another place to other structures than in every label."""
        found, shape = [], shapes[name]
        assert shape
        for other, (low, _) in self.beside.items():
            theirs = shapes.get(other)
            if theirs and low >= WITHIN and shape.beside[other] < OTHERWISE:
                around = theirs.beside.get(name, 0) > shape.beside[other]
                found.append(
                    f"lies around {other}, which every label has around it"
                    if around else f"lies outside {other}, within which it is in every label"
                )  # fmt: skip
        for other, (direction, least) in self.towards.items():
            if (way := _way(shape, shapes.get(other))) is None:
                continue
            angle = math.acos(np.clip(np.dot(way, direction), -1, 1))
            if angle > math.acos(np.clip(least, -1, 1)) + math.acos(ASTRAY):
                found.append(f"lies on another side of {other} than in any label")
        return found


class LabelRanges(Section):
    """The structures in the labels of a training, by name.

    Examples:
        >>> label = {"liver": Shape(9, (2, 2, 3), 9, 1, 1, False, (0, 0, 0))}
        >>> seen = LabelRanges.of([label] * 4)
        >>> seen.flags({"liver": Shape(40, (4, 4, 3), 30, 1, 1, False, (0, 0, 0))})
        {'liver': ('is 4.4 times as large as the largest label',)}
    """

    structures: dict[str, Outlined]

    @classmethod
    def of(cls, cases: Sequence[Mapping[str, Shape | None]]) -> "LabelRanges | None":
        """Over labels; a structure that nobody looked for in a label is left out of its mapping."""
        names = dict.fromkeys(name for case in cases for name in case)
        if not names:
            return None
        nothing = dict.fromkeys(names)
        return cls(structures={
            name: Outlined.of(name, [{**nothing, **case} for case in cases if name in case])
            for name in names
        })  # fmt: skip

    @classmethod
    def together(cls, several: Iterable["LabelRanges | None"]) -> "LabelRanges | None":
        """What members of an ensemble, of which each saw some of the labels, know together."""
        known = [each.structures for each in several if each]
        if not known:
            return None
        names = dict.fromkeys(name for each in known for name in each)
        return cls(structures={
            name: Outlined.together([each[name] for each in known if name in each])
            for name in names
        })  # fmt: skip

    def flags(self, shapes: Mapping[str, Shape | None]) -> dict[str, tuple[str, ...]]:
        """What is strange of each structure; those with nothing strange are left out."""
        found = {
            name: tuple(self.structures[name].flags(name, shapes))
            for name in shapes
            if name in self.structures
        }
        return {name: words for name, words in found.items() if words}


def _size(ours: float, ends: tuple[float, float], word: str, along: str = "") -> list[str]:
    """Whether a size is far beyond the least or the largest."""
    low, high = ends
    margin = max(math.log(FAR), SPREAD * math.log(high / low))
    most, least = {"large": ("largest", "smallest"), "long": ("longest", "shortest")}[word]
    if math.log(ours / high) > margin:
        return [f"is {ours / high:.2g} times as {word}{along} as the {most} label"]
    if math.log(low / ours) > margin:
        return [f"is {ours / low:.2g} times as {word}{along} as the {least} label"]
    return []


def _ends(values: Iterable[float]) -> tuple[float, float]:
    values = list(values)
    return float(f"{min(values):.6g}"), float(f"{max(values):.6g}")


def _over(ranges: Iterable[tuple[float, float]]) -> tuple[float, float]:
    lows, highs = zip(*ranges, strict=True)
    return min(lows), max(highs)


def _way(shape: Shape | None, other: Shape | None) -> np.ndarray | None:
    """The direction from one centre to another, of length 1; None where they are too close."""
    if shape is None or other is None:
        return None
    way = np.subtract(other.centre, shape.centre)
    length = float(np.linalg.norm(way))
    reach = min(max(shape.extent), max(other.extent))
    return way / length if length > reach / 4 else None


def _direction(
    name: str, other: str, cases: Sequence[Mapping[str, Shape | None]]
) -> tuple[tuple[float, float, float], float] | None:
    """The mean direction between two structures, and the least cosine to it; None: there is none.

    There is one where every label that has both agrees to a right angle.
    """
    both = [case for case in cases if case.get(other)]
    ways = [way for case in both if (way := _way(case[name], case[other])) is not None]
    if len(ways) < max(FEWEST, len(both)):
        return None
    mean = np.mean(ways, 0)
    length = float(np.linalg.norm(mean))
    if not length:
        return None
    mean = mean / length
    least = float(min(way @ mean for way in ways))
    if least <= math.cos(math.radians(60)):
        return None
    x, y, z = (float(f"{part:.4g}") for part in mean)
    return (x, y, z), float(f"{least:.4g}")
