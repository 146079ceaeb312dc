"""Methods side by side on one cohort: same network, data, views, budget and seeds."""

from crln.cohort.nnunet import export_nnunet
from crln.comparison.cell import Cell, Compute
from crln.comparison.comparison import Comparison, Leaks, Outside, compare
from crln.comparison.page import write_results
from crln.comparison.rows import Cost, Measured, Row, RowFigure
from crln.comparison.settings import Settings
from crln.comparison.tables import cost_table, main_table
from crln.comparison.variant import ABLATION, Variant, parse_variant
from crln.jobs import Jobs

__all__ = [
    "ABLATION",
    "Cell",
    "Comparison",
    "Compute",
    "Cost",
    "Jobs",
    "Leaks",
    "Measured",
    "Outside",
    "Row",
    "RowFigure",
    "Settings",
    "Variant",
    "compare",
    "cost_table",
    "export_nnunet",
    "main_table",
    "parse_variant",
    "write_results",
]
