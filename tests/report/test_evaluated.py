"""The page of an evaluation, as it is written beside the files."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

import crln
from crln.errors import CrlnError
from crln.evaluation import ClassMetrics
from crln.report import page_beside, write_evaluation
from crln.report.evaluated import WORST, worst_first

pytestmark = pytest.mark.slow

SHAPE = (16, 14, 10)


def save(path: Path, array: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(array, np.diag([1.0, 1.0, 2.0, 1.0])), path)


def outline(head: int, tail: int = 4) -> np.ndarray:
    array = np.zeros(SHAPE, np.uint8)
    array[2 : 2 + head, 3:9, 2:6] = 1
    array[2 + head : 2 + head + tail, 3:9, 2:6] = 2
    return array


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Eight cases of a head and a tail, of which each is worse than the one before."""
    noise = np.random.default_rng(0)
    for i in range(8):
        name = f"case_{i}.nii.gz"
        save(tmp_path / "data" / "images" / name, noise.normal(size=SHAPE).astype(np.float32))
        save(tmp_path / "data" / "labels" / name, outline(8))
        save(tmp_path / "masks" / name, outline(8 - i))
    save(tmp_path / "masks" / "stray.nii.gz", outline(3))
    return tmp_path / "data"


@pytest.fixture
def evaluation(data: Path) -> crln.Evaluation:
    return crln.evaluate(data.parent / "masks", data / "labels")


def figures(text: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", text.split("<main>")[1].split("<script>")[0]).split())


def test_the_worst_come_first_and_the_undefined_last(evaluation: crln.Evaluation) -> None:
    dice = evaluation.values("dice")
    order = worst_first(evaluation)
    assert order == sorted(dice, key=lambda case: dice[case])
    assert order[0] == "case_7"
    rows = tuple(
        replace(row, metrics=ClassMetrics()) if row.case == "case_7" else row
        for row in evaluation.rows
    )
    assert worst_first(replace(evaluation, rows=rows))[-1] == "case_7"


def test_the_page_has_the_figures_and_what_was_left_out(
    evaluation: crln.Evaluation, tmp_path: Path
) -> None:
    page = write_evaluation(evaluation, tmp_path / "r.html", facts={"masks": "masks"})
    text = page.read_text(encoding="utf-8")
    shown = figures(text)
    dice = evaluation.summarised("dice")
    assert f"{100 * dice.mean:.1f} %" in shown
    assert f"95 % interval {100 * dice.low:.1f} to {100 * dice.high:.1f}" in shown
    assert "Left out, for want of a label: stray." in shown
    assert "A Dice of 70 % means" in shown
    worst = 100 * min(evaluation.values("dice").values())
    assert f"{worst:.1f} % case_7" in shown
    titles = re.findall('<h3 class="name">(.*?)</h3>', text)
    assert titles == worst_first(evaluation)
    tail = evaluation.values("dice", 2)
    assert [f"{100 * tail[case]:.1f}" for case in titles] == re.findall(
        r"class 2: Dice ([\d.]+) %", text
    )


def test_scans_are_shown_where_they_are_known(
    evaluation: crln.Evaluation, data: Path, tmp_path: Path
) -> None:
    alone = write_evaluation(evaluation, tmp_path / "alone.html").read_text()
    assert alone.count("its scan was not found".capitalize()) == 8
    scans = {case: [data / "images" / f"{case}.nii.gz"] for case in evaluation.cases}
    whole = write_evaluation(evaluation, tmp_path / "whole.html", scans=scans).read_text()
    assert "was not found" not in whole


def test_a_record_that_was_read_has_figures_and_no_pictures(
    evaluation: crln.Evaluation, tmp_path: Path
) -> None:
    *_, record = evaluation.save(tmp_path / "r")
    text = write_evaluation(crln.read_evaluation(record), tmp_path / "r.html").read_text()
    assert "<canvas" not in text
    assert f"{100 * evaluation.summarised('dice').mean:.1f} %" in figures(text)


def test_few_cases_have_no_interval(data: Path, tmp_path: Path) -> None:
    masks = data.parent / "masks"
    few = crln.evaluate(masks, data / "labels", cases=["case_1", "case_2"])
    text = figures(write_evaluation(few, tmp_path / "r.html").read_text())
    assert "fewer than 6 cases: no interval" in text
    assert "nan" not in text
    assert "a dot per case; the line is their mean" in text


def test_a_page_that_is_there_is_kept(evaluation: crln.Evaluation, tmp_path: Path) -> None:
    page = write_evaluation(evaluation, tmp_path / "r.html")
    for name in ("r", "r.csv", "r.json", "r.html"):
        with pytest.raises(CrlnError, match=r"r\.html: exists"):
            page_beside(tmp_path / name)
        assert page_beside(tmp_path / name, overwrite=True) == page
    write_evaluation(evaluation, page, overwrite=True)
    page.write_text("precious")
    for replace_it in (page_beside, lambda at, **how: write_evaluation(evaluation, at, **how)):
        with pytest.raises(CrlnError, match="not written by crln evaluate"):
            replace_it(page, overwrite=True)
    assert page.read_text() == "precious"


def test_two_hundred_cases_are_a_small_page(tmp_path: Path) -> None:
    noise = np.random.default_rng(0)
    image = noise.normal(size=(64, 64, 40)).astype(np.float32)
    mask = np.zeros(image.shape, np.uint8)
    mask[10:50, 10:50, 5:35] = noise.integers(0, 4, (40, 40, 30))  # as ragged as can be
    save(tmp_path / "scan.nii.gz", image)
    save(tmp_path / "labels" / "c000.nii.gz", mask)
    save(tmp_path / "masks" / "c000.nii.gz", np.roll(mask, 1, 0))
    one = crln.evaluate(tmp_path / "masks", tmp_path / "labels")
    names = [f"c{i:03}" for i in range(200)]
    files = dict.fromkeys(names, one.sources.files["c000"])
    many = replace(
        one,
        rows=tuple(replace(row, case=name) for name in names for row in one.rows),
        sources=replace(one.sources, files=files),
    )
    page = write_evaluation(
        many, tmp_path / "r.html", scans=dict.fromkeys(names, (tmp_path / "scan.nii.gz",))
    )
    assert page.read_text().count("<canvas") == WORST
    assert page.stat().st_size < 25e6


def test_it_reads_in_a_browser(
    evaluation: crln.Evaluation, data: Path, tmp_path: Path, browser: Any
) -> None:
    scans = {case: [data / "images" / f"{case}.nii.gz"] for case in evaluation.cases}
    facts = {"masks": "/a/rather/long/path/to/some/folder/of/masks/that/a/person/might/have/made"}
    page = write_evaluation(evaluation, tmp_path / "r.html", scans=scans, facts=facts)
    for width, scheme in ((400, "dark"), (1200, "light")):
        opened = browser.open(page, width, scheme)
        opened.page.evaluate("document.querySelectorAll('details').forEach(e => e.open = true)")
        opened.page.locator("canvas").first.scroll_into_view_if_needed()
        opened.page.wait_for_function("document.querySelector('canvas').width > 100")
        assert opened.faults() == []
    slider = opened.page.locator("input[type=range]").first
    place = opened.page.locator(".place").first
    before = place.inner_text()
    slider.press("ArrowLeft")
    assert place.inner_text() != before
