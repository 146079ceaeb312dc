from pathlib import Path

import numpy as np

from crln.labels import IGNORE, LabelSpace
from crln.planning import Plan
from crln.profiling import stand_ins


def test_they_are_prepared_cases_of_the_plan(tmp_path: Path) -> None:
    plan = Plan(
        patch_size=(16, 32, 16), channels=("a", "b"), intensity=({}, {}),
        labels=LabelSpace((0, 1, 5), ("background", "first", "second")),
    )  # fmt: skip
    cases = stand_ins(plan, tmp_path, 2, labelled=True)
    assert [case.shape for case in cases] == [(24, 48, 24)] * 2
    image, label, _ = cases[0].read((0, 0, 0), cases[0].shape)
    assert image.shape == (2, 24, 48, 24)
    shares = np.bincount(label.ravel(), minlength=3) / label.size
    np.testing.assert_allclose(shares, 1 / 3, atol=0.01)
    assert cases[0].foreground.keys() == {1, 2}
    assert not np.array_equal(image, cases[1].read((0, 0, 0), cases[1].shape)[0])


def test_without_labels(tmp_path: Path) -> None:
    (case,) = stand_ins(Plan(patch_size=(16, 16, 16)), tmp_path, 1, labelled=False)
    assert not case.labelled
    assert (case.read((0, 0, 0), (8, 8, 8))[1] == IGNORE).all()
