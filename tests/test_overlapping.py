"""Regions, and structures of a file each: from files through a training to masks and metrics."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import yaml

import crln
from crln.cli import main
from crln.cli.plan import _of_plan

pytestmark = pytest.mark.slow

PAGE = Path(__file__).parents[1] / "docs/how-to/nested-and-overlapping.md"
SIDE = 16
GRID = np.stack(np.meshgrid(*[np.arange(SIDE)] * 3, indexing="ij"))
SMALL: dict[str, Any] = {
    "patch_size": [16, 16, 16],
    "network": {
        "widths": [8, 8, 8, 8],
        "strides": [[2, 2, 2]] * 3,
        "prototypes": 2,
        "embedding": 8,
    },
    "training": {"iterations": 100, "lr": 0.01, "foreground": 0.0},
    "options": {"crln": {"queries": 16, "negatives": 32, "pool": 64}},
}


def ball(centre: np.ndarray, radius: float) -> np.ndarray:
    inside: np.ndarray = np.linalg.norm(GRID - centre[:, None, None, None], axis=0) < radius
    return inside


def write(path: Path, array: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.Nifti1Image(array, np.eye(4)).to_filename(path)


def draw(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A scan with a large ball and a brighter, smaller one, and both masks."""
    random = np.random.default_rng(seed)
    centre = random.uniform(6, 10, 3)
    whole = ball(centre, random.uniform(5.5, 6.5))
    core = ball(centre + random.uniform(-1, 1, 3), random.uniform(3.2, 4))
    image = 100.0 * whole + 150.0 * core + random.normal(0, 10, whole.shape)
    return image.astype(np.float32), whole, core


@pytest.fixture
def nested(tmp_path: Path) -> Path:
    """Six scans, their labels as values and as a file a structure."""
    for n in range(6):
        image, whole, core = draw(n)
        write(tmp_path / "images" / f"{n}.nii.gz", image)
        write(tmp_path / "labels" / f"{n}.nii.gz", (whole * 1 + (whole & core)).astype(np.uint8))
        write(tmp_path / "labels-whole" / f"{n}.nii.gz", whole.astype(np.uint8))
        if n != 1:  # nobody looked for it there
            write(tmp_path / "labels-core" / f"{n}.nii.gz", core.astype(np.uint8))
    return tmp_path


def test_crln_learns_nested_regions(nested: Path) -> None:
    for folder in ("labels-whole", "labels-core"):
        shutil.rmtree(nested / folder)
    notes = {"labels": {"background": 0, "whole": [1, 2], "core": [2]}}
    (nested / "dataset.json").write_text(json.dumps(notes))
    cohort = crln.split_cohort(crln.load_cohort(nested), labelled=2, test=2)
    plan = crln.make_plan(cohort, changes=SMALL)
    assert plan.labels.members == ((0,), (1, 2), (2,))
    run = crln.train(
        cohort, plan, nested / "run", method="crln", device="cpu", cache=nested / "cache",
        progress=False,
    )  # fmt: skip
    predictor = crln.load_predictor(run.path, "cpu")
    scans = [nested / "images" / f"{n}.nii.gz" for n in (4, 5)]
    crln.predict_files(predictor, scans, nested / "masks")
    assert set(np.unique(nib.load(nested / "masks/4.nii.gz").get_fdata())) == {0, 1, 2}
    found = crln.evaluate(nested / "masks", nested)
    assert found.class_names == {1: "whole", 2: "core"}
    assert found.summarised("dice", 1).mean > 0.7
    assert found.summarised("dice", 2).mean > 0.4


def test_structures_of_a_file_each_go_through_the_command_line(
    nested: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """From the page's dataset.json, by the page's commands."""
    shutil.rmtree(nested / "labels")
    page = PAGE.read_text(encoding="utf-8")
    (notes,) = (text for text in blocks(page, "json") if "exclusive" in text)
    (nested / "dataset.json").write_text(notes)
    monkeypatch.chdir(nested.parent)
    nested.rename(nested.parent / "data")
    short = SMALL | {"training": {"iterations": 2}}
    Path("plan.yaml").write_text(yaml.safe_dump(short | planned(Path("data"))))
    commands = [line for text in blocks(page, "sh") for line in text.splitlines()]
    assert [words.split()[1] for words in commands] == ["train", "predict", "evaluate"]
    for command in commands:
        more = " --plan plan.yaml" if " train " in command else ""
        with pytest.raises(SystemExit) as ended:
            main((command + more).split()[1:])
        assert not ended.value.code, capsys.readouterr().err
    masks = {str(path.relative_to("masks")) for path in Path("masks").rglob("*.nii.gz")}
    assert masks == {f"{name}/{n}.nii.gz" for name in ("core", "whole") for n in range(6)}
    rows = json.loads(Path("results.json").read_text())["rows"]
    assert [(row["case"], row["class"]) for row in rows] == [
        ("4", "core"), ("4", "whole"), ("5", "core"), ("5", "whole"),
    ]  # fmt: skip


def planned(data: Path) -> dict[str, Any]:
    """What a plan file must say of the classes."""
    return {"labels": crln.make_plan(crln.load_cohort(data)).model_dump(mode="json")["labels"]}


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)


def test_the_descriptions_of_the_page_are_read(nested: Path) -> None:
    for name in ("images", "labels", "labels-whole", "labels-core"):
        (nested / name / "0.nii.gz").rename(nested / name / "a.nii.gz")
    (nested / "labels-whole").rename(nested / "labels-liver")
    (nested / "labels-core").rename(nested / "labels-tumour")
    page = PAGE.read_text(encoding="utf-8")
    read: list[crln.Cohort] = []
    for text in blocks(page, "yaml"):
        (nested / "cohort.yaml").write_text(text)
        read.append(crln.load_cohort(nested))
    regions, separate = read
    assert regions.regions == {"whole": (1, 2, 3), "core": (2, 3), "enhancing": (3,)}
    assert not separate.exclusive
    (case,) = separate.labelled
    assert case.label is not None
    assert [path.parent.name for path in case.label.files] == ["labels-liver", "labels-tumour"]
    assert _of_plan(crln.make_plan(regions))["regions"] == (
        "background (0), whole (1 + 2 + 3), core (2 + 3), enhancing (3)"
    )
    plan = crln.make_plan(separate, changes=SMALL)
    assert plan.labels.separate
    assert plan.labels.names == ("background", "liver", "tumour")
