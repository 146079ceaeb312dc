"""A cohort is finished: look at the worst, correct it in 3D, learn again, hand over."""

from crln.review.begin import begin_project, opened, project_folder
from crln.review.places import Places
from crln.review.project import ConflictError, Project
from crln.review.state import CaseState, Decision

__all__ = [
    "CaseState",
    "ConflictError",
    "Decision",
    "Places",
    "Project",
    "begin_project",
    "opened",
    "project_folder",
]
