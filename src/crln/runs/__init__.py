"""Run folders: what a training leaves behind and what prediction opens."""

from crln.runs.facts import Change, Facts
from crln.runs.folder import RunFolder, open_run
from crln.runs.provenance import environment_facts

__all__ = ["Change", "Facts", "RunFolder", "environment_facts", "open_run"]
