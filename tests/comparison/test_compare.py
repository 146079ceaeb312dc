"""The whole comparison, its cells in this process."""

import shutil
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from crln.cohort import load_cohort, split_cohort
from crln.comparison import Comparison, Compute, Outside, Settings, compare, write_results
from crln.comparison.leaks import FINDING, RECORD
from crln.comparison.records import to_json, to_markdown
from crln.errors import CrlnError
from crln.evaluation import evaluate_pairs
from crln.runs import open_run
from crln.training import train

pytestmark = pytest.mark.slow

HERE = Compute(device="cpu")
Finished = tuple[Comparison, list[str]]


def test_every_cell_is_an_ordinary_run(
    finished_comparison: Finished, settings: Settings, tmp_path: Path
) -> None:
    comparison, _ = finished_comparison
    assert [cell.name for cell in comparison.cells] == [
        "supervised-2-seed0", "supervised-2-seed1", "crln-2-seed0", "crln-2-seed1",
    ]  # fmt: skip
    cell = comparison.cells[3]
    cohort = split_cohort(load_cohort(settings.data), labelled=2, seed=1)
    train(cohort, cell.plan, tmp_path / "run", method="crln", seed=1, device="cpu", progress=False)
    ordinary = open_run(tmp_path / "run")
    assert cell.open().weights.read_bytes() == ordinary.weights.read_bytes()
    assert cell.open().split.read_text() == ordinary.split.read_text()


def test_rows_measure_the_test_masks(finished_comparison: Finished) -> None:
    comparison, _ = finished_comparison
    assert [(row.method, row.labelled) for row in comparison.rows] == [
        ("supervised", 2), ("crln", 2), ("tool", 2),
    ]  # fmt: skip
    cell, row = comparison.cells[0], comparison.rows[0]
    pairs = {case.id: (cell.mask(case), case.label.path) for case in comparison.test}
    expected = evaluate_pairs(pairs, classes=cell.plan.labels.structures)
    assert row.last[0].values("dice") == expected.values("dice")
    assert row.seeds == (0, 1)
    assert row.checkpoint == "last"
    assert row.cost.parameters == cell.open().facts.parameters
    assert row.cost.peak_memory_gib > 0
    assert comparison.rows[1].differences["dice"].cases <= len(comparison.test)


def test_an_outside_tool_is_one_more_row(finished_comparison: Finished) -> None:
    comparison, _ = finished_comparison
    tool, supervised = comparison.rows[2], comparison.rows[0]
    assert tool.last[0].values("dice") == supervised.last[0].values("dice")  # the same masks
    assert (tool.seeds, tool.cost, tool.checkpoint) == ((), None, "")


def test_what_is_done_is_kept(finished_comparison: Finished) -> None:
    _, said = finished_comparison
    assert said[0] == "4 cells, 0 of them done; 2 test cases"
    assert "log.csv" in said[1]
    assert said[2:6] == [
        f"{name}: done, {left} left"
        for name, left in zip(
            ("supervised-2-seed0", "supervised-2-seed1", "crln-2-seed0", "crln-2-seed1"),
            (3, 2, 1, 0),
            strict=True,
        )
    ]
    assert said[6:] == ["4 cells, 4 of them done; 2 test cases"]


def test_only_what_is_missing_is_done(
    settings: Settings, a_copy: tuple[Path, list[str]], here: None
) -> None:
    out, said = a_copy
    cut = out / "cells" / "supervised-2-seed1"
    weights = (cut / "weights.safetensors").read_bytes()
    for name in ("weights.safetensors", "seal.json"):
        (cut / name).unlink()
    kept = (out / "cells" / "crln-2-seed0" / "weights.safetensors").stat().st_mtime_ns
    comparison = compare(settings, out, compute=HERE, say=said.append)
    assert said[0] == "4 cells, 3 of them done; 2 test cases"
    assert said[2:] == ["supervised-2-seed1: done, 0 left"]
    assert (cut / "weights.safetensors").read_bytes() == weights
    assert comparison.cells[2].open().weights.stat().st_mtime_ns == kept


def test_no_test_label_opened_only_if_so(
    settings: Settings, a_copy: tuple[Path, list[str]], here: None
) -> None:
    out, _ = a_copy
    first = compare(settings, out, compute=HERE, say=str)
    assert first.leaks.verdict == "no test label opened, by the record of 4 trainings"

    record = out / "cells" / "crln-2-seed0" / RECORD
    honest = record.read_text()
    record.unlink()
    record.with_name(FINDING).unlink()
    unknown = compare(settings, out, compute=HERE, say=str)
    assert unknown.leaks.verdict.startswith("unknown whether test labels were opened: 1 training")
    assert "no test label opened" not in unknown.leaks.verdict

    case = first.test[0]
    record.write_text(f'{honest}["open", "{case.label.path}"]\n')
    leaking = compare(settings, out, compute=HERE, say=str)
    assert leaking.leaks.opened == {"crln-2-seed0": [case.id]}
    assert "test labels were opened by 1 of 4 trainings" in leaking.leaks.verdict


def test_the_figures_of_cells_go_on_without_weights_masks_and_paths(
    settings: Settings, finished_comparison: Finished, tmp_path: Path, here: None
) -> None:
    first, _ = finished_comparison
    compare(settings, first.out, compute=HERE, say=str)  # measures, and keeps what it finds
    left_out = shutil.ignore_patterns("*.safetensors", "masks", "tensorboard", RECORD)
    cells = tmp_path / "out" / "cells"
    for cell in first.cells:
        shutil.copytree(cell.folder, cells / cell.name, ignore=left_out)
    said: list[str] = []
    again = compare(settings, tmp_path / "out", compute=HERE, say=said.append)
    assert said == ["4 cells, 4 of them done; 2 test cases"]
    assert again.leaks == first.leaks
    for row, known in zip(again.rows, first.rows, strict=False):
        assert row.by_case("hd95") == known.by_case("hd95")
        assert row.cost == known.cost
    page = write_results(again).read_text(encoding="utf-8")
    assert ">Trainings" in page
    assert "data:image/png" not in page  # no mask to show

    with pytest.raises(CrlnError, match="not in voxel; remove the folder"):
        compare(replace(settings, unit="voxel"), tmp_path / "out", compute=HERE, say=str)
    (cells / "crln-2-seed0" / "plan.yaml").write_text("name: another\n")
    with pytest.raises(CrlnError, match="crln-2-seed0: its weights and masks are gone"):
        compare(settings, tmp_path / "out", compute=HERE, say=str)
    assert cells.joinpath("crln-2-seed0", "metrics.json").exists()


def test_a_value_that_only_the_test_labels_hold_is_told(
    settings: Settings, a_copy: tuple[Path, list[str]], here: None, tmp_path: Path
) -> None:
    out, said = a_copy
    data = tmp_path / "data"
    shutil.copytree(settings.data, data)
    (out / "comparison.yaml").write_text(
        (out / "comparison.yaml").read_text().replace(str(settings.data.resolve()), str(data))
    )
    case = load_cohort(data).test[0]
    scan = nib.load(case.label.path)
    voxels = np.asanyarray(scan.dataobj).copy()
    voxels[:3, :3, :3] = 7
    nib.save(nib.Nifti1Image(voxels, scan.affine), case.label.path)
    comparison = compare(replace(settings, data=data), out, compute=HERE, say=said.append)
    told = f"value 7 in the labels of {case.id} is none of the classes: counted as background"
    assert said.count(told) == 1
    for text in (to_markdown(comparison), to_json(comparison)):
        assert told in text


def test_a_cell_that_cannot_be_done_is_left_out_and_named(
    settings: Settings, a_copy: tuple[Path, list[str]], here: None
) -> None:
    out, said = a_copy
    (out / "cells" / "crln-2-seed1" / "checkpoint.safetensors").write_text("damaged")
    (out / "cells" / "crln-2-seed1" / "weights.safetensors").unlink()
    comparison = compare(settings, out, compute=HERE, say=said.append)
    assert list(comparison.faults) == ["crln-2-seed1"]
    assert "checkpoint.safetensors: missing or damaged" in comparison.faults["crln-2-seed1"]
    assert comparison.rows[1].seeds == (0,)
    assert comparison.leaks.checked == 3


def test_a_cell_whose_plan_was_edited_goes_on_with_its_own(
    settings: Settings, a_copy: tuple[Path, list[str]], here: None
) -> None:
    out, said = a_copy
    cell = out / "cells" / "crln-2-seed1"
    before = (cell / "plan.yaml").read_text()
    (cell / "plan.yaml").write_text("name: tampered\n")
    (cell / "weights.safetensors").unlink()
    assert not compare(settings, out, compute=HERE, say=said.append).faults
    assert (cell / "plan.yaml").read_text() == before


def test_a_process_that_stops_is_told_with_what_it_said(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stops(tasks, jobs, folder, finished, gpus):
        for name in tasks:
            finished(name, folder / "log.err")

    monkeypatch.setattr("crln.comparison.comparison.run_tasks", stops)
    with pytest.raises(CrlnError, match=r"no cell could be done; it stopped; .*log\.err"):
        compare(settings, tmp_path / "out", compute=HERE, say=str)


def test_without_a_test_case_nothing_starts(settings: Settings, tmp_path: Path) -> None:
    data = tmp_path / "data"
    shutil.copytree(settings.data, data)
    (data / "test.list").unlink()
    with pytest.raises(CrlnError, match="no test case with a label; give --test N"):
        compare(replace(settings, data=data), tmp_path / "out")
    with pytest.raises(CrlnError, match="asked for 50 labelled"):
        compare(replace(settings, labelled=(2, 50)), tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("outside", "line"),
    [
        ([Outside(Path("m"), "crln", 2)], "crln with 2 labels is there twice"),
        ([Outside(Path("m"), "a", 2), Outside(Path("n"), "a", 2)], "a with 2 labels is there"),
        ([Outside(Path("m"), "../a", 2)], "is no name"),
    ],
)
def test_names_of_outside_tools(
    settings: Settings, tmp_path: Path, outside: list[Outside], line: str
) -> None:
    with pytest.raises(CrlnError, match=line):
        compare(settings, tmp_path / "out", outside=outside)
    assert not (tmp_path / "out").exists()
