"""What helps to look, in a real browser: maps over the scan, places to go to, windows, the list."""

import io
from types import SimpleNamespace

import numpy as np
import pytest
from matplotlib.image import imread as read_picture

from crln.reviewing import begin_project
from crln.reviewing.overlays import write_overlays
from crln.reviewing.serving import serving

pytestmark = pytest.mark.slow
SHAPE = (20, 18, 16)


@pytest.fixture
def places(tmp_path, small):
    chance = np.random.default_rng(0)
    for name in ("a", "b"):
        scan = chance.integers(-1000, 1000, SHAPE).astype(np.int16)
        small.scan(tmp_path / f"data/images/{name}.nii.gz", scan, np.diag([-1.0, 1, 1, 1]))
    small.scan(
        tmp_path / "data/labels/a.nii.gz", np.ones(SHAPE, np.uint8), np.diag([-1.0, 1, 1, 1])
    )
    return begin_project(tmp_path / "data", say=str)


def _picture(page) -> np.ndarray:
    page.wait_for_timeout(100)
    return read_picture(io.BytesIO(page.locator("#gl").screenshot()))


def test_maps_places_and_windows_are_at_the_hand(browser, person, places, small):
    with serving(places) as service:
        project = service.project
        mask = np.zeros(SHAPE, np.int32)
        mask[4:8, 4:8, 4:8] = 1
        small.mask(project, 1, "b", mask, spots=((3, 4, 5), (12, 13, 9)), check=(2, 9))
        unsure = np.zeros(SHAPE, np.float32)
        unsure[3:9, 4:9, 5] = 0.9
        maps = SimpleNamespace(uncertainty=unsure, maps={})
        write_overlays(places, 1, project.case("b"), maps)
        hand = person(browser.open(service.url, 1200))
        hand.open("a")
        assert hand.page.locator("#overlays").is_hidden()  # a person's own label
        hand.open("b")
        assert hand.page.locator("#overlays label").count() == 1
        for spot in ([16, 4, 5], [7, 13, 9], [16, 4, 5]):  # the first axis runs to the left
            hand.press("x")
            told = ", ".join(map(str, spot))
            assert hand.page.locator("#place").text_content().endswith(f"voxel {told}")
        plain = _picture(hand.page)
        hand.press("Shift+U")
        hand.says("Where the probabilities are undecided")
        laid = _picture(hand.page)
        assert np.abs(laid - plain).max() > 0.2
        hand.press("Shift+U")
        hand.page.wait_for_timeout(100)
        assert np.array_equal(_picture(hand.page), plain)
        hand.press("Shift+D")
        hand.says("networks disagree: not known of this mask")
        hand.press("c")
        hand.says("axial slice 2, 1 of 2 to check")
        before = _picture(hand.page)
        hand.press("y")
        hand.says("window: whole range")
        hand.page.select_option("#window", "bone")
        after = _picture(hand.page)
        assert not np.array_equal(before, after)
        window = hand.page.evaluate("(v => [v.cal_min, v.cal_max])(review.viewer.nv.volumes[0])")
        assert window == [-500, 1300]
        numbers = np.array(hand.page.evaluate("[...review.viewer.numbers]"))
        assert np.array_equal(numbers.reshape(SHAPE, order="F"), mask[::-1])  # the drawing stays
        assert hand.page.evaluate("violations") == []


def test_the_list_shows_pictures_and_a_line_that_says_the_same_stays(
    browser, person, places, small
):
    with serving(places) as service:
        small.mask(service.project, 1, "b", np.ones(SHAPE, np.int32), flags=("class 1 is odd",),
                   score={"class 1": 0.5}, low={"class 1": 0.3}, high={"class 1": 0.7})  # fmt: skip
        hand = person(browser.open(service.url, 1200))
        line = hand.page.locator('#list button[data-id="b"]')
        assert "likely Dice 50 % (30 % to 70 %)" in line.text_content()
        picture = line.locator("img")
        picture.evaluate("image => image.decode()")
        assert picture.evaluate("image => image.naturalWidth") == 96
        hand.page.evaluate("() => { document.querySelector('#list li').dataset.kept = '1'; }")
        hand.page.evaluate("() => review.look()")
        assert hand.page.locator("#list li").first.get_attribute("data-kept") == "1"
        hand.page.select_option("#filter", "odd")
        assert hand.page.locator("#list li").count() == 1
        hand.page.select_option("#filter", "noted")
        assert hand.page.locator("#none").is_visible()
