"""A cohort is finished: look at the worst, correct it in 3D, learn again, hand over."""

from crln.reviewing.begin import begin_project, find_project, opened, project_folder
from crln.reviewing.places import Places
from crln.reviewing.project import ConflictError, Project
from crln.reviewing.session import Review, review
from crln.reviewing.state import CaseState, Decision

__all__ = [
    "CaseState",
    "ConflictError",
    "Decision",
    "Places",
    "Project",
    "Review",
    "begin_project",
    "find_project",
    "opened",
    "project_folder",
    "review",
]
