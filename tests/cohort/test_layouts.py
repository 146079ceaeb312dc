import json
import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from crln.cohort import Case, Label, load_cohort
from crln.errors import CrlnError


def touch(root: Path, *names: str) -> None:
    """Empty files: no layout may open a scan."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def ids(cases: Iterable[Case]) -> list[str]:
    return [case.id for case in cases]


def test_folders_scans_without_a_label_are_unlabelled(tmp_path: Path) -> None:
    touch(tmp_path, "images/b.nii.gz", "images/a.nrrd", "images/c.mha", "labels/a.nii.gz")
    touch(tmp_path, "images/.hidden.nii.gz", "images/notes.txt")
    (tmp_path / "images" / "d").mkdir()  # a DICOM series
    cohort = load_cohort(tmp_path)
    assert cohort.layout == "folders"
    a = Case("a", (tmp_path / "images/a.nrrd",), Label(tmp_path / "labels/a.nii.gz"))
    assert cohort.labelled == (a,)
    assert ids(cohort.unlabelled) == ["b", "c", "d"]
    assert all(case.label is None for case in cohort.unlabelled)
    assert not cohort.ordered
    assert cohort.channels == ("image",)
    assert cohort.class_names == {}


def test_folders_without_any_label_load(tmp_path: Path) -> None:
    touch(tmp_path, "images/a.nii.gz")
    assert ids(load_cohort(tmp_path).unlabelled) == ["a"]


def test_lists_sort_cases_and_give_the_order(tmp_path: Path) -> None:
    touch(tmp_path, *(f"{f}/{c}.nii.gz" for c in "abcdef" for f in ("images", "labels")))
    touch(tmp_path, "images/u.nii.gz")
    (tmp_path / "train.list").write_text("d\nu\n\na.nii.gz\n")
    (tmp_path / "val.list").write_text("b\n")
    (tmp_path / "test.list").write_text("f\ne\n")
    cohort = load_cohort(tmp_path)
    assert ids(cohort.labelled) == ["d", "a"]
    assert ids(cohort.unlabelled) == ["u"]
    assert ids(cohort.validation) == ["b"]
    assert ids(cohort.test) == ["f", "e"]
    assert cohort.ordered
    assert "c" not in ids(cohort)


def test_without_a_train_list_the_rest_is_for_training(tmp_path: Path) -> None:
    touch(tmp_path, *(f"{f}/{c}.nii.gz" for c in "abc" for f in ("images", "labels")))
    (tmp_path / "test.list").write_text("b\n")
    cohort = load_cohort(tmp_path)
    assert ids(cohort.labelled) == ["a", "c"]
    assert ids(cohort.test) == ["b"]
    assert not cohort.ordered


@pytest.mark.parametrize(("beside", "part"), [((), "test"), (("test.list",), "validation")])
def test_eval_list(tmp_path: Path, beside: tuple[str, ...], part: str) -> None:
    touch(tmp_path, *(f"{f}/{c}.nii.gz" for c in "abc" for f in ("images", "labels")))
    for name in beside:
        (tmp_path / name).write_text("a\n")
    (tmp_path / "eval.list").write_text("b\n")
    assert ids(getattr(load_cohort(tmp_path), part)) == ["b"]


def test_eval_list_beside_both_others_is_unclear(tmp_path: Path) -> None:
    touch(tmp_path, *(f"{f}/{c}.nii.gz" for c in "abc" for f in ("images", "labels")))
    for name, case in (("val.list", "a"), ("test.list", "b"), ("eval.list", "c")):
        (tmp_path / name).write_text(case)
    with pytest.raises(CrlnError, match=r"eval\.list: val\.list and test\.list exist too"):
        load_cohort(tmp_path)


@pytest.mark.parametrize(
    ("lists", "message"),
    [
        ({"train.list": "a\na"}, r"train\.list: names case a twice"),
        ({"train.list": "a\nz"}, r"train\.list: names case z, of which there is no scan"),
        ({"train.list": "a", "test.list": "a"}, r"names case a, and so does .*; remove one"),
        ({"val.list": "u"}, r"val\.list: case u has no label"),
    ],
)
def test_lists_at_odds_with_the_scans(tmp_path: Path, lists: dict[str, str], message: str) -> None:
    touch(tmp_path, "images/a.nii.gz", "labels/a.nii.gz", "images/u.nii.gz")
    for name, content in lists.items():
        (tmp_path / name).write_text(content)
    with pytest.raises(CrlnError, match=message):
        load_cohort(tmp_path)


def test_a_list_that_is_no_text(tmp_path: Path) -> None:
    touch(tmp_path, "images/a.nii.gz")
    (tmp_path / "test.list").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(CrlnError, match=r"test\.list: not readable .*; write one case id a line"):
        load_cohort(tmp_path)


def test_decathlon_names_channels_and_classes(tmp_path: Path) -> None:
    touch(tmp_path, "imagesTr/h_001.nii.gz", "imagesTr/h_002.nii.gz", "labelsTr/h_001.nii.gz")
    touch(tmp_path, "imagesTs/h_003.nii.gz", "imagesUn/h_004.nii.gz")
    names = {"modality": {"0": "MRI"}, "labels": {"0": "background", "1": "Anterior"}}
    (tmp_path / "dataset.json").write_text(json.dumps(names))
    cohort = load_cohort(tmp_path)
    assert cohort.layout == "decathlon"
    assert ids(cohort.labelled) == ["h_001"]
    assert ids(cohort.unlabelled) == ["h_002", "h_004"]
    assert cohort.channels == ("MRI",)
    assert cohort.class_names == {0: "background", 1: "Anterior"}


def test_nnunet_channels_and_what_nobody_outlined(tmp_path: Path) -> None:
    touch(tmp_path, *(f"imagesTr/c{i}_000{j}.nii.gz" for i in (1, 2) for j in (0, 1)))
    touch(tmp_path, "imagesUn/c3_0000.nii.gz", "imagesUn/c3_0001.nii.gz", "labelsTr/c1.nii.gz")
    names = {
        "channel_names": {"1": "FLAIR", "0": "T1"},
        "labels": {"background": 0, "tumour": [2], "ignore": 3},
    }
    (tmp_path / "dataset.json").write_text(json.dumps(names))
    cohort = load_cohort(tmp_path)
    assert cohort.channels == ("T1", "FLAIR")
    assert cohort.class_names == {0: "background", 2: "tumour"}
    assert cohort.ignore == 3
    assert ids(cohort.labelled) == ["c1"]
    assert ids(cohort.unlabelled) == ["c2", "c3"]
    assert [path.name for path in cohort.labelled[0].images] == ["c1_0000.nii.gz", "c1_0001.nii.gz"]


def test_regions_are_read_as_nnunet_has_them(tmp_path: Path) -> None:
    touch(tmp_path, "imagesTr/a.nii.gz", "labelsTr/a.nii.gz")
    labels = {"background": 0, "whole": [1, 2, 3], "core": [2, 3], "enhancing": 3, "ignore": 4}
    notes = {"labels": labels, "regions_class_order": [1, 2, 3]}
    (tmp_path / "dataset.json").write_text(json.dumps(notes))
    cohort = load_cohort(tmp_path)
    assert cohort.regions == {"whole": (1, 2, 3), "core": (2, 3), "enhancing": (3,)}
    assert (cohort.class_names, cohort.ignore, cohort.exclusive) == ({}, 4, True)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (
            {"background": 0, "whole": [1, 2], "all": [2, 1]},
            "regions 'whole' and 'all' are of the same values; remove one",
        ),
        (
            {"background": 0, "ignore": 3, "whole": [1, 3]},
            "region 'whole' holds the value 3",
        ),
        ({"0": "background", "1": "organ", "2": "organ"}, "calls the values 1 and 2 'organ'; give"),
        ({"background": 0, "a": 1, "b": 1}, "calls the value 1 both 'a' and 'b'; remove one"),
    ],
)
def test_names_that_mix_classes_up_are_refused(
    tmp_path: Path, labels: dict[str, Any], message: str
) -> None:
    touch(tmp_path, "imagesTr/a.nii.gz", "labelsTr/a.nii.gz")
    (tmp_path / "dataset.json").write_text(json.dumps({"labels": labels}))
    with pytest.raises(CrlnError, match=rf"dataset\.json: {message}"):
        load_cohort(tmp_path)


def test_channels_without_names_are_numbered(tmp_path: Path) -> None:
    touch(tmp_path, "images/c_0000.nii.gz", "images/c_0001.nii.gz")
    assert load_cohort(tmp_path).channels == ("channel 0", "channel 1")


def test_ids_of_four_digits_are_no_channels(tmp_path: Path) -> None:
    touch(tmp_path, "images/c_0000.nii.gz", "images/c_0001.nii.gz", "labels/c_0001.nii.gz")
    cohort = load_cohort(tmp_path)
    assert ids(cohort.labelled) == ["c_0001"]
    assert ids(cohort.unlabelled) == ["c_0000"]


def test_a_missing_channel_is_named(tmp_path: Path) -> None:
    touch(tmp_path, "images/a_0000.nii.gz", "images/a_0001.nii.gz", "images/b_0001.nii.gz")
    with pytest.raises(CrlnError, match=r"channel 0001 of case b, which has no channel 0000; add"):
        load_cohort(tmp_path)


def test_a_channel_that_all_lack_is_named(tmp_path: Path) -> None:
    touch(tmp_path, "images/a_0000.nii.gz", "images/a_0002.nii.gz")
    with pytest.raises(CrlnError, match=r"case a, which has no channel 0001"):
        load_cohort(tmp_path)


def test_digits_that_number_cases_have_a_remedy(tmp_path: Path) -> None:
    touch(tmp_path, "images/knee_1203.nii.gz", "images/hip_0877.nii.gz", "labels/ankle.nii.gz")
    line = r"if the digits number cases, end the names otherwise, or list .* cohort\.yaml"
    with pytest.raises(CrlnError, match=line):
        load_cohort(tmp_path)


def test_one_file_of_a_decathlon_may_hold_all_channels(tmp_path: Path) -> None:
    touch(tmp_path, "imagesTr/a.nii.gz", "labelsTr/a.nii.gz")
    names = tmp_path / "dataset.json"
    names.write_text(json.dumps({"modality": {"0": "T1", "1": "T2"}}))
    assert load_cohort(tmp_path).channels == ("T1", "T2")
    touch(tmp_path, *(f"imagesTr/a_000{channel}.nii.gz" for channel in range(3)))
    (tmp_path / "imagesTr" / "a.nii.gz").unlink()
    with pytest.raises(CrlnError, match=r"dataset\.json: names 2 channels, but a case has 3 files"):
        load_cohort(tmp_path)


@pytest.mark.parametrize(
    "content", ["{", "[]", '{"modality": {"a": "MRI"}}', '{"labels": {"a": "b"}}']
)
def test_a_broken_dataset_json(tmp_path: Path, content: str) -> None:
    touch(tmp_path, "imagesTr/a.nii.gz")
    (tmp_path / "dataset.json").write_text(content)
    with pytest.raises(CrlnError, match=r"dataset\.json: .*; make it as the Decathlon"):
        load_cohort(tmp_path)


@pytest.mark.parametrize(
    "files",
    [
        ["2018LA_Seg_Training Set/A/mri_norm2.h5", "2018LA_Seg_Training Set/B/mri_norm2.h5"],
        ["A/mri_norm2.h5", "B/mri_norm2.h5"],
        ["Pancreas_h5/A_norm.h5", "Pancreas_h5/B_norm.h5"],
        ["A_norm.h5", "B_norm.h5"],
        ["data/A.h5", "data/B.h5"],
    ],
)
@pytest.mark.parametrize("beside", [True, False])
def test_archives(tmp_path: Path, files: list[str], beside: bool) -> None:
    touch(tmp_path, *files)
    listed = tmp_path if beside or "/" not in files[0] else (tmp_path / files[0].split("/")[0])
    (listed / "train.list").write_text("B\n")
    (listed / "test.list").write_text("A\n")
    cohort = load_cohort(tmp_path)
    assert cohort.layout == "h5"
    assert cohort.labelled == (Case("B", (tmp_path / files[1],), Label(tmp_path / files[1])),)
    assert ids(cohort.test) == ["A"]


def test_linked_archives_are_found(tmp_path: Path) -> None:
    touch(tmp_path, "store/A/mri_norm2.h5")
    (tmp_path / "study").mkdir()
    for name in ("X", "Y"):
        (tmp_path / "study" / name).symlink_to(tmp_path / "store" / "A")
    assert ids(load_cohort(tmp_path / "study").labelled) == ["X", "Y"]


def test_real_data(data_root: Path) -> None:
    hippocampus = load_cohort(data_root / "hippocampus")
    assert len(hippocampus.labelled) == 200
    assert hippocampus.class_names[2] == "Posterior"
    atrium = load_cohort(data_root / "la_half")
    assert ids(atrium.labelled) == (data_root / "la_half" / "train.list").read_text().split()
    assert atrium.ordered
    assert len(load_cohort(data_root / "la_h5").labelled) == 3


def test_a_label_without_a_scan(tmp_path: Path) -> None:
    touch(tmp_path, "images/a.nii.gz", "labels/b.nii.gz")
    with pytest.raises(
        CrlnError, match=r"labels/b\.nii\.gz: a label without a scan; add the scan b"
    ):
        load_cohort(tmp_path)


@pytest.mark.parametrize(
    "files",
    [
        ["images/a.nii.gz", "images/a.nrrd"],
        ["images/b.nii.gz", "labels/b.nii.gz", "labels/b.mha"],
        ["imagesTr/a.nii.gz", "imagesUn/a.nii.gz"],
        ["data/a.h5", "more/a.h5"],
    ],
)
def test_duplicate_ids(tmp_path: Path, files: list[str]) -> None:
    touch(tmp_path, *files)
    with pytest.raises(CrlnError, match=r"of the same case as .*; rename or remove one"):
        load_cohort(tmp_path)


def test_no_scan(tmp_path: Path) -> None:
    touch(tmp_path, "images/readme.txt")
    with pytest.raises(CrlnError, match="no scan found; put scans there"):
        load_cohort(tmp_path)


def test_no_known_layout(tmp_path: Path) -> None:
    touch(tmp_path, "scan.nii.gz")
    with pytest.raises(CrlnError, match="no known layout; put scans in images/"):
        load_cohort(tmp_path)
    with pytest.raises(CrlnError, match=r"scan\.nii\.gz: not a cohort; give its folder"):
        load_cohort(tmp_path / "scan.nii.gz")


def test_a_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(CrlnError, match="gone: no such folder; check the path"):
        load_cohort(tmp_path / "gone")


def test_an_unreadable_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(tmp_path, "images/a.nii.gz")
    readable: Callable[[Path], Iterable[Path]] = Path.iterdir

    def refuse(self: Path) -> Iterable[Path]:
        if self.name == "images":
            raise PermissionError(13, "Permission denied")
        return readable(self)

    monkeypatch.setattr(Path, "iterdir", refuse)
    with pytest.raises(CrlnError, match=r"images: cannot be read \(Permission denied\); check"):
        load_cohort(tmp_path)


@pytest.mark.slow
def test_ten_thousand_cases_take_seconds(tmp_path: Path) -> None:
    for folder in ("images", "labels"):
        (tmp_path / folder).mkdir()
        for index in range(10_000):
            os.close(os.open(tmp_path / folder / f"c{index:05d}.nii.gz", os.O_CREAT))
    began = time.process_time()
    assert len(load_cohort(tmp_path).labelled) == 10_000
    assert time.process_time() - began < 5
