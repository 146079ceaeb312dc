"""crln predict: what its options ask of the predictor."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from torch import nn

import crln
from crln.inference import Predictor
from crln.labels import LabelSpace
from crln.planning import Plan

CommandLine = Callable[..., Any]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the command line asks for; nothing is outlined."""
    seen: dict[str, Any] = {}
    labels = LabelSpace((0, 1, 2), ("background", "liver", "left kidney"))
    predictor = Predictor(nn.Identity(), Plan(labels=labels))

    def load(run: Path, *_: str, inference: dict[str, Any], **__: Any) -> Predictor:
        seen["inference"] = inference
        return predictor

    def predict(*_: object, **options: Any) -> list[object]:
        seen.update(options)
        return []

    monkeypatch.setattr(crln, "load_predictor", load, raising=False)
    monkeypatch.setattr("crln.inference.predict_files", predict)
    return seen


def test_mirroring_and_overlap_are_laid_over_the_plan(
    asked: dict[str, Any], command_line: CommandLine
) -> None:
    line = ("predict", "run", "scan.nii.gz", "--out", "masks")
    assert command_line(*line).code == 0
    assert asked["inference"] == {}
    assert command_line(*line, "--mirror", "y,x", "--overlap", "0.75").code == 0
    assert asked["inference"] == {"overlap": 0.75, "mirror_axes": (0, 1)}
    assert command_line(*line, "--mirror", "").code == 0
    assert asked["inference"] == {"mirror_axes": ()}
    wrong = command_line(*line, "--mirror", "x,w")
    assert (wrong.code, wrong.err) == (
        2, "error: --mirror x,w: no axis 'w'; give some of x,y,z\n"
    )  # fmt: skip


def test_the_largest_component_of_all_or_of_chosen_classes(
    asked: dict[str, Any], command_line: CommandLine
) -> None:
    line = ("predict", "run", "scan.nii.gz", "--out", "masks")
    for options, expected in [
        ((), False),
        (("--largest-component",), True),
        (
            ("--largest-component-of", "liver", "--largest-component-of", "left kidney"),
            ["liver", "left kidney"],
        ),
    ]:
        assert command_line(*line, *options).code == 0
        assert asked["largest_component"] == expected


def test_a_class_that_the_model_lacks_is_told_before_any_work(
    phantom: Path, tmp_path: Path
) -> None:
    predictor = Predictor(nn.Identity(), Plan())
    with pytest.raises(crln.CrlnError, match=r"'spleen': no such class; the model has foreground"):
        crln.predict_files(predictor, [phantom], tmp_path / "masks", largest_component=["spleen"])
    assert not (tmp_path / "masks").exists()
