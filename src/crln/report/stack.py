"""The slices of a scan and its outlines as bytes that a browser shows."""

import base64
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from crln.report.cut import Cut

QUALITIES = (70, 55, 40, 25)
"""Of JPEG, from the best; the first that fits `BYTES` is taken."""
BYTES = 66_000
"""Of the slices of one scan, so that 200 scans stay well below 25 MB in base64."""
WINDOW = (1.0, 99.0)
"""Percentiles of what is shown that become black and white."""
ROW = 8
"""JPEG's blocks: a slice begins where one begins, so that it does not shine into its neighbour."""
MOST_VALUES = 256


@dataclass(frozen=True)
class Outlines:
    """Where each class is in the slices of a scan.

    Attributes:
        kind: "truth", drawn solid, or "prediction", dashed.
        pixels: (slices, rows, columns) uint8.
        classes: of each value of them the classes that it stands for, numbered from 0.
    """

    kind: str
    pixels: np.ndarray
    classes: Sequence[Sequence[int]]

    @classmethod
    def exclusive(cls, kind: str, classes: np.ndarray, count: int) -> "Outlines":
        """Of classes 0..count, 0 for none; others, as where nobody knows, are none too."""
        known = (classes > 0) & (classes <= min(count, MOST_VALUES - 1))
        pixels = np.where(known, classes, 0).astype(np.uint8)
        return cls(kind, pixels, [[], *([k] for k in range(count))])

    @classmethod
    def overlapping(cls, kind: str, combinations: np.ndarray, count: int) -> "Outlines":
        """Of combinations of `count` classes, a bit each; of too many the commonest are kept."""
        bits = combinations & ((1 << count) - 1)
        bits = np.where(combinations < 0, 0, bits)
        values, counts = np.unique(bits[bits > 0], return_counts=True)
        values = values[np.argsort(-counts, kind="stable")][: MOST_VALUES - 1]
        pixels = np.zeros(bits.shape, np.uint8)
        for i, value in enumerate(values, 1):
            pixels[bits == value] = i
        sets = [[k for k in range(count) if int(value) >> k & 1] for value in values]
        return cls(kind, pixels, [[], *sets])

    def seen(self, slice: int) -> list[int]:
        """The classes that a slice shows."""
        values = np.unique(self.pixels[slice]).tolist()
        return sorted({k for value in values for k in self.classes[value]})


def stack_data(cut: Cut, image: np.ndarray, outlines: Iterable[Outlines]) -> dict[str, object]:
    """What the viewer of `viewer.js` needs to know of one scan, plain data.

    Args:
        cut: which slices.
        image: (X, Y, Z), the scan's first channel.
        outlines: sampled by `cut`.
    """
    columns, rows = cut.size
    pitch = -(-rows // ROW) * ROW
    return {
        "plane": cut.plane, "letters": cut.letters, "ratio": round(cut.ratio, 4),
        "columns": columns, "rows": rows, "pitch": pitch,
        "numbers": cut.numbers, "of": cut.grid.in_ras(cut.grid.shape)[cut.axis], "key": cut.key,
        "image": _address("jpeg", _jpeg(_strip(_grey(cut, image), pitch))),
        "outlines": [
            {"kind": each.kind, "classes": _trimmed(each), "mask": _address("png", _png(each))}
            for each in outlines
        ],
    }  # fmt: skip


def describe(
    cut: Cut, outlines: Sequence[Outlines], names: Sequence[str], notes: Mapping[int, str]
) -> str:
    """What the first slice shows, as "axial slice 14 of 35: liver outlined, 1200 ml".

    Args:
        cut: which slices.
        outlines: what is drawn.
        names: of the classes.
        notes: of a class, behind its name.
    """
    count = cut.grid.in_ras(cut.grid.shape)[cut.axis]
    slice = f"{cut.plane} slice".strip()
    seen = sorted({k for each in outlines for k in each.seen(cut.key)})
    told = [f"{names[k]} outlined" + (f", {notes[k]}" if notes.get(k) else "") for k in seen]
    what = "; ".join(told) or "nothing outlined"
    return f"{slice} {cut.numbers[cut.key]} of {count}: {what}"


def _grey(cut: Cut, image: np.ndarray) -> np.ndarray:
    """(slices, rows, columns) uint8."""
    part = cut.whole(image)
    some = part.ravel()[:: max(1, part.size // 50_000) | 1]
    low, high = np.percentile(some, WINDOW)
    size, grey = cut.size, []
    for section in part:
        values = np.clip((section - low) * (255 / max(high - low, 1e-6)), 0, 255).astype(np.uint8)
        shown = Image.fromarray(values)
        if shown.size != size:
            shown = shown.resize(size, Image.Resampling.BOX)
        grey.append(np.asarray(shown))
    return np.stack(grey)


def _strip(slices: np.ndarray, pitch: int) -> np.ndarray:
    """All slices below each other, each from a multiple of 8 rows."""
    below = ((0, 0), (0, pitch - slices.shape[1]), (0, 0))
    return np.pad(slices, below, "edge").reshape(-1, slices.shape[2])


def _jpeg(pixels: np.ndarray) -> bytes:
    for quality in QUALITIES:
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, "JPEG", quality=quality)
        if len(buffer.getvalue()) <= BYTES:
            break
    return buffer.getvalue()


def _png(outlines: Outlines) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(outlines.pixels.reshape(-1, outlines.pixels.shape[2])).save(buffer, "PNG")
    return buffer.getvalue()


def _trimmed(outlines: Outlines) -> list[list[int]]:
    """No more values than there are."""
    return [list(each) for each in outlines.classes[: int(outlines.pixels.max()) + 1]]


def _address(kind: str, content: bytes) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(content).decode('ascii')}"
