"""Where the time of a training step goes, and what would limit it on a device."""

from crln.profiling.bench import WAIT, Bench, bench
from crln.profiling.clock import Clock, Timing, repeat
from crln.profiling.estimate import Estimate, estimate_training, steps_within
from crln.profiling.stand_in import stand_ins
from crln.profiling.step import StepProfile, profile_step
from crln.profiling.work import Rates, Work, count_work, device_rates

__all__ = [
    "WAIT",
    "Bench",
    "Clock",
    "Estimate",
    "Rates",
    "StepProfile",
    "Timing",
    "Work",
    "bench",
    "count_work",
    "device_rates",
    "estimate_training",
    "profile_step",
    "repeat",
    "stand_ins",
    "steps_within",
]
