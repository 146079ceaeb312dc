"""A person at the page of a review, with a real mouse."""

from typing import Any

WAIT = 60_000
"""Milliseconds; a page is drawn without a graphics card, beside other tests."""


class Hand:
    """A person at the page."""

    def __init__(self, opened: Any) -> None:
        self.opened, self.page = opened, opened.page
        self.page.set_viewport_size({"width": 900, "height": 560})  # drawn without a graphics card
        self.page.evaluate(
            "() => { globalThis.violations = []; document.addEventListener("
            "'securitypolicyviolation', e => violations.push(e.violatedDirective)); }"
        )
        self.page.wait_for_selector('body[data-listed="1"]', timeout=WAIT)
        self.page.select_option("#view", "0")

    def open(self, case: str) -> None:
        self.page.evaluate("id => void review.show(id)", case)
        self.page.wait_for_selector(f'body[data-ready="{case}"]', timeout=WAIT)

    def at(self, voxel: list[int]) -> tuple[float, float]:
        """Where a voxel, in the order of RAS, lies on the screen."""
        self.page.evaluate("v => review.viewer.go(v)", voxel)
        box = self.page.locator("#gl").bounding_box()
        x, y = self.page.evaluate(
            "v => { const nv = review.viewer.nv; return [...nv.frac2canvasPos(nv.vox2frac(v))]; }",
            voxel,
        )
        return box["x"] + x, box["y"] + y

    def drag(self, *voxels: list[int]) -> None:
        places = [self.at(voxel) for voxel in voxels]
        self.page.mouse.move(*places[0])
        self.page.mouse.down()
        for place in places[1:]:
            self.page.mouse.move(*place, steps=4)
        self.page.mouse.up()

    def says(self, text: str) -> None:
        self.page.locator("#said").filter(has_text=text).wait_for(timeout=WAIT)

    def press(self, key: str) -> None:
        self.page.keyboard.press(key)
