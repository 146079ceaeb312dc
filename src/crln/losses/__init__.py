"""What several methods minimise."""

from crln.losses.boundary import voxel_edges
from crln.losses.criteria import Criteria, criteria_of
from crln.losses.detail import detail_loss, fine_axes
from crln.losses.partial import marginal, mark_partial, without_partial
from crln.losses.terms import (
    SMALLEST,
    Over,
    consistency_loss,
    cross_entropy,
    entropy,
    full_precision,
    mean_squared_difference,
    segmentation_loss,
    sharpen,
    soft_dice_loss,
    voxel_cross_entropy,
)

__all__ = [
    "SMALLEST",
    "Criteria",
    "Over",
    "consistency_loss",
    "criteria_of",
    "cross_entropy",
    "detail_loss",
    "entropy",
    "fine_axes",
    "full_precision",
    "marginal",
    "mark_partial",
    "mean_squared_difference",
    "segmentation_loss",
    "sharpen",
    "soft_dice_loss",
    "voxel_cross_entropy",
    "voxel_edges",
    "without_partial",
]
