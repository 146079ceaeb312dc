"""Pictures, charts and pages that show results."""

from crln.report.charts import box_plots, cost_scatter, label_curves, learning_curves, read_log
from crln.report.page import (
    Block,
    Chart,
    Facts,
    KeyFigure,
    KeyFigures,
    Picture,
    Section,
    Table,
    Text,
    save_picture,
    write_report,
)
from crln.report.pictures import slice_picture
from crln.report.tables import comparison_table

__all__ = [
    "Block",
    "Chart",
    "Facts",
    "KeyFigure",
    "KeyFigures",
    "Picture",
    "Section",
    "Table",
    "Text",
    "box_plots",
    "comparison_table",
    "cost_scatter",
    "label_curves",
    "learning_curves",
    "read_log",
    "save_picture",
    "slice_picture",
    "write_report",
]
