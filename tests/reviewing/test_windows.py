"""What is offered as black and white."""

import numpy as np

from crln.reviewing.windows import windows_of


def test_a_ct_is_offered_what_radiologists_look_with():
    voxels = np.linspace(-1000, 1500, 10_001)
    found = {window.name: (window.low, window.high) for window in windows_of(voxels)}
    assert found["lung"] == (-1350, 150)
    assert found["soft tissue"] == (-160, 240)
    assert found["bone"] == (-500, 1300)
    assert found["whole range"] == (-1000, 1500)
    assert found["99 % of the values"] == (-987.5, 1487.5)


def test_a_ct_without_air_is_known_by_its_name_and_an_mr_is_none():
    voxels = np.arange(200.0)
    assert len(windows_of(voxels, "CT")) > 2
    assert len(windows_of(voxels, "T1")) == 2
    assert len(windows_of(voxels / 100 - 1)) == 2  # made to have a mean of zero


def test_a_scan_of_one_value_has_a_window_too():
    assert all(window.low < window.high for window in windows_of(np.full(9, 7)))
