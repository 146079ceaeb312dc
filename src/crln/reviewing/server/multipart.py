"""Forms of several parts, as 3D Slicer sends and reads them (RFC 7578)."""

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass

from crln.reviewing.server.gate import Refused

_BOUNDARY = re.compile(r'boundary="?([^";,\s]{1,70})"?', re.IGNORECASE)
_NAME = re.compile(rb'[; ]name="([^"]*)"')
_FILE = re.compile(rb'[; ]filename="([^"]*)"')


@dataclass(frozen=True)
class FormPart:
    """One part of a form.

    Attributes:
        content: as it was sent.
        file: the name of a file, or "".
    """

    content: bytes
    file: str = ""


def parse(body: bytes, kind: str) -> dict[str, FormPart]:
    """The parts of a form, by name.

    Args:
        body: of the request.
        kind: its media type, which tells what is between parts.

    Raises:
        Refused: it is no such form.
    """
    found = _BOUNDARY.search(kind)
    if not kind.lower().startswith("multipart/form-data") or found is None:
        raise Refused(400, "no form of several parts")
    between = b"--" + found[1].encode()
    pieces = (b"\r\n" + body).split(b"\r\n" + between)
    parts: dict[str, FormPart] = {}
    for piece in pieces[1:]:
        if piece.startswith(b"--"):
            return parts
        head, blank, content = piece.partition(b"\r\n\r\n")
        name, file = _NAME.search(head), _FILE.search(head)
        if not blank or name is None:
            raise Refused(400, "a part of the form has no name")
        told = file[1].decode("utf-8", "replace") if file else ""
        parts[name[1].decode("utf-8", "replace")] = FormPart(content, told)
    raise Refused(400, "a form that was cut short")


def write(fields: Mapping[str, str], files: Mapping[str, FormPart]) -> tuple[bytes, str]:
    """A form, and its media type."""
    between = f"crln{secrets.token_hex(16)}"
    pieces: list[bytes] = []
    for name, text in fields.items():
        pieces += [_head(between, name, "", "application/json"), text.encode(), b"\r\n"]
    for name, part in files.items():
        head = _head(between, name, part.file, "application/octet-stream")
        pieces += [head, part.content, b"\r\n"]
    body = b"".join(pieces) + f"--{between}--\r\n".encode()
    return body, f"multipart/form-data; boundary={between}"


def _head(between: str, name: str, file: str, kind: str) -> bytes:
    told = f'; filename="{file}"' if file else ""
    return (
        f'--{between}\r\nContent-Disposition: form-data; name="{name}"{told}\r\n'
        f"Content-Type: {kind}\r\n\r\n"
    ).encode("ascii", "replace")
