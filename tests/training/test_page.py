import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from crln.cohort import Cohort, load_cohort, split_cohort
from crln.errors import CrlnError
from crln.planning import Plan
from crln.report.gallery import PAGE
from crln.report.story import OWN
from crln.runs import RunFolder, open_run
from crln.training import Course, Intervals, Listener, Training, train, write_page
from crln.training.page import EVERY, RunPage
from crln.training.phases import Phase

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def cohort(phantom: Path) -> Cohort:
    return split_cohort(load_cohort(phantom), validation=1)


@pytest.fixture(scope="module")
def run(cohort: Cohort, tiny_plan: Plan, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """A training of four steps, the second half on all scans, with its page."""
    out = tmp_path_factory.mktemp("page") / "run"
    plan = tiny_plan.updated({"training": {"labelled_start": 0.5}})
    return train(cohort, plan, out, progress=False)


def page(folder: Path) -> str:
    return (folder / PAGE).read_text(encoding="utf-8")


def test_a_run_has_a_page_with_its_curves_examples_and_card(run: RunFolder) -> None:
    text = page(run.path)
    for told in ("labels alone", "all scans", "Model card", "2 labelled scans and 3 scans without"):
        assert told in text
    assert re.findall(r'data-name="(\w+?)_\d+"', text) == 2 * ["labelled"] + 2 * ["unlabelled"]
    assert text.count('"kind": "truth"') == 2
    assert text.count('"kind": "prediction"') == 2
    assert "To be filled in by you" in text
    assert str(run.path.parent) not in text


def test_a_browser_shows_the_examples(run: RunFolder, browser: Any) -> None:
    opened = browser.open(run.path / PAGE, 400)
    opened.page.locator("canvas").last.scroll_into_view_if_needed()
    drawn = "() => [...document.querySelectorAll('canvas')].pop().getAttribute('width') > 100"
    opened.page.wait_for_function(drawn)
    assert opened.faults() == []


def test_the_same_command_shows_what_a_person_has_written_since(
    run: RunFolder, cohort: Cohort
) -> None:
    (run.path / OWN).write_text("For research on phantoms.", encoding="utf-8")
    assert write_page(run.path) == run.path / PAGE
    assert "For research on phantoms." in page(run.path)
    (run.path / OWN).write_text("For phantoms alone.", encoding="utf-8")
    train(cohort, run.plan, run.path, resume=True, progress=False)
    assert "For phantoms alone." in page(run.path)
    assert page(run.path).count("<article") == 4
    (run.path / OWN).unlink()


def test_a_persons_own_page_is_told_before_any_work(
    cohort: Cohort, tiny_plan: Plan, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    out.mkdir()
    (out / PAGE).write_text("<p>mine", encoding="utf-8")
    with pytest.raises(CrlnError, match="not written by crln train"):
        train(cohort, tiny_plan, out, progress=False, resume=True)
    assert page(out) == "<p>mine"


class Stops(Listener):
    def started(self, course: Course) -> None:
        self.course = course

    def row(self, step: int, values: object) -> None:
        if step == 2:
            self.course.stop()


def test_a_training_that_was_stopped_says_how_to_go_on(
    cohort: Cohort, tiny_plan: Plan, tmp_path: Path
) -> None:
    settings: dict[str, Any] = {
        "method": "supervised", "progress": False, "intervals": Intervals(log=1)
    }  # fmt: skip
    out = tmp_path / "run"
    stopped = train(cohort, tiny_plan, out, listeners=[Stops()], **settings)
    assert not stopped.finished
    with pytest.raises(CrlnError, match="the training did not finish"):
        write_page(out)
    assert "2 of 4 steps are done" in page(out)
    (out / OWN).write_text("Mine.", encoding="utf-8")
    train(cohort, tiny_plan, out, resume=True, **settings)
    assert "steps are done" not in page(out)
    train(cohort, tiny_plan, out, overwrite=True, **settings)
    assert "Mine." in page(out)


def test_while_it_trains_the_page_is_written_seldom(run: RunFolder, cohort: Cohort) -> None:
    now, seen = [0.0], []
    listener = RunPage(cohort, run.path, Training(), clock=lambda: now[0])
    listener.started(Course(run, 0, 4, (Phase("labels alone", 4),), (), lambda: None))
    before = page(run.path)
    for seconds in (1, EVERY, EVERY + 1, 2 * EVERY):
        now[0] = seconds
        (run.path / PAGE).unlink(missing_ok=True)
        listener.row(2, {})
        seen.append((run.path / PAGE).exists())
    assert seen == [False, True, False, True]
    (run.path / PAGE).write_text(before, encoding="utf-8")


def test_the_command_line_takes_no_page(
    command_line: Callable[..., Any], phantom: Path, tiny_plan: Plan, tmp_path: Path
) -> None:
    plan = tmp_path / "plan.yaml"
    plan.write_text(tiny_plan.to_yaml(), encoding="utf-8")
    words = [
        "train",
        phantom,
        "--out",
        tmp_path / "run",
        "--plan",
        plan,
        "--no-page",
        "--method",
        "supervised",
    ]
    assert command_line(*words).code == 0
    assert open_run(tmp_path / "run").finished
    assert not (tmp_path / "run" / PAGE).exists()
    assert not (tmp_path / "run" / OWN).exists()
