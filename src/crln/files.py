"""Files of our own: whole or not there; what is wrong with one is said in one line."""

import hashlib
import json
import os
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import get_ident
from typing import TYPE_CHECKING, Any, TypeVar

import yaml
from filelock import FileLock, Timeout

from crln.errors import CrlnError, reason

if TYPE_CHECKING:
    import torch
    from pydantic import ValidationError
    from torch import Tensor

T = TypeVar("T")

WRITING_FAULTS = (OSError, EOFError, ValueError, KeyError, RuntimeError)
"""What Python and the file libraries raise where a file cannot be written."""

# libyaml's parser and emitter, several times as fast, where PyYAML was built with it
_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_Dumper = type("_Dumper", (getattr(yaml, "CSafeDumper", yaml.SafeDumper),), {})
_Dumper.add_representer(  # type: ignore[attr-defined]
    list,
    lambda dumper, values: dumper.represent_sequence(
        "tag:yaml.org,2002:seq", values, flow_style=all(isinstance(v, int | float) for v in values)
    ),
)
"""Writes numbers of a list in one line, as a person would."""


@contextmanager
def whole_file(path: Path, *, overwrite: bool = False) -> Iterator[Path]:
    """A name beside `path` to write to, renamed to `path` once all is written.

    The name ends as `path` does. If writing fails, it is removed and `path` stays as it was. The
    file may be read by whom the umask lets read it, whatever the library that wrote it says.

    Raises:
        CrlnError: `path` exists and is not to be overwritten, or cannot be written.
    """
    if path.exists() and not overwrite:
        raise CrlnError(f"{path}: exists; give another output, or --overwrite")
    target = path.with_name(f"partial-{os.getpid()}_{get_ident()}-{path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        target.touch()
        mode = target.stat().st_mode
        yield target
        target.chmod(mode)
        with target.open("rb+") as file:
            os.fsync(file.fileno())
        target.replace(path)
    except WRITING_FAULTS as error:
        raise CrlnError(
            f"{path}: cannot be written ({reason(error)}); free space or give another output"
        ) from error
    finally:
        with suppress(OSError):  # renamed, or never made
            target.unlink()


def file_number(path: Path) -> tuple[int, int]:
    """What the system knows a file by, whatever links lead to it; (0, 0) if there is none."""
    try:
        found = path.stat()
    except OSError:
        return 0, 0
    return found.st_dev, found.st_ino


def remove_partial(path: Path) -> None:
    """Removes what processes that were killed have left of `path`; no other may be writing it."""
    for left in path.parent.glob("partial-*-*"):
        if left.name.split("-", 2)[2] == path.name:
            left.unlink(missing_ok=True)


def write_text(path: Path, text: str, *, overwrite: bool = True) -> None:
    """Writes a text file, UTF-8 with line feeds on every system.

    Raises:
        CrlnError: it exists and is not to be overwritten, or cannot be written.
    """
    write_bytes(path, text.encode(), overwrite=overwrite)


def write_bytes(path: Path, content: bytes, *, overwrite: bool = True) -> None:
    """Writes a file.

    Raises:
        CrlnError: it exists and is not to be overwritten, or cannot be written.
    """
    with whole_file(path, overwrite=overwrite) as target:
        target.write_bytes(content)


def to_yaml(content: Any) -> str:
    """Plain data as YAML, in the order given."""
    text: str = yaml.dump(content, Dumper=_Dumper, sort_keys=False, allow_unicode=True)
    return text


def from_yaml(text: str, loader: type | None = None) -> Any:
    """The plain data of a YAML text, as YAML 1.1 or another loader has it.

    Raises:
        ValueError: it is not YAML; where there are several lines, the line is named.
    """
    try:
        return yaml.load(text, Loader=loader or _Loader)
    except yaml.YAMLError as error:
        # where a list was opened tells more than where its end was missed
        mark = getattr(error, "context_mark", None) or getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}: " if mark and "\n" in text.strip() else ""
        raise ValueError(f"{where}{getattr(error, 'problem', None) or error}") from error


def read_text(path: Path, remedy: str) -> str:
    """A text file, UTF-8 or, if it says so, UTF-16, whatever its line ends.

    Args:
        path: the file.
        remedy: what to do about a file that cannot be read.

    Raises:
        CrlnError: missing, may not be read, or not UTF-8.
    """
    try:
        content = path.read_bytes()
        encoding = "utf-16" if content[:2] in (BOM_UTF16_LE, BOM_UTF16_BE) else "utf-8-sig"
        return content.decode(encoding).replace("\r\n", "\n").replace("\r", "\n")
    except FileNotFoundError as error:
        raise CrlnError(f"{path}: no such file; {remedy}") from error
    except (OSError, UnicodeDecodeError) as error:
        raise CrlnError(f"{path}: not readable ({reason(error)}); {remedy}") from error


def read_yaml(path: Path, remedy: str, loader: type | None = None) -> Any:
    """The plain data of a YAML file; arguments as for `read_text` and `from_yaml`.

    Raises:
        CrlnError: missing, not UTF-8 or not YAML; the line is named.
    """
    text = read_text(path, remedy)
    try:
        return from_yaml(text, loader)
    except ValueError as error:
        raise CrlnError(f"{path}: {error}; {remedy}") from error


def read_json(path: Path, remedy: str) -> Any:
    """The plain data of a JSON file; arguments as for `read_text`.

    Raises:
        CrlnError: missing, not UTF-8 or not JSON; the line is named.
    """
    text = read_text(path, remedy)
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise CrlnError(f"{path}: line {error.lineno}: {error.msg}; {remedy}") from error


def checked(content: Any, kind: type[T], path: Path, remedy: str) -> T:
    """What was read from a file, as what it should be.

    Args:
        content: plain data.
        kind: a pydantic model, or a type such as `dict[str, list[str]]`.
        path: the file.
        remedy: what to do about a file that holds something else.

    Raises:
        CrlnError: it is no such thing; the first field that is wrong is named.
    """
    from pydantic import TypeAdapter, ValidationError

    try:
        return TypeAdapter(kind).validate_python(content)
    except ValidationError as error:
        raise CrlnError(f"{path}: {fault_of(error)}; {remedy}") from error


def fault_of(error: "ValidationError") -> str:
    """The first fault that validation found, as "field: what is wrong with it"."""
    fault = error.errors()[0]
    field = ".".join(str(part) for part in fault["loc"])
    message = fault["msg"].removeprefix("Value error, ")
    return f"{field}: {message}" if field else message


def write_tensors(path: Path, tensors: "dict[str, Tensor]", notes: dict[str, str]) -> None:
    """Writes tensors and notes as one safetensors file.

    Raises:
        CrlnError: it cannot be written.
    """
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    with whole_file(path, overwrite=True) as target:
        try:
            save_file(plain, target, metadata=notes)
        except SafetensorError as error:
            raise OSError(str(error)) from error


def read_tensors(
    path: Path, device: "torch.device | str" = "cpu"
) -> "tuple[dict[str, Tensor], dict[str, str]]":
    """Tensors and notes of a safetensors file.

    Raises:
        CrlnError: missing, truncated or not safetensors.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "pt", device=str(device)) as file:
            names = file.keys()  # no mapping: it cannot be iterated itself
            return {name: file.get_tensor(name) for name in names}, file.metadata() or {}
    except (OSError, SafetensorError) as error:
        raise CrlnError(
            f"{path}: missing or damaged ({error}); restore the run folder or train again"
        ) from error


def read_notes(path: Path) -> dict[str, str]:
    """The notes of a safetensors file alone.

    Raises:
        CrlnError: missing, truncated or not safetensors.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "pt") as file:
            return dict(file.metadata() or {})
    except (OSError, SafetensorError) as error:
        raise CrlnError(
            f"{path}: missing or damaged ({error}); restore the run folder or train again"
        ) from error


def checksum(path: Path) -> str:
    """SHA-256 of a file.

    Raises:
        CrlnError: it is missing or may not be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise CrlnError(
            f"{path}: cannot be read ({error.strerror}); restore it or train again"
        ) from error


@contextmanager
def claim(path: Path, *, wait: bool) -> Iterator[bool]:
    """Holds a claim file while something is worked on.

    The claim is a lock that the system gives back when its process ends, however it ends: no claim
    of a dead process is ever left behind.

    Args:
        path: the claim file; its folder exists and is shared by the processes.
        wait: for whoever holds it, rather than give up.

    Yields:
        Whether this process has it.

    Raises:
        CrlnError: files cannot be locked there.
    """
    lock = FileLock(path, timeout=-1 if wait else 0)
    try:
        lock.acquire()
    except Timeout:
        yield False
        return
    except (OSError, NotImplementedError) as error:
        raise CrlnError(
            f"{path}: cannot be locked ({reason(error)}); choose a folder on a local disk"
        ) from error
    try:
        yield True
    finally:
        lock.release()
