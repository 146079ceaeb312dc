import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from pydantic import BaseModel

from crln.errors import CrlnError
from crln.files import (
    checked,
    claim,
    from_yaml,
    read_json,
    read_tensors,
    read_text,
    read_yaml,
    remove_partial,
    to_yaml,
    whole_file,
    write_bytes,
    write_tensors,
    write_text,
)

HOLD = """
import sys
from pathlib import Path
from crln.files import claim
with claim(Path(sys.argv[1]), wait=False) as ours:
    print("held" if ours else "not held", flush=True)
    sys.stdin.readline()
"""


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds `case` until it is told otherwise."""
    command = [sys.executable, "-c", HOLD, str(tmp_path / "case")]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_one_process_at_a_time(tmp_path: Path, holder: subprocess.Popen[str]) -> None:
    with claim(tmp_path / "case", wait=False) as ours:
        assert not ours
    with claim(tmp_path / "other", wait=False) as ours:
        assert ours
    holder.communicate("done\n")
    with claim(tmp_path / "case", wait=False) as ours:
        assert ours


def test_the_claim_of_a_killed_process_is_free(
    tmp_path: Path, holder: subprocess.Popen[str]
) -> None:
    holder.kill()
    with claim(tmp_path / "case", wait=True) as ours:
        assert ours


def test_a_claim_is_given_back_when_its_work_fails(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), claim(tmp_path / "case", wait=False):
        raise ZeroDivisionError
    with claim(tmp_path / "case", wait=False) as ours:
        assert ours


def test_a_folder_without_locks_is_told(tmp_path: Path) -> None:
    (tmp_path / "case").mkdir()
    with pytest.raises(CrlnError, match=r"case: cannot be locked \(.*\); choose a folder"):
        claim(tmp_path / "case", wait=False).__enter__()


def _write(path: Path, fault: Exception) -> None:
    """Writes half a file, then fails."""
    with whole_file(path, overwrite=True) as target:
        target.write_text("half")
        assert target.suffix == path.suffix  # libraries tell the format by it
        raise fault


def test_a_file_is_whole_or_not_there(tmp_path: Path) -> None:
    path = tmp_path / "new" / "file.txt"
    with pytest.raises(ZeroDivisionError):
        _write(path, ZeroDivisionError())
    assert list(path.parent.iterdir()) == []
    write_text(path, "whole")
    assert [file.name for file in path.parent.iterdir()] == ["file.txt"]


def test_a_file_that_cannot_be_finished_leaves_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    with pytest.raises(CrlnError, match=r"file: cannot be written \(No space left.*\); free space"):
        _write(path, OSError(28, "No space left on device"))
    assert path.read_text() == "old"
    assert [file.name for file in tmp_path.iterdir()] == ["file"]


def test_no_file_is_replaced_unasked(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_bytes(path, b"first", overwrite=False)
    with pytest.raises(CrlnError, match="file: exists; give another output, or --overwrite"):
        write_bytes(path, b"second", overwrite=False)
    assert path.read_bytes() == b"first"
    write_bytes(path, b"second")
    assert path.read_bytes() == b"second"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no umask")
@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_whom_the_umask_lets_may_read_weights_and_all_else(
    tmp_path: Path, umask: int, mode: int
) -> None:
    before = os.umask(umask)
    try:
        write_tensors(tmp_path / "weights.safetensors", {"a": torch.ones(2)}, {})
        write_text(tmp_path / "plan.yaml", "a: 1\n")
        write_bytes(tmp_path / "picture.png", b"")
    finally:
        os.umask(before)
    found = {file.name: stat.S_IMODE(file.stat().st_mode) for file in tmp_path.iterdir()}
    assert found == dict.fromkeys(("weights.safetensors", "plan.yaml", "picture.png"), mode)


WRITE_AND_DIE = """
import os, sys
from pathlib import Path
from crln.files import whole_file
with whole_file(Path(sys.argv[1])) as target:
    target.write_text("half")
    os.kill(os.getpid(), int(sys.argv[2]))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no signal that cannot be caught")
def test_what_a_killed_process_has_left_is_removed(tmp_path: Path) -> None:
    path = tmp_path / "case.nii.gz"
    command = [sys.executable, "-c", WRITE_AND_DIE, str(path), str(int(signal.SIGKILL))]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    (tmp_path / "partial-1-other.nii.gz").touch()  # of another file
    assert len(list(tmp_path.iterdir())) == 2
    remove_partial(path)
    assert [file.name for file in tmp_path.iterdir()] == ["partial-1-other.nii.gz"]


def test_text_is_the_same_on_every_system(tmp_path: Path) -> None:
    write_text(tmp_path / "text", "Grüße\n一\n")
    assert (tmp_path / "text").read_bytes() == "Grüße\n一\n".encode()
    (tmp_path / "text").write_bytes("\ufeffa: ü\r\n".encode())  # as an editor on Windows saves it
    assert read_text(tmp_path / "text", "") == "a: ü\n"
    assert read_yaml(tmp_path / "text", "") == {"a": "ü"}


def test_yaml_keeps_order_and_letters() -> None:
    content = {"b": [1, 2.5, None], "a": {"ä": True}}
    assert from_yaml(to_yaml(content)) == content
    assert to_yaml(content).startswith("b:")
    assert "ä: true" in to_yaml(content)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"a: 1\nb: [1,\nc: 2\n", "plan.yaml: line 2: .*; mend it"),
        (b"a: \xff\n", r"plan.yaml: not readable \('utf-8' codec .*\); mend it"),
        (None, "plan.yaml: no such file; mend it"),
    ],
)
def test_a_fault_of_a_yaml_file_is_one_line(
    tmp_path: Path, content: bytes | None, told: str
) -> None:
    path = tmp_path / "plan.yaml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(CrlnError, match=told) as caught:
        read_yaml(path, "mend it")
    assert "\n" not in str(caught.value)


def test_a_folder_in_place_of_a_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(CrlnError, match=r"not readable \(Is a directory\); mend it"):
        read_yaml(tmp_path, "mend it")


def test_a_fault_of_a_json_file_names_its_line(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"a": 1,\n"b": }\n')
    with pytest.raises(CrlnError, match=r"a\.json: line 2: Expecting value; mend it"):
        read_json(tmp_path / "a.json", "mend it")
    write_text(tmp_path / "a.json", '{"a": [1, null]}')
    assert read_json(tmp_path / "a.json", "") == {"a": [1, None]}


class _Model(BaseModel):
    name: str
    sides: tuple[int, int]


def test_what_was_read_is_what_it_should_be(tmp_path: Path) -> None:
    path = tmp_path / "file"
    assert checked({"name": "a", "sides": [1, 2]}, _Model, path, "").sides == (1, 2)
    assert checked({"1": ["a"]}, dict[int, list[str]], path, "") == {1: ["a"]}
    with pytest.raises(CrlnError, match=r"file: sides\.1: Input should be a valid integer.*; mend"):
        checked({"name": "a", "sides": [1, "x"]}, _Model, path, "mend it")
    with pytest.raises(CrlnError, match=r"file: Input should be a valid dict.*; mend it"):
        checked([], dict[str, str], path, "mend it")


def test_tensors_and_notes_come_back(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    tensors = {"a": torch.arange(6).reshape(2, 3).T, "b": torch.tensor(0.5, requires_grad=True)}
    write_tensors(path, tensors, {"step": "3"})
    read, notes = read_tensors(path)
    assert notes == {"step": "3"}
    assert read.keys() == tensors.keys()
    assert all(torch.equal(read[name], tensors[name]) for name in tensors)


def test_damaged_tensors_are_told(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    write_tensors(path, {"a": torch.ones(100)}, {})
    path.write_bytes(path.read_bytes()[:200])
    for name in (path, tmp_path / "gone.safetensors"):
        with pytest.raises(CrlnError, match=r"missing or damaged .*; restore the run folder or"):
            read_tensors(name)
