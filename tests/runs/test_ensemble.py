"""The folder of an ensemble."""

from pathlib import Path

import pytest

from crln.errors import CrlnError
from crln.planning import Plan
from crln.runs import EnsembleFolder, Member, is_ensemble, open_ensemble, open_run

MEMBERS = (
    Member(folder="member-1", seed=0, left_out=("a",)),
    Member(folder="member-2", seed=1, left_out=("b", "c")),
)


@pytest.fixture
def written(tmp_path: Path) -> EnsembleFolder:
    ensemble = EnsembleFolder(tmp_path / "ensemble", Plan(), "crln", 2, MEMBERS)
    ensemble.path.mkdir()
    ensemble.write()
    return ensemble


def test_what_is_written_is_read(written: EnsembleFolder) -> None:
    assert is_ensemble(written.path)
    assert open_ensemble(written.path) == written
    assert not written.finished


def test_another_folder_is_none(tmp_path: Path) -> None:
    with pytest.raises(CrlnError, match="no ensemble; give the folder that"):
        open_ensemble(tmp_path)


def test_it_is_not_taken_for_a_run(written: EnsembleFolder) -> None:
    with pytest.raises(CrlnError, match="an ensemble, where one run is due"):
        open_run(written.path)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("format: 9\n", "format 9 of a newer crln"),
        ("method: crln\nfolds: 0\nmembers: []\n", "ensemble.yaml: folds"),
        ("[1, 2]\n", "ensemble.yaml"),
    ],
)
def test_a_damaged_record_is_told(written: EnsembleFolder, text: str, told: str) -> None:
    (written.path / "ensemble.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(CrlnError, match=told):
        open_ensemble(written.path)
