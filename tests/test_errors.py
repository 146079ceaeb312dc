import pytest

from crln.errors import counted, reason


@pytest.mark.parametrize(
    ("told", "shown"),
    [
        ("GDCMImageIO(0x55e0a0): Cannot read requested file", "Cannot read requested file"),
        (
            "Exception thrown in SimpleITK:\n sitk::ERROR: Unable to open",
            "sitk::ERROR: Unable to open",
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
