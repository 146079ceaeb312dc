"""`cases.csv` beside the masks."""

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from crln.errors import CrlnError
from crln.evaluation.measures import Measures
from crln.imaging import Grid, Volume
from crln.inference import Prediction
from crln.inference.table import TABLE, add_rows, check_table, headings, rows_of
from crln.labels import LabelSpace
from crln.quality import Appraisal, Score

LABELS = LabelSpace((0, 3, 7), ("background", "liver", "tumour"))
NOTHING = Measures(0, 0.0, float("nan"), (float("nan"),), 0, False)
COLUMNS = headings(("CT",))


def lines(folder: Path) -> list[list[str]]:
    with (folder / TABLE).open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


def row(case: str, volume: float) -> list[list[Any]]:
    measures = {"liver": Measures(8, volume, 2.5, (40.0,), 1, True), "tumour": NOTHING}
    return rows_of(case, measures, LABELS)


def test_a_line_tells_a_structure_and_nothing_of_what_is_not_there(tmp_path: Path) -> None:
    add_rows(tmp_path, {"a": row("a", 1.5)}, COLUMNS)
    assert lines(tmp_path) == [
        ["case", "value", "class", "voxels", "volume_ml", "diameter_mm", "mean", "pieces",
         "at_border", "score", "low", "high", "flags"],
        ["a", "3", "liver", "8", "1.5", "2.5", "40", "1", "yes", "", "", "", ""],
        ["a", "7", "tumour", "0", "0", "", "", "0", "no", "", "", "", ""],
    ]  # fmt: skip


def test_a_line_tells_its_structure_s_score_and_what_concerns_it() -> None:
    appraisal = Appraisal(
        {"liver": Score(0.9, 0.8, 0.95, 0.5)}, ("unlike",), {"tumour": ("is missing",)}
    )
    measures = {"liver": NOTHING, "tumour": NOTHING}
    liver, tumour = rows_of("a", measures, LABELS, appraisal)
    assert liver[-4:] == [0.9, 0.8, 0.95, "unlike"]
    assert np.isnan(tumour[-4:-1]).all()
    assert tumour[-1] == "unlike; is missing"
    assert appraisal.flags == ("unlike", "tumour is missing")


def test_cases_of_a_later_prediction_are_added_or_take_the_place_of_theirs(tmp_path: Path) -> None:
    add_rows(tmp_path, {"b": row("b", 1.0), "a": row("a", 1.0)}, COLUMNS)
    add_rows(tmp_path, {"c": row("c", 3.0), "a": row("a", 2.0)}, COLUMNS, tmp_path / "lock")
    assert [(line[0], line[4]) for line in lines(tmp_path)[1::2]] == [
        ("a", "2"), ("b", "1"), ("c", "3"),
    ]  # fmt: skip


def test_the_table_of_a_model_with_other_channels_is_written_anew(tmp_path: Path) -> None:
    add_rows(tmp_path, {"a": row("a", 1.0)}, headings(("T1", "T2")))
    check_table(tmp_path)
    add_rows(tmp_path, {"b": row("b", 1.0)}, COLUMNS)
    assert [line[0] for line in lines(tmp_path)] == ["case", "b", "b"]


def test_lines_of_masks_that_stay_outlive_other_columns(tmp_path: Path) -> None:
    add_rows(tmp_path, {"a": row("a", 1.0)}, headings(("T1",)))
    had, *before = lines(tmp_path)
    add_rows(tmp_path, {"b": [["b", 1]]}, ["case", "other"], keep=True)
    columns, *after = lines(tmp_path)
    assert columns == ["case", "other", *had[1:]]
    assert after == [
        ["a", "", *before[0][1:]],
        ["a", "", *before[1][1:]],
        ["b", "1", *[""] * (len(had) - 1)],
    ]


def test_the_table_of_an_older_version_with_fewer_columns_is_kept(tmp_path: Path) -> None:
    add_rows(tmp_path, {"a": [line[:6] for line in row("a", 1.0)]}, COLUMNS[:6])
    add_rows(tmp_path, {"b": row("b", 2.0)}, COLUMNS)
    assert [line[0] for line in lines(tmp_path)] == ["case", "a", "a", "b", "b"]


@pytest.mark.parametrize("ending", ["\n", "\n\n", "\nb\n"])
def test_an_edited_table_is_no_traceback(tmp_path: Path, ending: str) -> None:
    add_rows(tmp_path, {"a": row("a", 1.0)}, COLUMNS)
    with (tmp_path / TABLE).open("a", encoding="utf-8") as file:
        file.write(ending)
    check_table(tmp_path)
    add_rows(tmp_path, {"c": row("c", 1.0)}, COLUMNS)
    assert [line[0] for line in lines(tmp_path)][-2:] == ["c", "c"]
    (tmp_path / TABLE).write_text("", encoding="utf-8")
    check_table(tmp_path)
    add_rows(tmp_path, {"c": row("c", 1.0)}, COLUMNS)
    assert [line[0] for line in lines(tmp_path)] == ["case", "c", "c"]


def test_a_person_s_own_file_of_that_name_stays(tmp_path: Path) -> None:
    check_table(tmp_path)
    (tmp_path / TABLE).write_text("patient,age\nx,3\n", encoding="utf-8")
    with pytest.raises(CrlnError, match="not written by crln; move it"):
        check_table(tmp_path)


def test_channels_have_a_mean_each() -> None:
    assert headings(("T1", "FLAIR"))[6:8] == ["mean T1", "mean FLAIR"]


@pytest.mark.parametrize(
    ("labels", "mask"),
    [
        (LABELS, np.array([0, 3, 3, 7])),
        (LabelSpace.of([0, 1, 2], {}, regions={"liver": (1, 2), "tumour": (2,)}),
         np.array([0, 1, 2, 2])),
        (LabelSpace((0, 1, 2), ("background", "liver", "tumour"), exclusive=False),
         np.array([[1, 0, 0, 0], [0, 1, 1, 1], [0, 0, 1, 1]], bool)),
    ],
    ids=["exclusive", "regions", "separate"],
)  # fmt: skip
def test_a_prediction_measures_each_structure(labels: LabelSpace, mask: np.ndarray) -> None:
    grid = Grid((4, 1, 1), np.diag([1.0, 1.0, 1.0, 1.0]))
    scan = Volume(np.arange(4, dtype=np.float32).reshape(1, 4, 1, 1), grid)
    placed = mask.reshape(*mask.shape, 1, 1)
    found = Prediction(placed, None, None, grid, labels, scan).measures()
    of_liver = mask[1] if mask.ndim == 2 else np.isin(mask, [1, 2, 3])
    assert list(found) == ["liver", "tumour"]
    assert found["liver"].voxels == of_liver.sum()
    assert found["liver"].intensity == (np.arange(4)[of_liver].mean(),)
    assert found["tumour"].diameter_mm == found["tumour"].voxels - 1
