"""benchmarks/fine.py: its arms are plans that build, its cohorts those of the data's README."""

import csv
import sys
from pathlib import Path
from types import ModuleType

import pytest

from crln.comparison import parse_variant
from crln.methods import build_method, spelled_out
from crln.planning import Plan

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def fine(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    sys.modules.pop("fine", None)
    import fine

    assert isinstance(fine, ModuleType)
    return fine


@pytest.mark.slow
def test_every_arm_is_a_plan_that_builds_and_differs(fine: ModuleType, tiny_plan: Plan) -> None:
    """Also by its folder's name, which fits a file system."""
    plans = {}
    for arm in fine.ARMS:
        variant = parse_variant(fine.method(arm))
        plans[arm] = spelled_out("crln", variant.plan(tiny_plan))
        build_method("crln", plans[arm])
        assert len(f"{variant.slug}-8-seed0") < 245
    texts = [plan.to_yaml() for plan in plans.values()]
    assert len(set(texts)) == len(texts)
    assert plans["plain"] == spelled_out("crln", tiny_plan)


def test_labelled_vessels_are_of_every_stack_and_none_of_a_held_out_group(
    fine: ModuleType, tmp_path: Path
) -> None:
    root = tmp_path / "vessel2p"
    root.mkdir()
    groups = {"a": "first", "b": "first", "c": "second", "d": "third", "x": "poon2015_BBB"}
    rows = [(f"{s}{n}", group, s) for s, group in groups.items() for n in range(2)]
    with (root / "cases.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("case", "group", "stack"), *rows])
    found = fine.vessels(tmp_path)
    ids = {
        part: [case["id"] for case in found[part]] for part in ("labelled", "unlabelled", "test")
    }
    assert ids == {
        "labelled": ["a0", "b0", "c0", "d0"],
        "unlabelled": ["a1", "b1", "c1", "d1"],
        "test": ["x0", "x1"],
    }
    assert ["label" in case for case in found["unlabelled"]] == [False] * 4


def test_atria_are_split_in_the_benchmarks_order(fine: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "la_half").mkdir()
    names = [f"case{n}" for n in range(40)]
    (tmp_path / "la_half" / "train.list").write_text("\n".join(names))
    found = fine.atria(tmp_path)
    parts = [[case["id"] for case in found[part]] for part in ("labelled", "unlabelled", "test")]
    assert parts == [names[:8], names[8:20], names[20:]]
