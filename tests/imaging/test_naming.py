from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from crln.errors import CrlnError
from crln.imaging import label_names, read_label
from crln.imaging.naming import plain, values_by_name
from crln.imaging.nifti import Nifti

Save = Callable[..., Path]
SEG = Path("a.seg")


def test_names_are_compared_without_what_differs_from_file_to_file() -> None:
    assert plain("  Left_Lung ") == plain("left-lung") == plain("LEFT LUNG")
    assert plain("lung") != plain("lungs")
    assert not plain("Segment_12")
    assert not plain("3")


def test_a_structure_means_the_class_of_its_name_not_of_its_number() -> None:
    told = {1: "Spleen", 2: "liver", 3: "couch"}
    assert values_by_name(SEG, told, {1: "Liver", 5: "spleen"}) == {1: 5, 2: 1}


def test_without_names_on_either_side_numbers_count() -> None:
    assert values_by_name(SEG, {1: "liver", 2: "x"}, {}) == {1: 1, 2: 2}
    assert values_by_name(SEG, {1: "liver"}, {1: "class 1"}) == {1: 1}
    assert values_by_name(SEG, {1: "Segment_1"}, {1: "liver"}) == {1: 1}
    assert values_by_name(SEG, {1: "liver", 2: "Segment_2"}, {1: "liver"}) == {1: 1, 2: 2}


def test_names_of_which_none_is_a_class_are_refused() -> None:
    with pytest.raises(CrlnError, match=r"a\.seg: holds lvier, .*none is a class \(liver\)"):
        values_by_name(SEG, {1: "lvier", 2: "couch"}, {1: "liver"})


def test_two_structures_of_one_name_are_refused() -> None:
    with pytest.raises(CrlnError, match=r"a\.seg: holds 'Liver' twice"):
        values_by_name(SEG, {1: "liver", 2: "Liver"}, {1: "liver"})


def test_a_label_is_read_with_the_values_of_the_classes(
    tmp_path: Path, voxels: np.ndarray, save: Save, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = save(tmp_path / "a.nii.gz", voxels % 4)
    told = {1: "spleen", 2: "liver", 3: "couch"}
    monkeypatch.setattr(Nifti, "names", lambda self, path: told)
    assert label_names(path) == told
    label = read_label(path, names={0: "background", 1: "liver", 85: "spleen"}).array[0]
    assert label.dtype == np.int32
    np.testing.assert_array_equal(label, np.array([0, 85, 1, 0])[voxels % 4])
    np.testing.assert_array_equal(read_label(path).array[0], voxels % 4)
