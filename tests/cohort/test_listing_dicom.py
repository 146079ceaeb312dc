from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from crln.cohort import Label, Slices, load_cohort, read_outline
from crln.errors import CrlnError
from crln.imaging import read_grid
from crln.planning import make_fingerprint, make_plan
from crln.preparation import prepare_cohort

pytestmark = pytest.mark.slow  # by highdicom

SHAPE = (12, 10, 8)


@pytest.fixture
def series(tmp_path: Path, dicom: ModuleType) -> list[Path]:
    """Three DICOM series in images/."""
    random = np.random.default_rng(0)
    return [
        dicom.write_series(
            tmp_path / "images" / name, random.normal(0, 99, SHAPE).astype(np.int16), np.eye(4)
        )
        for name in "abc"
    ]


def _mask(first: int, last: int) -> np.ndarray:
    mask = np.zeros(SHAPE, np.uint8)
    mask[2:6, 2:6, first:last] = 1
    return mask


def test_outlines_are_found_as_files_as_folders_and_among_the_slices(
    tmp_path: Path, series: list[Path], dicom: ModuleType
) -> None:
    masks = {"liver": _mask(1, 4), "tumour": _mask(5, 7)}
    file = dicom.write_seg(tmp_path / "labels" / "a.dcm", series[0], masks)
    folder = dicom.write_seg(tmp_path / "labels" / "b" / "1.dcm", series[1], masks)
    among = dicom.write_seg(series[2] / "SEG", series[2], masks)
    cohort = load_cohort(tmp_path)
    labels = {case.id: case.label.path for case in cohort.labelled if case.label}
    assert labels == {"a": file, "b": folder, "c": among}


def test_classes_are_those_of_their_names_whatever_their_numbers(
    tmp_path: Path, series: list[Path], dicom: ModuleType
) -> None:
    liver, tumour = _mask(1, 4), _mask(5, 7)
    dicom.write_seg(tmp_path / "labels" / "a.dcm", series[0], {"liver": liver, "tumour": tumour})
    dicom.write_seg(series[1] / "SEG", series[1], {"Tumour": tumour, "LIVER": liver})
    found = make_fingerprint(load_cohort(tmp_path))
    assert found.class_names == {1: "liver", 2: "tumour"}
    assert {value: found.volumes[value] for value in (1, 2)} == {1: liver.sum(), 2: tumour.sum()}


def test_two_outlines_among_the_slices_are_refused(
    tmp_path: Path, series: list[Path], dicom: ModuleType
) -> None:
    for name in ("one", "two"):
        dicom.write_seg(series[0] / name, series[0], {"liver": _mask(1, 4)})
    with pytest.raises(CrlnError, match=r"a: holds 2 outlines \(one, two, \.\.\.\); keep the one"):
        load_cohort(tmp_path)


def test_a_cohort_yaml_names_a_file_or_its_folder(
    tmp_path: Path, series: list[Path], dicom: ModuleType
) -> None:
    file = dicom.write_seg(tmp_path / "outlines" / "a" / "1", series[0], {"liver": _mask(1, 4)})
    for given in (file, file.parent):
        lines = f"labelled: [{{image: images/a, label: {given}}}]"
        (tmp_path / "cohort.yaml").write_text(lines)
        (case,) = load_cohort(tmp_path / "cohort.yaml").labelled
        assert case.label
        assert case.label.path == file


def test_a_cohort_yaml_tells_what_else_files_call_a_class(
    tmp_path: Path, series: list[Path], dicom: ModuleType
) -> None:
    liver, tumour = _mask(1, 4), _mask(5, 7)
    dicom.write_seg(tmp_path / "a.dcm", series[0], {"couch": tumour, "Liver": liver})
    dicom.write_seg(tmp_path / "b.dcm", series[1], {"LEBER auto": liver, "tumour": tumour})
    (tmp_path / "cohort.yaml").write_text(
        "classes: {4: [liver, leber_auto], 2: tumour}\n"
        "labelled: [{image: images/a, label: a.dcm}, {image: images/b, label: b.dcm}]\n"
    )
    cohort = load_cohort(tmp_path / "cohort.yaml")
    found = make_fingerprint(cohort)
    assert found.class_names == {2: "tumour", 4: "liver"}
    assert found.volumes[4] == liver.sum()
    plan = make_plan(cohort, changes={"patch_size": (16, 16, 16), "spacing": (1, 1, 1)})
    prepared = prepare_cohort(cohort.labelled, plan, tmp_path / "cache")
    # values 2 and 4 are classes 1 and 2
    assert [sorted(case.foreground) for case in prepared] == [[2], [1, 2]]
    swapped = plan.updated({"labels": {"names": ("background", "liver", "tumour")}})
    (again, _) = prepare_cohort(cohort.labelled, swapped, tmp_path / "cache")
    assert sorted(again.foreground) == [1]


def test_contours_of_some_slices_are_a_solid_or_all_that_is_known(
    tmp_path: Path, series: list[Path], dicom: ModuleType
) -> None:
    square = np.array([(1.5, 1.5), (1.5, 6.5), (6.5, 6.5), (6.5, 1.5)])
    contours = [np.insert(square, 2, float(z), axis=1) for z in (1, 3, 5, 7)]
    path = dicom.write_rtstruct(tmp_path / "a.dcm", {"liver": contours})
    grid = read_grid(series[0])
    solid = read_outline(Label(path), grid)
    assert solid.values.any((0, 1)).nonzero()[0].tolist() == [*range(8)]
    assert solid.known is None
    sparse = read_outline(Label(path, slices=Slices()), grid)
    assert sparse.known is not None
    assert sparse.known.all((0, 1)).nonzero()[0].tolist() == [1, 3, 5, 7]
    assert not sparse.known[:, :, ::2].any()
