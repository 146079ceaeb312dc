import logging
import threading
import warnings
from pathlib import Path

import nibabel as nib
import pytest

from crln.errors import CrlnError
from crln.imaging.faults import reading

SCAN = Path("scan.nii.gz")


@pytest.fixture(autouse=True)
def _scan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    SCAN.touch()


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (ZeroDivisionError("division by zero"), "division by zero"),
        (MemoryError(), "MemoryError"),
        (AssertionError("a\nb"), "a b"),
        (RuntimeError("ITK says\nwhere\nITK ERROR: no such thing"), "no such thing"),
        (ValueError("x" * 500), "x" * 160 + "..."),
    ],
)
def test_whatever_a_library_raises_its_reason_is_in_one_line(fault: Exception, told: str) -> None:
    with pytest.raises(CrlnError) as caught, reading(SCAN):
        raise fault
    line = f"scan.nii.gz: truncated or not an image; copy or export it again ({told})"
    assert str(caught.value) == line


def test_ctrl_c_is_no_fault_of_a_file() -> None:
    with pytest.raises(KeyboardInterrupt), reading(SCAN):
        raise KeyboardInterrupt


def test_no_library_warns_while_a_file_is_read(capsys: pytest.CaptureFixture[str]) -> None:
    with reading(SCAN):
        warnings.warn("of a library", stacklevel=1)  # an error in these tests
        logging.getLogger("nibabel.global").warning("pixdim is odd")
        logging.getLogger("pydicom").warning("a tag is odd")
    assert capsys.readouterr() == ("", "")
    assert nib.imageglobals.logger is logging.getLogger("nibabel.global")


def test_warnings_are_heard_again_after_readers_in_several_threads() -> None:
    """The reader that began first ends first: the other one stays undisturbed."""
    inside, ended = threading.Event(), threading.Event()

    def read() -> None:
        with reading(SCAN):
            inside.set()
            ended.wait(5)
            warnings.warn("still unheard", stacklevel=1)

    before = warnings.filters[:]
    other = threading.Thread(target=read)
    with reading(SCAN):
        other.start()
        inside.wait(5)
    ended.set()
    other.join()
    assert warnings.filters[:] == before
    assert not logging.getLogger("pydicom").disabled
