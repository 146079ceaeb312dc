"""Tools that the server computes: what is sent comes back changed, and nothing is written."""

import gzip
from itertools import product

import numpy as np
import pytest

from crln.reviewing import begin_project
from crln.reviewing.between import fill_between
from crln.reviewing.serving import serving

pytestmark = pytest.mark.slow
SHAPE = (16, 14, 12)
VALUES = "0,1,2,255"


@pytest.fixture
def client(tmp_path, small, ask):
    scan = np.zeros(SHAPE, np.int16)
    scan[4:11, 4:11, 3:9] = 100  # of which the first axis runs to the left
    small.scan(tmp_path / "data/images/a.nii.gz", scan)
    with serving(begin_project(tmp_path / "data", classes=["x", "y"], say=str)) as service:
        yield ask(service)


def _made(client, tool: str, numbers: np.ndarray, more: str = "", values: str = VALUES):
    body = gzip.compress(numbers.astype(np.uint8).tobytes(order="F"))
    return client.ask("POST", f"/api/cases/a/{tool}?values={values}{more}", body)


def _numbers(answer) -> np.ndarray:
    assert answer.status == 200, answer.body
    plain = np.frombuffer(gzip.decompress(answer.body), np.uint8)
    return plain.reshape(SHAPE, order="F")


def test_slices_between_are_filled_along_each_axis_for_one_class_or_all(client):
    for axis, number in product(range(3), (None, 1, 2)):
        drawn = np.zeros(SHAPE, np.uint8)
        slices = np.moveaxis(drawn, axis, 0)
        for at in (2, 5, 8):
            slices[at, 3:6, 3:6], slices[at, 7:9, 3:6] = 1, 2
        more = f"&axis={axis}" + ("" if number is None else f"&class={number}")
        found = _numbers(_made(client, "between", drawn, more))
        wanted = [1, 2] if number is None else [number]
        assert np.array_equal(found, fill_between(drawn, axis, (1, 1, 2), wanted))
        assert (found != drawn).any()
    assert client.service.project.state("a").version == 0


def test_strokes_grow_on_the_scan_as_the_page_shows_it(client):
    drawn = np.zeros(SHAPE, np.uint8)
    drawn[7:9, 7, 5] = 1
    drawn[1, 1:12, 5] = 4  # background is marked with the number after the last
    found = _numbers(_made(client, "grown", drawn))
    expected = np.zeros(SHAPE, np.uint8)
    expected[4:11, 4:11, 3:9] = 1
    assert np.array_equal(found, expected[::-1])
    assert client.service.project.state("a").version == 0


@pytest.mark.parametrize(
    ("tool", "more", "number", "why"),
    [
        ("between", "&axis=3", 1, "axis: 0, 1 or 2"),
        ("between", "&class=3", 1, "class: none of the outline"),
        ("between", "&class=x", 1, "class: no whole number"),
        ("between", "", 5, "a drawing with the class number 5 of 4"),
        ("between", "", 1, "no slice lies between drawn ones"),
        ("grown", "", 3, "no class is drawn"),
        ("grown", "&channel=1", 1, "has 1 channels"),
    ],
)
def test_what_cannot_be_made_is_said_in_a_line(client, tool, more, number, why):
    drawn = np.zeros(SHAPE, np.uint8)
    drawn[3:6, 3:6, 4] = number
    answer = _made(client, tool, drawn, more)
    assert answer.status in (400, 422)
    assert why in answer.body.decode()


def test_of_structures_that_overlap_a_layer_is_named_and_holds_no_other(tmp_path, small, ask):
    with serving(begin_project(small.overlapping(tmp_path / "more"), say=str)) as service:
        layered, path = ask(service), "/api/cases/case_1/drawing?values=0,1,2,256"
        body = gzip.compress(bytes([2] * 120))
        for structure, why in (("", "structure"), ("3", "structure"), ("1", "that holds 2")):
            told = {"If_Match": '"0"'}
            answer = layered.ask("PUT", f"{path}&structure={structure}", body, **told)
            assert (answer.status, why in answer.body.decode()) == (400, True)
        assert layered.ask("GET", "/api/cases/case_1/outline.nii.gz").status == 400
        assert layered.ask("PUT", f"{path}&structure=2", body, If_Match='"1"').status == 412
        assert service.project.state("case_1").version == 0
        assert layered.ask("PUT", f"{path}&structure=2", body, If_Match='"0"').status == 200
        assert service.project.structures.inside(service.project.values("case_1"), 2).all()


def test_slices_that_hold_nothing_need_not_be_sent(client):
    part = np.random.default_rng(0).integers(0, 3, (*SHAPE[:2], 4), np.uint8)
    body, path = gzip.compress(part.tobytes(order="F")), f"/api/cases/a/drawing?values={VALUES}"
    for wrong in ("from=3&to=3", "from=9&to=13", "from=3&to=8", "to=0"):
        assert client.ask("PUT", f"{path}&{wrong}", body, If_Match='"0"').status == 400
    assert client.ask("PUT", f"{path}&from=3&to=7", body, If_Match='"0"').status == 200
    expected = np.zeros(SHAPE, np.uint8)
    expected[:, :, 3:7] = part
    assert np.array_equal(client.service.project.values("a")[::-1], expected)


def test_a_drawing_of_another_scan_is_refused(client):
    assert _made(client, "grown", np.ones((3, 3, 3))).status == 400
    assert _made(client, "grown", np.ones(SHAPE), values="0,1").status == 400
