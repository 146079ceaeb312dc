"""A review from Python."""

import urllib.error
import urllib.request

import pytest

import crln
from crln.reviewing import find_project

pytestmark = pytest.mark.slow


def test_a_notebook_shows_the_page_in_a_frame(data):
    with crln.review(data, by="anna", say=str) as review:
        assert review._repr_html_().startswith(f'<iframe src="{review.url}"')
        with urllib.request.urlopen(review.url, timeout=20) as page:
            policy = page.headers["Content-Security-Policy"]
        assert "frame-ancestors http://localhost:* http://127.0.0.1:*" in policy
        assert review.project.by == "anna"
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(review.url, timeout=2)


def test_a_review_that_was_closed_can_be_opened_again(data):
    crln.review(data, say=str).close()
    crln.review(data, say=str).close()


def test_a_project_is_found_by_its_data_by_its_folder_and_by_the_same_options(data, tmp_path):
    places = find_project(data, classes=["a", "b"], say=str)
    assert find_project(data, classes=["a", "b"], say=str) == places
    assert find_project(places.path, say=str) == places
    with pytest.raises(crln.CrlnError, match="was begun with classes a,b, not c"):
        find_project(data, classes=["c"], say=str)
    with pytest.raises(crln.CrlnError, match="was begun with run not given"):
        find_project(data, run=tmp_path, say=str)
