"""What the server answers, and what it is asked with."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

from pydantic import TypeAdapter, ValidationError

from crln.files import fault_of
from crln.reviewing.server.gate import Refused, Target

T = TypeVar("T")

MOST_JSON = 2**16
"""Bytes of a request that says something in words."""


@dataclass(frozen=True)
class Reply:
    """One answer: bytes, or a file that is sent as it is.

    Attributes:
        body: what is sent.
        kind: its media type.
        headers: further ones.
        status: of HTTP.
    """

    body: bytes | Path
    kind: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)
    status: int = 200


def told(content: Any, **headers: str) -> Reply:
    """Plain data as JSON."""
    return Reply(json.dumps(content, allow_nan=False).encode(), headers=headers)


def tag(version: int) -> str:
    """The version of a case, as HTTP has it."""
    return f'"{version}"'


@dataclass(frozen=True)
class Request:
    """One request that has passed the gate.

    Attributes:
        method: of HTTP.
        target: what is asked for.
        headers: case-insensitive.
        length: bytes of its body.
        body: to be read from.
    """

    method: str
    target: Target
    headers: Mapping[str, str]
    length: int
    body: BinaryIO

    @property
    def version(self) -> int:
        """The version of the case that whoever asks has seen.

        Raises:
            Refused: it is not told, so that somebody else's work might be overwritten.
        """
        given = self.headers.get("If-Match", "")
        number = given.removeprefix('"').removesuffix('"')
        if not given:
            raise Refused(428, "say which version was seen, in If-Match")
        if not number.isdecimal() or len(number) > 18:
            raise Refused(412, "of no version that there is")
        return int(number)

    def whole(self, most: int) -> bytes:
        """All of a body of at most so many bytes; Refused where it is longer or cut short."""
        if self.length > most:
            raise Refused(413, f"more than {most} bytes")
        body = self.body.read(self.length)
        if len(body) < self.length:
            raise Refused(400, "cut short")
        return body

    def said(self, kind: type[T]) -> T:
        """What its JSON says, as a pydantic model.

        Raises:
            Refused: it is no JSON, or says something else.
        """
        if not self.headers.get("Content-Type", "").startswith("application/json"):
            raise Refused(415, "say it in JSON")  # which no form of another page can send
        try:
            content = json.loads(self.whole(MOST_JSON) or b"{}")
            return TypeAdapter(kind).validate_python(content)
        except ValidationError as error:
            raise Refused(400, fault_of(error)) from error
        except (ValueError, RecursionError) as error:
            raise Refused(400, "no JSON") from error

    def number(self, name: str, default: int | None = None) -> int | None:
        """A whole number of the query; Refused where it is none."""
        given = self.target.query.get(name)
        if given is None or given == "":
            return default
        if not given.isdecimal() or len(given) > 9:
            raise Refused(400, f"{name}: no whole number")
        return int(given)
