"""What docs/how-to/pacs-and-viewers.md tells to do, done with small series."""

import re
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import crln
from crln.imaging import read_grid, read_label
from crln.planning import Plan

pytestmark = pytest.mark.slow
PAGE = (Path(__file__).parents[1] / "docs/how-to/pacs-and-viewers.md").read_text("utf-8")
SHAPE = (20, 18, 16)
AFFINE = np.diag([1.0, 1.2, 2, 1])
SMALL = {
    "patch_size": (16, 16, 16),
    "network": {"widths": (4, 4, 8, 8, 8)},
    "training": {"iterations": 1},
}


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


@pytest.fixture
def here(tmp_path: Path, dicom: ModuleType, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two labelled series and one without; a run, with codes; `series`; what was corrected."""
    liver, spleen = np.zeros(SHAPE, np.uint8), np.zeros(SHAPE, np.uint8)
    liver[3:9, 4:12, 3:12] = spleen[11:16, 5:11, 4:10] = 1
    random = np.random.default_rng(0)
    images = tmp_path / "data" / "images"
    for name in ("patient_a", "patient_b", "patient_c"):
        scan = random.normal(0, 20, SHAPE) + 90.0 * liver - 90.0 * spleen
        dicom.write_series(images / name, scan.astype(np.int16), AFFINE)
    label = tmp_path / "data" / "labels" / "patient_a.dcm"
    dicom.write_seg(label, images / "patient_a", {"Liver": liver, "spleen": spleen})
    corners = np.array([(10.5, 4.5), (10.5, 10.5), (15.5, 10.5), (15.5, 4.5)]) * (1, 1.2)
    contours = [np.insert(corners, 2, 2.0 * z, axis=1) for z in range(4, 10)]
    dicom.write_rtstruct(images / "patient_b" / "RS", {"SPLEEN": contours, "liver": []})
    shutil.copytree(images / "patient_c", tmp_path / "series")
    cohort = crln.load_cohort(tmp_path / "data")
    plan = crln.make_plan(cohort, changes=SMALL)
    assert plan.labels.names == ("background", "Liver", "spleen")
    labels = plan.labels.named
    for case, mask in zip(cohort.labelled, (liver + 2 * spleen, 2 * spleen), strict=True):
        assert case.label
        found = read_label(case.label.path, read_grid(case.images[0]), labels)
        np.testing.assert_array_equal(found.array[0], mask)
    plan = plan.updated({"labels": {"codes": ("", "SCT:10200004", "SCT:78961009")}})
    plan = Plan.model_validate(plan.model_dump())
    (tmp_path / "plan.yaml").write_text(plan.to_yaml(), encoding="utf-8")
    crln.train(cohort, plan, tmp_path / "run")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_page_is_followed(here: Path, command_line: Callable[..., Any]) -> None:
    for line in "".join(blocks("sh")).splitlines():
        words = shlex.split(line)[1:]
        if words[0] == "train":
            words += ["--plan", "plan.yaml", "--iterations", "1"]
        done = command_line(*words)
        assert done.code == 0, done.err
    assert {path.name for path in (here / "masks").glob("*.nrrd")} == {
        f"patient_{letter}.nrrd" for letter in "abc"
    }
    expected = crln.load_predictor(here / "run").predict("series").mask
    grid = read_grid(here / "series")
    for written in ("seg/series.dcm", "contours/series.rtstruct.dcm"):
        np.testing.assert_array_equal(read_label(here / written, grid).array[0], expected)
    crln.predict_files(crln.load_predictor("run"), ["series"], "masks")
    for block in blocks("python"):
        exec(block, {})
    np.testing.assert_array_equal(read_label(here / "corrected.dcm", grid).array[0], expected)
