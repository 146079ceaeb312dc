"""Who may ask for what: checked before anything else of a request is looked at."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote_to_bytes

_MOST_FIELDS = 20
_SAME = ("same-origin", "none")
_MOST_PATH = 4096


class Refused(Exception):  # noqa: N818  an answer, not an error
    """A request that is not answered as it asks.

    Attributes:
        status: of HTTP.
        why: one line, for whoever asked.
    """

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status, self.why = status, why


@dataclass(frozen=True)
class Target:
    """What is asked for.

    Attributes:
        parts: of the path after the token, unquoted; they are looked up, and never joined.
        query: name to value.
    """

    parts: tuple[str, ...]
    query: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Gate:
    """Lets through what comes from the page itself, or from a program that knows the address.

    Attributes:
        port: of the server.
        token: the first part of every path; who does not know it sees nothing.
    """

    port: int
    token: str

    @property
    def hosts(self) -> tuple[str, str]:
        """What a client that means this server calls it."""
        return f"127.0.0.1:{self.port}", f"localhost:{self.port}"

    def target(self, method: str, target: str, headers: Mapping[str, str]) -> Target:
        """What a request asks for.

        Args:
            method: of HTTP.
            target: path and query, as sent.
            headers: case-insensitive; `get_all` is not needed, for a header sent twice is refused
                by the server.

        Raises:
            Refused: it comes from elsewhere, has no token or cannot be read.
        """
        if headers.get("Host") not in self.hosts:  # another name that leads here: DNS rebinding
            raise Refused(403, "ask by the address that crln review printed")
        origin = headers.get("Origin")
        if origin is not None and origin not in [f"http://{host}" for host in self.hosts]:
            raise Refused(403, "asked by another page")
        visit = method == "GET" and headers.get("Sec-Fetch-Mode") == "navigate"
        if headers.get("Sec-Fetch-Site", "none") not in _SAME and not visit:
            raise Refused(403, "asked by another page")
        path, _, query = target.partition("?")
        if not path.startswith("/") or len(path) > _MOST_PATH:
            raise Refused(400, "no path")
        first, *rest = path[1:].split("/")
        if not secrets.compare_digest(first.encode("utf-8", "replace"), self.token.encode()):
            raise Refused(404, "not found")
        try:
            parts = tuple(unquote_to_bytes(part).decode() for part in rest)
            fields = parse_qsl(
                query, keep_blank_values=True, max_num_fields=_MOST_FIELDS, errors="strict"
            )
        except ValueError as error:
            raise Refused(400, "a path or query that cannot be read") from error
        return Target(parts or ("",), dict(fields))
