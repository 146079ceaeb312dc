"""3D Slicer, by requests as its MONAI Label module sends them."""

import gzip
import http.client
import io
import json
import warnings
from contextlib import closing
from urllib.parse import quote_plus, urlparse

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk

from crln.jobs import Jobs
from crln.reviewing import begin_project
from crln.reviewing.serving import serving

pytestmark = pytest.mark.slow

LIMIT = "----------lImIt_of_THE_fIle_eW_$"


class Module:
    """Asks as the module's client does: its paths, its bodies, its forms."""

    def __init__(self, url: str) -> None:
        self.url = url

    def plain(self, method, selector, body=None):
        parsed = urlparse(self.url)
        headers = {}
        if body:
            body = json.dumps(body)
            headers = {"content-type": "application/json", "content-length": str(len(body))}
        with closing(http.client.HTTPConnection(parsed.hostname, parsed.port, timeout=20)) as line:
            # An empty dict goes to http.client as it is, which sends it in chunks.
            line.request(method, parsed.path.rstrip("/") + selector, body=body, headers=headers)
            reply = line.getresponse()
            return reply.status, reply.read()

    def form(self, method, selector, fields, files):
        body = bytearray()
        for name, value in fields.items():
            head = f'--{LIMIT}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n'
            body += head.encode() + value.encode() + b"\r\n"
        for name, (file, content) in files.items():
            head = (
                f'--{LIMIT}\r\nContent-Disposition: form-data; name="{name}"; filename="{file}"\r\n'
                "Content-Type: application/gzip\r\n\r\n"
            )
            body += head.encode() + content + b"\r\n"
        body += f"--{LIMIT}--\r\n\r\n".encode()
        kind = f"multipart/form-data; boundary={LIMIT}"
        headers = {"content-type": kind, "content-length": str(len(body))}
        parsed = urlparse(self.url)
        with closing(http.client.HTTPConnection(parsed.hostname, parsed.port, timeout=20)) as line:
            line.request(method, parsed.path.rstrip("/") + selector, bytes(body), headers)
            reply = line.getresponse()
            answer = reply.read()
        if "multipart" not in reply.getheader("content-type"):
            return reply.status, answer, {}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            cgi = pytest.importorskip("cgi")  # what the module reads forms with
            found = cgi.FieldStorage(
                fp=io.BytesIO(answer), environ={"REQUEST_METHOD": "POST"}, headers=reply.msg,
                keep_blank_values=True,
            )  # fmt: skip
        form = {f.name: f.value for f in found.list if not f.filename}
        return reply.status, form, {f.filename: f.value for f in found.list if f.filename}

    def submit(self, case, array, affine, segments, file="/elsewhere/tmpab.nii.gz"):
        """As *Submit label* does."""
        packed = gzip.compress(nib.Nifti1Image(array, affine).to_bytes())
        return self.form(
            "PUT", f"/datastore/label?image={quote_plus(case)}&tag=final",
            {"params": json.dumps({"label_info": segments})}, {"label": (file, packed)},
        )  # fmt: skip

    def submit_own(self, scan, array, name, folder):
        """The same with the file kind of Slicer's own, of one segment."""
        mask = sitk.GetImageFromArray(array)
        mask.CopyInformation(sitk.ReadImage(scan.images[0]))
        for key, value in {
            "Segment0_Name": name, "Segment0_LabelValue": "1", "Segment0_Layer": "0",
            "Segment0_ID": "Segment_1", "Segment0_Extent": "0 5 0 4 0 3",
        }.items():  # fmt: skip
            mask.SetMetaData(key, value)
        sitk.WriteImage(mask, folder / "a.seg.nrrd")
        files = {"label": ("a.seg.nrrd", (folder / "a.seg.nrrd").read_bytes())}
        selector = f"/datastore/label?image={quote_plus(scan.id)}&tag=final"
        return self.form("PUT", selector, {"params": "{}"}, files)


@pytest.fixture
def places(data):
    """Structures with names, which Slicer tells them by."""
    named = {"labels": {"background": 0, "liver": 1, "spleen": 2}}
    (data / "dataset.json").write_text(json.dumps(named))
    return begin_project(data, say=str)


@pytest.fixture
def service(places, small):
    with serving(places, by="anna", slicer=True) as service:
        small.mask(
            service.project, 1, "case_2", small.drawing(2), score={"liver": None, "spleen": 0.4}
        )
        small.mask(service.project, 1, "case_1", small.drawing(1), score={"liver": 0.9})
        yield service


@pytest.fixture
def module(service):
    return Module(f"{service.url}slicer")


def test_it_looks_like_a_server_of_that_kind(module):
    status, body = module.plain("GET", "/info/")
    info = json.loads(body)
    assert status == 200
    assert info["labels"] == ["liver", "spleen"]
    assert info["datastore"] == {"completed": 1, "total": 4}
    assert info["models"]["crln"]["type"] == "segmentation"
    assert info["trainers"]["crln"]["config"] == {}
    assert list(info["strategies"]) == ["worst first"]
    assert "config" not in info  # or the module asks for a newer server
    assert module.plain("GET", "/auth/")[0] == 404  # no login


def test_the_next_sample_is_the_worst_and_lies_on_this_machine(module, service):
    status, body = module.plain("POST", "/activelearning/worst+first", {})
    found = json.loads(body)
    assert status == 200
    assert (found["id"], found["name"]) == ("case_2", "case_2.nii.gz")
    assert found["path"] == str(service.project.case("case_2").images[0].resolve())
    assert module.plain("POST", "/activelearning/worst+first", {"strategy": "x"})[0] == 200


def test_where_nothing_is_to_do_there_is_no_sample(module, service):
    for id in service.project.cases:
        if service.project.status(id) != "accepted":
            service.project.decide(id, "skipped")
    assert json.loads(module.plain("POST", "/activelearning/worst+first", {})[1]) == {}


def test_a_scan_can_be_fetched_and_cases_are_listed(module, service):
    status, body = module.plain("GET", "/datastore/image?image=case_2")
    assert status == 200
    assert body == service.project.case("case_2").images[0].read_bytes()
    objects = json.loads(module.plain("GET", "/datastore/?output=all")[1])["objects"]
    assert set(objects["case_2"]["labels"]) == {"original"}
    assert set(objects["case_0"]["labels"]) == {"final"}
    assert "info" in objects["case_0"]["labels"]["final"]


def test_infer_brings_the_outline_and_the_names_of_its_values(module, service, small):
    status, form, files = module.form("POST", "/infer/crln?image=case_2", {"params": "{}"}, {})
    assert status == 200
    assert json.loads(form["params"])["label_names"] == {"spleen": 2}
    ((name, content),) = files.items()
    assert name == "case_2.nii.gz"
    mask = nib.Nifti1Image.from_bytes(gzip.decompress(content))
    assert np.array_equal(np.asarray(mask.dataobj), small.drawing(2))
    scan = nib.load(service.project.case("case_2").images[0])
    assert np.array_equal(mask.affine, scan.affine)


def test_infer_says_where_there_is_no_outline(module):
    status, body, _ = module.form("POST", "/infer/crln?image=case_3", {"params": "{}"}, {})
    assert (status, b"nothing is outlined yet" in body) == (404, True)


def test_a_submitted_label_is_accepted_with_its_segments_by_name(module, service, small):
    scan = nib.load(service.project.case("case_2").images[0])
    array = np.zeros(small.shape, np.int16)
    array[0], array[1] = 1, 2  # as Slicer numbers what it writes
    segments = [{"name": "spleen", "idx": 1}, {"name": "liver", "idx": 2}]
    status, body, _ = module.submit("case_2", array, scan.affine, segments)
    assert status == 200, body
    project = service.project
    label = np.asarray(nib.load(project.places.label("case_2")).dataobj)
    assert (label[0] == 2).all()
    assert (label[1] == 1).all()
    state = project.state("case_2")
    assert (state.state, state.by, state.run) == ("accepted", "anna", 1)
    assert state.changed > 0
    packed = module.plain("GET", "/datastore/label?label=case_2&tag=final")[1]
    assert packed[:2] == b"\x1f\x8b"


def test_structures_that_nobody_named_are_told_by_their_values(data, small):
    with serving(begin_project(data, say=str), slicer=True) as service:
        scan = nib.load(service.project.case("case_2").images[0])
        module = Module(f"{service.url}slicer")
        array = np.ones(small.shape, np.uint8)
        segments = [{"name": "class 2", "idx": 1}]
        status, body, _ = module.submit("case_2", array, scan.affine, segments)
        assert status == 200, body
        assert (service.project.values("case_2") == 2).all()


def test_structures_that_overlap_are_listed_but_not_sent_one_value_a_voxel(tmp_path, small):
    data = small.overlapping(tmp_path / "data")
    with serving(begin_project(data, say=str), slicer=True) as service:
        module = Module(f"{service.url}slicer")
        assert json.loads(module.plain("GET", "/info/")[1])["labels"] == ["liver", "tumour"]
        status, body = module.plain("GET", "/datastore/image?image=case_1")
        assert (status, body[:2]) == (200, b"\x1f\x8b")
        scan = nib.load(service.project.case("case_1").images[0])
        answers = [
            module.submit("case_1", np.ones(small.shape, np.uint8), scan.affine, []),
            module.form("POST", "/infer/crln?image=case_0", {"params": "{}"}, {}),
            module.plain("GET", "/datastore/label?label=case_0&tag=final"),
        ]
        assert [answer[0] for answer in answers] == [422] * 3
        assert all(b"outline them on the page" in answer[1] for answer in answers[::2])
        assert service.project.state("case_1").state == "new"


def test_a_label_that_slicer_has_turned_lies_as_the_scan_does(module, service, small):
    """ITK writes axes in the order that it likes."""
    scan = nib.load(service.project.case("case_2").images[0])
    array = np.zeros(small.shape, np.uint8)
    array[5, 0, 3] = 1
    turned = nib.as_closest_canonical(nib.Nifti1Image(array, scan.affine))
    segments = [{"name": "liver", "idx": 1}]
    turned_array = np.asarray(turned.dataobj)
    status, body, _ = module.submit("case_2", turned_array, turned.affine, segments)
    assert status == 200, body
    assert np.array_equal(service.project.values("case_2"), array)


def test_segments_of_slicers_own_file_are_read_by_their_names(module, service, small, tmp_path):
    array = np.zeros(small.shape[::-1], np.uint8)
    array[0] = 1
    scan = service.project.case("case_2")
    status, body, _ = module.submit_own(scan, array, "tumour", tmp_path)
    assert (status, b"segment tumour: no structure" in body) == (422, True)
    for name, value in (("spleen", 2), ("unknown", service.project.settings.ignore)):
        status, body, _ = module.submit_own(scan, array, name, tmp_path)
        assert status == 200, body
        assert (service.project.values("case_2")[:, :, 0] == value).all()


def test_values_without_names_must_be_those_of_the_project(module, service, small):
    scan = nib.load(service.project.case("case_2").images[0])
    for value, expected in ((7, 422), (2, 200)):
        array = np.full(small.shape, value, np.uint8)
        assert module.submit("case_2", array, scan.affine, [])[0] == expected
    assert (service.project.values("case_2") == 2).all()


@pytest.mark.parametrize(
    ("segments", "file", "status", "why"),
    [
        ([{"name": "tumour", "idx": 1}], "a.nii.gz", 422, "segment tumour: no structure"),
        ([{"name": "liver", "idx": 1}], "a.exe", 415, "of a kind that Slicer does not send"),
        ([{"idx": 1}], "a.nii.gz", 400, "params: label_info.0.name"),
    ],
)
def test_what_cannot_be_a_label_changes_nothing(
    module, service, small, segments, file, status, why
):
    scan = nib.load(service.project.case("case_2").images[0])
    array = np.ones(small.shape, np.uint8)
    got, body, _ = module.submit("case_2", array, scan.affine, segments, file)
    assert (got, why in body.decode()) == (status, True), body
    assert service.project.state("case_2").version == 0


def test_a_label_of_another_scan_is_refused(module, service):
    array = np.ones((3, 3, 3), np.uint8)
    status, body, _ = module.submit("case_2", array, np.eye(4), [{"name": "liver", "idx": 1}])
    assert (status, b"give files on one grid" in body) == (422, True)
    assert service.project.state("case_2").version == 0


def test_a_scan_of_slicers_own_is_refused_in_a_line(module):
    files = {"file": ("mine.nii.gz", b"x")}
    status, body, _ = module.form("PUT", "/datastore/?image=mine", {}, files)
    assert (status, b"add yours to the folder" in body) == (422, True)
    assert module.form("PUT", "/session/?image=mine", {}, files)[0] == 422
    assert module.plain("GET", "/session/abc")[0] == 404
    assert module.plain("DELETE", "/session/abc")[0] == 404
    assert module.form("PUT", "/datastore/?image=case_1", {}, files)[0] == 200  # is there already


def test_training_is_started_followed_and_stopped(places, monkeypatch):
    import threading

    import crln.reviewing.learning as rooms

    go = threading.Event()
    monkeypatch.setattr(
        rooms.Learning, "running", lambda self: bool(self._thread) and not go.is_set()
    )
    with serving(places, slicer=True, jobs=Jobs(here=True)) as service:
        service.learning.do = lambda folder, number: go.wait(20)
        module = Module(f"{service.url}slicer")
        assert module.plain("GET", "/train/?check_if_running=true")[0] == 404
        assert module.plain("POST", "/train/", {"crln": {}})[0] == 200
        assert module.plain("GET", "/train/?check_if_running=true")[0] == 200
        assert module.plain("GET", "/train/")[0] == 200
        status, body = module.plain("POST", "/train/crln", {})  # its one trainer, by name
        assert (status, b"is learning already" in body) == (422, True)
        assert module.plain("DELETE", "/train/")[0] == 200
        assert service.learning.last.stop.exists()
        assert module.plain("GET", "/logs/")[0] == 200
        go.set()


def test_without_the_option_slicer_finds_nothing(client):
    assert client.ask("GET", "/slicer/info/").status == 404
    assert client.ask("GET", "/api/project").status == 200
