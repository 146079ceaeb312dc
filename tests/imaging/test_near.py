import pytest

from crln.imaging import match_names
from crln.imaging.near import near_key, nearest


@pytest.mark.parametrize(
    "name", ["Case_01", "case_01_seg", "case_01-label", "CASE_01_GT", "case_01.mask", "seg_case_01"]
)
def test_words_of_outlines_and_letter_case_do_not_part_a_label_from_its_scan(name: str) -> None:
    assert near_key(name) == "case_01"


def test_a_word_within_a_name_belongs_to_it() -> None:
    assert near_key("mask_7") == near_key("image_7") == "7"
    assert near_key("segmented_01") == "segmented_01"
    assert near_key("legroom") == "legroom"


def test_a_near_name_counts_where_it_is_the_only_one() -> None:
    found = match_names(["a_1", "b_1", "c_1"], ["a_1", "b_1_seg", "d_9"])
    assert found.exact == {"a_1"}
    assert found.near == {"b_1_seg": "b_1"}
    assert found.orphans == {"d_9": None}
    assert not found.rivals


def test_a_label_beside_the_exact_one_is_no_second_label() -> None:
    assert match_names(["a"], ["a", "a_seg"]).rivals == {"a_seg": "a"}


def test_two_near_names_of_one_scan_are_rivals() -> None:
    assert match_names(["a"], ["a_seg", "a_gt"]).rivals == {"a_gt": "a_seg", "a_seg": "a_gt"}
    assert match_names(["a", "A"], ["a_seg"]).rivals == {"a_seg": None}


def test_the_nearest_scan_of_an_orphan_is_named() -> None:
    assert match_names(["patient_012", "x"], ["patient_12"]).orphans == {
        "patient_12": "patient_012"
    }


def test_a_scan_whose_name_goes_on_is_the_nearest_but_never_one_that_has_its_label() -> None:
    assert nearest("c02_seg_final", ["c0", "c02", "c021"]) == "c02"
    assert nearest("final-c02", ["c0", "c02", "02"]) == "c02"
    assert match_names(["c01", "c02"], ["c01", "c01 copy"]).orphans == {"c01 copy": None}


def test_a_channel_in_the_name_of_a_label_is_left_out() -> None:
    assert match_names(["a", "b"], ["a_0000"]).near == {"a_0000": "a"}
