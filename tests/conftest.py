"""What several rooms' tests share."""

import importlib.util
import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import pytest
import torch

from crln.cohort import load_cohort, make_phantom
from crln.planning import Plan, make_plan

# As many threads as processes leave it, up to two.
_processes = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
torch.set_num_threads(max(1, min(2, (os.cpu_count() or 1) // _processes)))
# Started in the background by a script, Ctrl-C is ignored, here and in every program started from
# here; tests send it to programs.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def small_scans() -> Path:
    """Tiny scans of our own making, in the repository: see tests/data/make.py."""
    return Path(__file__).parent / "data"


def _beside(name: str) -> ModuleType:
    """A module of helpers in this folder."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def dicom() -> ModuleType:
    """Writers of DICOM files, see tests/dicom_files.py."""
    return _beside("dicom_files")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Opens pages in a real browser, see tests/browser.py."""
    with _beside("browser").started() as browser:
        yield browser


@pytest.fixture(scope="session")
def data_root() -> Path:
    """The real scans (CRLN_DATA, default ../shared/data); few tests need what only they have."""
    root = Path(os.environ.get("CRLN_DATA", "../shared/data"))
    if not root.is_dir():
        pytest.skip(f"no real scans at {root}: set CRLN_DATA to the folder that holds them")
    return root.resolve()


@pytest.fixture(scope="session")
def phantom(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A phantom cohort of small scans: 3 labelled, 3 unlabelled, 2 test."""
    root = tmp_path_factory.mktemp("phantom")
    return make_phantom(root, labelled=3, unlabelled=3, test=2, shape=(24, 24, 20), seed=0)


@pytest.fixture(scope="session")
def tiny_plan(phantom: Path) -> Plan:
    """A plan for the phantom with networks of 4 filters and patches of 16^3."""
    changes = {
        "patch_size": (16, 16, 16),
        "spacing": None,
        "network": {"widths": (4, 4, 8, 8, 8), "prototypes": 2, "embedding": 4},
        "training": {"iterations": 4},
        "options": {"crln": {"queries": 8, "negatives": 16}},
    }
    return make_plan(load_cohort(phantom), changes=changes)


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests share one cache of their own, never the user's."""
    monkeypatch.setenv("CRLN_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))


class Outcome(NamedTuple):
    """What one command line left: exit code, standard output, standard error."""

    code: int
    out: str
    err: str


@pytest.fixture
def command_line(capsys: pytest.CaptureFixture[str]) -> Callable[..., Outcome]:
    """Runs `crln` in this process with the given words."""
    from crln.cli import main

    def run(*words: object) -> Outcome:
        capsys.readouterr()
        with pytest.raises(SystemExit) as exit:
            main([str(word) for word in words])
        code = exit.value.code
        return Outcome(code if isinstance(code, int) else int(bool(code)), *capsys.readouterr())

    return run
