"""The how-to's listeners work, against stand-ins of what they write to."""

import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from crln.planning import Plan
from crln.runs import Facts, RunFolder
from crln.training import Course, Listener
from crln.training.listeners import Phase

pytestmark = pytest.mark.slow

PAGE = Path(__file__).parents[2] / "docs/how-to/follow-a-training.md"


class Recorder(ModuleType):
    """A module, or a run of one, that writes down how its functions are called."""

    def __init__(self, name: str, calls: list[tuple[Any, ...]]) -> None:
        super().__init__(name)
        self.calls = calls

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)

        def call(*given: Any, **named: Any) -> Any:
            self.calls.append((name, *given, *named.values()))
            return self

        return call


@pytest.mark.parametrize(
    ("module", "row", "score", "end"),
    [
        ("wandb", ("log", {"total": 0.5}, 10), ("log", {"validation": 0.8}, 10), "finish"),
        (
            "mlflow",
            ("log_metrics", {"total": 0.5}, 10),
            ("log_metric", "validation", 0.8, 10),
            "end_run",
        ),
    ],
)
def test_a_documented_listener_writes_rows_and_scores(
    module: str, row: tuple[Any, ...], score: tuple[Any, ...], end: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    calls: list[tuple[Any, ...]] = []
    monkeypatch.setitem(sys.modules, module, Recorder(module, calls))
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    (code,) = [block for block in blocks if f"import {module}" in block]
    names: dict[str, Any] = {}
    exec(code, names)
    (kind,) = [
        each for each in names.values()
        if isinstance(each, type) and issubclass(each, Listener)
    ]  # fmt: skip
    run = RunFolder(Path("run"), Plan(), Facts(method="crln", seed=0))
    listener = kind()
    listener.prepared(1, 1)
    listener.started(Course(run, 0, 8, (Phase("all scans", 8),), (), lambda: None))
    listener.row(10, {"total": 0.5})
    listener.validated(10, 0.8, True)
    listener.saved(10)
    listener.finished(run)
    listener.closed()
    assert row in calls
    assert score in calls
    assert calls[-1][0] == end


def test_one_that_overrides_nothing_hears_everything() -> None:
    run = RunFolder(Path("run"), Plan(), Facts(method="crln", seed=0))
    listener = Listener()
    listener.prepared(1, 1)
    listener.started(Course(run, 0, 8, (), (), lambda: None))
    listener.row(1, {})
    listener.validated(1, 0.5, False)
    listener.saved(1)
    listener.finished(run)
    listener.closed()
