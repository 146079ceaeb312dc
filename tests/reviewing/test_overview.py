"""What the list of a review says, and in which order."""

from crln.reviewing.overview import line, worst_first


def test_something_odd_comes_before_any_likely_dice_and_what_is_missing_before_that(project, small):
    sound, doubtful, strange = "case_1", "case_2", "case_3"
    score, drawn = {"class 1": 0.9, "class 2": 0.8}, small.drawing(1)
    small.mask(project, 1, sound, drawn, score=score, rank={"class 1": 0.9})
    small.mask(
        project, 1, doubtful, drawn, score={"class 1": 0.3}, rank={"class 1": 0.3, "class 2": 0.4}
    )
    small.mask(
        project, 1, strange, drawn, flags=("class 2 is missing",),
        score={"class 1": 0.95, "class 2": None}, rank={"class 1": 0.95, "class 2": 0.0},
    )  # fmt: skip
    assert worst_first(project) == [strange, doubtful, sound]
    told = line(project, strange, "")
    assert (told["score"], told["rank"]) == (None, 0)
    assert line(project, sound, "")["score"] == 0.8
