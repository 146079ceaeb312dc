"""Run folders: what a training leaves behind and what prediction opens."""

from crln.runs.ensemble import EnsembleFolder, Member, is_ensemble, open_ensemble
from crln.runs.facts import Change, Facts
from crln.runs.folder import RunFolder, open_run
from crln.runs.provenance import environment_facts

__all__ = [
    "Change",
    "EnsembleFolder",
    "Facts",
    "Member",
    "RunFolder",
    "environment_facts",
    "is_ensemble",
    "open_ensemble",
    "open_run",
]
