from dataclasses import dataclass, field

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from crln.planning import Plan
from crln.seeding import numpy_generator
from crln.training.loop import make_streams
from crln.training.stream import PatchStream
from crln.training.thin import LikelyParts, ThinParts, thin_voxels


@dataclass
class Scan:
    """A stand-in for a prepared case: a ball of class 1 with a twig, and class 2, all thick."""

    labelled: bool = True
    id: str = "scan"
    shape: tuple[int, int, int] = (40, 32, 32)
    drafted: bool = False
    foreground: dict[int, np.ndarray] = field(default_factory=lambda: {1: np.array([[12, 12, 12]])})
    reads: int = 0

    def read(self, start, size):  # type: ignore[no-untyped-def]
        self.reads += 1
        x, y, z = np.indices(size)
        label = np.zeros(size, np.int64)
        label[(x - 12) ** 2 + (y - 12) ** 2 + (z - 12) ** 2 < 64] = 1
        label[18:35, 12, 12] = 1
        label[(x - 12) ** 2 + (y - 12) ** 2 + (z - 26) ** 2 < 16] = 2
        return np.zeros((1, *size), np.float32), label, np.ones(size, bool)


@pytest.fixture
def plan(tiny_plan: Plan) -> Plan:
    return tiny_plan.updated({"spacing": (1.0, 1.0, 1.0)})


def _draws(
    plan: Plan, scan: Scan, foreground: float, thin: float, count: int = 300
) -> list[np.ndarray | None]:
    parts = ThinParts(plan.updated({"training": {"foreground": foreground, "thin": thin}}))
    side = (16, 16, 16)
    stream = PatchStream([scan], side, side, 1, 0, "test", foreground, thin=parts)  # type: ignore[list-item]
    return [stream._centre(scan, numpy_generator(0, n, "test")) for n in range(count)]  # type: ignore[arg-type]


def test_thin_voxels_are_those_of_the_twig(plan: Plan) -> None:
    found = thin_voxels(Scan(), plan)  # type: ignore[arg-type]
    assert list(found) == [1]
    assert (found[1][:, 1:] == 12).all()
    assert set(range(24, 35)) <= set(found[1][:, 0].tolist())
    assert found[1][:, 0].min() > 18
    assert thin_voxels(Scan(labelled=False), plan) == {}  # type: ignore[arg-type]


def test_patches_are_centred_in_the_shares_of_the_plan(plan: Plan) -> None:
    scan = Scan()
    drawn = _draws(plan, scan, 0.25, 0.5)
    shares = [
        np.mean([v is None for v in drawn]),
        np.mean([v is not None and v[0] == 12 for v in drawn]),
        np.mean([v is not None and v[0] > 18 for v in drawn]),
    ]
    assert shares == pytest.approx([0.25, 0.25, 0.5], abs=0.08)
    assert scan.reads == 1  # a label is searched once


def test_without_foreground_or_thin_parts_a_patch_lies_anywhere(plan: Plan) -> None:
    bare = Scan(labelled=False, foreground={})
    assert _draws(plan, bare, 0.5, 0.5, 20) == [None] * 20
    assert _draws(plan, Scan(), 0, 0, 20) == [None] * 20


def test_shares_of_the_same_patches_are_at_most_one(plan: Plan) -> None:
    with pytest.raises(ValidationError, match=r"foreground, 0\.7, and thin, 0\.4, are shares"):
        plan.updated({"training": {"foreground": 0.7, "thin": 0.4}})


def test_an_unlabelled_scan_is_likely_to_be_thin_where_a_labelled_one_is(plan: Plan) -> None:
    """In a scan of twice the size, at twice the place; a class that is thick is all likely."""
    labelled = Scan(foreground={1: np.array([[12, 12, 12]]), 2: np.array([[12, 12, 26]])})
    other = Scan(labelled=False, foreground={}, shape=(80, 64, 64), id="other")
    parts = LikelyParts(ThinParts(plan), [labelled])  # type: ignore[list-item]
    assert list(parts.places) == [1, 2]
    draws = {tuple(parts.draw(other, numpy_generator(0, n, "test"))) for n in range(400)}  # type: ignore[arg-type]
    thin = thin_voxels(labelled, plan)[1]  # type: ignore[arg-type]
    doubled = {tuple(voxel) for voxel in 2 * thin + 1}  # the middle of a voxel
    assert draws == doubled | {(25, 25, 53)}


@pytest.mark.parametrize("likely", [0.0, 0.5])
def test_the_share_of_unlabelled_patches_that_lie_there_is_the_plans(
    plan: Plan, likely: float
) -> None:
    class Learner:
        uses_unlabelled, needs_drafts, read_size = True, False, (16, 16, 16)

    class Machine:
        global_rank, world_size, device = 0, 1, torch.device("cpu")

    Learner.plan = plan.updated({"training": {"likely": likely, "thin": 0.7}})  # type: ignore[attr-defined]
    labelled, other = [Scan()], Scan(labelled=False, foreground={}, id="other")
    ours, theirs = make_streams(Machine(), Learner(), 0, labelled, [other])  # type: ignore[arg-type, list-item]
    draws = {
        stream: [stream._centre(case, numpy_generator(0, n, "test")) for n in range(300)]  # type: ignore[arg-type]
        for stream, case in ((ours, labelled[0]), (theirs, other))
    }
    shares = [np.mean([centre is not None for centre in each]) for each in draws.values()]
    assert shares == pytest.approx([0.7, likely], abs=0.08)
