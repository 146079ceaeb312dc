import csv
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch
import yaml

from crln.cohort import Cohort, load_cohort, split_cohort
from crln.errors import CrlnError
from crln.files import read_tensors
from crln.imaging import read_image
from crln.inference import load_predictor
from crln.methods import METHODS, spelled_out
from crln.methods.supervised import Supervised
from crln.planning import Plan, make_plan
from crln.runs import RunFolder, open_run
from crln.training import Intervals, train
from crln.training.log import NotFiniteError

pytestmark = pytest.mark.slow

KILLED = """
import sys, torch
from pathlib import Path
torch.set_num_threads(1)
from crln.cohort import load_cohort, split_cohort
from crln.planning import Plan
from crln.training import Intervals, train
data, plan, out, resume = sys.argv[1:]
train(split_cohort(load_cohort(Path(data))), Plan.read(Path(plan)), Path(out), resume=resume == "1",
      progress=False, intervals=Intervals(log=1, checkpoint=1))
"""


@pytest.fixture
def cohort(phantom: Path) -> Cohort:
    return split_cohort(load_cohort(phantom))


def quick(cohort: Cohort, plan: Plan, out: Path, **options: object) -> RunFolder:
    told: dict[str, object] = {"page": False} | options
    return train(cohort, plan, out, progress=False, **told)  # type: ignore[arg-type]


def weights(run: Path) -> dict[str, torch.Tensor]:
    return read_tensors(run / "weights.safetensors")[0]


def assert_same_weights(ours: Path, theirs: Path) -> None:
    first, second = weights(ours), weights(theirs)
    assert first.keys() == second.keys()
    for name in first:
        assert torch.equal(first[name], second[name]), name


@pytest.mark.parametrize("method", sorted(METHODS))
def test_a_run_folder_holds_everything(
    cohort: Cohort, tiny_plan: Plan, tmp_path: Path, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["crln", "train", "data"])
    quick(cohort, tiny_plan, tmp_path / "run", method=method)
    run = open_run(tmp_path / "run")
    assert run.finished
    assert run.plan == spelled_out(method, tiny_plan)
    assert run.facts.method == method
    assert run.facts.chosen == "last"
    assert run.facts.format == 1
    assert run.facts.command == "crln train data"
    assert run.facts.device != run.facts.torch != ""
    assert run.facts.seconds is not None
    split = yaml.safe_load(run.split.read_text())
    assert len(split["labelled"]) == 3
    rows = list(csv.DictReader(run.log.read_text().splitlines()))
    assert [int(row["step"]) for row in rows] == [1, 2, 3, 4]
    assert all(float(row["total"]) > 0 for row in rows)
    assert not run.load_network().training


def test_killed_and_resumed_is_bit_identical_to_uncut(
    phantom: Path, tiny_plan: Plan, tmp_path: Path
) -> None:
    plan = tmp_path / "plan.yaml"
    plan.write_text(tiny_plan.updated({"training": {"iterations": 12}}).to_yaml())

    def command(out: Path, resume: bool) -> list[str]:
        return [
            sys.executable, "-c", KILLED, str(phantom), str(plan), str(out), str(int(resume)),
        ]  # fmt: skip

    subprocess.run(command(tmp_path / "uncut", False), check=True)
    process = subprocess.Popen(command(tmp_path / "cut", False))
    log = tmp_path / "cut" / "log.csv"
    while process.poll() is None and (not log.exists() or len(log.read_text().split()) < 5):
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "cut" / "weights.safetensors").exists()
    subprocess.run(command(tmp_path / "cut", True), check=True)
    assert_same_weights(tmp_path / "uncut", tmp_path / "cut")
    losses = [
        [
            (r["step"], r["total"])
            for r in csv.DictReader((tmp_path / name / "log.csv").read_text().splitlines())
        ]
        for name in ("uncut", "cut")
    ]
    assert losses[0] == losses[1]


def test_seeds_differ_and_repeat(cohort: Cohort, tiny_plan: Plan, tmp_path: Path) -> None:
    plan = tiny_plan.updated({"training": {"iterations": 2}})
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        quick(cohort, plan, tmp_path / name, method="supervised", seed=seed)
    assert_same_weights(tmp_path / "a", tmp_path / "b")
    a, c = weights(tmp_path / "a"), weights(tmp_path / "c")
    assert any(not torch.equal(a[name], c[name]) for name in a)


def test_a_loss_that_is_not_finite_stops_and_keeps_the_last_good_checkpoint(
    cohort: Cohort, tiny_plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = Supervised.losses

    def poisoned(self, labelled, unlabelled, step):  # type: ignore[no-untyped-def]
        losses = original(self, labelled, unlabelled, step)
        return {"total": losses["total"] * (float("nan") if step.index == 3 else 1.0)}

    monkeypatch.setattr(Supervised, "losses", poisoned)
    plan = tiny_plan.updated({"training": {"iterations": 6}})
    with pytest.raises(
        NotFiniteError, match=r"step 3: the loss is not finite \(total\); cases .+"
    ) as e:
        quick(
            cohort, plan, tmp_path / "run", method="supervised",
            intervals=Intervals(log=2, checkpoint=2),
        )  # fmt: skip
    assert "\n" not in str(e.value)
    tensors, notes = read_tensors(tmp_path / "run" / "checkpoint.safetensors")
    assert '"step": 2' in notes["progress"]
    assert all(t.isfinite().all() for t in tensors.values() if t.is_floating_point())
    assert not (tmp_path / "run" / "weights.safetensors").exists()


def test_validation_chooses_the_checkpoint(phantom: Path, tiny_plan: Plan, tmp_path: Path) -> None:
    cohort = split_cohort(load_cohort(phantom), validation=1)
    run = quick(
        cohort, tiny_plan, tmp_path / "run", method="supervised",
        intervals=Intervals(validation=2),
    )  # fmt: skip
    assert str(run.facts.chosen).startswith("validation: Dice ")
    rows = list(csv.DictReader(run.log.read_text().splitlines()))
    scores = [float(row["validation"]) for row in rows if row["validation"]]
    assert len(scores) == 2
    assert f"{max(scores):.4f}" in str(run.facts.chosen)


def test_an_existing_folder_is_refused_then_overwritten(
    cohort: Cohort, tiny_plan: Plan, tmp_path: Path
) -> None:
    plan = tiny_plan.updated({"training": {"iterations": 1}})
    quick(cohort, plan, tmp_path / "run", method="supervised")
    with pytest.raises(CrlnError, match=r"exists already; use --resume, --overwrite"):
        quick(cohort, plan, tmp_path / "run", method="supervised")
    quick(cohort, plan, tmp_path / "run", method="supervised", seed=5, overwrite=True)
    assert open_run(tmp_path / "run").facts.seed == 5
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.txt").write_text("precious")
    with pytest.raises(CrlnError, match="is no run folder, so it is not overwritten"):
        quick(cohort, plan, tmp_path / "other", method="supervised", overwrite=True)
    assert (tmp_path / "other" / "thesis.txt").exists()


def test_resume_refuses_other_settings(cohort: Cohort, tiny_plan: Plan, tmp_path: Path) -> None:
    quick(cohort, tiny_plan, tmp_path / "run", method="supervised")
    with pytest.raises(CrlnError, match="the run has seed 0, not 1"):
        quick(cohort, tiny_plan, tmp_path / "run", method="supervised", seed=1, resume=True)
    other = tiny_plan.updated({"training": {"momentum": 0.5}, "patch_size": (16, 16, 32)})
    with pytest.raises(CrlnError, match=r"another plan: patch_size is .*and training\.momentum\)"):
        quick(cohort, other, tmp_path / "run", resume=True)
    shorter = tiny_plan.updated({"training": {"iterations": 3}})
    with pytest.raises(CrlnError, match="4 steps are done, 3 are asked for; give more"):
        quick(cohort, shorter, tmp_path / "run", resume=True)


def test_without_labels_or_without_unlabelled_scans_it_says_so(
    cohort: Cohort, tiny_plan: Plan, tmp_path: Path
) -> None:
    nothing = Cohort(cohort.root, cohort.layout, unlabelled=cohort.unlabelled)
    with pytest.raises(CrlnError, match="no labelled case to learn from"):
        quick(nothing, tiny_plan, tmp_path / "run")
    only = Cohort(cohort.root, cohort.layout, labelled=cohort.labelled)
    with pytest.raises(CrlnError, match="learns from unlabelled scans and there are none"):
        quick(only, tiny_plan, tmp_path / "run")


def test_no_label_of_an_unlabelled_or_test_case_is_opened(
    phantom: Path, tiny_plan: Plan, tmp_path: Path
) -> None:
    cohort = split_cohort(load_cohort(phantom), labelled=1)
    plan = tmp_path / "plan.yaml"
    plan.write_text(tiny_plan.to_yaml())
    script = """
import sys
from pathlib import Path
opened = []
sys.addaudithook(lambda event, args: opened.append(str(args[0])) if event == "open" else None)
from crln.cohort import load_cohort, split_cohort
from crln.planning import Plan
from crln.training import train
data, plan, out = map(Path, sys.argv[1:])
train(split_cohort(load_cohort(data), labelled=1), Plan.read(plan), out, progress=False)
print("\\n".join(path for path in opened if str(data) in path))
"""
    environment = {**os.environ, "CRLN_CACHE": str(tmp_path / "cache")}
    result = subprocess.run(
        [sys.executable, "-c", script, str(phantom), str(plan), str(tmp_path / "run")],
        check=True, capture_output=True, text=True, env=environment,
    )  # fmt: skip
    opened = {Path(line).name for line in result.stdout.split("\n") if "/labels" in line}
    assert opened == {cohort.labelled[0].label.path.name}


@pytest.mark.parametrize("precision", ["bf16", "16"])
def test_half_precision_on_a_processor_is_refused(
    cohort: Cohort, tiny_plan: Plan, tmp_path: Path, precision: str
) -> None:
    with pytest.raises(CrlnError, match=f"--precision {precision}: .* use --precision 32"):
        quick(cohort, tiny_plan, tmp_path / "run", device="cpu", precision=precision)
    assert not (tmp_path / "run").exists()


def test_a_batch_that_cannot_be_learnt_from_is_refused_before_anything(
    cohort: Cohort, tiny_plan: Plan, tmp_path: Path
) -> None:
    plan = tiny_plan.updated({"training": {"unlabelled": 0}})
    with pytest.raises(CrlnError, match=r"training\.unlabelled: 0, but crln learns from"):
        quick(cohort, plan, tmp_path / "run", method="crln", cache=tmp_path / "cache")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_cohort_of_single_slices_is_planned_learnt_and_outlined(tmp_path: Path) -> None:
    """Two dimensions from the scans to masks on their own grid."""
    random = np.random.default_rng(0)
    for case in "abcd":
        label = np.zeros((40, 36, 1), np.uint8)
        label[8:24, 10:30] = 1
        scan = 100.0 * label + random.normal(0, 10, label.shape)
        for folder, array in (("images", scan.astype(np.float32)), ("labels", label)):
            (tmp_path / "data" / folder).mkdir(parents=True, exist_ok=True)
            image = nib.Nifti1Image(array, np.diag([1.5, 1.5, 8, 1]))
            nib.save(image, tmp_path / "data" / folder / f"{case}.nii.gz")
    cohort = split_cohort(load_cohort(tmp_path / "data"), labelled=2, test=1)
    plan = make_plan(cohort, changes={"training": {"iterations": 2}})
    assert plan.patch_size == (40, 32, 1)
    plan = plan.updated({"network": {"widths": [4, 4, 8, 8]}})
    run = train(cohort, plan, tmp_path / "run", progress=False, cache=tmp_path / "cache")
    mask = load_predictor(run.path, "cpu").predict(cohort.test[0].images).mask
    assert mask.shape == (40, 36, 1)


@pytest.mark.slow
@pytest.mark.parametrize(
    "method",
    ["crln", "crossmatch", "diffrect", "llm_segnet", "mcnet", "sdcl", "ssl_contrastive", "tracoco"],
)
def test_thick_slices_are_learnt_and_outlined(
    method: str, cohort: Cohort, tiny_plan: Plan, tmp_path: Path
) -> None:
    """From a plan that halves one axis less often to a mask on the scan's own grid."""
    strides = [[2, 2, 1], [2, 2, 1], [2, 2, 2], [2, 2, 2]]
    changes = {
        "patch_size": (16, 16, 8), "network": {"strides": strides}, "training": {"iterations": 2},
    }  # fmt: skip
    run = train(cohort, tiny_plan.updated(changes), tmp_path / "run", method=method, progress=False)
    assert run.plan.step == (16, 16, 4)
    scan = cohort.test[0].images
    mask = load_predictor(run.path, "cpu").predict(scan).mask
    assert mask.shape == read_image(scan).array.shape[1:]
