"""Intervals and paired tests."""

import math

import numpy as np
import pytest
from scipy import stats

from crln.evaluation import bootstrap_interval, holm, paired_differences


def test_interval_agrees_with_scipys_percentile_bootstrap():
    values = np.random.default_rng(0).gamma(2.0, 1.0, 30)
    theirs = stats.bootstrap(
        (values,), np.mean, n_resamples=20_000, method="percentile", random_state=1
    ).confidence_interval
    assert bootstrap_interval(values) == pytest.approx((theirs.low, theirs.high), abs=0.02)


def test_interval_covers_the_truth_about_as_often_as_it_says():
    generator = np.random.default_rng(0)
    samples = generator.normal(size=(200, 25))
    covered = [lo <= 0 <= hi for lo, hi in (bootstrap_interval(s, resamples=500) for s in samples)]
    assert 0.86 < np.mean(covered) < 0.99


def test_interval_is_the_same_for_the_same_seed_and_leaves_out_the_undefined():
    values = [0.8, 0.9, 0.7, 0.85, 0.75, 0.95]
    assert bootstrap_interval(values) == bootstrap_interval([*values, math.nan])
    assert bootstrap_interval(values, seed=0) == bootstrap_interval(values, seed=0)
    low, high = bootstrap_interval(values)
    narrow = bootstrap_interval(values, level=0.5)
    assert low < narrow[0] < np.mean(values) < narrow[1] < high


@pytest.mark.parametrize("values", [[], [0.5], [0.5, 0.6, 0.7, 0.8, 0.9, math.nan]])
def test_below_six_cases_there_is_no_interval(values):
    assert np.isnan(bootstrap_interval(values)).all()


def test_holm_equals_a_plain_loop():
    p = [0.04, 0.001, math.nan, 0.03, 0.2]
    tested = sorted(x for x in p if not math.isnan(x))
    expected, largest = {}, 0.0
    for rank, x in enumerate(tested):
        largest = max(largest, min(1.0, x * (len(tested) - rank)))
        expected[x] = largest
    corrected = holm(p)
    assert math.isnan(corrected[2])
    assert [c for c in corrected if not math.isnan(c)] == pytest.approx(
        [expected[x] for x in p if not math.isnan(x)]
    )


def test_paired_differences():
    generator = np.random.default_rng(0)
    reference = generator.normal(0.8, 0.05, 20)
    better = reference + generator.normal(0.03, 0.01, 20)
    alike = reference + generator.normal(0, 0.01, 20)
    better[3] = math.nan
    found = paired_differences({"better": better, "alike": alike, "same": reference}, reference)
    assert list(found) == ["better", "alike", "same"]
    gain = found["better"]
    assert (gain.cases, gain.undefined) == (19, 1)
    assert gain.mean == pytest.approx(np.nanmean(better - reference))
    assert gain.low < gain.mean < gain.high
    assert gain.p == pytest.approx(stats.wilcoxon(np.delete(better - reference, 3)).pvalue)
    assert gain.p_holm == pytest.approx(3 * gain.p)
    assert found["alike"].p_holm >= found["alike"].p
    assert (found["same"].mean, found["same"].p) == (0, 1)


def test_a_method_without_a_defined_pair():
    nothing = paired_differences({"m": [math.nan, 0.5]}, [0.5, math.nan])["m"]
    assert (nothing.cases, nothing.undefined) == (0, 2)
    assert math.isnan(nothing.mean)
    assert math.isnan(nothing.p_holm)


def test_below_six_pairs_there_is_no_p_value():
    """With five, the test could not reach 5 % however clear the difference."""
    reference = np.arange(6.0)
    six = paired_differences({"m": reference + 1}, reference)["m"]
    assert six.p == pytest.approx(1 / 32)
    five = paired_differences({"m": reference[:5] + 1}, reference[:5])["m"]
    assert five.mean == 1
    assert np.isnan([five.low, five.high, five.p, five.p_holm]).all()


def test_methods_must_have_the_references_cases():
    with pytest.raises(ValueError, match="1 cases"):
        paired_differences({"m": [0.5]}, [0.5, 0.6])
