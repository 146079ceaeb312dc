"""Where networks disagree, and what CRLN's relation map has changed."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from crln.imaging import Grid, Volume
from crln.inference import Predictor
from crln.inference.maps import Maps
from crln.inference.mean import Members
from crln.labels import LabelSpace
from crln.methods import build_method
from crln.planning import Plan

SIDES = (16, 16, 16)


class Above(nn.Module):
    """Decides for the structure where the image is above a bound."""

    def __init__(self, bound: float) -> None:
        super().__init__()
        self.bound = bound

    def forward(self, images: Tensor) -> Tensor:
        logits = 50 * (images - self.bound)
        return torch.cat([-logits, logits], 1)


class Lowered(Above):
    """Has a last step that decides for more."""

    def forward(self, images: Tensor) -> Tensor:
        return self.with_plain(images)[0]

    def with_plain(self, images: Tensor) -> tuple[Tensor, Tensor]:
        plain = super().forward(images)
        return plain + torch.tensor([-20.0, 20.0]).view(1, 2, 1, 1, 1), plain


def _plan() -> Plan:
    labels = LabelSpace((0, 1), ("background", "one"))
    return Plan(labels=labels, patch_size=SIDES, intensity=({"scheme": "none"},))


def _scan(shape: tuple[int, int, int] = SIDES) -> Volume:
    voxels = np.random.default_rng(0).uniform(-1, 1, (1, *shape)).astype(np.float32)
    return Volume(voxels, Grid(shape, np.diag([-1.0, 1, 1, 1])))


def test_networks_disagree_where_a_share_of_their_pairs_decides_otherwise() -> None:
    bounds, scan, plan = (-0.3, 0.1, 0.5), _scan(), _plan()
    network = Members([Above(bound) for bound in bounds], plan.labels)
    found = Predictor(network, plan).predict(scan, maps=True)
    above = [scan.array[0] > bound for bound in bounds]
    pairs = [(0, 1), (0, 2), (1, 2)]
    expected = sum((above[i] != above[j]).astype(float) for i, j in pairs) / 3
    assert set(found.maps) == {"disagreement"}
    np.testing.assert_allclose(found.maps["disagreement"], expected, atol=1e-3)
    assert set(np.unique(expected)) == {0, 2 / 3}


def test_what_the_last_step_of_a_network_changed_is_told_and_the_outline_is_the_same() -> None:
    scan, plan = _scan((16, 20, 18)), _plan()
    predictor = Predictor(Lowered(0.5), plan)
    found, without = predictor.predict(scan, maps=True), predictor.predict(scan)
    expected = (scan.array[0] > 0.5 - 0.4) & (scan.array[0] <= 0.5)
    assert set(found.maps) == {"rectified"}
    assert np.array_equal(found.maps["rectified"] > 0.5, expected)
    assert np.array_equal(found.mask, without.mask)
    assert without.maps == {}


def test_of_several_rectified_networks_their_mean_is_compared() -> None:
    plan, scan = _plan(), _scan()
    network = Members([Lowered(0.5), Lowered(0.5)], plan.labels)
    found = Predictor(network, plan).predict(scan, maps=True)
    assert list(found.maps) == ["disagreement", "rectified"]
    assert not found.maps["disagreement"].any()
    assert found.maps["rectified"].any()


def test_one_network_without_such_a_step_can_tell_nothing() -> None:
    assert Maps(Above(0), _plan().labels).names == ()
    assert Predictor(Above(0), _plan()).predict(_scan(), maps=True).maps == {}


@pytest.mark.slow
def test_crln_tells_where_its_relation_map_changes_the_decision() -> None:
    torch.manual_seed(0)
    plan = _plan().updated({"network": {"widths": [4, 4, 8, 8, 8]}})
    network = build_method("crln", plan).predictor().eval()
    with torch.no_grad():
        network.rectifier.fill_(-30.0)  # so that M counts
        found = Predictor(network, plan).predict(scan := _scan(), maps=True)
        leftwards = scan.array[:, ::-1].copy()  # the first axis runs to the left
        image = torch.from_numpy(leftwards)[None]
        final, plain = network.with_plain(image)
        assert torch.equal(final, network(image))
    changed = (final.argmax(1) != plain.argmax(1))[0].numpy()[::-1]
    assert changed.any()
    assert np.mean((found.maps["rectified"] > 0.5) == changed) > 0.999  # it is computed otherwise
