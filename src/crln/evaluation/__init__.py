"""Metrics of predictions against labels, their uncertainty, and tables of them."""

from crln.evaluation.evaluate import evaluate, evaluate_both, evaluate_pairs
from crln.evaluation.left_out import LeftOut
from crln.evaluation.metrics import METRICS, ClassMetrics, ClassPair, Metric, Unit
from crln.evaluation.pairing import Pairs, find_masks, pair_masks
from crln.evaluation.record import read_evaluation
from crln.evaluation.results import (
    FOREGROUND,
    Evaluation,
    Measurement,
    Summary,
)
from crln.evaluation.statistics import (
    PairedDifference,
    bootstrap_interval,
    holm,
    paired_differences,
)
from crln.evaluation.surfaces import case_metrics
from crln.evaluation.tables import ResultTable, TableCell, evaluation_table

__all__ = [
    "FOREGROUND",
    "METRICS",
    "ClassMetrics",
    "ClassPair",
    "Evaluation",
    "LeftOut",
    "Measurement",
    "Metric",
    "PairedDifference",
    "Pairs",
    "ResultTable",
    "Summary",
    "TableCell",
    "Unit",
    "bootstrap_interval",
    "case_metrics",
    "evaluate",
    "evaluate_both",
    "evaluate_pairs",
    "evaluation_table",
    "find_masks",
    "holm",
    "pair_masks",
    "paired_differences",
    "read_evaluation",
]
