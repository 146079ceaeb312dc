"""What a cohort looks like, and the plan that follows from it."""

from crln.planning.fingerprint import Fingerprint, make_fingerprint
from crln.planning.plan import Plan
from crln.planning.planner import make_plan, plan_for, preset_names, read_preset
from crln.planning.room import fit_memory, step_gib

__all__ = [
    "Fingerprint",
    "Plan",
    "fit_memory",
    "make_fingerprint",
    "make_plan",
    "plan_for",
    "preset_names",
    "read_preset",
    "step_gib",
]
