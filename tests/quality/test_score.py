"""What is thought of an outline."""

from crln.quality import Appraisal, Score


def test_a_rank_alone_is_no_score() -> None:
    assert not Score(rank=0.3).known
    assert Score(0.8, 0.7, 0.9).known


def test_flags_are_those_of_the_scan_then_those_of_each_structure_by_its_name() -> None:
    found = Appraisal({}, ("unlike",), {"liver": ("is missing",), "tumour": ("is large", "is odd")})
    assert found.flags == ("unlike", "liver is missing", "tumour is large", "tumour is odd")
    assert found.flags_of("tumour") == ("unlike", "is large", "is odd")
    assert found.flags_of("vein") == ("unlike",)
