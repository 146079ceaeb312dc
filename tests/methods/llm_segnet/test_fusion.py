"""Attention to the classes against a plain loop, and what the algebra says of text."""

import numpy as np
import pytest
import torch

from crln.methods.llm_segnet.fusion import TextBackbone, TextFusion
from crln.methods.llm_segnet.text import WIDTH
from crln.networks import VNet

TOKENS = torch.randn(3, WIDTH, generator=torch.Generator().manual_seed(0))


def fusion(learnt: bool = False) -> TextFusion:
    torch.manual_seed(1)
    return TextFusion(8, TOKENS.clone(), learnt)


@torch.no_grad()
def test_each_voxel_hears_the_classes_that_it_asks_for() -> None:
    made = fusion()
    features = torch.randn(2, 8, 2, 3, 1)
    found = made(features)
    keys = made.keys(TOKENS)
    asked = made.query(features)
    share = float(made.balance.sigmoid())
    assert share == pytest.approx(0.047, abs=0.001)
    for b, x, y, z in np.ndindex(2, 2, 3, 1):
        query, image = asked[b, :, x, y, z], features[b, :, x, y, z]
        heard = sum(w * k for w, k in zip((keys @ query / 8**0.5).softmax(0), keys, strict=True))
        torch.testing.assert_close(found[b, :, x, y, z], (1 - share) * image + share * heard)


@torch.no_grad()
def test_for_one_task_text_is_a_constant() -> None:
    """Learnt tokens that happen to be the text's do all that the text does."""
    features = torch.randn(1, 8, 2, 2, 2)
    torch.testing.assert_close(fusion()(features), fusion(learnt=True)(features))
    # One token is heard alike everywhere, whatever is asked: a bias.
    torch.manual_seed(1)
    one = TextFusion(8, TOKENS[:1].clone(), False)
    share = one.balance.sigmoid()
    heard = one(features) - (1 - share) * features
    assert heard.flatten(2).std(2).max() < 1e-6


def test_learnt_tokens_learn_and_others_stay() -> None:
    features = torch.randn(1, 8, 2, 2, 2)
    free = fusion(learnt=True)
    free(features).square().sum().backward()
    assert free.tokens.grad is not None
    assert free.tokens.grad.abs().sum() > 0
    assert not fusion().tokens.requires_grad
    assert "tokens" in fusion().state_dict()


def test_any_patch_is_taken() -> None:
    backbone = TextBackbone(VNet(1, (4, 4, 8)), TextFusion(8, TOKENS, False)).eval()
    for size in ((8, 8, 8), (12, 4, 20)):
        finest = backbone(torch.randn(1, 1, *size))[0]
        assert finest.shape == (1, 4, *size)
