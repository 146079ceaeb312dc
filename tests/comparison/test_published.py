import re

import pytest
import yaml

from crln.comparison.published import read_published
from crln.comparison.settings import PAPER_PRESETS
from crln.comparison.variant import parse_variant


@pytest.mark.parametrize("preset", PAPER_PRESETS)
def test_every_row_names_source_and_checkpoint(preset: str) -> None:
    publication = read_published(preset)
    assert publication.dataset
    assert publication.notes
    assert publication.rows
    for row in publication.rows:
        assert len(row.source) > 10
        assert row.checkpoint in {"last", "best on test", "not stated"}
        assert 40 < row.figures["dice"] < 100
        # Dice and Jaccard of one mask determine each other; their means nearly do.
        if "jaccard" in row.figures:
            dice = row.figures["dice"]
            assert row.figures["jaccard"] == pytest.approx(100 * dice / (200 - dice), abs=4)


def test_other_presets_have_none() -> None:
    assert read_published("hippocampus") is None
    assert read_published(None) is None


def test_rows_are_found_by_method_and_options() -> None:
    publication = read_published("la")
    (ours,) = publication.of(parse_variant("crln"), 8)
    assert ours.figures == {"dice": 91.74}
    assert publication.of(parse_variant("crln[positive_weight=0]"), 8) == ()
    assert publication.of(parse_variant("crln"), 9) == ()
    uncertain = publication.of(parse_variant("mean_teacher[uncertainty = true]"), 8)
    assert [row.figures["dice"] for row in uncertain] == [84.25, 85.81]
    assert [row.checkpoint for row in uncertain] == ["last", "last"]
    assert publication.of(parse_variant("mean_teacher"), 8) == ()
    assert publication.of(parse_variant("supervised_all"), 80)[0].figures["dice"] == 91.47


def test_no_row_is_there_twice() -> None:
    for preset in PAPER_PRESETS:
        rows = read_published(preset).rows
        keys = [(r.method, r.labelled, r.source, r.checkpoint) for r in rows]
        assert len(set(keys)) == len(keys)


def test_the_file_is_text_a_person_can_correct() -> None:
    from importlib import resources

    text = (resources.files("crln.comparison") / "published.yaml").read_text()
    assert yaml.safe_load(text)["order"] == ["dice", "jaccard", "hd95", "asd"]
    assert re.match(r"# Published figures", text)
