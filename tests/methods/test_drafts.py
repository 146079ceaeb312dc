import numpy as np
import pytest
import torch
from torch import Tensor, nn

from crln.labels import IGNORE, LabelSpace
from crln.losses import criteria_of
from crln.methods import Step, build_method
from crln.methods.drafts import agreements, believed, drafted_view, worths
from crln.planning import Plan
from crln.planning.plan import DraftsPlan
from crln.testing import make_batch

SHAPE = (6, 7, 8)
CRITERIA = criteria_of(LabelSpace((0, 1, 2), ("background", "a", "b")))
PLAN = DraftsPlan()


def boxes() -> Tensor:
    """Three scans with two structures each, in other places."""
    classes = torch.zeros(3, *SHAPE, dtype=torch.int64)
    classes[0, 1:3, 1:5, 1:6], classes[0, 3:5, 1:5, 1:6] = 1, 2
    classes[1, 2:4, 2:6, 2:7], classes[1, 4:6, 2:6, 2:7] = 1, 2
    classes[2, 3:5, 3:7, 1:4], classes[2, 1:3, 3:7, 1:4] = 1, 2
    return classes


class Judge(nn.Module):
    """Says what it was made to say, as surely as asked; notes how it was asked."""

    def __init__(self, classes: Tensor, sureness: float = 9.0) -> None:
        super().__init__()
        self.norm = nn.BatchNorm3d(1)
        self.logits = sureness * nn.functional.one_hot(classes, 3).movedim(-1, 1).float()

    def forward(self, images: Tensor) -> Tensor:
        assert not self.training
        self.norm(images)
        return self.logits


def plain_dice(guess: np.ndarray, draft: np.ndarray) -> float:
    found = []
    for k in (1, 2):
        ours, theirs = (guess == k) & (draft != IGNORE), draft == k
        if ours.any() or theirs.any():
            found.append(2 * (ours & theirs).sum() / (ours.sum() + theirs.sum()))
    return float(np.mean(found)) if found else 0.0


def believe(drafts: Tensor, judge: Judge, share: float = 1.0) -> Tensor:
    images = torch.randn(len(drafts), 1, *SHAPE, generator=torch.Generator().manual_seed(0))
    noise = torch.Generator().manual_seed(1)
    return believed(drafts, images, judge, CRITERIA, PLAN, share, noise)


def test_agreement_is_the_mean_dice_of_what_either_holds() -> None:
    guesses, drafts = boxes(), boxes().roll(1, 0)
    drafts[0][drafts[0] == 1] = 0
    drafts[1, :3] = IGNORE
    drafts[2] = IGNORE
    found = agreements(guesses, drafts, CRITERIA)
    for i, guess in enumerate(guesses.numpy()):
        for j, draft in enumerate(drafts.numpy()):
            assert float(found[i, j]) == pytest.approx(plain_dice(guess, draft)), (i, j)


def test_worth_is_agreement_beyond_that_with_the_drafts_of_other_scans() -> None:
    agreement = torch.tensor([[0.9, 0.5, 0.6], [0.6, 0.7, 0.4], [0.5, 0.6, 0.5]])
    for i, worth in enumerate(worths(agreement, PLAN).tolist()):
        others = [j for j in range(3) if j != i]
        chance = np.mean([[float(agreement[i, j]), float(agreement[j, i])] for j in others])
        beyond = (float(agreement[i, i]) - chance) / (1 - chance)
        expected = (beyond - PLAN.doubted) / (PLAN.trusted - PLAN.doubted)
        assert worth == pytest.approx(min(max(expected, 0), 1), abs=1e-6)


def test_a_draft_that_the_network_bears_out_teaches() -> None:
    taught = believe(boxes(), Judge(boxes()))
    assert torch.equal(taught, boxes())
    half = believe(boxes(), Judge(boxes()), share=0.5)
    assert float((half != IGNORE).float().mean()) == pytest.approx(0.5, abs=0.1)
    assert torch.equal(half[half != IGNORE], boxes()[half != IGNORE])


@pytest.mark.parametrize("turn", [1, 2])
def test_drafts_of_other_scans_teach_nothing(turn: int) -> None:
    assert believe(boxes().roll(turn, 0), Judge(boxes())).eq(IGNORE).all()


def test_noise_and_nothing_teach_nothing() -> None:
    noise = torch.randint(0, 3, (3, *SHAPE), generator=torch.Generator().manual_seed(2))
    for garbage in (noise, torch.zeros_like(noise), torch.full_like(noise, IGNORE)):
        assert believe(garbage, Judge(boxes())).eq(IGNORE).all()


def test_a_sure_network_overrules_a_voxel_and_an_unsure_one_does_not() -> None:
    drafts = boxes()
    drafts[0, 1, 1, 1:6] = 0
    wrong = drafts != boxes()
    assert believe(drafts, Judge(boxes(), sureness=9.0))[wrong].eq(IGNORE).all()
    assert torch.equal(believe(drafts, Judge(boxes(), sureness=0.5)), drafts)


def test_a_judge_learns_nothing_and_is_left_as_it_was() -> None:
    judge = Judge(boxes())
    judge.norm.eval()
    believe(boxes(), judge)
    assert judge.training
    assert not judge.norm.training
    assert judge.norm.num_batches_tracked == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "index"),
    [
        ("mean_teacher", 0),
        ("crln", 5),
        ("bcp", 5),
        ("tracoco", 5),
        ("diffrect", 5),
        ("crossmatch", 5),
        ("llm_segnet", 5),
        ("sdcl", 5),
        ("ssl_contrastive", 5),
    ],
)
def test_drafts_reach_every_kind_of_method(
    name: str, index: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Believed, they change what is learnt."""
    plan = Plan(
        patch_size=(16, 16, 16), network={"widths": (4, 4, 8, 8, 8), "prototypes": 2},  # type: ignore[arg-type]
        training={"iterations": 10}, options={"tracoco": {"shift": 5}},  # type: ignore[arg-type]
    )  # fmt: skip
    monkeypatch.setattr("crln.methods.drafts.worths", lambda agreement, plan: agreement[0] * 0 + 1)
    totals = []
    for drafted in (False, True):
        torch.manual_seed(0)
        method = build_method(name, plan)
        labelled, unlabelled = make_batch(method, 1), make_batch(method, 2, labelled=False)
        draft = (unlabelled.images[:, 0] > 0.3).long() if drafted else None
        torch.manual_seed(1)
        with torch.no_grad():
            losses = method.losses(labelled, unlabelled._replace(draft=draft), Step(index, 10, 0))
        totals.append(float(losses["total"]))
    assert np.isfinite(totals).all()
    assert totals[0] != totals[1]


def test_drafts_fade() -> None:
    plan = Plan(patch_size=(16, 16, 16), network={"widths": (4, 4, 8, 8, 8)})  # type: ignore[arg-type]
    method = build_method("mean_teacher", plan)
    patches = make_batch(method, 2, labelled=False)
    assert drafted_view(method, patches, Step(0, 10, 0)) is None
    drafted = patches._replace(draft=(patches.images[:, 0] > 0.3).long())
    assert drafted_view(method, drafted, Step(0, 10, 0)) is not None
    assert drafted_view(method, drafted, Step(8, 10, 0)) is None
