import logging
from pathlib import Path

import pytest

from crln.cohort import Case, Cohort, Label, with_names
from crln.imaging.nifti import Nifti

TOLD = {
    "a.nii": {1: "liver", 2: "spleen"},
    "b.nii": {1: "Spleen", 2: "tumour", 3: "liver"},
    "c.nii": {1: "couch"},
}


@pytest.fixture(autouse=True)
def _files_that_name_classes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for name in TOLD:
        Path(name).touch()
    monkeypatch.setattr(Nifti, "names", lambda self, path: TOLD[path.name])


def _cohort(*ids: str, **options: object) -> Cohort:
    cases = tuple(Case(id, (Path(id),), Label(Path(f"{id}.nii"))) for id in ids)
    return Cohort(Path("data"), "yaml", labelled=cases, **options)  # type: ignore[arg-type]


def test_the_first_file_by_name_decides_of_a_class_value_whatever_the_order() -> None:
    names = {1: "liver", 2: "spleen", 4: "tumour"}
    assert with_names(_cohort("b", "a")).class_names == names
    assert with_names(_cohort("a", "b")).class_names == names


def test_a_cohort_that_names_its_classes_keeps_them_and_tells_what_it_leaves_out(
    caplog: pytest.LogCaptureFixture,
) -> None:
    cohort = _cohort("a", "c", class_names={3: "Liver"})
    with caplog.at_level(logging.WARNING, "crln"):
        assert with_names(cohort) is cohort
    assert "spleen (first in a), couch (first in c)" in caplog.text


def test_labels_of_cases_that_are_not_learnt_from_stay_closed() -> None:
    case = Case("gone", (Path("gone"),), Label(Path("gone.nii")))
    cohort = Cohort(Path("data"), "yaml", test=(case,), validation=(case,))
    assert with_names(cohort) is cohort
