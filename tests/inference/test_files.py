import threading
from pathlib import Path
from types import ModuleType

import nibabel as nib
import numpy as np
import pytest
import torch
from torch import nn

from crln.errors import CrlnError
from crln.imaging import read_grid, read_label
from crln.inference import Outcome, Prediction, Predictor, discover_inputs, predict_files
from crln.inference.table import TABLE
from crln.labels import LabelSpace
from crln.planning import Plan
from crln.report.gallery import PAGE


@pytest.fixture
def predictor() -> Predictor:
    torch.manual_seed(0)
    return Predictor(nn.Conv3d(1, 2, 1), Plan(patch_size=(16, 16, 16), labels=(0, 255)))


def scan(path: Path, seed: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    voxels = np.random.default_rng(seed).normal(size=(12, 10, 8)).astype(np.float32)
    affine = np.array([[0, -2, 0, 5], [1, 0, 0, -3], [0, 0, 3, 1], [0, 0, 0, 1]], float)
    nib.save(nib.Nifti1Image(voxels, affine), path)
    return path


@pytest.fixture
def scans(tmp_path: Path) -> list[Path]:
    return [scan(tmp_path / "scans" / f"{name}.nii.gz", i) for i, name in enumerate("abc")]


def tree(folder: Path) -> set[str]:
    """The files of a folder, but the table of measures and the page."""
    files = {path.relative_to(folder) for path in folder.rglob("*") if path.is_file()}
    return {str(path) for path in files} - {TABLE, PAGE}


def test_masks_lie_on_their_scans(predictor: Predictor, scans: list[Path], tmp_path: Path) -> None:
    seen = []
    outcomes = predict_files(
        predictor, [*scans[:1], scans[0].parent], tmp_path / "masks",
        progress=lambda outcome, total: seen.append((outcome, total)),
    )  # fmt: skip
    assert seen == [(outcome, 3) for outcome in outcomes]
    assert tree(tmp_path / "masks") == {"a.nii.gz", "b.nii.gz", "c.nii.gz"}
    for path, outcome in zip(scans, outcomes, strict=True):
        assert outcome.error is None
        mask, image = nib.load(outcome.mask), nib.load(path)
        assert np.array_equal(mask.affine, image.affine)
        assert np.array_equal(mask.get_fdata(), predictor.predict(path).mask)
        assert set(np.unique(mask.get_fdata())) == {0, 255}


def test_maps_lie_in_folders_of_their_own(
    predictor: Predictor, scans: list[Path], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    predict_files(predictor, scans[:1], out, probabilities=True, uncertainty=True)
    names = {"a.nii.gz", "probabilities/a.nii.gz", "uncertainty/a.nii.gz"}
    assert tree(out) == names
    assert nib.load(out / "probabilities" / "a.nii.gz").shape == (12, 10, 8, 2)
    assert nib.load(out / "uncertainty" / "a.nii.gz").shape == (12, 10, 8)
    with pytest.raises(CrlnError, match="exists"):
        predict_files(predictor, scans[:1], out)


def test_one_failure_does_not_stop_the_others(
    predictor: Predictor, scans: list[Path], tmp_path: Path
) -> None:
    scans[1].write_bytes(scans[1].read_bytes()[:60])
    outcomes = predict_files(predictor, scans, tmp_path / "masks", probabilities=True)
    assert [outcome.case for outcome in outcomes] == ["a", "b", "c"]
    assert [outcome.mask is None for outcome in outcomes] == [False, True, False]
    assert str(scans[1]) in outcomes[1].error
    assert "\n" not in outcomes[1].error
    assert not any("b" in Path(name).name for name in tree(tmp_path / "masks"))


def test_a_scan_whose_name_is_not_utf8_is_told_and_the_others_are_outlined(
    predictor: Predictor, scans: list[Path], tmp_path: Path
) -> None:
    scans[0].rename(scans[0].with_name("caf\udce9.nii.gz"))
    outcomes = predict_files(predictor, [scans[0].parent], tmp_path / "masks")
    assert [outcome.case for outcome in outcomes if outcome.error is None] == ["b", "c"]
    (error,) = [outcome.error for outcome in outcomes if outcome.error]
    assert error.endswith("caf\\xe9.nii.gz: its name is not UTF-8; rename it")


def test_what_exists_is_refused_before_any_work(
    predictor: Predictor, scans: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "masks").mkdir()
    (tmp_path / "masks" / "c.nii.gz").write_text("drawn by hand")
    with monkeypatch.context() as patch:
        patch.setattr(predictor, "predict", lambda *_, **__: pytest.fail("worked"))
        with pytest.raises(CrlnError, match=r"c\.nii\.gz: exists; .*--overwrite"):
            predict_files(predictor, scans, tmp_path / "masks")
    assert tree(tmp_path / "masks") == {"c.nii.gz"}
    outcomes = predict_files(predictor, scans, tmp_path / "masks", overwrite=True)
    assert not any(outcome.error for outcome in outcomes)
    assert nib.load(tmp_path / "masks" / "c.nii.gz").shape == (12, 10, 8)


def test_no_mask_is_written_onto_a_scan(
    predictor: Predictor, scans: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = [path.read_bytes() for path in scans]
    monkeypatch.setattr(predictor, "predict", lambda *_, **__: pytest.fail("worked"))
    with pytest.raises(CrlnError, match=r"a\.nii\.gz: is a scan to outline; give another output"):
        predict_files(predictor, scans, scans[0].parent, overwrite=True)
    assert [path.read_bytes() for path in scans] == before


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (RuntimeError("DefaultCPUAllocator: can't\nallocate memory"), "can't allocate memory"),
        (MemoryError(), "MemoryError"),
        (OSError(5, "Input/output error"), "Input/output error"),
    ],
)
def test_other_faults_are_told_in_a_line(
    predictor: Predictor, scans: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    fault: Exception, said: str,
) -> None:  # fmt: skip
    def fail(*_: object, **__: object) -> Prediction:
        raise fault

    monkeypatch.setattr(predictor, "predict", fail)
    (outcome,) = predict_files(predictor, scans[:1], tmp_path / "masks")
    assert outcome.error.startswith(f"{scans[0]}: ")
    assert said in outcome.error
    assert "\n" not in outcome.error
    assert not (tmp_path / "masks").exists()


def test_nothing_is_left_where_the_mask_cannot_be_written(
    predictor: Predictor, scans: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save = nib.Nifti1Image.to_filename

    def full(image: nib.Nifti1Image, path: Path) -> None:
        if image.ndim == 3:
            Path(path).write_bytes(b"as far as it goes")
            raise OSError(28, "No space left on device")
        save(image, path)

    monkeypatch.setattr(nib.Nifti1Image, "to_filename", full)
    (outcome,) = predict_files(predictor, scans[:1], tmp_path / "masks", probabilities=True)
    assert "No space left" in outcome.error
    assert not (tmp_path / "masks").exists()


def test_processes_share_a_list(predictor: Predictor, tmp_path: Path) -> None:
    """Threads stand for processes: the lock belongs to the open file, not to the process."""
    pytest.importorskip("fcntl")
    scans = [scan(tmp_path / "scans" / f"{i}.nii.gz", i) for i in range(8)]
    out = tmp_path / "masks"
    done: list[list[Outcome]] = [[], [], []]

    def work(number: int) -> None:
        done[number] = predict_files(predictor, scans, out, share=True, uncertainty=True)

    workers = [threading.Thread(target=work, args=(i,)) for i in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    outcomes = [outcome for part in done for outcome in part]
    assert not any(outcome.error for outcome in outcomes)
    assert sorted(outcome.case for outcome in outcomes) == [str(i) for i in range(8)]
    assert len(list(out.glob("*.nii.gz"))) == 8
    assert predict_files(predictor, scans, out, share=True) == []


def test_sharing_takes_over_what_a_dead_process_left(
    predictor: Predictor, scans: list[Path], tmp_path: Path
) -> None:
    pytest.importorskip("fcntl")
    out = tmp_path / "masks"
    predict_files(predictor, scans[:1], out, uncertainty=True)
    (out / ".claims").mkdir()
    (out / ".claims" / "b").touch()
    (out / "uncertainty" / "b.nii.gz").write_text("written, but not its mask")
    (out / "partial-123-b.nii.gz").write_text("half a mask")
    outcomes = predict_files(predictor, scans, out, share=True, uncertainty=True)
    assert [(outcome.case, outcome.error) for outcome in outcomes] == [("b", None), ("c", None)]
    assert {path.name for path in out.glob("*.nii.gz")} == {f"{case}.nii.gz" for case in "abc"}
    with pytest.raises(CrlnError, match="overwrite"):
        predict_files(predictor, scans, out, share=True, overwrite=True)


def test_a_series_and_an_oblique_scan(
    predictor: Predictor, small_scans: Path, tmp_path: Path
) -> None:
    """A DICOM series gets NIfTI that lies on it, an oblique scan a mask that is as oblique."""
    series, oblique = small_scans / "series", small_scans / "images" / "oblique.nii.gz"
    outcomes = predict_files(predictor, [series, oblique], tmp_path / "masks")
    assert [outcome.error for outcome in outcomes] == [None, None]
    cases = discover_inputs([series, oblique])
    assert [o.mask.name for o in outcomes] == [f"{case.id}.nii.gz" for case in cases]
    assert np.array_equal(nib.load(outcomes[1].mask).affine, nib.load(oblique).affine)


def test_whatever_a_scan_raises_the_others_are_outlined(
    predictor: Predictor, scans: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    predict = predictor.predict

    def fail_at_first(images: tuple[Path, ...], **options: object) -> Prediction:
        if images[0] == scans[0]:
            raise ZeroDivisionError("float division by zero")
        return predict(images, **options)

    monkeypatch.setattr(predictor, "predict", fail_at_first)
    outcomes = predict_files(predictor, scans, tmp_path / "masks")
    assert [outcome.error for outcome in outcomes[1:]] == [None, None]
    assert outcomes[0].error == (
        f"{scans[0]}: float division by zero; mend that and predict it again"
    )


@pytest.mark.parametrize("link", ["symlink_to", "hardlink_to"])
def test_no_mask_is_written_onto_a_scan_by_way_of_a_link(
    predictor: Predictor, scans: list[Path], tmp_path: Path, link: str
) -> None:
    """Another case's scan under the name of this one's mask."""
    (tmp_path / "masks").mkdir()
    getattr(tmp_path / "masks" / "a.nii.gz", link)(scans[1])
    before = scans[1].read_bytes()
    with pytest.raises(CrlnError, match=r"a\.nii\.gz: is a scan to outline; give another output"):
        predict_files(predictor, scans, tmp_path / "masks", overwrite=True)
    assert scans[1].read_bytes() == before


def test_no_mask_is_written_onto_a_label(predictor: Predictor, tmp_path: Path) -> None:
    images = [scan(tmp_path / "data" / "images" / f"{name}.nii.gz") for name in "ab"]
    label = scan(tmp_path / "data" / "labels" / "b.nii.gz")
    before = label.read_bytes()
    elsewhere = scan(tmp_path / "elsewhere" / "b.nii.gz")
    (tmp_path / "cohort.yaml").write_text(
        f"labelled:\n- image: {images[1]}\n  label: {elsewhere}\n", encoding="utf-8"
    )
    for inputs, out in [
        (images, label.parent),
        ([tmp_path / "data"], label.parent),
        ([tmp_path / "cohort.yaml"], elsewhere.parent),
    ]:
        with pytest.raises(CrlnError, match=r"b\.nii\.gz: is a label of the cohort; give another"):
            predict_files(predictor, inputs, out, overwrite=True)
    assert label.read_bytes() == before


def test_masks_have_the_format_asked_for_whatever_the_scans(
    predictor: Predictor, scans: list[Path], tmp_path: Path
) -> None:
    for option, suffix in (("nrrd", ".nrrd"), ("metaimage", ".mha"), ("nifti", ".nii.gz")):
        out = tmp_path / option
        predict_files(predictor, scans[:1], out, format=option, uncertainty=True)
        assert tree(out) == {f"a{suffix}", f"uncertainty/a{suffix}"}
        mask = read_label(out / f"a{suffix}", read_grid(scans[0]))
        np.testing.assert_array_equal(mask.array[0], predictor.predict(scans[0]).mask)


def test_masks_of_a_series_go_back_to_pacs_and_planning(
    predictor: Predictor, small_scans: Path, tmp_path: Path
) -> None:
    series = small_scans / "series"
    for option, suffix in (("dicom-seg", ".dcm"), ("rtstruct", ".rtstruct.dcm")):
        out = tmp_path / option
        (outcome,) = predict_files(predictor, [series], out, format=option, probabilities=True)
        assert outcome.error is None
        assert tree(out) == {f"series{suffix}", "probabilities/series.nii.gz"}
        mask = read_label(out / f"series{suffix}", read_grid(series), predictor.plan.labels.named)
        np.testing.assert_array_equal(mask.array[0], predictor.predict(series).mask)


def test_a_format_that_cannot_be_is_refused_before_any_work(
    predictor: Predictor, scans: list[Path], tmp_path: Path
) -> None:
    line = r"a\.nii\.gz: is no DICOM series, which a mask as DICOM SEG refers to; give the series"
    with pytest.raises(CrlnError, match=line):
        predict_files(predictor, scans, tmp_path / "out", format="dicom-seg")
    line = "--format dicom: not a format of masks; give nifti, nrrd, metaimage, dicom-seg, rtstruct"
    with pytest.raises(CrlnError, match=line):
        predict_files(predictor, scans, tmp_path / "out", format="dicom")
    assert not (tmp_path / "out").exists()


def test_structures_that_overlap_have_a_mask_each(scans: list[Path], tmp_path: Path) -> None:
    labels = LabelSpace.of([0, 1, 2], {1: "liver", 2: "a/b"}, exclusive=False)
    predictor = Predictor(nn.Conv3d(1, 3, 1), Plan(patch_size=(16, 16, 16), labels=labels))
    out = tmp_path / "out"
    (outcome,) = predict_files(predictor, scans[:1], out)
    assert tree(out) == {"liver/a.nii.gz", "a_b/a.nii.gz"}
    assert outcome.mask == out / "a_b" / "a.nii.gz"
    found = predictor.predict(scans[0], probabilities=True, uncertainty=True)
    assert found.probabilities is not None
    assert found.uncertainty is not None
    for k, folder in ((1, "liver"), (2, "a_b")):
        mask = nib.load(out / folder / "a.nii.gz").get_fdata()
        assert np.array_equal(mask, found.probabilities[k] > 0.5)
        assert np.array_equal(mask, found.structures[labels.names[k]])
    p = found.probabilities[1:].astype(float)
    bits = -(p * np.log2(p) + (1 - p) * np.log2(1 - p)).mean(0)
    np.testing.assert_allclose(found.uncertainty, bits, atol=1e-4)
    with pytest.raises(CrlnError, match=r"liver/a\.nii\.gz: exists"):
        predict_files(predictor, scans[:1], out)


def test_regions_are_written_as_values(scans: list[Path], tmp_path: Path) -> None:
    labels = LabelSpace.of([0, 3, 5], {}, regions={"whole": (3, 5), "core": (5,)})
    predictor = Predictor(nn.Conv3d(1, 3, 1), Plan(patch_size=(16, 16, 16), labels=labels))
    (outcome,) = predict_files(predictor, scans[:1], tmp_path / "out")
    mask = nib.load(outcome.mask).get_fdata()
    assert set(np.unique(mask)) <= {0, 3, 5}
    found = predictor.predict(scans[0]).structures
    assert np.array_equal(found["whole"], mask > 0)
    assert np.array_equal(found["core"], mask == 5)


def stamps(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Time of change and content of each file of a folder, but the table of measures."""
    return {
        name: ((folder / name).stat().st_mtime_ns, (folder / name).read_bytes())
        for name in tree(folder)
    }


def cases_of(table: Path) -> dict[str, str]:
    """The lines of each case."""
    lines = table.read_text("utf-8").splitlines()[1:]
    return {case: "".join(x for x in lines if x.split(",")[0] == case) for case in "abc"}


def test_of_a_folder_that_grows_the_new_scans_alone_are_outlined(
    predictor: Predictor, scans: list[Path], tmp_path: Path
) -> None:
    out = tmp_path / "masks"
    predict_files(predictor, scans[:2], out)
    (out / "a.nii.gz").write_bytes((out / "b.nii.gz").read_bytes())  # as a person's correction
    before, lines = stamps(out), cases_of(out / TABLE)
    worked: list[tuple[str, int]] = []
    outcomes = predict_files(
        predictor, scans, out, skip_existing=True,
        progress=lambda outcome, total: worked.append((outcome.case, total)),
    )  # fmt: skip
    assert worked == [("c", 1)]
    assert [(o.case, o.kept, o.error) for o in outcomes] == [
        ("a", True, None), ("b", True, None), ("c", False, None),
    ]  # fmt: skip
    assert {name: stamps(out)[name] for name in before} == before
    after = cases_of(out / TABLE)
    assert (after["a"], after["b"]) == (lines["a"], lines["b"])
    assert after["c"]
    again = predict_files(predictor, scans, out, skip_existing=True)
    assert [o.kept for o in again] == [True] * 3


def test_maps_that_a_kept_mask_lacks_are_made_and_those_without_a_mask_anew(
    predictor: Predictor, scans: list[Path], tmp_path: Path
) -> None:
    out = tmp_path / "masks"
    predict_files(predictor, scans[:1], out)
    (out / "a.nii.gz").write_text("drawn by hand")
    predict_files(predictor, scans[1:2], out, uncertainty=True)
    (out / "b.nii.gz").unlink()
    (out / "uncertainty" / "b.nii.gz").write_text("of a process that was killed")
    outcomes = predict_files(predictor, scans, out, skip_existing=True, uncertainty=True)
    assert {o.case: o.kept for o in outcomes} == {"a": True, "b": False, "c": False}
    assert (out / "a.nii.gz").read_text() == "drawn by hand"
    for name, path in zip("abc", scans, strict=True):
        found = predictor.predict(path, uncertainty=True).uncertainty
        written = nib.load(out / "uncertainty" / f"{name}.nii.gz").get_fdata()
        np.testing.assert_allclose(written, found, atol=1e-6)
    before = stamps(out)
    predict_files(predictor, scans, out, skip_existing=True, uncertainty=True)
    assert stamps(out) == before


def test_of_masks_that_exist_either_all_stay_or_all_go(
    predictor: Predictor, scans: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(predictor, "predict", lambda *_, **__: pytest.fail("worked"))
    with pytest.raises(CrlnError, match=r"--skip-existing leaves .* --overwrite replaces .* one"):
        predict_files(predictor, scans, tmp_path / "out", skip_existing=True, overwrite=True)
    with pytest.raises(CrlnError, match=r"a\.nii\.gz: is a scan to outline"):
        predict_files(predictor, scans, scans[0].parent, skip_existing=True)


def test_a_series_whose_segmentation_is_there_is_skipped(
    predictor: Predictor, small_scans: Path, tmp_path: Path
) -> None:
    series, out = small_scans / "series", tmp_path / "out"
    predict_files(predictor, [series], out, format="dicom-seg")
    before = stamps(out)
    (outcome,) = predict_files(predictor, [series], out, format="dicom-seg", skip_existing=True)
    assert outcome.kept
    assert outcome.mask == out / "series.dcm"
    assert stamps(out) == before


def test_structures_with_files_of_their_own_are_skipped_together(
    scans: list[Path], tmp_path: Path
) -> None:
    labels = LabelSpace.of([0, 1, 2], {1: "liver", 2: "kidney"}, exclusive=False)
    predictor = Predictor(nn.Conv3d(1, 3, 1), Plan(patch_size=(16, 16, 16), labels=labels))
    out = tmp_path / "out"
    predict_files(predictor, scans[:1], out)
    outcomes = predict_files(predictor, scans[:2], out, skip_existing=True)
    assert [o.kept for o in outcomes] == [True, False]
    (out / "kidney" / "a.nii.gz").unlink()
    kept = (out / "liver" / "a.nii.gz").read_bytes()
    with pytest.raises(CrlnError, match=r"liver/a\.nii\.gz: exists, and .* remove it, or"):
        predict_files(predictor, scans, out, skip_existing=True)
    assert (out / "liver" / "a.nii.gz").read_bytes() == kept


def page(out: Path) -> str:
    return (out / PAGE).read_text(encoding="utf-8")


def test_a_page_shows_what_was_outlined_and_why_the_rest_was_not(
    predictor: Predictor, scans: list[Path], tmp_path: Path
) -> None:
    scans[1].write_bytes(scans[1].read_bytes()[:60])
    predict_files(predictor, scans, tmp_path / "masks")
    text = page(tmp_path / "masks")
    assert text.count("<article") == 2
    assert "1 scan could not be outlined" in text
    assert f"{scans[1]}: " in text


def test_a_page_grows_with_a_folder_and_can_be_left_out(
    predictor: Predictor, scans: list[Path], tmp_path: Path
) -> None:
    out = tmp_path / "masks"
    predict_files(predictor, scans[:1], out, page=False)
    assert not (out / PAGE).exists()
    predict_files(predictor, scans[:2], out, skip_existing=True)
    assert page(out).count("<article") == 1
    assert "outlined without a page: a." in page(out)
    predict_files(predictor, scans, out, skip_existing=True)
    assert page(out).count("<article") == 2
    predict_files(predictor, scans, out, overwrite=True)
    assert page(out).count("<article") == 3
    assert "without a page" not in page(out)


def test_processes_that_share_write_one_page(
    predictor: Predictor, scans: list[Path], tmp_path: Path
) -> None:
    out = tmp_path / "masks"
    work = [
        threading.Thread(target=predict_files, args=(predictor, scans, out), kwargs={"share": True})
        for _ in range(2)
    ]
    for thread in work:
        thread.start()
    for thread in work:
        thread.join()
    assert page(out).count("<article") == 3


def test_a_persons_own_page_is_told_before_any_work(
    predictor: Predictor, scans: list[Path], tmp_path: Path
) -> None:
    (tmp_path / "masks").mkdir()
    (tmp_path / "masks" / PAGE).write_text("<p>mine", encoding="utf-8")
    with pytest.raises(CrlnError, match=r"index\.html: not written by crln predict"):
        predict_files(predictor, scans, tmp_path / "masks")
    assert predict_files(predictor, scans[:1], tmp_path / "masks", page=False)[0].error is None
    assert page(tmp_path / "masks") == "<p>mine"


def test_a_page_tells_nothing_of_a_dicom_header(
    predictor: Predictor, tmp_path: Path, dicom: ModuleType
) -> None:
    voxels = np.random.default_rng(0).normal(100, 20, (12, 10, 4)).astype(np.int16)
    told = {
        "PatientName": "Unmistakable^Name", "PatientID": "ID-4711", "InstitutionName": "Ward Nine",
        "StudyDescription": "a secret study", "SeriesDescription": "a secret series",
        "PatientBirthDate": "19560203", "AccessionNumber": "ACC-0815",
    }  # fmt: skip
    series = dicom.write_series(tmp_path / "series", voxels, np.diag([-1.0, -1, 4, 1]), **told)
    (outcome,) = predict_files(predictor, [series], tmp_path / "out")
    assert outcome.error is None
    text = page(tmp_path / "out")
    uids = {str(part.StudyInstanceUID) for part in dicom.slices(series)}
    assert "<canvas" in text
    assert not [value for value in (*told.values(), *uids) if value in text]
