"""Model folders: what a training leaves behind and what prediction opens."""

from crln.runs.facts import environment_facts
from crln.runs.folder import RunFolder, open_run, read_tensors, write_tensors, write_text

__all__ = [
    "RunFolder",
    "environment_facts",
    "open_run",
    "read_tensors",
    "write_tensors",
    "write_text",
]
