"""The layout that nnU-Net v2 documents, and nothing of the test in it."""

import json
from dataclasses import replace
from pathlib import Path

import h5py
import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk

from crln.cohort import Cohort, Label, Slices, load_cohort, split_cohort
from crln.comparison import export_nnunet
from crln.errors import CrlnError
from crln.imaging import read_image, read_label


@pytest.fixture
def cohort(phantom: Path) -> Cohort:
    return split_cohort(load_cohort(phantom), labelled=2, seed=1)


def test_the_layout(cohort: Cohort, tmp_path: Path) -> None:
    folder = export_nnunet(cohort, tmp_path, identifier=7, name="Phantom")
    assert folder == tmp_path / "Dataset007_Phantom"
    learnt, tested = ({case.id for case in part} for part in (cohort.labelled, cohort.test))

    def stems(name: str) -> set[str]:
        return {path.name.removesuffix(".nii.gz") for path in (folder / name).iterdir()}

    assert stems("imagesTr") == {f"{case}_0000" for case in learnt}
    assert stems("labelsTr") == learnt
    assert stems("imagesTs") == {f"{case}_0000" for case in tested}
    assert {path.name for path in folder.iterdir()} == {
        "imagesTr", "labelsTr", "imagesTs", "dataset.json",
    }  # fmt: skip
    notes = json.loads((folder / "dataset.json").read_text())
    assert notes["channel_names"] == {"0": cohort.channels[0]}
    assert notes["labels"]["background"] == 0
    assert sorted(notes["labels"].values()) == list(range(len(notes["labels"])))
    assert notes["numTraining"] == 2
    assert notes["file_ending"] == ".nii.gz"
    case = cohort.labelled[0]
    copied = folder / "imagesTr" / f"{case.id}_0000.nii.gz"
    assert copied.read_bytes() == case.images[0].read_bytes()
    assert (folder / "labelsTr" / f"{case.id}.nii.gz").read_bytes() == case.label.path.read_bytes()


def test_our_own_reader_knows_it(cohort: Cohort, tmp_path: Path) -> None:
    again = load_cohort(export_nnunet(cohort, tmp_path))
    assert again.layout == "decathlon"
    assert [case.id for case in again.labelled] == sorted(case.id for case in cohort.labelled)


def test_archives_become_nifti_and_values_consecutive(tmp_path: Path) -> None:
    data = tmp_path / "data"
    generator = np.random.default_rng(0)
    truth = generator.choice([0, 255], size=(6, 5, 4)).astype(np.uint8)
    image = generator.normal(size=(6, 5, 4)).astype(np.float32)
    for name in ("a", "b"):
        (data / name).mkdir(parents=True)
        with h5py.File(data / name / "mri_norm2.h5", "w") as file:
            file["image"], file["label"] = image, truth
    cohort = split_cohort(load_cohort(data), test=1)
    folder = export_nnunet(cohort, tmp_path / "raw")
    assert np.array_equal(read_image([folder / "imagesTr" / "a_0000.nii.gz"]).array[0], image)
    label = read_label(folder / "labelsTr" / "a.nii.gz").array[0]
    assert np.array_equal(label, truth == 255)
    notes = json.loads((folder / "dataset.json").read_text())
    assert notes["crln_label_values"] == {"0": 0, "1": 255}
    assert notes["labels"] == {"background": 0, "class 255": 1}
    assert [path.name for path in (folder / "imagesTs").iterdir()] == ["b_0000.nii.gz"]


def test_mixed_formats_become_one(cohort: Cohort, tmp_path: Path) -> None:
    first = cohort.labelled[0]
    other = tmp_path / "scan.nii"
    nib.save(nib.load(first.images[0]), other)
    mixed = replace(cohort, labelled=(replace(first, images=(other,)),), test=())
    folder = export_nnunet(mixed, tmp_path)
    written = folder / "imagesTr" / f"{first.id}_0000.nii.gz"
    assert np.allclose(read_image([written]).array, read_image(first.images).array)
    assert np.array_equal(nib.load(written).affine, nib.load(first.images[0]).affine)


def test_it_does_not_replace_and_leaves_nothing_half_written(
    cohort: Cohort, tmp_path: Path
) -> None:
    export_nnunet(cohort, tmp_path, name="A")
    with pytest.raises(CrlnError, match="exists; remove it"):
        export_nnunet(cohort, tmp_path, name="A")
    broken = replace(cohort.labelled[0], label=Label(tmp_path / "absent.nii.gz"))
    with pytest.raises(CrlnError):
        export_nnunet(replace(cohort, labelled=(broken,)), tmp_path, name="B")
    assert [path.name for path in tmp_path.iterdir()] == ["Dataset500_A"]


@pytest.mark.parametrize(
    ("changes", "options", "line"),
    [
        ({"labelled": ()}, {}, "no labelled case"),
        ({}, {"name": "a b"}, "no data set's name"),
        ({}, {"identifier": 1000}, "no data set's name"),
    ],
)
def test_what_cannot_be_is_told(
    cohort: Cohort, tmp_path: Path, changes: dict, options: dict, line: str
) -> None:
    with pytest.raises(CrlnError, match=line):
        export_nnunet(replace(cohort, **changes), tmp_path, **options)
    assert not list(tmp_path.iterdir())


def test_a_place_that_cannot_be_written_is_told(cohort: Cohort, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CrlnError, match="cannot be written"):
        export_nnunet(cohort, tmp_path / "file")


def test_what_nobody_outlined_is_the_last_value_of_nnunet(cohort: Cohort, tmp_path: Path) -> None:
    case = cohort.labelled[0]
    truth = nib.load(case.images[0])
    voxels = np.random.default_rng(0).choice([0, 5, 9], truth.shape).astype(np.uint8)
    nib.save(nib.Nifti1Image(voxels, truth.affine), tmp_path / "label.nii.gz")
    drawn = replace(case, label=Label(tmp_path / "label.nii.gz"))
    sparse = replace(cohort, labelled=(drawn,), test=(), class_names={5: "organ"}, ignore=9)
    folder = export_nnunet(sparse, tmp_path / "raw", name="Sparse")
    notes = json.loads((folder / "dataset.json").read_text())
    assert notes["labels"] == {"background": 0, "organ": 1, "ignore": 2}
    written = read_label(folder / "labelsTr" / f"{case.id}.nii.gz").array[0]
    assert np.array_equal(written, np.searchsorted([0, 5, 9], voxels))
    assert load_cohort(folder).ignore == 2


def test_what_a_label_leaves_open_is_ignored_by_nnunet(phantom: Path, tmp_path: Path) -> None:
    """Slices that nobody outlined, and background that may be a class nobody looked for."""
    cohort = load_cohort(phantom)
    sliced, partial, whole = cohort.labelled
    assert sliced.label
    assert partial.label
    labelled = (
        replace(sliced, label=replace(sliced.label, slices=Slices(at=(5, 9), axis=2))),
        replace(partial, label=replace(partial.label, classes=(2,))),
        whole,
    )
    folder = export_nnunet(replace(cohort, labelled=labelled, test=()), tmp_path / "raw")
    assert json.loads((folder / "dataset.json").read_text())["labels"]["ignore"] == 3
    for case in labelled:
        assert case.label
        truth = read_label(case.label.path).array[0]
        written = read_label(folder / "labelsTr" / f"{case.id}.nii.gz").array[0]
        expected = truth
        if case.label.slices:
            expected = np.full_like(truth, 3)
            expected[:, :, [5, 9]] = truth[:, :, [5, 9]]
        elif case.label.classes:
            expected = np.where(truth == 2, 2, 3)
        np.testing.assert_array_equal(written, expected)


def test_regions_are_nnunets_regions(phantom: Path, tmp_path: Path) -> None:
    regions = {"tail": (2,), "organ": (1, 2)}
    cohort = replace(split_cohort(load_cohort(phantom), labelled=2), regions=regions)
    folder = export_nnunet(cohort, tmp_path)
    notes = json.loads((folder / "dataset.json").read_text())
    assert list(notes["labels"].items()) == [("background", 0), ("organ", [1, 2]), ("tail", [2])]
    assert notes["regions_class_order"] == [1, 2]
    assert load_cohort(folder).regions == {"organ": (1, 2), "tail": (2,)}


def test_structures_of_a_file_each_are_not_exported(phantom: Path, tmp_path: Path) -> None:
    cohort = replace(split_cohort(load_cohort(phantom), labelled=2), exclusive=False)
    with pytest.raises(CrlnError, match="overlap have a label file each, which nnU-Net does not"):
        export_nnunet(cohort, tmp_path)


def test_channels_of_one_file_become_a_file_each(tmp_path: Path) -> None:
    """As SimpleITK, nnU-Net's reader, opens them; a Decathlon's names of channels are kept."""
    random = np.random.default_rng(0)
    affine = np.array([[0, -2.0, 0, 5], [1, 0, 0, -3], [0, 0, 3, 1], [0, 0, 0, 1]])
    image = random.normal(size=(6, 5, 4, 3)).astype(np.float32)
    data = tmp_path / "data"
    for folder, array in (("imagesTr", image), ("labelsTr", image[..., 0] > 0)):
        (data / folder).mkdir(parents=True)
        stored = array.astype(np.uint8 if array.dtype == bool else np.float32)
        nib.save(nib.Nifti1Image(stored, affine), data / folder / "a.nii.gz")
    names = ["before", "FLAIR", "after"]
    told = {"modality": dict(zip("012", names, strict=True)), "labels": {"1": "lesion"}}
    (data / "dataset.json").write_text(json.dumps(told))
    folder = export_nnunet(load_cohort(data), tmp_path / "raw")
    scan = sitk.ReadImage(str(data / "labelsTr" / "a.nii.gz"))
    for channel in range(3):
        written = sitk.ReadImage(str(folder / "imagesTr" / f"a_{channel:04d}.nii.gz"))
        np.testing.assert_array_equal(sitk.GetArrayFromImage(written).T, image[..., channel])
        for get in ("GetSize", "GetSpacing", "GetOrigin", "GetDirection"):
            np.testing.assert_allclose(getattr(written, get)(), getattr(scan, get)())
    notes = json.loads((folder / "dataset.json").read_text())
    assert list(notes["channel_names"].values()) == names
    (data / "dataset.json").unlink()
    folder = export_nnunet(load_cohort(data), tmp_path / "raw", name="Nameless")
    notes = json.loads((folder / "dataset.json").read_text())
    assert list(notes["channel_names"].values()) == ["channel 0", "channel 1", "channel 2"]
    told["modality"] = {"0": "T1", "1": "T2"}
    (data / "dataset.json").write_text(json.dumps(told))
    with pytest.raises(CrlnError, match=r"names 2 channels \(T1, T2\), but its scans hold 3"):
        export_nnunet(load_cohort(data), tmp_path / "raw", name="Wrong")


def test_a_sheared_scan_is_refused_as_nnunet_cannot_read_it(tmp_path: Path) -> None:
    sheared = np.eye(4)
    sheared[:2, 1] = 0.6, 0.8
    image = np.random.default_rng(0).normal(size=(6, 5, 4)).astype(np.float32)
    for folder, array in (("images", image), ("labels", (image > 0).astype(np.uint8))):
        (tmp_path / "data" / folder).mkdir(parents=True)
        nib.save(nib.Nifti1Image(array, sheared), tmp_path / "data" / folder / "a.nii.gz")
    with pytest.raises(CrlnError, match=r"a\.nii\.gz: its axes are not perpendicular, and nnU-Net"):
        export_nnunet(load_cohort(tmp_path / "data"), tmp_path / "raw")
