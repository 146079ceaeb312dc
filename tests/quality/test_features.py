"""How far a scan lies from those of the training."""

import numpy as np

from crln.quality import Features


def scans(count: int, seed: int = 0) -> list[np.ndarray]:
    return list(np.random.default_rng(seed).normal(5, [1, 2, 3, 4], (count, 4)))


def test_distance_is_in_standard_deviations_of_the_training_scans() -> None:
    every = scans(12)
    known = Features.of(every)
    assert known
    mean, spread = np.mean(every, 0), np.std(every, 0)
    assert known.distance(mean) < 1e-3
    np.testing.assert_allclose(known.distance(mean + 3 * spread), 3, rtol=1e-3)
    assert not any(known.far(scan) for scan in every)
    assert known.far(mean + 100 * spread)


def test_the_reach_is_that_of_each_scan_from_the_others() -> None:
    every = scans(6)
    known = Features.of(every)
    assert known
    apart = []
    for i, scan in enumerate(every):
        rest = np.array([other for j, other in enumerate(every) if j != i])
        apart.append(np.sqrt(np.mean(((scan - rest.mean(0)) / rest.std(0)) ** 2)))
    np.testing.assert_allclose(known.reach, max(apart), rtol=1e-3)


def test_few_scans_tell_nothing() -> None:
    assert Features.of(scans(4)) is None


def test_channels_that_never_vary_do_not_decide() -> None:
    known = Features.of([np.array([1.0, 2.0 + i]) for i in range(6)])
    assert known
    assert np.isfinite(known.distance(np.array([1.0, 4.0])))
    assert Features.of([np.ones(3)] * 6) is not None
