"""Files in, metrics out."""

import csv
import hashlib
import importlib
import io
import json
import math
from pathlib import Path

import h5py
import nibabel as nib
import numpy as np
import pytest
from medpy.metric import binary

from crln.cohort import Label, Slices
from crln.errors import CrlnError
from crln.evaluation import (
    evaluate,
    evaluate_both,
    evaluate_pairs,
    evaluation_table,
    find_masks,
    pair_masks,
    read_evaluation,
)
from crln.imaging import Volume, read_label
from crln.labels import LabelSpace

SPACING = (1.0, 1.5, 3.0)


def save(path: Path, mask: np.ndarray, spacing: tuple[float, ...] = SPACING) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".h5":
        with h5py.File(path, "w") as file:
            file["label"] = mask.astype(np.uint8)
    else:
        nib.save(nib.Nifti1Image(mask.astype(np.uint8), np.diag([*spacing, 1])), path)
    return path


def cube(low: int, high: int, value: int = 1) -> np.ndarray:
    mask = np.zeros((12, 12, 10), int)
    mask[low:high, low:high, 2:7] = value
    return mask


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    for case, low in {"a": 2, "b": 3}.items():
        save(tmp_path / "labels" / f"{case}.nii.gz", cube(2, 7) + cube(7, 9, 2))
        save(tmp_path / "predictions" / f"{case}.nii.gz", cube(low, 7) + cube(7, 10, 2))
    return tmp_path / "predictions", tmp_path / "labels"


@pytest.mark.parametrize(("unit", "spacing"), [("mm", SPACING), ("voxel", None)])
def test_metrics_of_files_equal_medpy(folders, unit, spacing):
    found = evaluate(*folders, unit=unit)
    assert found.cases == ("a", "b")
    assert found.class_names == {1: "class 1", 2: "class 2"}
    for value, p, t in ((1, cube(3, 7), cube(2, 7)), (2, cube(7, 10), cube(7, 9))):
        assert found.values("dice", value)["b"] == pytest.approx(binary.dc(p, t))
        assert found.values("hd95", value)["b"] == pytest.approx(binary.hd95(p, t, spacing))
        assert found.values("asd", value)["b"] == pytest.approx(binary.asd(p, t, spacing))


def test_a_plans_labels_say_what_is_background_and_what_nobody_knows(tmp_path):
    truth = np.full((12, 12, 10), 3)  # the background
    truth[2:7], truth[7:9], truth[9:] = 5, 8, 255
    outlined = np.where(truth == 8, 5, truth)
    outlined[9:] = 5
    pair = (save(tmp_path / "p.nii", outlined), save(tmp_path / "t.nii", truth))
    labels = LabelSpace((3, 5), ("air", "organ"), ignore=255)
    for found in evaluate_both({"a": pair}, classes=labels):
        assert found.class_names == {5: "organ"}
        assert found.values("dice", 5)["a"] == pytest.approx(2 * 5 / (5 + 7))
        assert found.left_out.values == {8: ("a",)}


def test_components_are_joined_by_what_nobody_knows(tmp_path):
    outlined = np.zeros((12, 12, 10), int)
    outlined[:, 4:8, 4:8] = 1
    truth = outlined.copy()
    truth[5:7] = 9
    pair = (save(tmp_path / "p.nii", outlined), save(tmp_path / "t.nii", truth))
    _, largest = evaluate_both({"a": pair}, ignore=9)
    assert largest.values("dice", 1)["a"] == 1


def test_classes_may_be_named_and_chosen(folders):
    found = evaluate(*folders, classes={2: "tumour", 5: "cyst"})
    assert found.class_names == {2: "tumour", 5: "cyst"}
    assert all(math.isnan(dice) for dice in found.values("dice", 5).values())


def test_a_class_of_one_case_is_an_undefined_row_of_the_others(folders):
    predictions, labels = folders
    for folder in folders:
        save(folder / "c.nii.gz", cube(2, 6, 9))
    found = evaluate(predictions, labels)
    assert list(found.class_names) == [1, 2, 9]
    assert len(found.rows) == 9
    assert math.isnan(found.values("dice", 9)["a"])
    assert found.summarised("dice", 9).undefined == 2
    assert found.values("dice")["c"] == 1


def test_formats_may_differ_and_millimetres_come_from_the_file_that_knows_them(tmp_path):
    archive = save(tmp_path / "labels" / "heart" / "mri_norm2.h5", cube(2, 7))
    save(tmp_path / "predictions" / "heart.nii.gz", cube(2, 8))
    found = evaluate(tmp_path / "predictions", tmp_path / "labels")
    expected = binary.hd95(cube(2, 8), cube(2, 7), SPACING)
    assert found.values("hd95") == {"heart": pytest.approx(expected)}
    swapped = evaluate_pairs({"x": (archive, tmp_path / "predictions" / "heart.nii.gz")})
    assert swapped.values("hd95")["x"] == pytest.approx(expected)


def test_two_single_files_are_a_pair(tmp_path):
    prediction = save(tmp_path / "mine.nii.gz", cube(2, 7))
    truth = save(tmp_path / "theirs.nii.gz", cube(2, 7))
    assert evaluate(prediction, truth).values("dice") == {"mine": 1}


def test_what_has_no_partner_is_left_out_and_told(folders):
    predictions, labels = folders
    save(labels / "c.nii.gz", cube(2, 7))
    save(predictions / "d.nii.gz", cube(2, 7))
    found = evaluate(predictions, labels)
    assert found.cases == ("a", "b")
    assert found.left_out.lines == [
        "left out, for want of a label: d",
        "left out, for want of a mask: c",
    ]


def test_the_cases_asked_for_must_be_there(folders):
    predictions, labels = folders
    save(labels / "c.nii.gz", cube(2, 7))
    assert evaluate(predictions, labels, cases=["b"]).cases == ("b",)
    with pytest.raises(CrlnError, match="no label for the cases asked for: zebra"):
        evaluate(predictions, labels, cases=["b", "zebra"])
    with pytest.raises(CrlnError, match="no mask for the cases asked for: c; predict them, or"):
        evaluate(predictions, labels, cases=["b", "c"])
    some = evaluate(predictions, labels, cases=["b", "c"], partial=True)
    assert some.cases == ("b",)
    assert some.left_out.without_mask == ("c",)


def test_a_value_that_is_none_of_the_classes_is_told(folders):
    found = evaluate(*folders, classes={1: "organ"})
    assert found.left_out.values == {2: ("a", "b")}
    assert found.left_out.lines == [
        "value 2 in the labels of a, b is none of the classes: counted as background",
        "value 2 in the masks of a, b is none of the classes: counted as background",
    ]


def test_voxels_that_nobody_knows_are_not_measured(tmp_path):
    truth = cube(2, 7)
    truth[:, :, 5:] = 9
    save(tmp_path / "l" / "a.nii.gz", truth)
    save(tmp_path / "p" / "a.nii.gz", cube(2, 7))
    found = evaluate(tmp_path / "p", tmp_path / "l", ignore=9)
    assert found.class_names == {1: "class 1"}
    assert found.values("dice") == {"a": 1}


def test_two_classes_of_one_name_stay_apart(folders):
    found = evaluate(*folders, classes={1: "lesion", 2: "lesion"})
    first, second = (found.summarised("dice", value).mean for value in (1, 2))
    assert first == pytest.approx(np.mean(list(found.values("dice", 1).values())))
    assert second != pytest.approx(first)
    lines = [line.split(",") for line in found.to_csv().splitlines() if line.startswith("mean")]
    assert [line[1:3] for line in lines] == [["1", "lesion"], ["2", "lesion"], ["", "foreground"]]
    assert [float(line[3]) for line in lines[:2]] == pytest.approx([first, second], abs=1e-5)
    shown = [row["class"].value for row in evaluation_table(found).rows]
    assert shown == ["lesion (1)", "lesion (2)", "mean over classes"]


def test_a_class_named_foreground_leaves_the_mean_alone(folders):
    found = evaluate(*folders, classes={1: "foreground", 2: "lesion"})
    both = [found.summarised("dice", value).mean for value in (1, 2)]
    assert found.summarised("dice").mean == pytest.approx(np.mean(both))
    rows = list(csv.DictReader(io.StringIO(found.to_csv())))
    means = [r for r in rows if (r["row"], r["class"]) == ("mean", "foreground")]
    assert [r["value"] for r in means] == ["1", ""]
    assert float(means[1]["dice"]) == pytest.approx(np.mean(both), abs=1e-5)


def test_masks_as_they_are_and_their_largest_components_are_read_once(folders, monkeypatch):
    read = []

    def counted(path: Path, *more: object, **options: object) -> Volume:
        read.append(path)
        return read_label(path, *more, **options)

    for room in ("crln.evaluation.exclusive", "crln.cohort.outline"):
        monkeypatch.setattr(importlib.import_module(room), "read_label", counted)
    pairs = pair_masks(*folders).pairs
    last, largest = evaluate_both(pairs)
    assert len(read) == 4
    assert repr(last) == repr(evaluate_pairs(pairs))
    assert repr(largest) == repr(evaluate_pairs(pairs, largest_component=True))
    assert largest.largest_component


def test_what_was_read_is_remembered_by_content(folders):
    predictions, labels = folders
    read = evaluate(predictions, labels).read
    expected = [
        hashlib.sha256((folder / "a.nii.gz").read_bytes()).hexdigest() for folder in folders
    ]
    assert list(read["a"]) == expected


def test_volume_differences_in_millilitres_and_relative(folders):
    found = evaluate(*folders)
    p, t = cube(3, 7).astype(bool).sum(), cube(2, 7).astype(bool).sum()
    assert found.values("volume_ml", 1)["b"] == pytest.approx((p - t) * np.prod(SPACING) / 1000)
    assert found.values("volume_relative", 1)["b"] == pytest.approx((p - t) / t)
    voxels = evaluate(*folders, unit="voxel")
    assert voxels.values("volume_ml", 1) == found.values("volume_ml", 1)


def test_without_a_voxel_size_there_is_no_volume(tmp_path):
    for folder in ("p", "l"):
        save(tmp_path / folder / "a" / "mri_norm2.h5", cube(2, 7))
    found = evaluate(tmp_path / "p", tmp_path / "l", unit="voxel")
    assert math.isnan(found.values("volume_ml")["a"])
    assert found.values("volume_relative")["a"] == 0


def test_a_class_may_have_its_own_tolerance(folders):
    found = evaluate(*folders, tolerance={1: 0.0, None: 3.0})
    assert found.tolerances == {1: 0.0, 2: 3.0}
    assert found.values("nsd", 1)["b"] < evaluate(*folders).values("nsd", 1)["b"]


def test_a_long_list_is_cut_short(tmp_path):
    cases = [f"case{i:02}" for i in range(13)]
    for case in cases:
        save(tmp_path / "labels" / f"{case}.nii.gz", cube(2, 7))
    save(tmp_path / "predictions" / "case00.nii.gz", cube(2, 7))
    with pytest.raises(CrlnError, match=r"case10 and 2 more") as error:
        evaluate(tmp_path / "predictions", tmp_path / "labels", cases=cases)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("fault", ["shape", "affine", "archive shape"])
def test_another_grid_is_refused_and_both_files_are_named(tmp_path, fault):
    truth = save(tmp_path / "l" / "a.nii.gz", cube(2, 7))
    if fault == "affine":
        prediction = save(tmp_path / "p" / "a.nii.gz", cube(2, 7), (1.0, 1.0, 1.0))
    else:
        suffix = ".h5" if fault == "archive shape" else ".nii.gz"
        prediction = save(tmp_path / "p" / f"a{suffix}", cube(2, 7)[:-1])
    with pytest.raises(CrlnError) as error:
        evaluate(tmp_path / "p", tmp_path / "l")
    assert str(prediction) in str(error.value)
    assert str(truth) in str(error.value)


def test_an_image_is_not_a_mask(tmp_path):
    truth = save(tmp_path / "l" / "a.nii.gz", cube(2, 7))
    many = np.arange(1440, dtype=np.int16).reshape(12, 12, 10) - 3
    nib.save(nib.Nifti1Image(many, np.diag([*SPACING, 1])), tmp_path / "a.nii.gz")
    with pytest.raises(CrlnError, match="1440 different values"):
        evaluate(tmp_path / "a.nii.gz", truth)


def test_masks_without_any_class_are_refused(tmp_path):
    nothing = save(tmp_path / "a.nii.gz", cube(0, 0))
    with pytest.raises(CrlnError, match="no class but 0"):
        evaluate(nothing, nothing)
    assert evaluate(nothing, nothing, classes={1: "organ"}).summarised("dice").cases == 0


def test_folders_that_cannot_be_paired(tmp_path, folders):
    predictions, labels = folders
    with pytest.raises(CrlnError, match="no such file"):
        find_masks(tmp_path / "nowhere")
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(CrlnError, match="no mask in it"):
        find_masks(empty)
    save(empty / "z.nii.gz", cube(2, 7))
    with pytest.raises(CrlnError, match="no case in common"):
        pair_masks(predictions, labels, cases=[])
    save(labels / "a.h5", cube(2, 7))
    with pytest.raises(CrlnError, match="of the same case as"):
        pair_masks(predictions, labels)


def test_hidden_and_other_files_are_passed_over(folders):
    predictions, labels = folders
    (labels / "._a.nii.gz").write_bytes(b"")
    (predictions / "notes.txt").write_text("x")
    (predictions / "folder").mkdir()
    assert set(pair_masks(predictions, labels).pairs) == {"a", "b"}


def test_the_largest_component_alone_may_be_measured(tmp_path):
    truth = save(tmp_path / "l" / "a.nii.gz", cube(2, 7))
    speck = cube(2, 7)
    speck[11, 11, 9] = 1
    save(tmp_path / "p" / "a.nii.gz", speck)
    assert evaluate(tmp_path / "p", truth.parent).values("dice")["a"] < 1
    whole = evaluate(tmp_path / "p", truth.parent, largest_component=True)
    assert whole.values("dice")["a"] == 1
    assert whole.largest_component


def test_a_class_that_nobody_looked_for_in_a_case_is_not_measured_there(folders):
    """The mean of a class is over the cases where somebody looked; nothing counts as undefined."""
    pairs = pair_masks(*folders).pairs
    whole = evaluate_pairs(pairs, classes={1: "a", 2: "b"})
    (first, (mask, label)), *others = pairs.items()
    some = {first: (mask, Label(label, classes=(2,))), **dict(others)}
    found = evaluate_pairs(some, classes={1: "a", 2: "b"})
    assert math.isnan(found.values("dice", 1)[first])
    assert found.values("dice", 2) == whole.values("dice", 2)
    assert found.summarised("dice", 1).cases == whole.summarised("dice", 1).cases - 1
    assert found.undefined("dice") == whole.undefined("dice")


def test_slices_that_nobody_outlined_are_not_measured(tmp_path):
    truth, mask = np.zeros((2, 12, 12, 12), np.uint8)
    truth[3:8, 3:8, 4] = 1
    mask[3:8, 3:7, 3:9] = 1
    for name, array in (("mask", mask), ("truth", truth)):
        nib.save(nib.Nifti1Image(array, np.eye(4)), tmp_path / f"{name}.nii.gz")
    label = Label(tmp_path / "truth.nii.gz", slices=Slices(at=(4, 10), axis=2))
    row = evaluate_pairs({"a": (tmp_path / "mask.nii.gz", label)}, classes={1: "a"}).rows[0]
    assert (row.metrics.predicted, row.metrics.true) == (20, 25)
    assert row.metrics["dice"] == pytest.approx(2 * 20 / 45)


def test_a_cohort_tells_what_its_labels_know(folders, tmp_path):
    """Of a cohort.yaml each label with its classes; of sparse folders the outlined slices."""
    predictions, labels = folders
    pairs = pair_masks(predictions, labels).pairs
    cases = [
        {"id": case, "image": str(mask), "label": {"path": str(label), "classes": [2]}}
        for case, (mask, label) in pairs.items()
    ]
    (tmp_path / "cohort.yaml").write_text(json.dumps({"ignore": 9, "labelled": cases}))
    found = evaluate(predictions, tmp_path / "cohort.yaml", classes={1: "a", 2: "b"})
    assert found.values("dice", 2) == evaluate(predictions, labels).values("dice", 2)
    assert all(math.isnan(figure) for figure in found.values("dice", 1).values())
    sparse = pair_masks(predictions, labels, sparse=True).pairs
    assert sparse == {
        case: (mask, Label(label, slices=Slices())) for case, (mask, label) in pairs.items()
    }


def test_a_cohorts_names_are_those_of_the_rows_and_every_value_found_is_measured(folders, tmp_path):
    predictions, labels = folders
    (tmp_path / "images").mkdir()
    for label in labels.iterdir():
        (tmp_path / "images" / label.name).touch()
    names = {"labels": {"background": 0, "liver": 1, "cyst": 7}}
    (tmp_path / "dataset.json").write_text(json.dumps(names))
    found = evaluate(predictions, tmp_path)
    assert found.class_names == {1: "liver", 2: "class 2"}
    assert found.values("dice") == evaluate(predictions, labels).values("dice")


def test_a_cohort_is_listed_once_and_tells_what_it_takes_once(folders, tmp_path, caplog):
    masks, labels = folders
    (tmp_path / "images").mkdir()
    for label in labels.iterdir():
        (tmp_path / "images" / label.name).touch()
        label.rename(label.with_name(label.name.replace(".nii", "_seg.nii")))
    with caplog.at_level("WARNING", "crln"):
        found = evaluate(masks, tmp_path)
    assert found.cases == ("a", "b")
    assert caplog.text.count("taken for the label of") == 1


def test_labels_of_near_names_are_paired(folders):
    masks, labels = folders
    (label,) = [path for path in labels.iterdir() if path.name.startswith("a.")]
    label.rename(label.with_name("A_seg.nii.gz"))
    assert "a" in pair_masks(masks, labels).pairs


def test_fine_figures_are_measured_where_they_are_asked_for(tmp_path: Path) -> None:
    truth = np.zeros((20, 20, 20), np.uint8)
    truth[5:8, 5:8, 3:17] = 1
    gap = truth.copy()
    gap[:, :, 8:12] = 0
    for folder, mask in (("masks", gap), ("labels", truth)):
        save(tmp_path / folder / "a.nii.gz", mask)
    plain = evaluate(tmp_path / "masks", tmp_path / "labels")
    assert "betti" not in {metric.key for metric in plain.metrics}
    found = evaluate(tmp_path / "masks", tmp_path / "labels", fine=True)
    assert found.values("betti", 1) == {"a": 1}
    assert found.values("cldice", 1)["a"] < 0.9
    file = found.save(tmp_path / "results")[2]
    assert read_evaluation(file).values("betti", 1) == {"a": 1}
