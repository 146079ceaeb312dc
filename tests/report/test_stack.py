import base64
import io
from typing import Any

import numpy as np
from PIL import Image

from crln.imaging import Grid
from crln.report.cut import Cut
from crln.report.stack import BYTES, Outlines, describe, stack_data

RAS = np.diag([1.0, 1.0, 1.0, 1.0])


def pixels(address: str) -> np.ndarray:
    """What a browser makes of a data: address."""
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(address.split(",")[1]))))


def test_a_browser_finds_slices_and_outlines_below_each_other() -> None:
    shape = (12, 10, 5)
    classes = np.zeros(shape, np.uint8)
    classes[3:6, 4:8, 1:4] = 2
    image = np.linspace(0, 1, 600).reshape(shape)
    cut = Cut.through(Grid(shape, RAS), classes > 0)
    outlines = Outlines.exclusive("prediction", cut.sample(classes), 2)
    data: Any = stack_data(cut, image, [outlines])
    assert (data["columns"], data["rows"], data["pitch"]) == (12, 10, 16)
    mask = pixels(data["outlines"][0]["mask"]).reshape(5, 10, 12)
    assert np.array_equal(mask, cut.sample(classes))
    assert data["outlines"][0]["classes"] == [[], [0], [1]]
    seen = pixels(data["image"]).reshape(5, 16, 12)[:, :10].astype(float)
    wanted = np.interp(cut.sample(image), np.percentile(image, [1, 99]), [0, 255])
    assert np.abs(seen - wanted).mean() < 6


def test_overlapping_classes_are_drawn_each() -> None:
    combinations = np.array([[[0, 1, 3, 2, -1]]], np.int8)
    outlines = Outlines.overlapping("truth", combinations, 2)
    held = [outlines.classes[value] for value in outlines.pixels[0, 0]]
    assert held == [[], [0], [0, 1], [1], []]
    assert outlines.seen(0) == [0, 1]


def test_what_nobody_knows_is_no_class() -> None:
    outlines = Outlines.exclusive("truth", np.array([[[-1, 0, 1, 2]]], np.int8), 1)
    assert outlines.pixels.tolist() == [[[0, 0, 1, 0]]]


def test_slices_of_noise_are_no_larger_than_a_page_can_bear() -> None:
    shape = (300, 300, 60)
    image = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    cut = Cut.through(Grid(shape, RAS), np.ones(shape, bool))
    data: Any = stack_data(cut, image, [])
    assert len(data["image"]) < 1.4 * BYTES


def test_an_alt_text_says_what_is_seen() -> None:
    shape = (8, 8, 6)
    classes = np.zeros(shape, np.uint8)
    classes[2:5, 2:5, 3] = 1
    cut = Cut.through(Grid(shape, RAS), classes > 0)
    outlines = [Outlines.exclusive("prediction", cut.sample(classes), 2)]
    told = describe(cut, outlines, ["liver", "tumour"], {0: "1.2 ml"})
    assert told == "axial slice 4 of 6: liver outlined, 1.2 ml"
    nothing = [Outlines.exclusive("prediction", 0 * cut.sample(classes), 2)]
    assert describe(cut, nothing, ["liver"], {}) == "axial slice 4 of 6: nothing outlined"
