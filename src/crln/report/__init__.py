"""Pictures, charts and pages that show results."""

from crln.report.charts import box_plots, cost_scatter, label_curves, learning_curves, read_log
from crln.report.page import (
    Block,
    Chart,
    FactList,
    KeyFigure,
    KeyFigures,
    PageSection,
    Paragraph,
    Picture,
    save_picture,
    write_report,
)
from crln.report.pictures import slice_picture

__all__ = [
    "Block",
    "Chart",
    "FactList",
    "KeyFigure",
    "KeyFigures",
    "PageSection",
    "Paragraph",
    "Picture",
    "box_plots",
    "cost_scatter",
    "label_curves",
    "learning_curves",
    "read_log",
    "save_picture",
    "slice_picture",
    "write_report",
]
