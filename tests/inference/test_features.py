"""The coarsest features, as they are noted."""

import numpy as np
import pytest
import torch

from crln.inference.features import watched
from crln.methods import METHODS, build_method
from crln.planning import Plan


@pytest.mark.parametrize("method", METHODS)
def test_every_method_s_predictor_gives_its_coarsest_features(method: str, tiny_plan: Plan) -> None:
    network = build_method(method, tiny_plan).predictor().eval()
    with torch.no_grad(), watched([network, lambda windows: windows]) as watch:
        for seed in (0, 1):
            network(torch.randn(1, 1, 16, 16, 16, generator=torch.Generator().manual_seed(seed)))
    ours, none = watch.features()
    assert ours is not None
    assert ours.shape == (8,)  # the last of the plan's widths
    assert none is None


def test_the_order_of_windows_does_not_count(tiny_plan: Plan) -> None:
    network = build_method("supervised", tiny_plan).predictor().eval()
    windows = torch.randn(5, 1, 16, 16, 16, generator=torch.Generator().manual_seed(0))
    found = []
    for order in (range(5), reversed(range(5))):
        with torch.no_grad(), watched([network]) as watch:
            for i in order:
                network(windows[i : i + 1])
        found.append(watch.features()[0])
    assert np.array_equal(*found)
    with torch.no_grad(), watched([network]) as later:
        pass
    assert later.features() == [None]
