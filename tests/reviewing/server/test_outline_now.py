"""A case without an outline gets one of the last model when it is asked for."""

import shutil

import numpy as np
import pytest

from crln.errors import CrlnError
from crln.jobs import Jobs
from crln.reviewing import Project, begin_project
from crln.reviewing.rounds import Order, Round
from crln.reviewing.serving import serving
from crln.reviewing.work import outline_alone, work

pytestmark = pytest.mark.slow


@pytest.fixture
def service(places):
    with serving(places, jobs=Jobs(here=True), slicer=True) as service:
        yield service


def test_slicer_and_the_page_get_an_outline_of_a_case_that_has_none(service, ask, small):
    client, project, asked = ask(service), service.project, []

    def outline(folder, id: str) -> None:
        asked.append(id)
        small.mask(project, 1, id, small.drawing(2))

    service.learning.do_one = outline
    assert not client.ask("GET", "/api/cases/case_1").json["can_outline"]
    refused = client.ask("POST", "/api/cases/case_1/outline", {})
    assert (refused.status, b"no round has learnt yet" in refused.body) == (422, True)
    small.mask(project, 1, "case_3", small.drawing(1))
    project.places.run(1).mkdir(parents=True)  # from here on there is a model
    assert client.ask("GET", "/api/cases/case_1").json["can_outline"]
    found = client.ask("POST", "/slicer/infer/crln?image=case_1", b"")
    assert found.status == 200
    assert np.array_equal(project.values("case_1"), small.drawing(2))
    assert client.ask("POST", "/api/cases/case_2/outline", {}).json["status"] == "outlined"
    client.ask("POST", "/slicer/infer/crln?image=case_1", b"")
    client.ask("POST", "/api/cases/case_0/outline", {})  # a person's own label
    assert asked == ["case_1", "case_2"]


def test_why_a_case_cannot_be_outlined_is_told(service, ask, small):
    small.mask(service.project, 1, "case_3", small.drawing(1))
    service.project.places.run(1).mkdir(parents=True)

    def fail(folder, id: str) -> None:
        log = service.project.places.shown / "outlining" / "case.log"
        log.write_text("1 file read\ncase_1.nii.gz: truncated; copy it again\n")

    service.learning.do_one = fail
    told = ask(service).ask("POST", "/api/cases/case_1/outline", {})
    assert told.status == 422
    assert (
        told.body.decode() == "case_1: cannot be outlined: case_1.nii.gz: truncated; copy it again"
    )


def test_the_last_model_outlines_a_case_that_came_later(phantom, trained, tmp_path):
    data = shutil.copytree(phantom, tmp_path / "data")
    places = begin_project(data, run=trained.path, say=str)
    project = Project(places.path)
    id, *others = [case.id for case in project.data.unlabelled]
    with pytest.raises(CrlnError, match="no round has learnt yet"):
        outline_alone(places.path, id)
    round = Round(places, 1)
    round.begin(Order(run=str(trained.path), device="cpu"), project.cohort())
    for other in (id, *others):
        project.decide(other, "skipped")
    outline_alone(places.path, id)
    alone = project.masks.record(id)
    assert alone is not None
    values = project.values(id)
    for path in (places.record(1, id), places.mask(1, id)):
        path.unlink()
    work(places.path, 1)
    assert np.array_equal(Project(places.path).values(id), values)  # as the round would have
