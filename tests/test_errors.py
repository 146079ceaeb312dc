"""What is said of a fault."""

import pytest

from crln.errors import bare_reason, counted, reason


@pytest.mark.parametrize(
    ("told", "shown"),
    [
        ("GDCMImageIO(0x55e0a0): Cannot read requested file", "Cannot read requested file"),
        (
            "Exception thrown in SimpleITK:\n sitk::ERROR: Unable to open",
            "Unable to open",
        ),
        ("", "ValueError"),
        ("a\n  b", "a b"),
        ("x" * 500, "x" * 160 + "..."),
    ],
)
def test_a_librarys_reason_is_one_short_line(told: str, shown: str) -> None:
    assert reason(ValueError(told)) == shown


def test_what_the_system_says_of_a_file_is_without_its_name() -> None:
    assert reason(FileNotFoundError(2, "No such file or directory", "/a")) == (
        "No such file or directory"
    )


def test_one_is_told_as_one() -> None:
    assert [counted(n, "case") for n in (0, 1, 2)] == ["0 cases", "1 case", "2 cases"]


@pytest.mark.parametrize(
    ("told", "bare"),
    [
        (
            "invalid literal for int() with base 10: 'born'",
            "invalid literal for int() with base 10: ...",
        ),
        ('Invalid value for VR DA: "in may"', "Invalid value for VR DA: ..."),
        ("got b'abc' for 'x'", "got ... for ..."),
        ("can't read it, isn't an image", "can't read it, isn't an image"),
        ("cut off: 'Erika", "cut off: ..."),
    ],
)
def test_what_a_library_quotes_is_left_out_where_it_may_be_a_patient_s(
    told: str, bare: str
) -> None:
    assert reason(ValueError(told)) == told
    assert bare_reason(ValueError(told)) == bare
