"""What a run folder says of itself is typed, numbered and can grow."""

from pathlib import Path

import pytest

from crln.errors import CrlnError
from crln.runs import Change, Facts


def test_facts_come_back_as_they_were(tmp_path: Path) -> None:
    change = Change(step=4, field="training.lr", before=0.003, now=0.001)
    facts = Facts(format=1, method="crln", seed=2, labelled=8, commit="abc", changes=(change,))
    facts.write(tmp_path / "run.yaml")
    assert Facts.read(tmp_path / "run.yaml") == facts


def test_what_a_later_version_adds_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "run.yaml"
    path.write_text("format: 1\nmethod: crln\nseed: 0\nmember: 3\n")
    Facts.read(path).updated(chosen="last").write(path)
    assert "member: 3" in path.read_text()


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (
            "format: 9\nmethod: crln\nseed: 0\ncrln: 7.0\n",
            r"format 9 of a newer crln \(7.0\).*update",
        ),
        ("method: crln\nseed: many\n", "damaged: seed: .*restore the run folder"),
        ("method: crln\n", "damaged: no method and seed"),
        ("[1, 2", r"run.yaml: .*restore the run folder"),
    ],
)
def test_what_is_wrong_with_the_file_is_said(tmp_path: Path, text: str, fault: str) -> None:
    (tmp_path / "run.yaml").write_text(text)
    with pytest.raises(CrlnError, match=fault) as error:
        Facts.read(tmp_path / "run.yaml")
    assert "\n" not in str(error.value)
