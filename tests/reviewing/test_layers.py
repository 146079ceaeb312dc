"""Structures that overlap, each drawn on its own, in a real browser; its files are read."""

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk

from crln.reviewing import begin_project
from crln.reviewing.serving import serving

pytestmark = pytest.mark.slow
WAIT = 60_000
SHAPE = (20, 18, 16)
# Turned by 20 degrees, its first axis runs to the left.
AFFINE = np.array([[-0.94, -0.342, 0, 3], [-0.342, 0.94, 0, 5], [0, 0, 1.2, 7], [0, 0, 0, 1]])


@pytest.fixture
def places(tmp_path, small):
    return begin_project(small.overlapping(tmp_path / "data", SHAPE, AFFINE), say=str)


def _on_disk(places, folder: str, structure: str, case: str) -> np.ndarray:
    """A file's voxels in the order of RAS."""
    (path,) = (places.path / folder / structure).glob(f"{case}.*")
    return np.asarray(nib.load(path).dataobj)[::-1]


def _voxels(*at: list[int]) -> np.ndarray:
    found = np.zeros(SHAPE, np.uint8)
    for voxel in at:
        found[tuple(voxel)] = 1
    return found


def test_two_structures_are_drawn_at_one_place_saved_and_accepted(browser, person, places):
    with serving(places, by="anna") as service:
        project = service.project
        hand = person(browser.open(service.url, 1200))
        hand.open("case_1")

        def click(*voxels: list[int]) -> None:
            for voxel in voxels:
                hand.page.mouse.click(*hand.at(voxel))
            hand.page.wait_for_timeout(50)
            hand.says("saved")

        both, alone, third = [5, 7, 8], [6, 7, 8], [11, 9, 8]
        hand.press("1")
        click(both, alone)
        hand.press("2")
        assert hand.page.locator("#classes .layer").inner_text().startswith("tumour")
        click(both, third)
        hand.press("e")  # of the tumour: the liver stays
        click(alone, third)
        assert np.array_equal(_on_disk(places, "drawings", "liver", "case_1"), _voxels(both, alone))
        assert np.array_equal(_on_disk(places, "drawings", "tumour", "case_1"), _voxels(both))
        hand.press("1")
        click(third)
        for _ in range(2):  # the last one is of the liver, the one before of the tumour
            hand.press("Control+z")
            hand.page.wait_for_timeout(50)
            hand.says("saved")
        assert hand.page.evaluate("review.viewer.layer") == 2
        assert np.array_equal(_on_disk(places, "drawings", "liver", "case_1"), _voxels(both, alone))
        assert np.array_equal(
            _on_disk(places, "drawings", "tumour", "case_1"), _voxels(both, third)
        )

        hand.page.reload()
        hand = person(hand.opened)
        hand.open("case_1")
        shown = hand.page.evaluate(
            "[...review.viewer.layers.numbers].map(([layer, numbers]) => [layer, [...numbers]])"
        )
        for layer, numbers in shown:
            name = project.classes[layer]
            held = np.array(numbers).reshape(SHAPE, order="F") == layer
            assert np.array_equal(held, _on_disk(places, "drawings", name, "case_1") == 1)
        hand.press("a")
        hand.page.wait_for_selector('body[data-ready="case_2"]', timeout=WAIT)
        assert project.state("case_1").state == "accepted"
        for name, expected in (("liver", _voxels(both, alone)), ("tumour", _voxels(both, third))):
            path = places.path / "labels" / name / "case_1.nii.gz"
            assert np.array_equal(_on_disk(places, "labels", name, "case_1"), expected)
            scan = project.case("case_1").images[0]
            assert np.allclose(nib.load(path).affine, nib.load(scan).affine)
            ours, theirs = sitk.ReadImage(path), sitk.ReadImage(scan)
            for what in ("GetOrigin", "GetSpacing", "GetDirection", "GetSize"):
                assert getattr(ours, what)() == getattr(theirs, what)()
        assert hand.opened.faults() == []
        assert hand.page.evaluate("violations") == []
