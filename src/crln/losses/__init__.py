"""What the methods minimise: each equation where its name says; all in float32."""

from crln.losses.consistency import consistency_loss, entropy, mean_squared_difference, sharpen
from crln.losses.contrastive import (
    CooperativeTerms,
    cooperative_positive_supervision,
    prototype_alignment,
)
from crln.losses.pseudo_label import pseudo_label_loss
from crln.losses.rectification import complementary_loss, label_distance
from crln.losses.schedules import ema_decay, gaussian_ramp, learning_rate_factor
from crln.losses.segmentation import cross_entropy, segmentation_loss, soft_dice_loss

__all__ = [
    "CooperativeTerms",
    "complementary_loss",
    "consistency_loss",
    "cooperative_positive_supervision",
    "cross_entropy",
    "ema_decay",
    "entropy",
    "gaussian_ramp",
    "label_distance",
    "learning_rate_factor",
    "mean_squared_difference",
    "prototype_alignment",
    "pseudo_label_loss",
    "segmentation_loss",
    "sharpen",
    "soft_dice_loss",
]
