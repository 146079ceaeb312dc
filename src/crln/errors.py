"""The faults that a user can mend."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

_MOST_WORDS = 160
"""Characters of a library's reason that are shown."""
_QUOTED = re.compile(r"""(?<!\w)b?(['"]).*?(\1|$)""")


class CrlnError(Exception):
    """A fault in the data, the plan or the command that its user can mend.

    The message is one line: what was found, in which file, and what to do about it. The command
    line prints it and exits with 2; it never shows a traceback for one.

    Examples:
        >>> try:
        ...     crln.load_cohort("nowhere")
        ... except crln.CrlnError as fault:
        ...     print(fault)
        nowhere: no such folder; check the path
    """


@contextmanager
def needs(extra: str, what: str) -> Iterator[None]:
    """Within it, a library of one of the package's extras is imported.

    Args:
        extra: its name.
        what: needs the library.

    Raises:
        CrlnError: it is not installed; the extra is named.
    """
    try:
        yield
    except ImportError as error:
        raise CrlnError(
            f"{what} needs {error.name}, which is not installed; pip install 'crln[{extra}]'"
        ) from error


def refuse_newer(path: object, content: object, known: int) -> None:
    """Refuses a record of a format that is not known yet.

    Args:
        path: its file.
        content: what was read from it; `format` is its number, `crln` the version that wrote it.
        known: the newest format that is known.

    Raises:
        CrlnError: it has a newer one.
    """
    told = content if isinstance(content, dict) else {}
    number, version = told.get("format"), told.get("crln")
    if isinstance(number, int) and number > known:
        newer = f"a newer crln ({version})" if version else "a newer crln"
        raise CrlnError(f"{path}: format {number} of {newer}; this one knows {known}: update crln")


class Interrupted(KeyboardInterrupt):
    """Ctrl-C or SIGTERM ended what could be saved, and it was.

    Attributes:
        code: the exit code of a process that the signal ends: 130 or 143.
    """

    def __init__(self, message: str, signal: int) -> None:
        super().__init__(message)
        self.code = 128 + signal


def counted(count: int, noun: str) -> str:
    """A number of things in words.

    Examples:
        >>> counted(1, "voxel"), counted(2, "voxel")
        ('1 voxel', '2 voxels')
    """
    return f"{count} {noun}{'s' * (count != 1)}"


def reason(error: BaseException) -> str:
    """What a library says of a fault, in one short line; SimpleITK tells it in its last."""
    told = str(getattr(error, "strerror", None) or error).strip()
    if "itk" in told.lower():
        told = told.splitlines()[-1]
    words = " ".join(told.split()).removeprefix("Reason: ")
    words = words.removeprefix("sitk::ERROR: ").removeprefix("ITK ERROR: ")
    words = re.sub(r"^\w+\(0x[0-9a-f]+\): ", "", words)  # ITK's object and its address
    if len(words) > _MOST_WORDS:
        words = f"{words[:_MOST_WORDS]}..."
    return words or type(error).__name__


def bare_reason(error: BaseException) -> str:
    """The same without what it quotes, which may be a value of a patient's header.

    Examples:
        >>> bare_reason(ValueError("could not convert string to float: 'Erika'"))
        'could not convert string to float: ...'
    """
    return _QUOTED.sub("...", reason(error))
