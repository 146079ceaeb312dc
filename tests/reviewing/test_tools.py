"""The drawing tools, each with a real mouse or its key; what is saved is read from the disk."""

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk
from scipy import ndimage

from crln.reviewing import begin_project
from crln.reviewing.serving import serving

pytestmark = pytest.mark.slow
SHAPE = (24, 20, 12)
SPACING = np.array([1.0, 1.0, 2.5])
# Turned by 20 degrees, its first axis runs to the left, its slices are thick.
AFFINE = np.array([[-0.94, -0.342, 0, 3], [-0.342, 0.94, 0, 5], [0, 0, 2.5, 7], [0, 0, 0, 1]])


@pytest.fixture(scope="module")
def opened(browser, person, small, tmp_path_factory):
    """A person at the page of a scan that is bright (150) where x of RAS is at least 12."""
    root = tmp_path_factory.mktemp("drawn")
    scan = np.full(SHAPE, 50, np.int16)
    scan[:12] = 150
    small.scan(root / "data/images/a.nii.gz", scan, AFFINE)
    with serving(begin_project(root / "data", classes=["liver", "tumour"], say=str)) as service:
        hand = person(browser.open(service.url, 1200))
        hand.project = service.project
        yield hand


@pytest.fixture
def at_work(opened):
    """The same page for every test, with nothing drawn and the tools as they are at first."""
    hand = opened
    hand.press("Escape")
    for id, value in (("unit", "voxels"), ("where", "everywhere"), ("view", "0")):
        hand.page.evaluate(
            "([id, value]) => { const field = document.getElementById(id); field.value = value;"
            " for (const kind of ['input', 'change']) field.dispatchEvent(new Event(kind)); }",
            [id, value],
        )
    hand.page.evaluate(
        "() => { for (const id of ['fill', 'ball']) { const box = document.getElementById(id);"
        " if (box.checked) box.click(); } for (const each of document.querySelectorAll('.menu'))"
        " each.open = false; document.getElementById('size').value = review.viewer.brush.size = 1;"
        " review.viewer.brush.locked.clear(); review.viewer.pen = null; }"
    )
    _begin(hand, np.zeros(SHAPE, np.int32))
    yield hand
    assert hand.opened.faults() == []
    assert hand.page.evaluate("violations") == []


def _begin(hand, values: np.ndarray) -> None:
    """The drawing that a test begins with, in the order of RAS."""
    hand.project.save("a", values[::-1])
    hand.open("a")


def _saved(hand) -> np.ndarray:
    """What two libraries read of the drawing on the disk, in the order of RAS."""
    hand.page.wait_for_timeout(50)
    hand.says("saved")
    state = hand.project.state("a")
    path = hand.project.places.drawing("a", state.drawing)
    scan = hand.project.case("a").images[0]
    image, itk = nib.load(path), sitk.ReadImage(path)
    found = np.asarray(image.dataobj)
    assert np.allclose(image.affine, nib.load(scan).affine)
    assert itk.GetDirection() == sitk.ReadImage(scan).GetDirection()
    assert np.array_equal(sitk.GetArrayFromImage(itk).T, found)
    return found[::-1]


def _pen(first, last, radius: float, plane: int | None = None) -> np.ndarray:
    """Voxels within a radius, in millimetres, of the way from one voxel to another."""
    grid = np.moveaxis(np.indices(SHAPE), 0, -1) * SPACING
    way = np.linspace(first, last, 200) * SPACING
    near = np.min([np.linalg.norm(grid - point, axis=-1) for point in way], axis=0) <= radius + 1e-6
    if plane is not None:
        inside = np.zeros(SHAPE, bool)
        inside[(slice(None),) * plane + (first[plane],)] = True
        near &= inside
    return near


def test_the_pen_is_round_in_its_plane_and_a_ball_in_space_in_voxels_and_in_mm(at_work):
    hand = at_work
    hand.press("1")
    for _ in range(3):
        hand.press("]")  # 7 voxels across
    hand.drag([6, 8, 5], [14, 8, 5])
    expected = np.where(_pen([6, 8, 5], [14, 8, 5], 3.5, plane=2), 1, 0)
    assert np.array_equal(_saved(hand), expected)
    hand.press("2")
    hand.press("p")
    hand.page.mouse.click(*hand.at([17, 13, 6]))
    expected[_pen([17, 13, 6], [17, 13, 6], 3.5)] = 2  # through three thick slices
    assert (expected == 2).any(axis=(0, 1)).sum() == 3
    assert np.array_equal(_saved(hand), expected)
    hand.page.select_option("#unit", "mm")
    hand.page.select_option("#view", "1")  # coronal, where voxels are 1 by 2.5 mm
    for _ in range(2):
        hand.press("]")  # 11 mm across
    hand.press("e")
    hand.page.mouse.click(*hand.at([14, 8, 5]))
    expected[_pen([14, 8, 5], [14, 8, 5], 5.5)] = 0
    assert np.array_equal(_saved(hand), expected)
    hand.press("p")
    hand.press("1")
    hand.drag([6, 15, 2], [6, 15, 8])
    expected[_pen([6, 15, 2], [6, 15, 8], 5.5, plane=1)] = 1
    assert np.array_equal(_saved(hand), expected)


def test_the_pen_keeps_to_values_that_are_given_or_clicked_on(at_work):
    hand = at_work
    hand.press("1")
    for _ in range(3):
        hand.press("]")
    hand.page.click("#limits summary")
    hand.page.select_option("#where", "between")
    hand.page.fill("#low", "100")
    hand.page.fill("#high", "200")
    hand.page.click("#limits summary")
    assert hand.page.locator("#limited").text_content() == "(between)"
    bright = np.indices(SHAPE)[0] >= 12
    hand.page.mouse.click(*hand.at([11, 8, 5]))
    expected = np.where(_pen([11, 8, 5], [11, 8, 5], 3.5, plane=2) & bright, 1, 0)
    assert np.array_equal(_saved(hand), expected)
    hand.press("w")  # like where I click
    hand.press("2")
    hand.drag([9, 14, 5], [14, 14, 5])
    dark = _pen([9, 14, 5], [14, 14, 5], 3.5, plane=2) & ~bright
    expected[dark] = 2
    assert np.array_equal(_saved(hand), expected)


def test_a_class_stays_locked_while_another_channel_of_its_scan_is_shown(at_work):
    hand = at_work
    hand.press("2")
    hand.press("q")
    hand.open("a")  # as the menu of channels does
    assert hand.page.locator("#limited").text_content() == "(1 locked)"
    checked = hand.page.locator("#locks input").evaluate_all("all => all.map(one => one.checked)")
    assert checked == [False, True, False]
    hand.press("q")
    assert hand.page.locator("#limited").text_content() == ""


def test_nothing_is_drawn_over_a_locked_class(at_work):
    hand = at_work
    before = np.zeros(SHAPE, np.int32)
    before[10:14, 6:10, 4:7] = 2
    _begin(hand, before)
    hand.press("2")
    hand.press("q")
    assert hand.page.locator("#limited").text_content() == "(1 locked)"
    hand.press("1")
    for _ in range(3):
        hand.press("]")
    hand.page.mouse.click(*hand.at([10, 8, 5]))
    expected = np.where(_pen([10, 8, 5], [10, 8, 5], 3.5, plane=2) & (before == 0), 1, before)
    assert np.array_equal(_saved(hand), expected)
    hand.press("f")  # around all of it
    hand.drag([4, 2, 5], [20, 2, 5], [20, 16, 5], [4, 16, 5], [4, 2, 5])
    found = _saved(hand)
    assert np.array_equal(found == 2, before == 2)
    assert (found[5:20, 3:16, 5] != 0).all()
    hand.at([12, 8, 5])
    hand.press("Shift+C")
    hand.says("nothing to change")
    hand.press("Control+z")
    assert np.array_equal(_saved(hand), expected)


def _tool(hand, call: str, values: np.ndarray) -> np.ndarray:
    """What a tool of the page makes of a drawing, without the page."""
    numbers = hand.page.evaluate(
        "async ([numbers, call]) => { const tools = await import('./page/tools.js');"
        " const drawn = Uint8Array.from(numbers), shape = " + str(list(values.shape)) + ";"
        f" tools.{call}; return [...drawn]; }}",
        [values.ravel("F").tolist(), call],
    )
    return np.array(numbers).reshape(values.shape, order="F")


def test_what_tools_compute_is_what_scipy_computes(at_work):
    chance = np.random.default_rng(0)
    for density in (0.15, 0.5, 0.8):
        values = np.where(chance.random((9, 8, 7)) < density, 1, 0)
        values[chance.random(values.shape) < 0.05] = 2
        one, corners = values == 1, np.ones((3, 3, 3))
        pieces, count = ndimage.label(one, corners)
        sizes = ndimage.sum_labels(one, pieces, range(1, count + 1))
        largest = _tool(at_work, "keepLargest(drawn, shape, 1)", values)
        assert (largest == 1).sum() == sizes.max()
        assert ndimage.label(largest == 1, corners)[1] == 1
        assert np.array_equal(largest[~one], values[~one])
        filled = _tool(at_work, "fillHoles(drawn, shape, 1)", values)
        expected = ndimage.binary_fill_holes(one) & (values == 0)
        assert np.array_equal(filled, np.where(expected, 1, values))
        for axis in range(3):
            each = [ndimage.binary_fill_holes(plane) for plane in np.moveaxis(one, axis, 0)]
            expected = np.moveaxis(np.array(each), 0, axis) & (values == 0)
            filled = _tool(at_work, f"fillHoles(drawn, shape, 1, {axis})", values)
            assert np.array_equal(filled, np.where(expected, 1, values))
        spacing = [1.0, 1.5, 3.0]
        blurred = ndimage.gaussian_filter(
            one.astype(float), 1 / np.array(spacing), mode="constant", radius=2
        )
        smoothed = _tool(at_work, f"smooth(drawn, shape, 1, {spacing})", values)
        expected = np.where((blurred > 0.5 + 1e-5) & (values == 0), 1, values)
        expected[one & (blurred < 0.5 - 1e-5)] = 0
        assert np.array_equal(smoothed, expected)
        piece = pieces == pieces[tuple(np.argwhere(one)[0])]
        voxel = np.argwhere(one)[0].tolist()
        swapped = _tool(at_work, f"swap(drawn, shape, {voxel}, 2)", values)
        assert np.array_equal(swapped, np.where(piece, 2, values))
        swapped = _tool(at_work, f"swap(drawn, shape, {voxel}, 3, true)", values)
        assert np.array_equal(swapped, np.where(one, 3, values))
        copied = _tool(at_work, "copySlice(drawn, shape, 1, 1, 4, 5)", values)
        expected = values.copy()
        expected[:, 5] = np.where(values[:, 5] == 1, 0, values[:, 5])
        expected[:, 5] = np.where(values[:, 4] == 1, 1, expected[:, 5])
        assert np.array_equal(copied, expected)


def test_each_tool_is_one_step_that_is_saved_and_undone(at_work):
    hand = at_work
    before = np.zeros(SHAPE, np.int32)
    before[4:11, 4:11, 3:8] = 1
    before[7, 7, 5] = 0  # a hole
    before[14, 14, 9] = 1  # a crumb
    before[16:18, 4:6, 3:8] = 2
    _begin(hand, before)
    hand.press("1")

    def undone(found: np.ndarray) -> np.ndarray:
        assert not np.array_equal(found, before)
        hand.press("Control+z")
        assert np.array_equal(_saved(hand), before)
        return found

    hand.press("Shift+H")
    filled = undone(_saved(hand))
    assert np.argwhere(filled != before).tolist() == [[7, 7, 5]]
    hand.press("Shift+J")
    assert np.argwhere(undone(_saved(hand)) != before).tolist() == [[7, 7, 5]]
    hand.press("Shift+L")
    assert np.argwhere(undone(_saved(hand)) != before).tolist() == [[14, 14, 9]]
    hand.press("Shift+S")
    smoothed = undone(_saved(hand))
    assert smoothed[14, 14, 9] == 0
    assert smoothed[7, 7, 5] == 1
    hand.at([16, 4, 5])
    hand.press("Shift+C")
    assert np.array_equal(undone(_saved(hand)), np.where(before == 2, 1, before))
    hand.at([14, 14, 9])
    hand.press("e")
    hand.press("Shift+C")  # the eraser takes the piece away
    assert np.argwhere(undone(_saved(hand)) != before).tolist() == [[14, 14, 9]]
    hand.press("2")
    hand.press("Shift+X")
    assert np.array_equal(undone(_saved(hand)), np.where(before == 1, 2, before))
    hand.press("1")
    hand.at([5, 5, 8])
    hand.press(",")
    expected = before.copy()
    expected[:, :, 8] = np.where(before[:, :, 7] == 1, 1, before[:, :, 8])
    assert np.array_equal(undone(_saved(hand)), expected)
    hand.page.select_option("#view", "2")  # sagittal: the slice above is to the right
    hand.at([3, 5, 5])
    hand.page.click("#tools summary")
    hand.page.click("[data-tool=copyAbove]")
    expected = before.copy()
    expected[3] = np.where(before[4] == 1, 1, before[3])
    assert np.array_equal(undone(_saved(hand)), expected)


def test_a_tool_without_a_class_says_so(at_work):
    at_work.press("d")
    at_work.press("Shift+S")
    at_work.says("choose a class first")
    at_work.press("1")
    at_work.press("Shift+H")
    at_work.says("nothing to change")


def test_marks_of_background_are_seen_and_undone_but_saved_as_background(at_work):
    hand = at_work
    before = np.zeros(SHAPE, np.int32)
    before[4:11, 4:11, 3:8] = 1
    _begin(hand, before)
    hand.press("0")
    hand.page.mouse.click(*hand.at([6, 6, 5]))
    before[6, 6, 5] = 0
    assert np.array_equal(_saved(hand), before)
    shown = np.array(hand.page.evaluate("[...review.viewer.numbers]")).reshape(SHAPE, order="F")
    assert shown[6, 6, 5] == 4  # after background, liver, tumour and unknown
    hand.press("Control+z")
    before[6, 6, 5] = 1
    assert np.array_equal(_saved(hand), before)


def test_slices_between_are_filled_as_one_step_across_the_plane_that_is_looked_at(at_work):
    hand = at_work
    hand.press("1")
    for _ in range(4):
        hand.press("]")
    hand.page.select_option("#view", "1")
    for y in (6, 10):
        hand.page.mouse.click(*hand.at([12, y, 6]))
        drawn = _saved(hand)
    assert drawn.any(axis=(0, 2)).nonzero()[0].tolist() == [6, 10]
    hand.press("i")
    hand.says("saving")
    expected = drawn.copy()
    expected[:, 7:10] = drawn[:, 6:7]
    assert np.array_equal(_saved(hand), expected)
    hand.press("Control+z")
    assert np.array_equal(_saved(hand), drawn)


def test_strokes_grow_to_where_the_scan_changes_as_one_step(at_work):
    hand = at_work
    hand.page.click("#tools summary")
    hand.page.click("[data-tool=grow]")
    hand.says("no class is drawn")
    assert "422" in hand.opened.errors.pop()
    hand.page.click("#tools summary")
    hand.press("1")
    hand.page.select_option("#view", "1")
    hand.drag([15, 10, 1], [15, 10, 10])
    hand.press("0")
    hand.drag([8, 10, 1], [8, 10, 10])
    drawn = _saved(hand)
    assert drawn.any(axis=(1, 2)).nonzero()[0].tolist() == [15]
    hand.press("g")
    for _ in range(100):
        hand.page.wait_for_timeout(50)
        if hand.page.evaluate("review.viewer.strokes.done.length") == 3:
            break
    assert np.array_equal(_saved(hand) == 1, np.indices(SHAPE)[0] >= 12)
    hand.press("Control+z")
    assert np.array_equal(_saved(hand), drawn)
    shown = np.array(hand.page.evaluate("[...review.viewer.numbers]")).reshape(SHAPE, order="F")
    assert (shown[8, 10, 1:11] == 4).all()  # the marks are back too


def test_slices_that_are_done_are_seen_undone_saved_and_accepted_alone(at_work):
    hand, project = at_work, at_work.project
    hand.press("1")
    for slice in (3, 7):
        hand.page.mouse.click(*hand.at([12, 8, slice]))
        _saved(hand)
        hand.press("t")
        _saved(hand)
    assert (project.state("a").slices, project.state("a").axis) == ((3, 7), 2)
    hand.press("Control+z")
    _saved(hand)
    assert project.state("a").slices == (3,)
    hand.press("Control+Shift+z")
    _saved(hand)
    done = hand.page.locator("#done")
    assert done.get_attribute("aria-pressed") == "true"
    hand.press("PageUp")
    assert done.get_attribute("aria-pressed") == "false"
    assert hand.page.locator("#slices").text_content() == "Done: axial 3, 7; only they count."
    hand.page.select_option("#view", "1")
    hand.press("t")
    hand.says("axial slices are done; look at that plane, or choose all")
    hand.page.reload()
    hand.page.wait_for_selector('body[data-listed="1"]')
    hand.page.evaluate("() => { globalThis.violations = []; }")
    hand.open("a")
    assert hand.page.locator("#accept").text_content() == "Accept 2 axial slices A"
    hand.press("a")
    hand.says("accepted")
    assert (project.state("a").state, project.state("a").slices) == ("accepted", (3, 7))
    hand.page.select_option("#filter", "all")
    assert "only 2 slices done" in hand.page.locator('#list [data-id="a"]').text_content()
    hand.press("u")
    hand.says("as it was before")
    hand.page.click("#undone")
    hand.says("sav")
    _saved(hand)
    assert project.state("a").slices is None
    assert hand.page.locator("#accept").text_content() == "Accept A"


def test_a_ring_around_the_mouse_is_as_wide_as_the_pen(at_work):
    hand = at_work
    ring = hand.page.locator("#ring")
    hand.page.mouse.move(*hand.at([12, 8, 5]))
    assert ring.is_hidden()  # only looks
    hand.press("1")
    for _ in range(3):
        hand.press("]")  # 7 voxels of 1 mm across
    hand.page.mouse.move(*hand.at([13, 8, 5]))
    x, y = hand.at([12, 8, 5])
    hand.page.mouse.move(x, y)
    box = ring.bounding_box()
    across = hand.at([19, 8, 5])[0] - x
    assert abs(box["width"] - abs(across)) < 2
    assert abs(box["x"] + box["width"] / 2 - x) < 2
    assert abs(box["y"] + box["height"] / 2 - y) < 2
    hand.press("f")
    hand.page.mouse.move(x + 3, y)
    assert ring.is_hidden()  # a lasso is a line
