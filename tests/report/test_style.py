"""Colours: read on light and dark, told apart with any colour vision."""

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from skimage.color import deltaE_ciede2000, rgb2lab

from crln.report.style import class_colour, colours

# Severity 1 of Machado, Oliveira and Fernandes (2009), for linear RGB.
VISIONS = {
    "full": np.eye(3),
    "red-blind": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216],
                  [-0.003882, -0.048116, 1.051998]],
    "green-blind": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413],
                    [-0.011820, 0.042940, 0.968881]],
    "blue-blind": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602],
                   [0.004733, 0.691367, 0.303900]],
}  # fmt: skip


def linear(colour: str) -> np.ndarray:
    rgb = np.array(to_rgb(colour))
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)


def luminance(colour: str) -> float:
    return float(linear(colour) @ [0.2126, 0.7152, 0.0722])


@pytest.mark.parametrize("vision", VISIONS)
def test_eight_classes_are_told_apart(vision: str) -> None:
    seen = np.clip([np.asarray(VISIONS[vision]) @ linear(class_colour(i)) for i in range(8)], 0, 1)
    coded = np.where(seen <= 0.0031308, 12.92 * seen, 1.055 * seen ** (1 / 2.4) - 0.055)
    lab = rgb2lab(coded[None])[0]
    apart = deltaE_ciede2000(lab[:, None], lab[None])[np.triu_indices(8, 1)]
    assert apart.min() > 8  # a difference of 2 is seen side by side


@pytest.mark.parametrize("page", ["#fbfbfa", "#14171b", "#000000"])
def test_every_class_reads_on_a_light_and_on_a_dark_page(page: str) -> None:
    """WCAG 2.2, 1.4.11: a contrast of 3 for what is not text."""
    for index in range(12):
        light, dark = sorted((luminance(page), luminance(class_colour(index))), reverse=True)
        assert (light + 0.05) / (dark + 0.05) > 3, class_colour(index)


def test_the_same_place_has_the_same_colour_everywhere() -> None:
    assert len({class_colour(index) for index in range(12)}) == 12
    assert class_colour(12) == class_colour(0)
    assert list(colours(["a", "b"]).values()) == [class_colour(0), class_colour(1)]
