"""The unified loss against a plain loop, who teaches whom, and what is told of the classes."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from crln.errors import CrlnError
from crln.methods import Step
from crln.methods.llm_segnet.fusion import TextBackbone
from crln.methods.llm_segnet.text import WIDTH, embeddings
from crln.planning import Plan

LATE = Step(9, 10, 0)
Make = Callable[..., Any]


@pytest.fixture
def atrium(tiny_plan: Plan) -> Plan:
    labels = {"values": [0, 1], "names": ["background", "left atrium"]}
    return tiny_plan.updated({"labels": labels})


def test_the_unified_loss_is_hard_where_the_other_is_sure(make_method: Make) -> None:
    method = make_method("llm_segnet")
    generator = torch.Generator().manual_seed(1)
    logits = torch.randn(1, 3, 4, 4, 4, generator=generator)
    taught = (2 * torch.randn(1, 3, 4, 4, 4, generator=generator)).softmax(1)
    inside = torch.ones(1, 4, 4, 4, dtype=torch.bool)
    inside[:, 0] = False
    costs, kinds = [], set()
    for x, y, z in np.ndindex(4, 4, 4):
        if x == 0:
            continue
        p, q = logits[0, :, x, y, z].softmax(0).tolist(), taught[0, :, x, y, z].tolist()
        sure = max(q) >= method.options.confidence
        kinds.add(sure)
        apart = sum((a - b) ** 2 for a, b in zip(p, q, strict=True))
        costs.append(-np.log(p[int(np.argmax(q))]) if sure else apart)
    assert kinds == {True, False}
    found = method._unified(logits, taught, inside).item()
    assert found == pytest.approx(np.mean(costs), rel=1e-5)


@pytest.mark.slow
def test_each_network_learns_from_the_other_and_through_its_own_loss_alone(
    make_method: Make, make_patches: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    method = make_method("llm_segnet")
    terms: list[torch.Tensor] = []

    def noted(*given: Any) -> torch.Tensor:
        terms.append(type(method)._unified(method, *given))
        return terms[-1]

    monkeypatch.setattr(method, "_unified", noted)
    method.losses(make_patches(method, 1), make_patches(method, 2), LATE)
    assert len(terms) == 2
    for own, term in enumerate(terms):
        method.zero_grad()
        term.backward(retain_graph=True)
        heads = [student.head.weight.grad for student in method.students]
        assert heads[own].abs().sum() > 0
        assert heads[1 - own] is None or heads[1 - own].abs().sum() == 0


def test_text_is_optional(make_method: Make) -> None:
    for student in make_method("llm_segnet", text="none").students:
        assert not isinstance(student.backbone, TextBackbone)


def test_the_classes_of_the_presets_are_told(make_method: Make, atrium: Plan) -> None:
    method = make_method("llm_segnet", atrium, text="classes")
    for student in method.students:
        tokens = student.backbone.fusion.tokens
        assert torch.equal(tokens[1], embeddings()["left atrium"])
        assert not tokens.requires_grad


def test_random_tokens_are_as_long_and_stay(make_method: Make) -> None:
    tokens = make_method("llm_segnet", text="random").students[0].backbone.fusion.tokens
    assert not tokens.requires_grad
    assert tokens.norm(dim=1).tolist() == pytest.approx([1.0] * len(tokens), abs=0.15)


@pytest.mark.slow
def test_own_sentences_are_embedded_for_training_and_kept_for_prediction(
    make_method: Make, make_patches: Make, atrium: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the model, a trained network still outlines."""
    told = {"Left Atrium": "A chamber of the heart."}
    asked: list[list[str]] = []

    def embed(texts: list[str]) -> torch.Tensor:
        asked.append(texts)
        return torch.ones(len(texts), WIDTH)

    monkeypatch.setattr("crln.methods.llm_segnet.method.embed", embed)
    method = make_method("llm_segnet", atrium, text="classes", sentences=told)
    assert asked == []
    method.prepare()
    method.losses(make_patches(method, 1), make_patches(method, 2), LATE)
    assert asked == [["A chamber of the heart."]]
    for student in method.students:
        assert torch.equal(student.backbone.fusion.tokens[1], torch.ones(WIDTH))
    other = make_method("llm_segnet", atrium, text="classes", sentences=told)
    other.load_state_dict(method.state_dict())
    assert torch.equal(other.students[0].backbone.fusion.tokens[1], torch.ones(WIDTH))
    assert len(asked) == 1


def test_sentences_that_nobody_would_hear_are_refused(make_method: Make, atrium: Plan) -> None:
    with pytest.raises(CrlnError, match="heard with text: classes alone"):
        make_method("llm_segnet", atrium, sentences={"left atrium": "A chamber."})
