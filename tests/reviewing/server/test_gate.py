"""Who may ask: a table of requests, of which each is refused for its own reason."""

import pytest

from crln.reviewing.server.gate import Gate, Refused

GATE = Gate(8000, "secret")
OWN = {"Host": "127.0.0.1:8000"}


@pytest.mark.parametrize(
    ("method", "headers", "status"),
    [
        ("GET", {"Host": "evil.example"}, 403),  # a name that was bound to 127.0.0.1
        ("GET", {"Host": "127.0.0.1"}, 403),
        ("GET", {}, 403),
        ("GET", {**OWN, "Origin": "http://evil.example"}, 403),
        ("GET", {**OWN, "Origin": "null"}, 403),
        ("PUT", {**OWN, "Origin": "http://127.0.0.1:8001"}, 403),
        ("PUT", {**OWN, "Sec-Fetch-Site": "cross-site"}, 403),
        ("PUT", {**OWN, "Sec-Fetch-Site": "same-site"}, 403),  # another port of localhost
        ("PUT", {**OWN, "Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "navigate"}, 403),
        ("GET", {**OWN, "Sec-Fetch-Site": "cross-site"}, 403),
        ("GET", {**OWN, "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}, None),
        ("PUT", {**OWN, "Sec-Fetch-Site": "same-origin"}, None),
        ("PUT", {**OWN, "Origin": "http://127.0.0.1:8000"}, None),
        ("PUT", OWN, None),  # a program such as 3D Slicer
        ("GET", {"Host": "localhost:8000"}, None),
    ],
)
def test_what_comes_from_elsewhere_is_refused(method, headers, status):
    if status is None:
        assert GATE.target(method, "/secret/a", headers).parts == ("a",)
        return
    with pytest.raises(Refused) as refused:
        GATE.target(method, "/secret/a", headers)
    assert refused.value.status == status


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("/", 404),
        ("/Secret/a", 404),
        ("/secretx/a", 404),
        ("/secr\xe9t/a", 404),
        ("secret/a", 400),
        ("http://127.0.0.1:8000/secret/a", 400),
        ("/secret/%ff", 400),
        ("/secret/a?" + "&".join(f"a{i}=1" for i in range(30)), 400),
        ("/secret/" + "a" * 5000, 400),
    ],
)
def test_what_has_no_token_or_cannot_be_read_is_refused(target, status):
    with pytest.raises(Refused) as refused:
        GATE.target("GET", target, OWN)
    assert refused.value.status == status


def test_names_are_unquoted_part_by_part():
    found = GATE.target("GET", "/secret/cases/a%2Fb%20c/scan?x=1&y=%C3%A9", OWN)
    assert found.parts == ("cases", "a/b c", "scan")
    assert found.query == {"x": "1", "y": "é"}
