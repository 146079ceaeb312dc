import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from crln.imaging import Grid, Volume
from crln.planning.plan import Intensity, Plan
from crln.preparation import Look, Looks, normalise, prepare_image, remarks

WINDOW = Intensity(scheme="window", low=-100, high=200, mean=40, std=50)
CT = Plan(channels=("CT",), intensity=(WINDOW,))
MR = Plan(channels=("T1",))


def scan(array: np.ndarray, spacing: tuple[float, float, float] = (1, 1, 2)) -> Volume:
    return Volume(array[None].astype(np.float32), Grid(array.shape, np.diag([*spacing, 1.0])))


def tissue(seed: int, side: int = 24) -> np.ndarray:
    """Hounsfield units: air around a body."""
    random = np.random.default_rng(seed)
    array = np.full((side,) * 3, -1000.0)
    array[4:-4, 4:-4, 4:-4] = random.normal(40, 40, (side - 8,) * 3)
    return array


def look(volume: Volume, plan: Plan) -> Look:
    return Look.of(volume, prepare_image(volume, plan)[0])


@pytest.fixture(params=[CT, MR], ids=["CT", "MR"])
def plan(request: pytest.FixtureRequest) -> Plan:
    chosen: Plan = request.param
    return chosen


@pytest.fixture
def seen(plan: Plan) -> Looks:
    found = Looks.of([look(scan(tissue(seed)), plan) for seed in range(4)])
    assert found
    return found


def told(volume: Volume, plan: Plan, seen: Looks | None) -> list[str]:
    return remarks(volume, prepare_image(volume, plan)[0], plan, seen)


def test_a_scan_like_the_others_is_not_remarked_on(plan: Plan, seen: Looks) -> None:
    for seed in range(4, 10):
        assert not told(scan(tissue(seed)), plan, seen)
    assert not told(scan(tissue(4) * 1.3, (0.8, 1.2, 2.5)), plan, seen)


@pytest.mark.parametrize(
    ("spacing", "words"),
    [
        ((1, 1, 6), "voxels of 1 x 1 x 6 mm (training: 1 x 1 x 2)"),
        ((0.4, 1, 2), "voxels of 0.4 x 1 x 2 mm"),
    ],
)
def test_another_voxel_size_is_told(
    plan: Plan, seen: Looks, spacing: tuple[float, float, float], words: str
) -> None:
    (first, *_) = told(scan(tissue(5), spacing), plan, seen)
    assert first.startswith(words)


def test_another_size_is_told(plan: Plan, seen: Looks) -> None:
    cut = tissue(5, 60)[:, :, 10:14]
    assert any("a size of 60 x 60 x 8 mm" in line for line in told(scan(cut), plan, seen))


@pytest.mark.parametrize(
    "change",
    [
        lambda hu: (hu - hu.min()) / np.ptp(hu),
        lambda hu: 255 * (hu - hu.min()) / np.ptp(hu),
        lambda hu: hu + 1024,
        lambda hu: 30 * hu,
        lambda hu: np.where(hu == -1000, -1e9, hu),
    ],
    ids=["0..1", "0..255", "+1024", "x30", "padding"],
)
def test_a_ct_that_is_not_in_hounsfield_units_is_told(
    change: Callable[[np.ndarray], np.ndarray],
) -> None:
    seen = Looks.of([look(scan(tissue(seed)), CT) for seed in range(4)])
    (line,) = told(scan(change(tissue(5))), CT, seen)
    assert "CT intensities of" in line
    assert "for a window of -100 to 200: are they Hounsfield units?" in line


@pytest.mark.parametrize(
    "change", [lambda a: a / 1000, lambda a: -a, lambda a: np.where(a == -1000, -1e9, a)]
)
def test_a_picture_of_another_kind_is_told(change: Callable[[np.ndarray], np.ndarray]) -> None:
    seen = Looks.of([look(scan(tissue(seed)), MR) for seed in range(4)])
    (line,) = told(scan(change(tissue(5))), MR, seen)
    assert line.startswith("T1 intensities of")


def test_a_run_folder_that_knows_nothing_tells_of_the_window_alone() -> None:
    few = tissue(5) + 2000
    few[0, 0, :10] = 100
    (line,) = told(scan(few), CT, None)
    assert "of its voxels inside the plan's window of -100 to 200" in line
    assert not told(scan(few, (1, 1, 40)), MR, None)


def test_without_a_scan_nothing_was_seen() -> None:
    assert Looks.of([]) is None


@pytest.mark.parametrize("scheme", ["zscore", "minmax"])
def test_single_voxels_far_beyond_all_others_are_cut_and_told(
    scheme: str, caplog: pytest.LogCaptureFixture
) -> None:
    plan = Plan(intensity=(Intensity.model_validate({"scheme": scheme}),))
    array = np.random.default_rng(0).normal(100, 20, (24, 24, 24))
    expected = prepare_image(scan(array), plan)[0]
    array[3, 3, 3], array[4, 4, 4] = 1e6, -1e8
    with caplog.at_level(logging.WARNING, "crln"):
        image, _ = prepare_image(scan(array), plan, Path("a.nii.gz"))
    assert "a.nii.gz: holds 2 voxels as far out as -1e+08, nearly all others between" in caplog.text
    near = np.abs(image - expected) < 0.05
    assert near.mean() > 0.999


def test_bright_structures_are_not_cut(caplog: pytest.LogCaptureFixture) -> None:
    array = np.random.default_rng(0).normal(100, 5, (24, 24, 24))
    array[:2, :2, :2] = 1500
    with caplog.at_level(logging.WARNING, "crln"):
        prepare_image(scan(array), MR)
    assert not caplog.records


def test_statistics_do_not_overflow() -> None:
    array = np.random.default_rng(0).normal(0, 1, (6, 7, 8)) * 1e25
    scaled = normalise(array.astype(np.float32), Intensity())
    np.testing.assert_allclose(scaled, (array - array.mean()) / array.std(), rtol=1e-4, atol=1e-5)
