"""What a cohort looks like, and the plan that follows from it."""

from crln.planning.fingerprint import Fingerprint, make_fingerprint
from crln.planning.plan import Plan
from crln.planning.planner import make_plan, plan_for, preset_names, read_preset

__all__ = [
    "Fingerprint",
    "Plan",
    "make_fingerprint",
    "make_plan",
    "plan_for",
    "preset_names",
    "read_preset",
]
