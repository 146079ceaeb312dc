"""The server as an enemy and as a large scan find it."""

import gzip
import hashlib
import random
import socket
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import psutil
import pytest

import crln
from crln.reviewing.learning import Learning
from crln.reviewing.server import http as served
from crln.reviewing.server.reply import Reply
from crln.reviewing.serving import serving


def _sums(folder: Path) -> dict[Path, bytes]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {path: hashlib.sha256(path.read_bytes()).digest() for path in files}


def _raw(port: int, sent: bytes, timeout: float = 10) -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=timeout) as line:
        try:
            line.sendall(sent)
            line.shutdown(socket.SHUT_WR)
        except OSError:  # hung up on already
            pass
        got = b""
        try:
            while block := line.recv(65536):
                got += block
        except ConnectionResetError:
            pass
        return got


PATHS = (
    "", "/", "/api/project", "/api/learning", "/api/cases/case_0", "/api/cases/case_1/drawing",
    "/api/cases/case_1/decision", "/api/cases/case_1/undo", "/api/cases/case_1/note",
    "/api/cases/case_0/scan.nii", "/api/cases/../case_0", "/page/index.html", "/page/..",
    "/page/%2e%2e%2f%2e%2e%2fstate.py", "/page/../state.py", "/api/cases/%2e%2e/scan.nii",
    "/../../../../etc/passwd", "/%00", "/api/cases/case_1%00/note", "//", "/api/cases/\xff\xfe",
    "/page/index.html%00.js", "/api/cases/case_0/scan.nii?channel=-1",
    "/api/cases/case_0/scan.nii?channel=99999999999", "/api/cases/case_1/drawing?values=1,0",
    "/api/cases/case_1/drawing?values=0,1,2,255&seconds=nan", "/slicer/info/", "/info/",
    "/slicer/datastore/label?image=case_1", "/slicer/datastore/image?image=../../etc/passwd",
    "/slicer/infer/crln?image=case_0", "/slicer/activelearning/x", "/slicer/train/", "/slicer",
    "/api/cases/case_1/grown?values=0,1,2,255", "/api/cases/case_1/between?values=0,1,2,255&axis=7",
)  # fmt: skip
METHODS = ("GET", "PUT", "POST", "DELETE", "HEAD", "OPTIONS", "PATCH", "TRACE", "get", "\x00", "")
HEADERS = (
    "Host: evil.example", "Origin: http://evil.example", "Sec-Fetch-Site: cross-site",
    "Content-Length: -1", "Content-Length: 99999999999", "Content-Length: x",
    "Content-Length: 10\r\nContent-Length: 5", "Transfer-Encoding: chunked", 'If-Match: "99"',
    "If-Match: *", "If-Match: \xff", "Expect: 100-continue", "X: " + "a" * 70_000, "no header",
    "Range: bytes=0-", "Upgrade: websocket\r\nConnection: Upgrade", "Content-Length: 000005",
)  # fmt: skip


BOMB = gzip.compress(b"\0" * 3_000_000)


def _request(chance: random.Random, host: str, token: str) -> bytes:
    """A request that no page would send."""
    if chance.random() < 0.1:
        return chance.randbytes(chance.randrange(1, 2000))
    method, path = chance.choice(METHODS), chance.choice(PATHS)
    root = chance.choice([f"/{token}", f"/{token}", f"/{token}", "", "/wrong", f"/{token}x"])
    version = chance.choice(["HTTP/1.1"] * 6 + ["HTTP/1.0", "HTTP/9.9", "HTP", ""])
    bodies = (
        b"", b"{", b"[" * 20_000, b'{"what": "accepted"}', b'{"iterations": "many"}',
        BOMB, chance.randbytes(500), b'{"note": 5}',
    )  # fmt: skip
    body = chance.choice(bodies)
    lines = [f"{method} {root}{path} {version}"]
    lines += chance.choices([f"Host: {host}", *HEADERS], k=chance.randrange(1, 5))
    if chance.random() < 0.7:
        lines = [lines[0], f"Host: {host}", *lines[1:]]
    if chance.random() < 0.6:
        lines.append(f"Content-Length: {len(body)}")
    end = chance.choice(["\r\n\r\n", "\r\n\r\n", "\n\n", "\r\n"])
    return ("\r\n".join(lines) + end).encode("latin-1") + body


@pytest.fixture
def client_of_all(places, monkeypatch, ask):
    """A server that answers 3D Slicer too; a round that begins by chance would be no fault."""

    def start(self: Learning, wish: object) -> None:
        raise crln.CrlnError("not now")

    monkeypatch.setattr(Learning, "start", start)
    with serving(places, by="anna", slicer=True) as service:
        yield ask(service)


@pytest.mark.slow
def test_a_thousand_bad_requests_write_nothing_and_learn_nothing(client_of_all, data, caplog):
    client = client_of_all
    client.ask("GET", "/api/cases/case_0")  # what is made when first looked at
    project, host = client.service.project.places.path, f"127.0.0.1:{client.service.port}"
    before = _sums(project), _sums(data)
    here = threading.get_ident()
    opened: set[str] = set()
    watching = [True]

    def heard(event: str, arguments: tuple) -> None:
        if watching and event == "open" and threading.get_ident() != here:
            opened.add(str(arguments[0]))

    sys.addaudithook(heard)
    chance = random.Random(0)
    statuses = set()
    for _ in range(1000):
        got = _raw(client.service.port, _request(chance, host, client.token))
        if got:
            status = int(got.split()[1]) if got.startswith(b"HTTP/") else 0
            statuses.add(status)
            assert b"Traceback" not in got
            assert b"root:" not in got
    watching.clear()
    assert statuses >= {400, 403, 404}
    assert not {500, 502, 503} & statuses, statuses
    assert (_sums(project), _sums(data)) == before
    package = Path(crln.__file__).parent
    temporary = str(Path(tempfile.gettempdir()) / "tmp")  # what Slicer sends and gets
    own = (str(project), str(data), str(package), sys.prefix, sys.base_prefix, temporary)
    assert not [path for path in opened if not path.startswith(own)]
    assert not caplog.records
    assert client.ask("GET", "/api/project").status == 200


def test_what_is_sent_carries_the_headers_that_hold_a_page_in(client):
    headers = client.ask("GET", "/").headers
    assert headers["Content-Security-Policy"] == (
        "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'"
    )
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Cache-Control"] == "no-store"
    assert "Python" not in headers["Server"]


def test_it_listens_on_this_machine_alone(client):
    listening = [
        found.laddr for found in psutil.Process().net_connections("tcp")
        if found.status == psutil.CONN_LISTEN and found.laddr.port == client.service.port
    ]  # fmt: skip
    assert [address.ip for address in listening] == ["127.0.0.1"]


def test_a_drawing_that_is_larger_than_the_scan_is_refused_before_it_is_read(client):
    length = 10**12
    sent = (
        f"PUT {client.path}/api/cases/case_1/drawing?values=0,1,2,255 HTTP/1.1\r\n"
        f'Host: 127.0.0.1:{client.service.port}\r\nIf-Match: "0"\r\n'
        f"Content-Length: {length}\r\n\r\n"
    )
    assert _raw(client.service.port, sent.encode()).startswith(b"HTTP/1.1 413")


def test_a_drawing_that_unpacks_to_more_than_the_scan_is_refused(client):
    bomb = gzip.compress(b"\0" * 100_000)
    path = "/api/cases/case_1/drawing?values=0,1,2,255"
    answer = client.ask("PUT", path, bomb, If_Match='"0"')
    assert (answer.status, answer.body) == (400, b"a drawing of more than 120 voxels")


def test_a_client_that_says_nothing_is_hung_up_on(monkeypatch):
    monkeypatch.setattr(served._Handler, "timeout", 0.2)
    server = served.Server(lambda request: Reply(b""))
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        with socket.create_connection(("127.0.0.1", server.gate.port), timeout=5) as line:
            line.sendall(b"GET / HT")
            began = time.monotonic()
            assert line.recv(10) == b""
            assert time.monotonic() - began < 3
    finally:
        server.shutdown()
        server.server_close()


def test_a_fault_of_ours_tells_the_client_nothing(caplog):
    def broken(request):
        raise ZeroDivisionError("secret detail")

    server = served.Server(broken, token="t")
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        host = f"127.0.0.1:{server.gate.port}"
        got = _raw(server.gate.port, f"GET /t/ HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        assert got.startswith(b"HTTP/1.1 500")
        assert b"secret detail" not in got
        assert "ZeroDivisionError: secret detail" in caplog.text
    finally:
        server.shutdown()
        server.server_close()


def test_a_port_that_is_taken_is_said_in_a_line():
    server = served.Server(lambda request: Reply(b""))
    with pytest.raises(crln.CrlnError, match=r"--port \d+: cannot be used"):
        served.Server(lambda request: Reply(b""), server.gate.port)
    server.server_close()


@pytest.mark.slow
def test_hundreds_of_megabytes_are_sent_with_flat_memory(tmp_path):
    large = tmp_path / "large.nii"
    with large.open("wb") as file:
        file.truncate(300 * 2**20)
    server = served.Server(lambda request: Reply(large), token="t")
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    process = psutil.Process()
    before, most, total = process.memory_info().rss, 0, 0
    with socket.create_connection(("127.0.0.1", server.gate.port), timeout=60) as line:
        host = f"127.0.0.1:{server.gate.port}"
        line.sendall(f"GET /t/ HTTP/1.0\r\nHost: {host}\r\n\r\n".encode())
        while block := line.recv(2**20):
            total += len(block)
            most = max(most, process.memory_info().rss)
    server.shutdown()
    server.server_close()
    assert total > 300 * 2**20
    assert most - before < 20 * 2**20


def test_one_request_after_the_other_on_one_line(client):
    """A body that was not read is never taken for the next request."""
    host = f"Host: 127.0.0.1:{client.service.port}\r\n"
    smuggled = f"GET {client.path}/api/project HTTP/1.1\r\n{host}\r\n"
    first = (
        f"PUT {client.path}/api/cases/nobody/drawing HTTP/1.1\r\n{host}"
        f"Content-Length: {len(smuggled)}\r\n\r\n{smuggled}"
    )
    got = _raw(client.service.port, first.encode())
    assert got.count(b"HTTP/1.1") == 1
    two = f"GET {client.path}/api/learning HTTP/1.1\r\n{host}\r\n" * 2
    assert _raw(client.service.port, two.encode()).count(b"HTTP/1.1 200") == 2
    assert np.array_equal(client.service.project.state("case_1").version, 0)
