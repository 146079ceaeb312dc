"""Pictures of scans: orthogonal slices with the outlines of truth and predictions.

A class has one hue; its truth is drawn solid, its prediction dashed.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke

from crln.evaluation.measures import bounding_box
from crln.imaging import Volume
from crln.report.cut import PLANES
from crln.report.style import class_colour

_SIDES = (
    (0.02, 0.5, "left", "center"),
    (0.98, 0.5, "right", "center"),
    (0.5, 0.98, "center", "top"),
    (0.5, 0.02, "center", "bottom"),
)
_INCHES = 3.0
_BLACK, _WHITE, _SHADE = "#0b0d10", "#f2f4f7", "#0b0d1099"
DASHES = (0, (3.2, 1.8))
"""Of a predicted outline: its dashes and what is between them, in widths of its line."""


def slice_picture(
    scan: Volume,
    truth: np.ndarray | None,
    predictions: Mapping[str, np.ndarray],
    *,
    zoom: bool = True,
) -> Figure:
    """Three orthogonal slices per prediction, with its outline and the truth's.

    The slices are those with the most truth (without truth, the most prediction). The patient's
    right is on the left, as radiologists look at scans; sides are marked where the scan has a
    geometry. Width and height are in the scan's millimetres.

    Args:
        scan: (C, X, Y, Z); the first channel is shown, from its 1st to its 99th percentile.
        truth: (X, Y, Z) on the scan's grid, label values, 0 for background; or None.
        predictions: what to write beside a row, such as "crln, Dice 0.91", to (X, Y, Z) label
            values.
        zoom: show the structure and as much again on each side, rather than the whole slice.

    Returns:
        A figure with one row per prediction and columns axial, coronal and sagittal.
    """
    grid = scan.grid
    grey = _stretch(grid.to_ras(scan.array[0]))
    spacing = np.array(grid.in_ras(grid.spacing))
    masks = {name: grid.to_ras(mask) for name, mask in predictions.items()}
    outline = None if truth is None else grid.to_ras(truth)
    shown = np.any([m != 0 for m in masks.values()], axis=0) if outline is None else outline != 0
    box = _field_of_view(shown) if zoom else tuple(slice(0, n) for n in grey.shape)

    drawn = [*masks.values(), *([] if outline is None else [outline])]
    values = {int(value) for mask in drawn for value in np.unique(mask)}
    hues = {value: class_colour(k) for k, value in enumerate(sorted(values - {0}))}
    figure, axes = _panels(np.array([side.stop - side.start for side in box]) * spacing, len(masks))
    for row, (name, mask) in zip(axes, masks.items(), strict=True):
        row[0].set_ylabel(name, color=_WHITE, fontsize=10)
        for axis, (cut, (across, up), letters) in zip(row, PLANES.values(), strict=True):
            at = _best_slice(shown, cut)
            _draw_slice(axis, grey, cut, at)
            if outline is not None:
                _draw_outlines(axis, np.take(outline, at, axis=cut).T, hues, "solid")
            _draw_outlines(axis, np.take(mask, at, axis=cut).T, hues, DASHES)
            axis.set_aspect(spacing[up] / spacing[across])
            _frame(axis, box[across], box[up], letters if grid.known else "")
    _legend(figure, with_truth=truth is not None)
    return figure


def _panels(extent: np.ndarray, rows: int) -> tuple[Figure, np.ndarray]:
    """A figure with (rows, 3) axes, all of one scale; `extent` is what they show, in mm."""
    widths = [extent[across] for _, (across, _), _ in PLANES.values()]
    heights = [extent[up] for _, (_, up), _ in PLANES.values()]
    height = max(heights) * 3 * _INCHES / sum(widths)
    figure = Figure(
        figsize=(3 * _INCHES + 0.3, rows * (height + 0.08) + 0.6),
        facecolor=_BLACK,
        layout=ConstrainedLayoutEngine(w_pad=0.03, h_pad=0.03, wspace=0, hspace=0),
    )  # fmt: skip
    axes = figure.subplots(rows, 3, squeeze=False, gridspec_kw={"width_ratios": widths})
    for axis, plane in zip(axes[0], PLANES, strict=True):
        axis.set_title(plane, color=_WHITE, fontsize=10)
    return figure, axes


def _field_of_view(shown: np.ndarray) -> tuple[slice, ...]:
    """The box of what is shown and as much again on each side, within the scan."""
    box = bounding_box(shown)
    if box is None:
        return tuple(slice(0, length) for length in shown.shape)
    sizes = [side.stop - side.start for side in box]
    return tuple(
        slice(max(0, side.start - size), min(length, side.stop + size))
        for side, size, length in zip(box, sizes, shown.shape, strict=True)
    )


def _best_slice(shown: np.ndarray, axis: int) -> int:
    """Where most is shown; the middle where nothing is."""
    area = shown.sum(axis=tuple(a for a in range(3) if a != axis))
    return int(area.argmax()) if area.any() else shown.shape[axis] // 2


def _stretch(image: np.ndarray) -> np.ndarray:
    """0..1 from the 1st to the 99th percentile."""
    low, high = np.percentile(image, [1, 99])
    return np.clip((image - low) / max(high - low, 1e-6), 0, 1)


def _draw_slice(axis: Axes, grey: np.ndarray, cut: int, at: int) -> None:
    section = np.take(grey, at, axis=cut).T
    axis.imshow(section, "gray", vmin=0, vmax=1, origin="lower", interpolation="bicubic")


def _draw_outlines(axis: Axes, mask: np.ndarray, hues: Mapping[int, str], style: Any) -> None:
    for value in np.unique(mask[mask != 0]):
        # A rim of background closes outlines that touch the edge of the scan.
        inside = np.pad((mask == value).astype(float), 1)
        x, y = np.arange(-1, mask.shape[1] + 1), np.arange(-1, mask.shape[0] + 1)
        drawn = axis.contour(
            x, y, inside, levels=[0.5], colors=hues[value], linewidths=1.6, linestyles=[style]
        )
        drawn.set_path_effects([withStroke(linewidth=3.0, foreground=_SHADE)])


def _frame(axis: Axes, across: slice, up: slice, letters: str) -> None:
    axis.set_xlim(across.stop - 0.5, across.start - 0.5)
    axis.set_ylim(up.start - 0.5, up.stop - 0.5)
    axis.set_xticks([])
    axis.set_yticks([])
    axis.set_facecolor(_BLACK)
    axis.spines[:].set_visible(False)
    for letter, (x, y, horizontal, vertical) in zip(letters, _SIDES, strict=False):
        axis.text(
            x, y, letter, transform=axis.transAxes, ha=horizontal, va=vertical, fontsize=8,
            color=_WHITE, path_effects=[withStroke(linewidth=2, foreground=_BLACK)],
        )  # fmt: skip


def _legend(figure: Figure, *, with_truth: bool) -> None:
    lines = [Line2D([], [], color=_WHITE, label="truth")] if with_truth else []
    lines.append(Line2D([], [], color=_WHITE, linestyle=DASHES, label="prediction"))
    figure.legend(
        handles=lines, loc="outside lower center", ncols=2, frameon=False, fontsize=9,
        labelcolor=_WHITE,
    )  # fmt: skip
