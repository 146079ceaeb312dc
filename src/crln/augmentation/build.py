"""The views that a plan asks for."""

from crln.augmentation.paper import PaperViews
from crln.augmentation.rich import RichViews
from crln.augmentation.views import Views
from crln.planning.plan import Plan


def build_views(plan: Plan) -> Views:
    """The views of `plan.views.kind`; they take CPU generators, whatever the batch's device."""
    return PaperViews(plan) if plan.views.kind == "paper" else RichViews(plan)
