"""What a result names of the code and the machine that it came from."""

import subprocess
from pathlib import Path
from typing import Any

import pytest
import torch

from crln.runs import environment_facts
from crln.runs.provenance import _commit, _processor

CPU = torch.device("cpu")


def answering(monkeypatch: pytest.MonkeyPatch, head: str, changed: str) -> list[list[str]]:
    """Makes git say so; returns what it is asked."""
    asked: list[list[str]] = []

    def run(words: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        asked.append(words)
        answer = head if "rev-parse" in words else changed
        return subprocess.CompletedProcess(words, 0, stdout=answer)

    monkeypatch.setattr(subprocess, "run", run)
    return asked


def test_command_versions_and_machine_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["crln", "train", "data"])
    facts = environment_facts(CPU)
    assert facts["command"] == "crln train data"
    assert facts["torch"] == str(torch.__version__)
    assert facts["threads"] == torch.get_num_threads()
    assert facts["device"]
    assert facts["started"].endswith("+00:00")


def test_the_commit_and_whether_the_code_differs_from_it(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = answering(monkeypatch, "0123456789ab\n", "")
    assert _commit() == "0123456789ab"
    assert Path(asked[1][-1]).name == "crln"  # other files of the repository do not count
    answering(monkeypatch, "0123456789ab\n", " M src/crln/labels.py\n")
    assert _commit() == "0123456789ab-modified"


@pytest.mark.parametrize("fault", [FileNotFoundError(), subprocess.CalledProcessError(128, "git")])
def test_an_installed_package_has_no_commit(
    monkeypatch: pytest.MonkeyPatch, fault: Exception
) -> None:
    def run(*_: Any, **__: Any) -> None:
        raise fault

    monkeypatch.setattr(subprocess, "run", run)
    assert environment_facts(CPU)["commit"] is None


def test_the_processor_is_named_by_the_kernel_or_by_python(monkeypatch: pytest.MonkeyPatch) -> None:
    info = "processor\t: 0\nmodel name\t: Abacus 9000: fast\n"
    monkeypatch.setattr(Path, "read_text", lambda *_, **__: info)
    assert _processor() == "Abacus 9000: fast"
    monkeypatch.setattr("platform.processor", lambda: "")
    monkeypatch.setattr("platform.machine", lambda: "riscv64")
    monkeypatch.setattr(Path, "read_text", lambda *_, **__: "processor\t: 0\n")
    assert _processor() == "riscv64"

    def refuse(*_: Any, **__: Any) -> str:
        raise FileNotFoundError

    monkeypatch.setattr(Path, "read_text", refuse)
    assert _processor() == "riscv64"
