"""The page in a real browser, with a real mouse; what it saves is read from the disk."""

import io

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk
from matplotlib.image import imread as read_picture

from crln.jobs import Jobs
from crln.reviewing import begin_project
from crln.reviewing.rounds import Round, RoundProgress
from crln.reviewing.serving import serving

pytestmark = pytest.mark.slow
WAIT = 60_000
SHAPE = (20, 18, 16)
# Turned by 20 degrees, its first axis runs to the left.
AFFINE = np.array([[-0.94, -0.342, 0, 3], [-0.342, 0.94, 0, 5], [0, 0, 1.2, 7], [0, 0, 0, 1]])


@pytest.fixture
def places(tmp_path, small):
    chance = np.random.default_rng(0)
    for name in ("a", "b", "c"):
        scan = chance.integers(0, 200, SHAPE).astype(np.int16)
        small.scan(tmp_path / f"data/images/{name}.nii.gz", scan, AFFINE)
    label = np.zeros(SHAPE, np.uint8)
    label[4:9, 5:9, 6:9], label[10:14, 5:9, 6:9] = 1, 2
    small.scan(tmp_path / "data/labels/a.nii.gz", label, AFFINE)
    return begin_project(tmp_path / "data", say=str)


def _drawn(project, case: str) -> np.ndarray:
    """The drawing on the disk, in the order of RAS: this scan's first axis runs to the left."""
    return project.values(case)[::-1]


def test_a_person_draws_undoes_saves_accepts_and_goes_on(browser, person, places):
    with serving(places, by="anna") as service:
        project = service.project
        hand = person(browser.open(service.url, 1200))
        hand.open("b")
        hand.press("2")
        hand.page.mouse.click(*hand.at([5, 7, 8]))
        hand.says("saved")
        expected = np.zeros(SHAPE, np.int32)
        expected[5, 7, 8] = 2
        assert np.array_equal(_drawn(project, "b"), expected)
        hand.press("Control+z")
        hand.page.wait_for_timeout(50)
        hand.says("saved")
        assert not _drawn(project, "b").any()
        hand.press("Control+Shift+z")
        hand.page.wait_for_timeout(50)
        hand.says("saved")
        assert np.array_equal(_drawn(project, "b"), expected)
        hand.press("1")  # a lasso: what is drawn around is filled
        hand.press("f")
        hand.drag([8, 4, 8], [14, 4, 8], [14, 10, 8], [8, 10, 8], [8, 4, 8])
        hand.page.wait_for_timeout(50)
        hand.says("saved")
        found = _drawn(project, "b")
        assert (found[9:14, 5:10, 8] == 1).all()
        assert not found[:, :, :8].any()
        hand.press("f")
        hand.press("e")
        hand.page.mouse.click(*hand.at([11, 7, 8]))
        hand.page.wait_for_timeout(50)
        hand.says("saved")
        expected = found.copy()
        expected[11, 7, 8] = 0
        assert np.array_equal(_drawn(project, "b"), expected)
        hand.press("a")
        hand.page.wait_for_selector('body[data-ready="c"]', timeout=WAIT)  # the next
        state = project.state("b")
        assert (state.state, state.by) == ("accepted", "anna")
        label, scan = nib.load(places.label("b")), nib.load(project.case("b").images[0])
        assert np.array_equal(np.asarray(label.dataobj)[::-1], expected)
        assert np.allclose(label.affine, scan.affine)
        itk = sitk.ReadImage(places.label("b"))
        assert itk.GetDirection() == sitk.ReadImage(project.case("b").images[0]).GetDirection()
        hand.press("u")
        hand.page.wait_for_selector('body[data-ready="b"]', timeout=WAIT)
        hand.says("as it was before")
        assert project.status("b") == "correcting"
        assert hand.opened.faults() == []
        assert hand.page.evaluate("violations") == []


def test_a_decision_that_could_not_be_taken_back_can_be_later(browser, person, places, small):
    with serving(places) as service:
        project = service.project
        small.mask(project, 1, "b", np.ones(SHAPE, np.int32))
        hand = person(browser.open(service.url, 1200))
        hand.open("b")
        hand.press("s")
        hand.page.wait_for_selector('body[data-ready="c"]', timeout=WAIT)
        hand.page.route("**/undo", lambda route: route.abort())
        hand.press("u")
        hand.says("does not answer")
        hand.page.unroute("**/undo")
        hand.press("u")
        hand.page.wait_for_selector('body[data-ready="b"]', timeout=WAIT)
        assert project.status("b") == "outlined"


def test_what_was_drawn_is_there_after_the_page_is_loaded_anew(browser, person, places):
    with serving(places) as service:
        values = np.zeros(SHAPE, np.int32)
        values[3, 4, 5] = 1
        service.project.save("b", values)
        hand = person(browser.open(service.url + "?case=b", 1200))
        hand.page.wait_for_selector('body[data-ready="b"]', timeout=WAIT)
        numbers = np.array(hand.page.evaluate("[...review.viewer.numbers]"))
        shown = numbers.reshape(SHAPE, order="F")
        assert np.array_equal(shown, values[::-1])
        world = nib.load(service.project.case("b").images[0]).affine @ [3, 4, 5, 1]
        hand.at([SHAPE[0] - 1 - 3, 4, 5])
        told = hand.page.locator("#place").text_content()
        assert told.startswith(", ".join(f"{mm:.1f}" for mm in world[:3]))


def test_of_two_windows_the_second_is_told_and_overwrites_nothing(browser, person, places):
    with serving(places) as service:
        hand = person(browser.open(service.url, 1200))
        hand.open("b")
        other = np.ones(SHAPE, np.int32)
        service.project.save("b", other)  # in another window
        hand.press("2")
        hand.page.mouse.click(*hand.at([5, 7, 8]))
        hand.says("NOT SAVED")
        assert np.array_equal(service.project.values("b"), other)
        assert "another window" in hand.page.locator("#banner").text_content()
        hand.page.click("#banner button")
        hand.page.wait_for_timeout(200)
        hand.page.wait_for_selector('body[data-ready="b"]', timeout=WAIT)
        hand.page.mouse.click(*hand.at([5, 7, 8]))
        hand.says("saved")
        assert _drawn(service.project, "b")[5, 7, 8] == 2


@pytest.mark.parametrize(
    "quickly",
    [
        "for (const _ of 'aa') document.body.dispatchEvent("
        "new KeyboardEvent('keydown', { key: 'a', bubbles: true }))",
        "void review.open.note('odd'), document.getElementById('accept').click()",
    ],
)
def test_what_comes_quickly_goes_one_after_the_other(browser, person, places, small, quickly):
    with serving(places) as service:
        project = service.project
        for case in ("b", "c"):
            small.mask(project, 1, case, np.ones(SHAPE, np.int32))
        hand = person(browser.open(service.url, 1200))
        hand.open("b")
        hand.page.evaluate(f"() => {{ {quickly} }}")
        hand.page.wait_for_selector('body[data-ready="c"]', timeout=WAIT)
        hand.page.wait_for_timeout(300)
        assert [project.status(id) for id in "bc"] == ["accepted", "outlined"]
        assert (project.state("b").note == "odd") == ("odd" in quickly)
        assert hand.page.locator("#banner").is_hidden()


def test_keys_move_wherever_the_mouse_is_and_begin_anew_with_each_case(
    browser, person, places, small
):
    with serving(places) as service:
        for case, worst in (("b", 5), ("c", 9)):
            doubt = ([0], [0], [{worst: 3, worst + 1: 1}.get(k, 0) for k in range(SHAPE[2])])
            small.mask(service.project, 1, case, np.ones(SHAPE, np.int32), doubt=doubt)
        hand = person(browser.open(service.url, 1200))
        for case, worst in (("b", 5), ("c", 9)):
            hand.open(case)
            hand.press("x")
            hand.says(f"slice {worst}")
            for key in "llhkjk":
                hand.press(key)
            told = hand.page.locator("#place").text_content()
            assert told.endswith(f"voxel {SHAPE[0] // 2 + 1}, {SHAPE[1] // 2 + 1}, {worst}")
        hand.press("v")
        assert hand.page.input_value("#view") == "1"
        assert hand.page.evaluate("review.viewer.nv.opts.sliceType") == 1


def test_learn_again_shows_the_new_masks_as_they_come(browser, person, places, small, monkeypatch):
    import crln.reviewing.work as rooms

    def outlined(folder, number) -> None:
        values = np.zeros(SHAPE, np.int32)
        values[4:9, 5:9, 6:9] = 1
        small.mask(service.project, number, "c", values, score={"class 1": 0.31, "class 2": None})
        Round(places, number).tell(RoundProgress(stage="done", outlined=1, to_outline=1))

    monkeypatch.setattr(rooms, "work", outlined)
    monkeypatch.setattr(rooms, "lower_priority", lambda: None)
    with serving(places, jobs=Jobs(here=True)) as service:
        hand = person(browser.open(service.url, 1200))
        hand.page.click("#learn")
        line = hand.page.locator('#list button[data-id="c"]')
        line.filter(has_text="outlined").wait_for(timeout=WAIT)
        assert "likely Dice 31 %" in line.text_content()
        first = hand.page.locator("#list button").first.text_content()
        assert first.startswith("c")  # the worst mask, before what has none
        hand.press("n")
        hand.page.wait_for_selector('body[data-ready="c"]', timeout=WAIT)
        hand.press("a")
        hand.page.wait_for_selector('body[data-ready="b"]', timeout=WAIT)
        assert service.project.state("c").dice == 1.0


def _picture(page) -> np.ndarray:
    page.wait_for_timeout(100)
    return read_picture(io.BytesIO(page.locator("#gl").screenshot()))


def test_a_plane_sent_alone_looks_as_the_whole_drawing_does(browser, person, places):
    """quick.js leans on the insides of NiiVue 0.69: its pictures must be those of NiiVue itself."""
    with serving(places) as service:
        hand = person(browser.open(service.url, 1200))
        hand.open("a")
        hand.press("2")
        for view, first, second in (("0", [5, 7, 8], [12, 10, 8]), ("1", [5, 7, 8], [12, 7, 11]),
                                    ("2", [5, 7, 8], [5, 10, 11])):  # fmt: skip
            hand.page.select_option("#view", view)
            places_on_screen = [hand.at(voxel) for voxel in (first, second)]
            before = _picture(hand.page)
            hand.page.mouse.move(*places_on_screen[0])
            hand.page.mouse.down()
            hand.page.mouse.move(*places_on_screen[1], steps=4)
            during = _picture(hand.page)
            hand.page.evaluate(
                "() => void Object.getPrototypeOf(review.viewer.nv).refreshDrawing"
                ".call(review.viewer.nv, true)"
            )
            whole = _picture(hand.page)
            hand.page.mouse.up()
            assert np.array_equal(during, whole), view
            assert not np.array_equal(before, during)  # something was drawn
            for key in "p]]" if view == "0" else "":  # then a ball, through several slices
                hand.press(key)


def test_without_gradients_all_four_pictures_are_the_same(browser, places):
    with serving(places) as service:
        found = []
        for kept in (True, False):
            opened = browser.open(service.url, 800)
            page = opened.page
            page.wait_for_selector('body[data-listed="1"]', timeout=WAIT)
            page.set_viewport_size({"width": 800, "height": 500})
            if kept:  # as NiiVue has it
                page.evaluate(
                    "() => { const proto = niivue.Niivue.prototype, made = proto.attachToCanvas;"
                    " proto.attachToCanvas = async function (...all) {"
                    " const nv = await made.apply(this, all);"
                    " this.blurShader = new Proxy(this.blurShader, {"
                    " set: () => true }); return nv; }; }"
                )
            page.evaluate("() => void review.show('a')")
            page.wait_for_selector('body[data-ready="a"]', timeout=WAIT)
            found.append(_picture(page))
        assert np.array_equal(*found)
        assert len(np.unique(found[0])) > 20  # not a black picture


def test_on_a_phone_a_case_that_is_chosen_comes_into_sight_and_can_be_decided(browser, places):
    with serving(places) as service:
        page = browser.open(service.url, 400).page
        page.set_viewport_size({"width": 400, "height": 700})
        page.wait_for_selector('body[data-listed="1"]', timeout=WAIT)
        assert page.locator("#accept").is_disabled()
        assert page.locator("#next").is_enabled()
        page.evaluate("() => void document.querySelector('#tour-close').click()")
        page.locator('#list [data-id="c"]').click()  # far below the scan
        page.wait_for_selector('body[data-ready="c"]', timeout=WAIT)
        assert page.locator("#accept").is_enabled()
        assert page.evaluate("document.getElementById('gl').getBoundingClientRect().top") >= 0


@pytest.mark.parametrize("kind", [np.int16, np.uint8, np.float32])
def test_colours_of_a_table_are_those_of_the_shader(browser, person, tmp_path, small, kind):
    scan = np.random.default_rng(0).integers(0, 200, SHAPE).astype(kind)
    small.scan(tmp_path / "data/images/a.nii.gz", scan, AFFINE)
    with serving(begin_project(tmp_path / "data", classes=["x"], say=str)) as service:
        hand = person(browser.open(service.url, 1200))
        hand.open("a")
        hand.page.evaluate("() => { delete review.viewer.nv.refreshLayers; }")  # as NiiVue has it
        found = []
        for low, high in ((0, 200), (50, 120)):
            window = f"() => void review.viewer.window({low}, {high})"
            hand.page.evaluate(window)
            shaded = _picture(hand.page)
            hand.page.evaluate(
                "async () => { const shade = await import('./page/shade.js');"
                " shade.byTable(review.viewer.nv); }"
            )
            hand.page.evaluate(window)
            found.append(_picture(hand.page))
            assert np.abs(shaded - found[-1]).max() < 3 / 255
            hand.page.evaluate("() => { delete review.viewer.nv.refreshLayers; }")
        assert not np.allclose(*found)
        assert len(np.unique(found[0])) > 20


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [400, 1200])
def test_nothing_is_cut_and_nothing_is_asked_for_elsewhere(browser, places, width, scheme):
    with serving(places) as service:
        service.project.write_note("b", "a note that is somewhat longer than the list is wide")
        opened = browser.open(service.url, width, scheme)
        opened.page.wait_for_selector('body[data-listed="1"]', timeout=WAIT)
        opened.page.select_option("#filter", "all")
        assert opened.faults() == []
