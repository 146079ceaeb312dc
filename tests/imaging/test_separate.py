from pathlib import Path

import pytest

from crln.imaging import folder_name, mask_files, written_labels
from crln.labels import LabelSpace

SEPARATE = LabelSpace.of([0, 1, 2], {1: "liver", 2: "tumour"}, exclusive=False)


def test_structures_that_overlap_have_a_folder_each() -> None:
    assert mask_files(Path("masks/a.nii.gz"), SEPARATE) == {
        1: Path("masks/liver/a.nii.gz"), 2: Path("masks/tumour/a.nii.gz"),
    }  # fmt: skip
    assert mask_files(Path("masks/a.nii.gz"), LabelSpace()) == {0: Path("masks/a.nii.gz")}


@pytest.mark.parametrize(
    ("name", "folder"),
    [("liver", "liver"), ("a/b: c", "a_b_ c"), ("..", "_"), ("Läsion", "Läsion")],
)
def test_a_folder_has_its_structures_name_as_far_as_it_may(name: str, folder: str) -> None:
    assert folder_name(name) == folder


def test_a_mask_file_says_what_its_own_values_are() -> None:
    assert written_labels(SEPARATE, 2).structures == {1: "tumour"}
    regions = LabelSpace.of([0, 4, 7], {}, regions={"whole": (4, 7), "core": (7,)})
    assert written_labels(regions).structures == {4: "whole", 7: "whole + core"}
    plain = LabelSpace()
    assert written_labels(plain) is plain
