import re
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pytest

from crln.errors import CrlnError
from crln.imaging import Grid
from crln.report.card import Card, CardRow, SliceStack
from crln.report.cut import Cut
from crln.report.gallery import MARK, PAGE, PIECES, Gallery, check_own
from crln.report.stack import Outlines, stack_data


def card(case: str, order: float = 0.0, **told: object) -> Card:
    return Card(case, order, [CardRow("liver", "#112233", 1.0, 5)], "", **told)


def names(out: Path) -> list[str]:
    """The scans of a page, from the top."""
    return re.findall(r'data-name="([^"]*)"', (out / PAGE).read_text(encoding="utf-8"))


def test_the_worst_come_first(tmp_path: Path) -> None:
    gallery = Gallery(tmp_path)
    for case, order in (("a", 0.9), ("b", 0.1), ("c", 0.5)):
        gallery.add(card(case, order))
    gallery.write()
    assert names(tmp_path) == ["b", "c", "a"]
    assert list(tmp_path.iterdir()) == [tmp_path / PAGE]


def test_a_page_grows_with_its_folder(tmp_path: Path) -> None:
    first = Gallery(tmp_path)
    first.add(card("a", 0.5))
    first.add(card("b", 0.6))
    first.write()
    again = Gallery(tmp_path)
    again.add(card("c", 0.55))
    again.add(card("b", 0.1, flags=("b is strange",)))
    again.write(["a", "b", "c", "d"])
    assert names(tmp_path) == ["b", "a", "c"]
    page = (tmp_path / PAGE).read_text(encoding="utf-8")
    assert page.count("b is strange") == 1
    assert "outlined without a page: d." in page


def test_what_was_cut_off_is_on_the_page_of_the_next_time(tmp_path: Path) -> None:
    Gallery(tmp_path).add(card("a"))  # and its process dies
    gallery = Gallery(tmp_path)
    gallery.add(card("b"))
    gallery.write()
    assert names(tmp_path) == ["a", "b"]
    assert not (tmp_path / PIECES).exists()


def test_a_scan_that_failed_is_told_until_it_has_been_outlined(tmp_path: Path) -> None:
    gallery = Gallery(tmp_path)
    gallery.add(card("a"))
    gallery.fail("b-->", "scan.nii.gz: <truncated>; copy it again")
    gallery.write()
    page = (tmp_path / PAGE).read_text(encoding="utf-8")
    assert "1 scan could not be outlined" in page
    assert "scan.nii.gz: &lt;truncated&gt;; copy it again" in page
    gallery.add(card("b-->"))
    gallery.write()
    page = (tmp_path / PAGE).read_text(encoding="utf-8")
    assert "could not be outlined" not in page
    assert names(tmp_path) == ["a", "b--&gt;"]


def test_a_mask_that_was_removed_is_not_shown(tmp_path: Path) -> None:
    gallery = Gallery(tmp_path)
    for case in "ab":
        (tmp_path / f"{case}.nii.gz").touch()
        gallery.add(card(case, mask=f"{case}.nii.gz"))
    gallery.write()
    (tmp_path / "a.nii.gz").unlink()
    gallery.write()
    assert names(tmp_path) == ["b"]


def test_without_any_outline_there_is_no_page(tmp_path: Path) -> None:
    gallery = Gallery(tmp_path)
    gallery.fail("a", "truncated")
    gallery.write()
    assert not list(tmp_path.iterdir())


def test_several_write_to_one_page(tmp_path: Path) -> None:
    (tmp_path / "claims").mkdir()

    def work(case: str) -> None:
        gallery = Gallery(tmp_path, tmp_path / "claims" / "page")
        for number in range(5):
            gallery.add(card(f"{case}{number}"))
            gallery.write()

    threads = [Thread(target=work, args=(case,)) for case in "abc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert names(tmp_path) == [f"{case}{number}" for case in "abc" for number in range(5)]


def test_a_card_whose_mask_another_process_is_about_to_save_stays_for_later(
    tmp_path: Path,
) -> None:
    (tmp_path / "claims").mkdir()
    gallery = Gallery(tmp_path, tmp_path / "claims" / "page")
    for case in "ab":
        gallery.add(card(case, mask=f"{case}.nii.gz"))
    for case in "ab":
        (tmp_path / f"{case}.nii.gz").touch()
        gallery.write()
        assert names(tmp_path) == list("ab"[: "ab".index(case) + 1])


def test_a_persons_own_page_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / PAGE).write_text("<p>mine", encoding="utf-8")
    with pytest.raises(CrlnError, match=r"not written by crln predict; move it, or give --no-page"):
        check_own(tmp_path / PAGE, MARK)
    check_own(tmp_path / "other.html", MARK)


def pictured(case: str, order: float, dice: float, side: int, flags: tuple[str, ...] = ()) -> Card:
    """A scan with a cube of one structure and two voxels of another, in red and blue."""
    shape = (24, 20, 10)
    classes = np.zeros(shape, np.uint8)
    classes[4 : 4 + side, 4 : 4 + side, 2:8] = 1
    classes[20:22, 10, 5] = 2
    image = np.random.default_rng(0).normal(size=shape)
    doubt = np.zeros(10)
    doubt[[5, 6]] = 1, 0.5
    cut = Cut.through(Grid(shape, np.eye(4)), classes > 0, (np.zeros(24), np.zeros(20), doubt))
    outlines = [Outlines.exclusive("prediction", cut.sample(classes), 2)]
    slices = SliceStack(cut, stack_data(cut, image, outlines), outlines)
    volume = 6 * side**2 / 1000
    structures = [
        CardRow("a rather long name of a liver", "#ff0000", volume, 9, dice, dice - 0.1, 0.99),
        CardRow("vein", "#0000ff", 0.002, 2, 0.9, 0.8, 0.95),
    ]
    return Card(case, order, structures, slices, flags)


@pytest.fixture
def shown(tmp_path: Path) -> Path:
    """A page of three scans, of which one failed."""
    gallery = Gallery(tmp_path)
    gallery.add(pictured("good", 0.9, 0.93, 8))
    gallery.add(pictured("bad", 0.4, 0.45, 12, ("a rather long name of a liver is in two pieces",)))
    gallery.add(pictured("fair", 0.7, 0.75, 4))
    gallery.fail("lost", f"{'a/long/path/' * 12}scan.nii.gz: truncated; copy it again")
    gallery.write(["older"])
    return tmp_path / PAGE


@pytest.mark.slow
@pytest.mark.parametrize("width", [400, 1200])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_browser_has_nothing_to_complain_of(
    shown: Path, browser: Any, width: int, scheme: Any
) -> None:
    opened = browser.open(shown, width, scheme)
    opened.page.wait_for_function(DRAWN)
    assert opened.faults() == []


DRAWN = "() => document.querySelector('canvas').getAttribute('width') > 100"
ORDER = "() => [...document.querySelectorAll('article:not([hidden]) h2')].map(h => h.textContent)"
PIXELS = """() => {
  const canvas = document.querySelector("canvas");
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  let red = 0, blue = 0;
  for (let i = 0; i < data.length; i += 4) {
    red += data[i] > 200 && data[i + 1] < 60 && data[i + 2] < 60;
    blue += data[i + 2] > 200 && data[i] < 60 && data[i + 1] < 60;
  }
  return [red > 50, blue > 5];
}"""


@pytest.mark.slow
def test_a_slider_goes_through_the_slices_and_keys_through_the_scans(
    shown: Path, browser: Any
) -> None:
    page = browser.open(shown).page
    page.wait_for_function(DRAWN)
    assert page.evaluate(ORDER) == ["bad", "fair", "good"]
    assert page.evaluate(PIXELS) == [True, True]
    seen = page.get_attribute("canvas", "aria-label")
    assert seen == (
        "axial slice 6 of 10: a rather long name of a liver outlined, 0.86 ml; vein outlined, "
        "0.0020 ml"
    )
    page.locator("article input").first.focus()
    page.keyboard.press("ArrowRight")
    assert page.get_attribute("canvas", "aria-label").startswith("axial slice 7 of 10: a rather")
    assert "vein" not in page.get_attribute("canvas", "aria-label")
    assert page.evaluate(PIXELS) == [True, False]
    page.keyboard.press("o")
    assert page.evaluate(PIXELS) == [False, False]
    page.keyboard.press("o")
    page.keyboard.press("j")
    inside = "() => document.activeElement.closest('article').dataset.name"
    assert page.evaluate(inside) == "fair"
    page.keyboard.press("k")
    assert page.evaluate(inside) == "bad"


@pytest.mark.slow
def test_scans_are_sorted_and_filtered_by_class_score_and_remark(shown: Path, browser: Any) -> None:
    page = browser.open(shown).page
    page.select_option("#order", "large")
    assert page.evaluate(ORDER) == ["bad", "good", "fair"]
    page.select_option("#order", "name")
    assert page.evaluate(ORDER) == ["bad", "fair", "good"]
    page.select_option("#which", "80")
    assert page.evaluate(ORDER) == ["bad", "fair"]
    page.select_option("#structure", "vein")
    assert page.evaluate(ORDER) == []
    page.select_option("#structure", "")
    page.select_option("#which", "flagged")
    assert page.evaluate(ORDER) == ["bad"]
    page.select_option("#which", "all")
    page.fill("#find", "two pieces")
    assert page.evaluate(ORDER) == ["bad"]
    assert page.text_content("#count") == "1 of 3 scans"
