"""Which scans to outline next: by doubt, spread; never what is held out."""

import csv
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import crln
from crln.cohort import Case, Cohort, save_split
from crln.errors import CrlnError
from crln.suggestion.doubt import Doubt, Doubter

pytestmark = pytest.mark.slow


def test_scans_that_are_alike_are_not_suggested_together(
    ensemble: Path, cohort: Cohort, tmp_path: Path
) -> None:
    """Copies of one scan under other names: one of them is taken."""
    first = cohort.unlabelled[0]
    copies = [Case(f"copy_{i}", first.images) for i in range(4)]
    many = replace(cohort, unlabelled=(*copies, *cohort.unlabelled[1:]))
    found = {s.case: s.reason for s in crln.suggest(ensemble, many, 3, device="cpu")}
    assert len([case for case in found if case.startswith("copy")]) == 1
    assert len(found) == 3
    told = [reason.endswith("; unlike those above") for reason in found.values()]
    assert told == [False, True, True]
    alike = replace(cohort, unlabelled=tuple(copies))
    found = {s.case: s.reason for s in crln.suggest(ensemble, alike, 2, device="cpu")}
    assert len(found) == 2


def test_what_is_labelled_or_held_out_is_not_suggested_unasked(run: Path, cohort: Cohort) -> None:
    known = {case.id for case in cohort.unlabelled}
    found = {s.case for s in crln.suggest(run, cohort, 99, device="cpu")}
    assert found == known
    held, *_ = cohort.unlabelled
    of_run = replace(cohort, unlabelled=cohort.unlabelled[1:], test=(*cohort.test, held))
    save_split(of_run, run / "split.yaml")
    found = {s.case for s in crln.suggest(run, cohort, 99, device="cpu")}
    assert found == known - {held.id}
    asked = crln.suggest(run, cohort, 99, device="cpu", among=["test", "labelled"])
    assert {s.case for s in asked} == {c.id for c in (*cohort.labelled, *cohort.test, held)}
    with pytest.raises(CrlnError, match="--among tests: no part of a cohort; give labelled, unla"):
        crln.suggest(run, cohort, among=["tests"])
    with pytest.raises(CrlnError, match="no unlabelled scan to suggest"):
        crln.suggest(run, replace(cohort, unlabelled=()))


def test_of_a_patient_one_scan_is_suggested(run: Path, cohort: Cohort) -> None:
    grouped = tuple(replace(case, group="p") for case in cohort.unlabelled)
    for by in ("doubt", "random"):
        assert len(crln.suggest(run, replace(cohort, unlabelled=grouped), by=by)) == 1


def test_random_is_the_seed_s_and_knows_what_is_outlined(
    run: Path, cohort: Cohort, monkeypatch: pytest.MonkeyPatch
) -> None:
    many = replace(
        cohort, unlabelled=tuple(Case(f"{i}", cohort.unlabelled[i % 3].images) for i in range(8))
    )
    drawn = [
        tuple(s.case for s in crln.suggest(run, many, 4, by="random", seed=seed))
        for seed in (0, 0, 1)
    ]
    assert drawn[0] == drawn[1] != drawn[2]
    look = Doubter.look

    def nothing_in_most(self: Doubter, case: Case) -> Doubt:
        found = look(self, case)
        return found if case.id in "37" else replace(found, doubt=float("nan"))

    monkeypatch.setattr(Doubter, "look", nothing_in_most)
    found = crln.suggest(run, many, 4, by="random", slices=2)
    assert {s.case for s in found} == {"3", "7"}
    said: list[str] = []
    assert {s.case for s in crln.suggest(run, many, 4, say=said.append)} == {"3", "7"}
    assert said[-1].startswith("nothing is outlined in 0, 1, 2, 4, 5 and 1 more: look whether")


def test_slices_are_the_doubtful_ones_of_the_file(ensemble: Path, cohort: Cohort) -> None:
    (first,) = crln.suggest(ensemble, cohort, 1, slices=3, device="cpu")
    found = Doubter(ensemble, "cpu", "32").look(
        next(case for case in cohort if case.id == first.case)
    )
    assert first.axis is not None
    doubt = np.where(found.outlined[first.axis], found.slices[first.axis], -1)
    assert int(doubt.argmax()) in first.slices
    assert list(first.slices) == sorted(set(first.slices))
    assert all(found.outlined[first.axis][k] for k in first.slices)


def test_the_command_tells_why_and_writes_a_table(
    ensemble: Path, phantom: Path, tmp_path: Path, command_line: Callable[..., Any],
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    data = tmp_path / "data"
    shutil.copytree(phantom, data)
    scan = sorted((data / "images").iterdir())[0]
    (data / "images" / "torn.nii.gz").write_bytes(scan.read_bytes()[:80])
    out = tmp_path / "next.csv"
    words = ["suggest", ensemble, data, "--n", 2, "--slices", 2, "--out", out]
    result = command_line(*words)
    assert result.code == 0, result.err
    assert "left out: " in caplog.text
    assert "torn.nii.gz: truncated" in caplog.text
    with out.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["case"] for row in rows] == [
        s.case for s in crln.suggest(ensemble, data, 2, device="cpu")
    ]
    for row in rows:
        assert row["case"] in result.out
        assert row["reason"].startswith("outlines of 3 networks agree by a Dice of 0.")
        assert len(row["slices"].split()) == 2
    assert command_line(*words).err == f"error: {out}: exists; give another --out, or --overwrite\n"
