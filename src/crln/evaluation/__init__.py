"""Metrics of predictions against labels, their uncertainty, and tables of them."""

from crln.evaluation.evaluate import evaluate, evaluate_pairs
from crln.evaluation.metrics import METRICS, ClassMetrics, case_metrics
from crln.evaluation.pairing import find_masks, pair_masks
from crln.evaluation.results import FOREGROUND, Evaluation, Row, Summary, read_evaluation
from crln.evaluation.statistics import (
    PairedDifference,
    bootstrap_interval,
    holm,
    paired_differences,
)
from crln.evaluation.table import evaluation_table, format_summary

__all__ = [
    "FOREGROUND",
    "METRICS",
    "ClassMetrics",
    "Evaluation",
    "PairedDifference",
    "Row",
    "Summary",
    "bootstrap_interval",
    "case_metrics",
    "evaluate",
    "evaluate_pairs",
    "evaluation_table",
    "find_masks",
    "format_summary",
    "holm",
    "pair_masks",
    "paired_differences",
    "read_evaluation",
]
