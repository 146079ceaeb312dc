from dataclasses import dataclass, field, replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch

from crln.cohort import Label, load_cohort
from crln.labels import IGNORE
from crln.planning import Plan
from crln.preparation import prepare_cohort
from crln.training.stream import PatchStream


@dataclass
class Ramp:
    """A stand-in for a prepared case: each voxel holds its own coordinates' code."""

    id: str
    shape: tuple[int, int, int]
    foreground: dict[int, np.ndarray] = field(default_factory=dict)
    reads: list[tuple[int, int, int]] = field(default_factory=list)
    known: tuple[bool, ...] | None = None
    drafted: bool = False
    known_voxels: np.ndarray | None = None

    def read(self, start, size):  # type: ignore[no-untyped-def]
        self.reads.append(start)
        return np.zeros((1, *size), np.float32), np.zeros(size, np.int64), np.ones(size, bool)


def stream(cases: list[Ramp], **changes: object) -> PatchStream:
    settings: dict[str, object] = {
        "patch": (16, 16, 16), "read": (20, 20, 16), "count": 2, "seed": 0, "purpose": "test",
    }  # fmt: skip
    return PatchStream(cases, **(settings | changes))  # type: ignore[arg-type]


def test_every_case_is_seen_once_before_any_is_seen_twice() -> None:
    cases = [Ramp(str(i), (32, 32, 32)) for i in range(5)]
    patches = stream(cases)
    seen = [case for step in range(5) for case in patches.cases_of(step)]
    assert sorted(seen[:5]) == sorted(seen[5:]) == ["0", "1", "2", "3", "4"]
    assert seen[:5] != seen[5:]


def test_a_step_is_the_same_whenever_it_is_asked_for() -> None:
    cases = [Ramp(str(i), (32, 40, 24)) for i in range(3)]
    first = stream(cases)
    for step in range(6):
        first.cut(step)
    there = {case.id: list(case.reads) for case in cases}
    for case in cases:
        case.reads.clear()
    ahead = list(stream(cases).ahead(0, 6))
    assert len(ahead) == 6
    assert there == {case.id: case.reads for case in cases}


def test_processes_share_a_step_between_them() -> None:
    """No two of them cut the same patch; together they cut those of one process."""

    def cut(steps: int, **share: int) -> list[tuple[str, tuple[int, int, int]]]:
        cases = [Ramp(str(i), (64, 64, 64)) for i in range(7)]
        patches = stream(cases, count=4, **share)
        for step in range(steps):
            patches.cut(step)
        return [(case.id, start) for case in cases for start in case.reads]

    whole = cut(5)
    first, second = (cut(5, rank=rank, world=2) for rank in range(2))
    assert len(first) == len(second) == 10
    assert len(set(whole)) == 20
    assert sorted(first + second) == sorted(whole)


def test_positions_cover_all_of_the_scan_and_no_more() -> None:
    case = Ramp("a", (20, 16, 12))
    patches = stream([case], read=(16, 16, 16))
    for step in range(400):
        patches.cut(step)
    starts = np.array(case.reads)
    assert set(starts[:, 0]) == set(range(5))
    assert set(starts[:, 1]) == {0}
    assert set(starts[:, 2]) == set(range(-4, 1))
    counts = np.bincount(starts[:, 0])
    assert ((counts - 160) ** 2 / 160).sum() < 18.5  # chi-square, 4 degrees, p > 0.001


def test_the_margin_lies_on_both_sides_of_the_patch() -> None:
    case = Ramp("a", (16, 16, 16))
    stream([case], read=(24, 20, 16)).cut(0)
    assert case.reads == [(-4, -2, 0)] * 2


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_foreground_patches_hold_a_foreground_voxel(share: float) -> None:
    voxel = np.array([[60, 5, 30]])
    case = Ramp("a", (64, 64, 64), {1: voxel})
    patches = stream([case], read=(16, 16, 16), foreground=share)
    for step in range(20):
        patches.cut(step)
    starts = np.array(case.reads)
    inside = ((starts <= voxel) & (voxel < starts + 16)).all(1)
    assert inside.all() == (share == 1.0)


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="threads are counted in /proc")
def test_reading_ahead_takes_one_thread() -> None:
    """No team of OpenMP threads is left behind, large as the patches are."""

    def threads() -> set[str]:
        return {task.name for task in Path("/proc/self/task").iterdir()}

    usual = torch.get_num_threads()
    torch.set_num_threads(2)  # a team is more than its first thread
    torch.rand(64, 64, 64).clone()  # the main thread has its team by now
    sides = (64, 64, 64)
    before = threads()
    ahead = stream([Ramp("a", sides)], patch=sides, read=sides).ahead(0, 3)
    try:
        next(ahead)
        assert len(threads() - before) == 1
    finally:
        ahead.close()
        torch.set_num_threads(usual)


def test_cuts_are_channels_last() -> None:
    batch = stream([Ramp("a", (32, 32, 32))]).cut(0)
    assert batch.images.is_contiguous(memory_format=torch.channels_last_3d)


def test_what_nobody_outlined_is_inside_and_of_no_class(
    phantom: Path, tiny_plan: Plan, tmp_path: Path
) -> None:
    """From the label file to the batch: every second plane of it says that nobody knows."""
    case = load_cohort(phantom).labelled[0]
    assert case.label is not None
    image = nib.load(case.label.path)
    voxels = np.asarray(image.dataobj).copy()
    voxels[:, :, ::2] = 9
    nib.save(nib.Nifti1Image(voxels, image.affine, image.header), tmp_path / "sparse.nii.gz")
    sparse = replace(case, label=Label(tmp_path / "sparse.nii.gz"))
    plan = tiny_plan.updated({"labels": {"ignore": 9}, "spacing": None})
    side = tiny_plan.patch_size
    whole, drawn = (
        PatchStream(prepare_cohort([each], plan), side, side, 1, 0, "test").cut(0)
        for each in (case, sparse)
    )
    assert torch.equal(whole.images, drawn.images)
    assert torch.equal(whole.inside, drawn.inside)
    unknown = (drawn.labels == IGNORE) & drawn.inside
    assert unknown.sum() == pytest.approx(0.5 * drawn.inside.sum().item(), rel=0.1)
    assert torch.equal(drawn.labels[~unknown], whole.labels[~unknown])


def test_every_patch_of_a_sparse_case_holds_a_voxel_that_somebody_knows() -> None:
    """One corner and one voxel at the other end of a long scan."""
    known = np.array([[0, 0, 0], [3, 90, 17]])
    case = Ramp("a", (24, 96, 20), known_voxels=known)
    patches = stream([case], read=(16, 16, 16))
    held = set()
    for step in range(30):
        patches.cut(step)
    for start in np.array(case.reads):
        inside = ((known >= start) & (known < start + 16)).all(1)
        assert inside.any()
        assert (start >= 0).all()
        assert (start + 16 <= case.shape).all()
        held |= set(np.flatnonzero(inside).tolist())
    assert held == {0, 1}
    assert len(set(case.reads)) > 10


def test_a_batch_says_which_classes_were_looked_for() -> None:
    cases = [Ramp("a", (16, 16, 16)), Ramp("b", (16, 16, 16), known=(True, False, True))]
    patches = stream(cases)
    batch = patches.cut(0)
    assert batch.known is not None
    expected = {"a": [True] * 3, "b": [True, False, True]}
    assert batch.known.tolist() == [expected[case] for case in patches.cases_of(0)]
    assert stream(cases[:1]).cut(0).known is None


def test_drafts_travel_with_unlabelled_patches_and_are_no_labels(
    phantom: Path, tiny_plan: Plan
) -> None:
    """From the file to the batch; of a tool that looked for one class, background is open."""
    cohort = load_cohort(phantom)
    first, second, _ = cohort.labelled
    bare = cohort.unlabelled[0]
    assert first.label
    assert second.label
    cases = [
        replace(first, label=None, draft=replace(first.label, kind="draft")),
        replace(second, label=None, draft=Label(second.label.path, (2,), "draft")),
        bare,
    ]
    side = tiny_plan.patch_size
    patches = PatchStream(prepare_cohort(cases, tiny_plan), side, side, 3, 0, "test")
    whole = PatchStream(prepare_cohort([first, second, bare], tiny_plan), side, side, 3, 0, "test")
    batch, expected = patches.cut(0), whole.cut(0).labels
    assert torch.equal(batch.labels, torch.full_like(batch.labels, IGNORE))
    assert batch.draft is not None
    assert batch.known is None
    for draft, label, case in zip(batch.draft, expected, patches.cases_of(0), strict=True):
        if case == second.id:
            label = torch.where(label == 2, 2, IGNORE)
        assert torch.equal(draft, label)
    assert stream([Ramp("a", (16, 16, 16))]).cut(0).draft is None
