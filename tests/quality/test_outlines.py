"""What outlines of a training are like, and what is far from them."""

from dataclasses import replace

import numpy as np
import pytest

from crln.labels import LabelSpace
from crln.quality import LabelRanges, Shape, shapes_of

LABELS = LabelSpace((0, 1, 2), ("background", "wall", "cavity"))


def heart(wall: int = 3, shift: int = 0, swapped: bool = False) -> dict[str, Shape | None]:
    """A wall around a cavity in a scan of 24^3."""
    classes = np.zeros((24, 24, 24), np.int8)
    middle = 12 + shift
    outer, inner = slice(middle - 3 - wall, middle + 3 + wall), slice(middle - 3, middle + 3)
    classes[outer, outer, outer] = 2 if swapped else 1
    classes[inner, inner, inner] = 1 if swapped else 2
    return shapes_of(classes, LABELS, (1, 1, 1))


def two(way: tuple[int, int, int], length: int = 8) -> dict[str, Shape | None]:
    """Two bars, the second so far from the first; along X."""
    classes = np.zeros((24, 24, 24), np.int8)
    for k, at in ((1, (8, 8, 8)), (2, tuple(8 + step for step in way))):
        x, y, z = at
        classes[x : x + length, y : y + 2, z : z + 2] = k
    return shapes_of(classes, LABELS, (1, 1, 1))


LABELLED = LabelRanges.of([heart(shift=shift) for shift in (-2, -1, 0, 1)])
APART = LabelRanges.of([two((0, 4, step)) for step in (-1, 0, 0, 1)])
assert LABELLED
assert APART


def test_what_is_like_the_labels_has_no_flag() -> None:
    assert LABELLED.flags(heart(shift=2)) == {}
    assert APART.flags(two((0, 5, 0))) == {}


def test_a_structure_that_every_label_has_is_missing() -> None:
    assert LABELLED.flags({**heart(), "wall": None})["wall"] == (
        "is missing, which every label has",
    )
    some = LabelRanges.of([heart(), heart(), {**heart(), "wall": None}])
    assert some
    assert some.flags({**heart(), "wall": None}) == {}


@pytest.mark.parametrize(("factor", "words"), [
    (2, "is 2 times as large as the largest label"),
    (0.5, "is 0.5 times as large as the smallest label"),
    (1.4, None), (0.7, None),
])  # fmt: skip
def test_a_volume_far_from_all_labels(factor: float, words: str | None) -> None:
    cavity = heart()["cavity"]
    assert cavity
    changed = replace(cavity, volume=cavity.volume * factor, surface=cavity.surface * factor)
    found = LABELLED.flags({**heart(), "cavity": changed})
    assert found == ({"cavity": (words,)} if words else {})


def test_a_volume_that_varies_in_the_labels_may_vary_more() -> None:
    cavity = heart()["cavity"]
    assert cavity
    lesions = LabelRanges.of([{"cavity": replace(cavity, volume=v)} for v in (10, 100, 1000, 1000)])
    assert lesions
    assert lesions.flags({"cavity": replace(cavity, volume=9000)}) == {}
    assert "cavity" in lesions.flags({"cavity": replace(cavity, volume=11_000)})


def test_a_structure_turned_on_its_side_is_long_where_no_label_is() -> None:
    bar = two((0, 4, 0))["wall"]
    assert bar
    turned = replace(bar, extent=(2.0, 8.0, 2.0))
    assert APART.flags({**two((0, 4, 0)), "wall": turned})["wall"] == (
        "is 0.25 times as long along X as the shortest label",
    )


def test_pieces_edge_and_surface_are_told_where_no_label_is_like_that() -> None:
    cavity = heart()["cavity"]
    assert cavity
    odd = replace(cavity, pieces=3, largest=0.7, border=True, surface=cavity.surface * 2)
    assert LABELLED.flags({**heart(), "cavity": odd})["cavity"] == (
        "has a far rougher surface than any label", "is in 3 pieces",
        "touches the edge of the scan, as no label does",
    )  # fmt: skip
    torn = LabelRanges.of([{"cavity": odd}] * 4)
    assert torn
    assert torn.flags({"cavity": odd}) == {}


def test_two_nested_structures_that_changed_places_are_inside_out() -> None:
    found = LABELLED.flags(heart(swapped=True))
    assert "lies around wall, which every label has around it" in found["cavity"]


def test_a_structure_on_the_other_side_of_its_neighbour() -> None:
    found = APART.flags(two((0, -4, 0)))
    assert found["wall"] == ("lies on another side of cavity than in any label",)
    assert found["cavity"] == ("lies on another side of wall than in any label",)


def test_few_labels_tell_only_what_is_missing() -> None:
    few = LabelRanges.of([heart()] * 3)
    assert few
    assert few.flags(two((0, 9, 0), length=2)) == {}
    assert set(few.flags({"wall": None, "cavity": None})) == {"wall", "cavity"}


def test_a_structure_of_no_label_is_strange_where_there_are_enough_labels() -> None:
    none = {**heart(), "cavity": None}
    many, few = LabelRanges.of([none] * 4), LabelRanges.of([none] * 3)
    assert many
    assert few
    assert many.flags(heart())["cavity"] == ("is there, as in no label",)
    assert "cavity" not in few.flags(heart())
    assert many.flags(none) == {}


def test_a_structure_that_nobody_looked_for_is_not_counted() -> None:
    only_wall = {"wall": heart()["wall"]}
    seen = LabelRanges.of([heart(), only_wall])
    assert seen
    assert [seen.structures[name].labels for name in ("wall", "cavity")] == [2, 1]
    assert LabelRanges.of([]) is None


def test_the_record_is_the_same_after_it_was_written() -> None:
    assert LabelRanges.model_validate(LABELLED.model_dump(mode="json")) == LABELLED


def test_members_know_together_what_all_labels_are_like() -> None:
    cases = [heart(wall=2 + i % 3, shift=i % 2) for i in range(5)] + [{**heart(), "wall": None}]
    whole = LabelRanges.of(cases)
    left_out = [LabelRanges.of([c for j, c in enumerate(cases) if j != i]) for i in range(6)]
    together = LabelRanges.together(left_out)
    assert whole
    assert together
    for name, known in whole.structures.items():
        found = together.structures[name]
        for figure in ("volume", "extent", "compactness", "largest", "beside", "border"):
            assert getattr(found, figure) == getattr(known, figure)
        assert (found.present == found.labels) == (known.present == known.labels)
    assert LabelRanges.together([LABELLED, None]) == LABELLED
    assert LabelRanges.together([None]) is None
    assert LabelRanges.together([APART, APART]) == APART


def test_a_structure_of_no_label_stays_unknown_together() -> None:
    nothing = LabelRanges.of([{"wall": None}] * 4)
    assert LabelRanges.together([nothing, nothing]) == nothing
