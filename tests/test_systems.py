"""Windows and macOS lack some of what Linux has: nothing that starts with crln needs it."""

import subprocess
import sys
from pathlib import Path

import pytest

from crln.planning import Plan

BEFORE = """
import os, pkgutil, signal, sys
from importlib import import_module

import psutil  # has its own way on every system

for name in ("fcntl", "grp", "pwd", "resource", "syslog", "termios"):
    sys.modules[name] = None  # importing it raises ImportError, here and in every library
# SIGKILL stays: torch asks for it wherever the system calls itself Linux.
for name in ("SIGALRM", "SIGHUP", "SIGUSR1", "SIGUSR2"):
    delattr(signal, name)
for name in ("fork", "forkpty", "getloadavg", "mkfifo"):
    delattr(os, name)

def crln(*words):
    from crln.cli import main
    try:
        main(words)
    except SystemExit as end:
        assert not end.code, (words, end.code)
"""

IMPORT = """
import crln
for module in pkgutil.walk_packages(crln.__path__, "crln."):
    import_module(module.name)
assert "torch" in sys.modules
"""

VERBS = """
data, plan, out = sys.argv[1:]
crln("plan", data, "--out", f"{out}/made.yaml", "--no-estimate")
crln("train", data, "--plan", plan, "--method", "mean_teacher", "--out", f"{out}/run")
crln("predict", f"{out}/run", f"{data}/images", "--out", f"{out}/masks")
crln("evaluate", f"{out}/masks", f"{data}/labels", "--run", f"{out}/run", "--out", f"{out}/result")
"""

COMPARE = """
from dataclasses import replace

import crln.comparison.comparison as comparison
from crln.jobs import run_tasks

def here(tasks, jobs, *rest):
    run_tasks(tasks, replace(jobs, here=True), *rest)

comparison.run_tasks = here  # processes of their own would lack nothing
data, plan, out = sys.argv[1:]
crln("compare", data, "--plan", plan, "--methods", "supervised", "mean_teacher",
     "--labelled", "2", "--test", "0", "--out", f"{out}/comparison")
"""


def run(code: str, *words: object) -> None:
    """Runs code in a process that lacks what only POSIX has."""
    command = [sys.executable, "-c", BEFORE + code, *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.mark.slow
def test_every_module_is_imported_where_posix_is_missing() -> None:
    run(IMPORT)


@pytest.mark.slow
@pytest.mark.parametrize("code", [VERBS, COMPARE], ids=["verbs", "compare"])
def test_every_verb_works_where_posix_is_missing(
    code: str, phantom: Path, tiny_plan: Plan, tmp_path: Path
) -> None:
    plan = tmp_path / "plan.yaml"
    plan.write_text(tiny_plan.updated({"training": {"iterations": 2}}).to_yaml(), encoding="utf-8")
    run(code, phantom, plan, tmp_path)
