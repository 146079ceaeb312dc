"""What the page asks for: scans, outlines, decisions; each is checked on the disk."""

import gzip
import io
from types import SimpleNamespace

import nibabel as nib
import numpy as np
import pytest
from matplotlib.image import imread as read_picture

from crln.cohort import load_cohort
from crln.reviewing import begin_project
from crln.reviewing.overlays import write_overlays
from crln.reviewing.serving import serving

pytestmark = pytest.mark.slow


def _nifti(body: bytes) -> np.ndarray:
    plain = gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body
    return np.asarray(nib.Nifti1Image.from_bytes(plain).dataobj)


def test_the_list_tells_each_case_and_how_far_the_whole_is(client, small):
    project = client.service.project
    small.mask(
        project, 1, "case_2", small.drawing(1), score={"class 1": 0.6, "class 2": 0.9},
        low={"class 1": 0.4}, flags=("odd",), volume_ml={"class 1": 0.1},
    )  # fmt: skip
    found = client.ask("GET", "/api/project").json
    assert found["counts"] == {"accepted": 1, "new": 2, "outlined": 1}
    case = next(case for case in found["cases"] if case["id"] == "case_2")
    assert (case["status"], case["round"], case["score"]) == ("outlined", 1, 0.6)
    assert (case["low"], case["flags"], case["volume_ml"]) == (0.4, ["odd"], {"class 1": 0.1})
    assert [c["name"] for c in found["classes"]] == ["class 1", "class 2", "unknown"]


def test_a_scan_and_its_outline_arrive_in_the_order_of_ras(client, data):
    info = client.ask("GET", "/api/cases/case_0").json
    assert (info["shape"], info["spacing"]) == ([6, 5, 4], [1, 1, 2])
    scan = _nifti(client.ask("GET", "/api/cases/case_0/scan.nii").body)
    stored = nib.load(data / "images/case_0.nii.gz")  # its first axis runs to the left
    assert np.array_equal(scan, stored.get_fdata().astype(np.float32)[::-1])
    outline = client.ask("GET", "/api/cases/case_0/outline.nii.gz")
    label = np.asarray(nib.load(data / "labels/case_0.nii.gz").dataobj)
    assert np.array_equal(np.array(info["values"])[_nifti(outline.body)], label[::-1])
    first, whole = info["windows"]  # no CT
    assert scan.min() <= first["low"] < first["high"] <= scan.max()
    assert (whole["low"], whole["high"]) == (scan.min(), scan.max())


def test_the_last_six_scans_are_kept_as_they_are_shown(tmp_path, small, ask):
    data = small.data(tmp_path / "data", scans=8)
    with serving(begin_project(data, say=str)) as service:
        client, shown = ask(service), service.project.places.shown
        for opened, id in enumerate(service.project.cases, 1):
            client.ask("GET", f"/api/cases/{id}/scan.nii")
            assert len(list(shown.glob("*.nii"))) == min(opened, 6)


def test_a_drawing_is_saved_accepted_and_taken_back(client, data):
    drawn = np.zeros((6, 5, 4), np.uint8)
    drawn[0, 1, 2] = 2
    saved = client.draw("case_1", drawn, 0, seconds=7)
    assert saved.status == 200, saved.body
    assert saved.headers["ETag"] == '"1"'
    accepted = client.ask(
        "POST", "/api/cases/case_1/decision", {"what": "accepted", "seconds": 1.5}, If_Match='"1"'
    )
    assert (accepted.json["status"], accepted.json["seconds"]) == ("accepted", 8.5)
    project = client.service.project
    label = np.asarray(nib.load(project.places.label("case_1")).dataobj)
    assert label[5, 1, 2] == 2
    assert label.sum() == 2
    undone = client.ask("POST", "/api/cases/case_1/undo", {}, If_Match='"2"')
    assert undone.json["status"] == "correcting"
    assert not project.places.label("case_1").exists()


def test_of_two_windows_the_second_is_told_and_overwrites_nothing(client):
    drawn = np.ones((6, 5, 4), np.uint8)
    assert client.draw("case_1", drawn, 0).status == 200
    late = client.draw("case_1", drawn * 2, 0)
    assert (late.status, b"another window" in late.body) == (412, True)
    assert (client.service.project.values("case_1") == 1).all()
    unsaid = client.ask("POST", "/api/cases/case_1/decision", {"what": "skipped"})
    assert unsaid.status == 428


def test_slices_that_are_done_are_accepted_alone(client):
    client.draw("case_1", np.ones((6, 5, 4), np.uint8), 0)
    told = {"what": "accepted", "slices": [3, 1], "axis": 2}
    assert client.ask("POST", "/api/cases/case_1/decision", told, If_Match='"1"').status == 200
    found = load_cohort(client.service.project.places.cohort, split="new")
    label = next(case.label for case in found.labelled if case.id == "case_1")
    assert (label.slices.at, label.slices.axis) == ((1, 3), 2)
    beyond = {"what": "accepted", "slices": [4], "axis": 2}
    answer = client.ask("POST", "/api/cases/case_1/decision", beyond, If_Match='"2"')
    assert (answer.status, answer.body) == (400, b"slices: there are 4, counted from 0")
    told = {"what": "accepted", "slices": [1, 0], "axis": 0}
    answer = client.ask("POST", "/api/cases/case_1/decision", told, If_Match='"2"')
    assert answer.json["slices"] == 2
    assert client.ask("GET", "/api/cases/case_1").json["done"] == {"axis": 0, "at": [0, 1]}
    assert client.service.project.state("case_1").slices == (4, 5)  # it runs to the left


def test_a_note_is_kept(client):
    answer = client.ask("PUT", "/api/cases/case_3/note", {"note": "blurred"}, If_Match='"0"')
    assert answer.json["note"] == "blurred"


def test_voxels_that_nobody_knows_are_the_last_class(client):
    info = client.ask("GET", "/api/cases/case_1").json
    assert info["values"] == [0, 1, 2, 255]
    client.draw("case_1", np.full((6, 5, 4), 3, np.uint8), 0)
    assert (client.service.project.values("case_1") == 255).all()


def test_pace_and_rounds_say_when_to_stop(client, small):
    project = client.service.project
    small.mask(project, 1, "case_1", small.drawing(1))
    project.save("case_1", small.drawing(1), round=1, seconds=30)
    project.decide("case_1", "accepted")
    found = client.ask("GET", "/api/project").json
    assert found["pace"] == {"seconds": 30.0, "left": 60.0}
    (told,) = found["rounds"]
    assert (told["round"], told["accepted"], told["dice"]) == (1, 1, 1.0)


@pytest.mark.parametrize(
    ("path", "body", "why"),
    [
        ("decision", {"what": "loved"}, "what: Input should be"),
        ("decision", {"what": "skipped", "seconds": -1}, "seconds: "),
        ("decision", {"what": "skipped", "more": 1}, "more: Extra"),
        ("decision", b"{", "no JSON"),
        ("decision", b"[" * 5000, "no JSON"),
        ("undo", {}, "nothing was decided"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_line(client, path, body, why):
    answer = client.ask("POST", f"/api/cases/case_1/{path}", body, If_Match='"0"')
    assert answer.status in (400, 422)
    assert why in answer.body.decode()
    assert client.service.project.state("case_1").version == 0


def test_a_scan_that_cannot_be_read_is_said_in_a_line(client, data):
    (data / "images/case_1.nii.gz").write_bytes(b"no scan")
    answer = client.ask("GET", "/api/cases/case_1")
    assert answer.status == 422
    assert b"truncated or not an image" in answer.body


def test_slices_that_are_done_are_saved_with_a_drawing_and_told_as_the_page_counts(client):
    drawn = np.ones((6, 5, 4), np.uint8)
    saved = client.draw("case_1", drawn, 0, slices="1,0", axis=0)
    assert saved.status == 200, saved.body
    state = client.service.project.state("case_1")
    assert (state.slices, state.axis) == ((4, 5), 0)  # its first axis runs to the left
    assert client.ask("GET", "/api/cases/case_1").json["done"] == {"axis": 0, "at": [0, 1]}
    for wrong in ({"slices": "6", "axis": 0}, {"slices": "x"}, {"slices": "1", "axis": 3}):
        answer = client.draw("case_1", drawn, 1, **wrong)
        assert (answer.status, answer.body[:6]) == (400, b"slices")
    client.draw("case_1", drawn, 1)
    assert client.ask("GET", "/api/cases/case_1").json["done"] == {"axis": None, "at": []}


def test_what_the_model_can_tell_of_each_voxel_is_served_in_the_order_of_ras(client, small):
    project = client.service.project
    small.mask(project, 1, "case_1", small.drawing(1), spots=((0, 1, 2),), check=(1, 3),
               doubt=((1,) * 6, (1,) * 5, (0, 2, 0, 1)))  # fmt: skip
    certain = np.zeros(small.shape, np.float32)
    certain[0, 1, 2] = 0.5
    told = SimpleNamespace(uncertainty=certain, maps={"rectified": certain > 0})
    write_overlays(project.places, 1, project.case("case_1"), told)
    info = client.ask("GET", "/api/cases/case_1").json
    assert info["overlays"] == ["uncertainty", "rectified"]  # of one network nobody disagrees
    assert info["spots"] == [[5, 1, 2]]  # the first axis runs to the left
    assert info["to_check"] == {"axis": 2, "slices": [1, 3]}
    found = client.ask("GET", "/api/cases/case_1/overlay.nii.gz?kind=uncertainty&round=1")
    values = _nifti(found.body)
    assert np.argwhere(values).tolist() == [[5, 1, 2]]
    assert 117 <= int(values[5, 1, 2]) <= 137
    for asked in ("kind=disagreement&round=1", "kind=../uncertainty&round=1", "kind=uncertainty",
                  "kind=uncertainty&round=2"):  # fmt: skip
        assert client.ask("GET", f"/api/cases/case_1/overlay.nii.gz?{asked}").status == 404
    other = client.ask("GET", "/api/cases/case_0").json  # without a mask
    assert (other["overlays"], other["spots"], other["to_check"]["slices"]) == ([], [], [])


def test_a_picture_of_each_case_is_made_once_and_anew_with_a_decision(client, small):
    def picture() -> tuple[np.ndarray, str]:
        answer = client.ask("GET", "/api/cases/case_0/small.png")
        assert answer.headers["Cache-Control"].startswith("private, max-age")
        return read_picture(io.BytesIO(answer.body)), _line(client, "case_0")["picture"]

    pixels, key = picture()
    assert max(pixels.shape[:2]) == 96
    assert pixels.std(axis=2).max() > 0.1  # an outline in colour on grey
    folder = client.service.project.places.shown / "small"
    (made,) = folder.iterdir()
    before = made.stat().st_mtime_ns
    client.draw("case_0", np.zeros((6, 5, 4)), 0)
    assert client.ask("POST", "/api/cases/case_0/decision", {"what": "accepted"},
                      If_Match='"1"').status == 200  # fmt: skip
    after, other = picture()
    assert key != other
    assert after.std(axis=2).max() < 1e-6  # nothing is outlined any more
    (made,) = folder.iterdir()  # the old one is gone
    assert made.stat().st_mtime_ns > before
    time = made.stat().st_mtime_ns
    picture()
    assert made.stat().st_mtime_ns == time


def _line(client, id: str) -> dict:
    cases = client.ask("GET", "/api/project").json["cases"]
    return next(case for case in cases if case["id"] == id)
