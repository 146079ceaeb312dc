"""HTTP: requests in, replies out; what is asked and answered is the business of others.

Python's own server: the page and 3D Slicer ask for two dozen things, one person at a time, and
the largest of them is a file that is sent block by block (docs/explanation/decisions/server.md).
"""

import logging
import os
import secrets
import shutil
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

from crln.errors import CrlnError, reason
from crln.reviewing.bridge import DrawingError
from crln.reviewing.project import ConflictError
from crln.reviewing.server.gate import Gate, Refused, Target
from crln.reviewing.server.reply import MOST_JSON, Reply, Request

_log = logging.getLogger("crln")

_SECONDS = 30
"""A client that says nothing for so long is hung up on."""
_MOST_CLIENTS = 64
_BLOCK = 2**20

Answer = Callable[[Request], Reply]


class Server(ThreadingHTTPServer):
    """Answers on 127.0.0.1 until it is closed.

    Args:
        answer: to each request that has passed the gate; raises Refused or CrlnError.
        port: 0: any that is free.
        token: of every address; default a random one.
        frames: origins that may show the page in a frame, as a notebook does.

    Raises:
        CrlnError: the port is taken.
    """

    daemon_threads = True
    block_on_close = False
    allow_reuse_address = os.name != "nt"  # there it would let another program have the port, too

    def __init__(
        self, answer: Answer, port: int = 0, token: str | None = None, frames: str = "'none'"
    ) -> None:
        try:
            super().__init__(("127.0.0.1", port), _Handler)
        except OSError as error:
            raise CrlnError(
                f"--port {port}: cannot be used ({reason(error)}); give another, or none"
            ) from error
        self.answer = answer
        self.gate = Gate(self.server_address[1], token or secrets.token_urlsafe(18))
        self.headers = {
            "Content-Security-Policy": "default-src 'self'; img-src 'self' data:; "
            "object-src 'none'; base-uri 'none'; form-action 'none'; "
            f"frame-ancestors {frames}",
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",
            "Cross-Origin-Opener-Policy": "same-origin",
            "Cross-Origin-Resource-Policy": "same-origin",
            "Cache-Control": "no-store",
        }
        self._clients = threading.BoundedSemaphore(_MOST_CLIENTS)

    @property
    def url(self) -> str:
        """The page's address, with the token."""
        return f"http://127.0.0.1:{self.gate.port}/{self.gate.token}/"

    def server_bind(self) -> None:
        """As `HTTPServer` has it, without asking a name server who 127.0.0.1 is."""
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = "127.0.0.1", self.server_address[1]

    def process_request(self, request: Any, client_address: Any) -> None:
        """In a thread of its own; too many at once are hung up on."""
        if not self._clients.acquire(blocking=False):
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Answers one client, as long as it asks."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._clients.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is no fault."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "crln", ""
    timeout = _SECONDS
    server: Server

    def do_GET(self) -> None:
        self._reply_to()

    do_PUT = do_POST = do_DELETE = do_GET  # noqa: N815

    def _reply_to(self) -> None:
        """Whatever happens, one reply; of a fault of ours the client hears nothing but that."""
        self._unread: _Body | None = None
        try:
            reply = self.server.answer(self._request())
        except Refused as refused:
            reply = _line(refused.status, refused.why)
        except ConflictError as conflict:
            reply = _line(412, str(conflict))
        except DrawingError as fault:
            reply = _line(400, str(fault))
        except CrlnError as fault:
            reply = _line(422, str(fault))
        except (OSError, EOFError) as error:
            if isinstance(error, ConnectionError | TimeoutError):
                raise
            reply = _line(500, f"a file cannot be used: {reason(error)}")
        except Exception as error:  # a fault of ours must not end the work of a person
            _log.error("crln review: %s: %s", type(error).__name__, reason(error))
            reply = _line(500, "a fault of crln; its terminal says more")
        self._send(reply)

    def _request(self) -> Request:
        for name in ("Host", "Origin", "Content-Length", "Sec-Fetch-Site", "If-Match"):
            if len(self.headers.get_all(name, [])) > 1:
                raise Refused(400, f"{name}: sent twice")
        target = self.server.gate.target(self.command, self.path, self.headers)  # type: ignore[arg-type]
        given = self.headers.get("Content-Length")
        if (coding := self.headers.get("Transfer-Encoding")) is not None:
            if coding.strip().lower() != "chunked" or given is not None:
                raise Refused(411, "say how long it is, in Content-Length")
            chunks = _unchunked(self.rfile)
            self._unread = _Body(BytesIO(chunks), len(chunks))
            return self._passed(target, self._unread)
        if given is None and self.command in ("PUT", "POST"):
            raise Refused(411, "say how long it is, in Content-Length")
        if not (given or "0").isdecimal() or len(given or "0") > 15:
            raise Refused(400, "Content-Length: no number")
        self._unread = _Body(self.rfile, int(given or 0))
        return self._passed(target, self._unread)

    def _passed(self, target: Target, body: "_Body") -> Request:
        return Request(self.command, target, self.headers, body.left, body)  # type: ignore[arg-type]

    def _send(self, reply: Reply) -> None:
        left, body = self._unread, reply.body
        try:
            file: BinaryIO = body.open("rb") if isinstance(body, Path) else BytesIO(body)
        except OSError:
            return self._send(_line(404, "not there any more"))
        with file:
            size = file.seek(0, 2)
            file.seek(0)
            self.send_response(reply.status)
            for name, value in {**self.server.headers, **reply.headers}.items():
                self.send_header(name, value)
            self.send_header("Content-Type", reply.kind)
            if left is None or left.left:
                self.close_connection = True  # what it still sends is not the next request
                self.send_header("Connection", "close")
            self.send_header("Content-Length", str(size))
            self.end_headers()
            shutil.copyfileobj(file, self.wfile, _BLOCK)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """For what the library itself refuses: a request that is none of HTTP's."""
        self.close_connection = True
        self._unread = None
        self.request_version = getattr(self, "request_version", None) or "HTTP/1.1"
        self._send(_line(code, "no request that is answered here"))

    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing: addresses hold the token."""


class _Body:
    """Of a request's body what is its own, and no byte of the next request."""

    def __init__(self, file: Any, length: int) -> None:
        self._file, self.left = file, length

    def read(self, size: int = -1) -> bytes:
        """At most so many bytes; fewer at its end."""
        wanted = self.left if size < 0 else min(size, self.left)
        found: bytes = self._file.read(wanted)
        self.left -= len(found)
        return found


def _unchunked(file: Any) -> bytes:
    """A short body that came in chunks, as Python's own client sends an empty form of 3D Slicer."""
    found = bytearray()
    while True:
        told = file.readline(20).strip().partition(b";")[0]
        if not told or not set(told) <= set(b"0123456789abcdefABCDEF"):
            raise Refused(400, "chunks that cannot be read")
        size = int(told, 16)
        if len(found) + size > MOST_JSON:
            raise Refused(413, f"more than {MOST_JSON} bytes in chunks")
        found += file.read(size)
        if file.readline(3) != b"\r\n":
            raise Refused(400, "chunks that cannot be read")
        if not size:
            return bytes(found)


def _line(status: int, why: str) -> Reply:
    return Reply(why.encode("utf-8", "backslashreplace"), "text/plain; charset=utf-8", {}, status)
