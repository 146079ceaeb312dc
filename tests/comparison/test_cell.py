"""A cell is an ordinary run folder that a killed process leaves to the next one."""

import shutil
import threading
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from crln.comparison.cell import Cell, Compute, Part
from crln.comparison.leaks import opened_labels
from crln.comparison.variant import parse_variant
from crln.files import claim
from crln.planning import Plan
from crln.runs import open_run

pytestmark = pytest.mark.slow

HERE = Compute(device="cpu")


@pytest.fixture
def cell(phantom: Path, tiny_plan: Plan, tmp_path: Path) -> Cell:
    plan = tiny_plan.updated({"training": {"iterations": 2}})
    folder = tmp_path / "supervised-2-seed1"
    return Cell(folder, parse_variant("supervised"), plan, 2, 1, Part(phantom, 0, 0))


def test_it_trains_and_outlines_and_opens_no_test_label(cell: Cell) -> None:
    test = cell.part.split(cell.part.load(), 2, 1).test
    assert not cell.done(test)
    cell.complete(HERE)
    assert cell.done(test)
    run = open_run(cell.folder)
    assert (run.facts.method, run.facts.seed, run.facts.labelled) == ("supervised", 1, 2)
    run.check_seal()
    assert all(cell.mask(case).exists() for case in test)
    assert opened_labels(cell.folder, test) == []
    labelled = cell.part.split(cell.part.load(), 2, 1).labelled
    assert opened_labels(cell.folder, labelled) == sorted(case.id for case in labelled)


def test_what_was_cut_off_is_gone_on_with(cell: Cell) -> None:
    test = cell.part.split(cell.part.load(), 2, 1).test
    cell.folder.mkdir()
    (cell.folder / "plan.yaml").write_text("cut off before the run had begun")
    cell.complete(HERE)
    assert opened_labels(cell.folder, test) == []
    weights = cell.open().weights.read_bytes()
    trained = cell.open().weights.stat().st_mtime_ns
    cell.mask(test[0]).unlink()
    cell.complete(HERE)
    assert cell.open().weights.stat().st_mtime_ns == trained  # only the mask was missing
    for name in ("weights.safetensors", "seal.json"):
        (cell.folder / name).unlink()
    cell.complete(HERE)
    assert cell.open().weights.read_bytes() == weights
    assert cell.done(test)


def test_a_fault_is_left_for_who_started_it(cell: Cell) -> None:
    hopeless = replace(cell, labelled=99)
    hopeless.complete(HERE)
    assert "asked for 99 labelled" in hopeless.fault
    assert "\n" not in hopeless.fault
    cell.complete(HERE)
    assert cell.fault is None


def test_two_processes_do_not_train_one_cell(cell: Cell) -> None:
    with claim(cell.folder.with_name(f"{cell.name}.lock"), wait=True):
        second = threading.Thread(target=cell.complete, args=(HERE,))
        second.start()
        second.join(0.3)
        assert second.is_alive()
        assert not cell.folder.exists()
    second.join(120)
    assert cell.open().finished


def test_its_process_tells_the_command_and_keeps_to_its_threads(
    cell: Cell, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    monkeypatch.setattr("sys.argv", ["crln", "something"])
    monkeypatch.setattr("torch.set_num_threads", asked.append)
    cell.complete(replace(HERE, threads=1), ("compare", "data"))
    assert cell.open().facts.command == "crln compare data"
    assert asked[0] == 1  # before anything is computed; others may ask later


def test_a_label_corrected_since_it_learnt_is_told(
    cell: Cell, phantom: Path, tmp_path: Path
) -> None:
    shutil.copytree(phantom, tmp_path / "data")
    cell = replace(cell, part=Part(tmp_path / "data", 0, 0))
    whole = cell.part.load()
    cell.complete(HERE)
    assert cell.outdated(whole, None) == []
    case = cell.part.split(whole, 2, 1).labelled[0]
    assert case.label is not None
    image = nib.load(case.label.path)
    voxels = np.roll(np.asarray(image.dataobj), 3, 0)
    nib.save(nib.Nifti1Image(voxels, image.affine, image.header), case.label.path)
    assert cell.outdated(whole, None) == [f"the label of {case.id}"]
