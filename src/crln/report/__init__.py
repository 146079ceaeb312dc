"""Pictures, charts and pages that show results.

Names are imported when they are first used: what draws no chart does not load matplotlib.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from crln.report.charts import (
        box_plots,
        cost_scatter,
        label_curves,
        learning_curves,
        read_log,
        structure_plot,
    )
    from crln.report.evaluated import page_beside, write_evaluation
    from crln.report.page import (
        Block,
        Chart,
        Details,
        FactList,
        KeyFigure,
        KeyFigures,
        PageSection,
        Paragraph,
        write_report,
    )
    from crln.report.pictures import slice_picture
    from crln.report.viewer import Viewer, Viewers, slices_of
    from crln.report.worst import look_at

_FILES = {
    "charts": (
        "box_plots", "cost_scatter", "label_curves", "learning_curves",
        "structure_plot",
    ),
    "evaluated": ("page_beside", "write_evaluation"),
    "log": ("read_log",),
    "page": (
        "Block", "Chart", "Details", "FactList", "KeyFigure", "KeyFigures", "PageSection",
        "Paragraph", "write_report",
    ),
    "pictures": ("slice_picture",),
    "viewer": ("Viewer", "Viewers", "slices_of"),
    "worst": ("look_at",),
}  # fmt: skip

__all__ = [
    "Block",
    "Chart",
    "Details",
    "FactList",
    "KeyFigure",
    "KeyFigures",
    "PageSection",
    "Paragraph",
    "Viewer",
    "Viewers",
    "box_plots",
    "cost_scatter",
    "label_curves",
    "learning_curves",
    "look_at",
    "page_beside",
    "read_log",
    "slice_picture",
    "slices_of",
    "structure_plot",
    "write_evaluation",
    "write_report",
]


def __getattr__(name: str) -> Any:
    """Imports a public name from its file (PEP 562)."""
    file = next((file for file, names in _FILES.items() if name in names), None)
    if file is None:
        raise AttributeError(f"module 'crln.report' has no attribute {name!r}")
    return getattr(import_module(f"crln.report.{file}"), name)
