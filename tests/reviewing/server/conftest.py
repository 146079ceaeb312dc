"""A server that answers, and a client that can be as rude as a test wants."""

import gzip
import http.client
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from crln.reviewing import Places
from crln.reviewing.serving import Service, serving


@dataclass
class Answer:
    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Client:
    """Asks one thing after the other."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.token = service.url.rstrip("/").rpartition("/")[2]
        self.path = f"/{self.token}"

    def ask(
        self, method: str, path: str, body: bytes | Any = None, *, whole: bool = False, **headers
    ) -> Answer:
        """`whole`: the path as it is, without the token."""
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
        connection = http.client.HTTPConnection("127.0.0.1", self.service.port, timeout=20)
        connection.putrequest(
            method, path if whole else f"{self.path}{path}", skip_host=True,
            skip_accept_encoding=True,
        )  # fmt: skip
        told = {"Host": f"127.0.0.1:{self.service.port}"}
        if method == "POST" or path.endswith("/note"):
            told["Content-Type"] = "application/json"
        if method in ("PUT", "POST"):
            told["Content-Length"] = str(len(body or b""))
        told |= {name.replace("_", "-"): value for name, value in headers.items()}
        for name, value in told.items():
            if value is not None:
                connection.putheader(name, value)
        connection.endheaders(body or b"")
        reply = connection.getresponse()
        answer = Answer(reply.status, reply.read(), dict(reply.headers))
        connection.close()
        return answer

    def draw(self, id: str, numbers: np.ndarray, version: int, **more: Any) -> Answer:
        """Numbers in the order of RAS, as the page sends them."""
        info = self.ask("GET", f"/api/cases/{id}").json
        values = ",".join(map(str, info["values"]))
        query = "&".join([f"values={values}", *(f"{k}={v}" for k, v in more.items())])
        body = gzip.compress(np.asarray(numbers, np.uint8).tobytes(order="F"))
        path = f"/api/cases/{id}/drawing?{query}"
        return self.ask("PUT", path, body, If_Match=f'"{version}"')


@pytest.fixture
def ask() -> type[Client]:
    """A client of a service."""
    return Client


@pytest.fixture
def client(places: Places) -> Iterator[Client]:
    with serving(places, by="anna") as service:
        yield Client(service)
