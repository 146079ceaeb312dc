"""What names a patient, a person or a place stays in the scans, and in masks for PACS."""

import gzip
import json
import socket
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import nibabel as nib
import numpy as np
import pytest

import crln
from crln.planning import Plan

pytestmark = pytest.mark.slow

HEADER = {
    "PatientName": "Quillfeather^Zephyrine",
    "PatientID": "PID-772211",
    "PatientBirthDate": "19510203",
    "PatientComments": "likes-chess",
    "InstitutionName": "Wherewithal-Hospital",
    "ReferringPhysicianName": "Thistlewood^A",
    "OperatorsName": "Brackenridge^B",
    "StationName": "MR-STATION-88",
    "DeviceSerialNumber": "SERIAL-4455",
    "AccessionNumber": "ACC-993311",
    "StudyID": "STUDY-5566",
    "StudyDate": "20190807",
    "StudyDescription": "knee-after-fall",
    "SeriesDescription": "t1-space-sag",
    "ProtocolName": "protocol-of-ours",
}
INVALID = "bornXmay"
"""A date that is none, as long as a date: what a library says of it must not be passed on."""
SHAPE = (20, 20, 16)
TINY = {
    "patch_size": [16, 16, 16],
    "spacing": None,
    "network": {"widths": [4, 4, 8, 8, 8], "prototypes": 2, "embedding": 4},
    "training": {"iterations": 3},
    "options": {"crln": {"queries": 8, "negatives": 16}},
}


def contents(folder: Path) -> Iterator[tuple[Path, bytes]]:
    """The bytes of every file, unpacked, and behind them its name."""
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            held = path.read_bytes()
            yield path, (gzip.decompress(held) if path.suffix == ".gz" else held)
        yield path, str(path.relative_to(folder)).encode()


def found(folder: Path, words: list[str]) -> list[tuple[str, str]]:
    """Files of a folder, and what of `words` is in them or in their names."""
    return [
        (str(path), word)
        for path, held in contents(folder)
        for word in words
        if word.lower().encode() in held.lower() or word.encode("utf-16-le") in held
    ]


def ball(centre: int) -> np.ndarray:
    places = np.stack(np.meshgrid(*map(np.arange, SHAPE), indexing="ij"))
    return (((places - centre) ** 2).sum(0) < 25).astype(np.uint8)


@pytest.fixture
def series(tmp_path: Path, dicom: ModuleType) -> Path:
    """A cohort of series whose headers name a patient and much else; two are labelled."""
    random, affine = np.random.default_rng(0), np.diag([1.0, 1.0, 1.5, 1.0])
    data = tmp_path / "data"
    (data / "labels").mkdir(parents=True)
    for k, case in enumerate(("one", "two", "three", "four")):
        mask = ball(9 + k)
        voxels = (random.normal(200, 20, SHAPE) + 300.0 * mask).astype(np.int16)
        dicom.write_series(data / "images" / case, voxels, affine, **HEADER)
        if k < 2:
            nib.save(nib.Nifti1Image(mask, affine), data / "labels" / f"{case}.nii.gz")
    for file in (data / "images" / "four").iterdir():
        held = file.read_bytes()
        file.write_bytes(held.replace(HEADER["PatientBirthDate"].encode(), INVALID.encode()))
    return data


def test_no_value_of_a_dicom_header_is_written_or_shown(
    series: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dicom: ModuleType,
    command_line: Callable[..., Any],
) -> None:  # fmt: skip
    out = tmp_path / "out"
    monkeypatch.setenv("CRLN_CACHE", str(out / "cache"))
    shown = ""

    def run(*words: object, code: int = 0) -> None:
        nonlocal shown
        result = command_line(*words)
        assert result.code == code, result
        shown += result.out + result.err

    run("plan", series, "--out", out / "plan.yaml", "--no-estimate")
    plan = Plan.read(out / "plan.yaml").updated(TINY)
    (out / "plan.yaml").write_text(plan.to_yaml(), encoding="utf-8")
    run("train", series, "--out", out / "run", "--plan", out / "plan.yaml")
    run("suggest", out / "run", series, "--out", out / "next.csv")
    run("predict", out / "run", series / "images", "--out", out / "masks", "--uncertainty")
    run("evaluate", out / "masks", series / "labels", "--out", out / "results")
    seg = tmp_path / "seg"
    run("predict", out / "run", series / "images", "--out", seg, "--format", "dicom-seg", code=1)
    run("evaluate", seg, series / "labels", "--out", out / "of-seg")
    (series / "images" / "two" / "003.dcm").unlink()
    dicom.edit(series / "images" / "one" / "002.dcm", "ImagePositionPatient")
    run("predict", out / "run", series / "images", "--out", out / "other", code=1)
    words = [part for value in HEADER.values() for part in value.split("^") if len(part) > 1]
    words.append(INVALID)
    assert found(out, words) == []
    assert not [word for word in words if word.lower() in shown.lower()]
    masks = found(seg, words)
    assert {word for _, word in masks} >= {"Quillfeather", "PID-772211"}
    assert [path for path, _ in masks if not path.endswith(".dcm")] == []
    assert found(series, words), "the words are not in the scans, and nothing is tested"


PLANTED = {
    "folder": "OurPatients-Folder",
    "case": "Mustermann-Erika",
    "user": "user-drfoster",
    "host": "host-ward7",
    "command": "typed-by-me",
    "plan": "plan-of-a-name",
}


@pytest.fixture
def cohort(tmp_path: Path, phantom: Path) -> Path:
    """The phantom in a folder, and with cases, whose names tell."""
    data = tmp_path / PLANTED["user"] / PLANTED["folder"]
    for part in ("images", "labels"):
        (data / part).mkdir(parents=True)
        for number, file in enumerate(sorted((phantom / part).glob("*.nii.gz"))):
            (data / part / f"{PLANTED['case']}-{number}.nii.gz").symlink_to(file)
    names = {"background": 0, "head-of-it": 1, "tail-of-it": 2}
    content = {"channel_names": {"0": "MR"}, "labels": names}
    (data / "dataset.json").write_text(json.dumps(content), encoding="utf-8")
    return data


@pytest.mark.parametrize("kind", ["run", "ensemble"])
def test_a_shared_model_names_nobody_and_outlines_the_same(
    kind: str, cohort: Path, tiny_plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    command_line: Callable[..., Any],
) -> None:  # fmt: skip
    monkeypatch.setenv("USER", PLANTED["user"])
    monkeypatch.setattr(socket, "gethostname", lambda: PLANTED["host"])
    monkeypatch.setattr("platform.node", lambda: PLANTED["host"])
    monkeypatch.setattr("sys.argv", ["crln", "train", PLANTED["command"]])
    labels = {"values": [0, 1, 2], "names": ["background", "head-of-it", "tail-of-it"]}
    plan = tiny_plan.updated({"name": PLANTED["plan"], "labels": labels})
    plan = plan.updated({"options": {"bcp": {"note": PLANTED["plan"]}}})
    (tmp_path / "plan.yaml").write_text(plan.to_yaml(), encoding="utf-8")
    run, model = cohort.parent / "run", tmp_path / "model"
    words = ["train", cohort, "--out", run, "--plan", tmp_path / "plan.yaml", "--test", 1]
    words += ["--method", "supervised", "--iterations", 1]
    words += ["--folds", 2] if kind == "ensemble" else []
    result = command_line(*words)
    assert result.code == 0, result.err
    planted = [*PLANTED.values(), str(tmp_path), "/"]
    assert {word for _, word in found(run, planted)} >= {PLANTED["folder"], PLANTED["case"]}
    result = command_line("share", run, "--out", model)
    assert result.code == 0, result.err

    hits = [(path, word) for path, word in found(model, planted) if word != "/"]
    assert hits == []
    assert found(model, ["head-of-it"]), "a class keeps its name"
    assert list_of_files(model) <= (
        {"model-card.md", "plan.yaml", "run.yaml", "seal.json", "weights.safetensors"}
        | {"ensemble.yaml", "quality.yaml"}
    )
    scans = sorted((cohort / "images").iterdir())
    before, after = crln.load_predictor(run), crln.load_predictor(model)
    for scan in scans[:2]:
        ours, theirs = (p.predict(scan, probabilities=True) for p in (before, after))
        assert np.array_equal(ours.mask, theirs.mask)
        assert np.array_equal(ours.probabilities, theirs.probabilities)
        assert (repr(ours.scores), ours.flags) == (repr(theirs.scores), theirs.flags)
    assert (model / "quality.yaml").exists() == (kind == "ensemble")


def list_of_files(folder: Path) -> set[str]:
    return {path.name for path in folder.rglob("*") if path.is_file()}


def test_the_search_finds_what_is_planted(tmp_path: Path) -> None:
    header = json.dumps({"__metadata__": {"from": "Mustermann"}}).encode()
    (tmp_path / "w.safetensors").write_bytes(struct.pack("<Q", len(header)) + header)
    (tmp_path / "a.nii.gz").write_bytes(gzip.compress(b"... MUSTERMANN ..."))
    (tmp_path / "Mustermann").mkdir()
    names = [Path(path).name for path, _ in found(tmp_path, ["Mustermann"])]
    assert names == ["Mustermann", "a.nii.gz", "w.safetensors"]
