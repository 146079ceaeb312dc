from dataclasses import replace
from pathlib import Path

import pytest

from crln.cohort import NEW, SPLIT, load_cohort
from crln.comparison.settings import MARK, PLAN, Settings, make_cells, open_folder
from crln.errors import CrlnError
from crln.planning import Plan


def opened(out: Path, settings: Settings) -> Plan:
    return open_folder(out, settings, settings.part.load())


def test_defaults(settings: Settings) -> None:
    assert settings.compared_with == "supervised"
    assert settings.distances == "mm"
    assert replace(settings, methods=("crln", "supervised_all")).compared_with == "crln"
    assert replace(settings, plan=None, preset="la").distances == "voxel"
    assert replace(settings, plan=None, preset="la", unit="mm").distances == "mm"


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"methods": ()}, "nothing to compare"),
        ({"seeds": (0, 0)}, "--seeds names one twice: 0 0"),
        ({"preset": "la"}, "exclude each other"),
        ({"reference": "bcp"}, "is not among --methods"),
    ],
)
def test_impossible_settings_are_told(settings: Settings, changes: dict, line: str) -> None:
    with pytest.raises(CrlnError, match=line):
        replace(settings, **changes)


def test_the_folder_remembers(settings: Settings, tmp_path: Path) -> None:
    out = tmp_path / "out"
    plan = opened(out, replace(settings, iterations=7))
    assert plan.training.iterations == 7
    assert opened(out, replace(settings, iterations=7, seeds=(5,), methods=("crln",))) == plan
    with pytest.raises(CrlnError, match="holds a comparison with iterations 7, not 9"):
        opened(out, replace(settings, iterations=9))
    (out / PLAN).unlink()  # cut off between the two files
    assert opened(out, replace(settings, iterations=7)) == plan
    (out / MARK).write_text("[]")
    with pytest.raises(CrlnError, match="valid dictionary; restore it or give another --out"):
        opened(out, settings)


def test_an_edited_plan_is_another_comparison(
    settings: Settings, plan_file: Path, tmp_path: Path
) -> None:
    mine = tmp_path / "mine.yaml"
    mine.write_text(plan_file.read_text())
    opened(tmp_path / "out", replace(settings, plan=mine))
    mine.write_text(Plan.read(mine).updated({"training": {"lr": 0.5}}).to_yaml())
    with pytest.raises(CrlnError, match="is not the plan that the cells"):
        opened(tmp_path / "out", replace(settings, plan=mine))


def test_no_other_folder_is_written_to(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("precious")
    with pytest.raises(CrlnError, match="holds no comparison"):
        opened(tmp_path, settings)
    with pytest.raises(CrlnError, match="cannot be made"):
        opened(tmp_path / "thesis.txt" / "out", settings)


def test_the_plan_rests_on_the_fewest_labels(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    def spy(cohort, **options):
        seen.append(len(cohort.labelled))
        return Plan()

    monkeypatch.setattr("crln.comparison.settings.make_plan", spy)
    opened(tmp_path / "out", replace(settings, plan=None, labelled=(3, 1, 2)))
    assert seen == [1]


def test_cells_are_every_combination(settings: Settings, phantom: Path, tmp_path: Path) -> None:
    plan = opened(tmp_path / "out", settings)
    wide = replace(settings, methods=("supervised_all", "crln[positive_weight=0]"), labelled=(2, 1))
    cells = make_cells(wide, plan, load_cohort(phantom), tmp_path / "out")
    assert [cell.name for cell in cells] == [
        "crln-positive_weight=0-1-seed0",
        "crln-positive_weight=0-1-seed1",
        "crln-positive_weight=0-2-seed0",
        "crln-positive_weight=0-2-seed1",
        "supervised_all-3-seed0",
        "supervised_all-3-seed1",
    ]
    assert cells[0].plan.options["crln"]["positive_weight"] == 0
    assert cells[0].plan.network == cells[-1].plan.network


def test_a_wrong_option_is_told_before_anything_is_trained(
    settings: Settings, phantom: Path, tmp_path: Path
) -> None:
    cohort, plan = load_cohort(phantom), opened(tmp_path / "out", settings)
    with pytest.raises(CrlnError, match=r"options\.crln\.nonsense"):
        make_cells(replace(settings, methods=("crln[nonsense=1]",)), plan, cohort, tmp_path)
    twins = ("crln[queries=8]", "crln[queries=8 ]")
    with pytest.raises(CrlnError, match="share the folder"):
        make_cells(replace(settings, methods=twins), plan, cohort, tmp_path)


def test_named_test_cases_are_remembered(settings: Settings, tmp_path: Path) -> None:
    named = replace(settings, test=("a", "b"))
    assert named.fixed()["test"] == ["a", "b"]
    assert replace(settings, test="20%").fixed()["test"] == "20%"
    assert replace(settings, test="12").fixed()["test"] == 12
    listed = tmp_path / "ids.txt"
    listed.write_text("a\nb\n")
    assert replace(settings, test=str(listed)).part == named.part


def test_the_cells_of_a_folder_keep_the_test_that_it_was_begun_with(
    settings: Settings, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    assert settings.part_in(out).kept is None
    plan = opened(out, settings)
    whole = settings.part.load()
    cohort = settings.part.split(whole, None, settings.seeds[0])
    (cell, *_) = make_cells(settings, plan, cohort, out)
    kept = cell.part.load()
    assert kept.kept == out / SPLIT
    assert [case.id for case in kept.test] == [case.id for case in cohort.test]
    assert cell.part.split(kept, 1, 0).labelled == settings.part.split(whole, 1, 0).labelled
    (out / SPLIT).unlink()  # begun before a comparison kept its test
    assert settings.part_in(out).kept == NEW
    with pytest.raises(CrlnError, match="holds a comparison with split None, not new"):
        opened(out, replace(settings, split="new"))
