"""The first steps on the page: three cards, once, and again for who asks."""

import pytest

from crln.reviewing.serving import serving
from crln.reviewing.settings import ProjectSettings

pytestmark = pytest.mark.slow
WAIT = 15_000


@pytest.mark.parametrize(("width", "scheme"), [(400, "dark"), (1200, "light")])
def test_who_comes_first_is_led_through_three_cards_by_the_keyboard(browser, places, width, scheme):
    with serving(places) as service:
        opened = browser.open(service.url, width, scheme)
        page = opened.page
        page.wait_for_selector('body[data-listed="1"]', timeout=WAIT)
        assert page.locator("#tour").is_visible()
        assert opened.faults() == []
        assert page.evaluate("document.activeElement.id") == "tour"  # a screen reader reads it
        seen = [page.locator("#tour-title").text_content()]
        for _ in range(2):
            page.keyboard.press("ArrowRight")
            seen.append(page.locator("#tour-title").text_content())
            assert opened.faults() == []
        assert len(set(seen)) == 3
        assert page.locator("#tour-next").text_content() == "Begin"
        page.keyboard.press("ArrowLeft")
        assert page.locator("#tour-title").text_content() == seen[1]
        assert not ProjectSettings.read(places).introduced
        with page.expect_response("**/api/introduced"):
            page.keyboard.press("Escape")
        assert page.locator("#tour").is_hidden()
        assert ProjectSettings.read(places).introduced
        opened = browser.open(service.url, width, scheme)
        opened.page.wait_for_selector('body[data-listed="1"]', timeout=WAIT)
        assert opened.page.locator("#tour").is_hidden()
        if width > 700:
            opened.page.keyboard.press("?")
            opened.page.click("#tour-again")
            assert opened.page.locator("#tour").is_visible()
