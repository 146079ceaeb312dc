"""`quality.yaml`: what an ensemble has learnt of its own quality from the cases it left out."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Self

import numpy as np
from pydantic import Field, model_validator

from crln.errors import refuse_newer
from crln.evaluation import Evaluation
from crln.files import checked, read_yaml, to_yaml, write_text
from crln.planning.plan import Section
from crln.quality.estimate import CohortEstimate, contradicted, estimates
from crln.quality.fit import expected, fewest, interval
from crln.quality.score import Score
from crln.quality.signals import Signals

QUALITY = "quality.yaml"
FORMAT = 1
LEVEL = 0.9
"""Share of outlines whose Dice an interval shall hold."""


class Points(Section):
    """One structure in the left-out cases: what its map from signals to Dice is fitted on.

    Attributes:
        dice: of each case's outline.
        signals: of the same outlines, by name.
        cases: ids, in the same order; empty in a model that was shared.
    """

    dice: tuple[float, ...]
    signals: dict[str, tuple[float, ...]]
    cases: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _as_many_of_each(self) -> "Points":
        lengths = {len(values) for values in self.signals.values()}
        if lengths - {len(self.dice)} or len(self.cases) not in (0, len(self.dice)):
            raise ValueError(f"dice, signals and cases must be as many, {len(self.dice)}")
        return self

    def score(self, signals: Signals, level: float) -> Score:
        """The Dice to expect of an outline; the rank alone where the points are too few."""
        names = [name for name in self.signals if name in signals.told]
        if not names or len(self.dice) < fewest(level):
            return Score(rank=signals.rank)
        line = np.array([self.signals[name] for name in names]).T, np.array(self.dice)
        at = np.array([signals.told[name] for name in names])
        dice, (low, high) = expected(*line, at), interval(*line, at, level)
        dice, low, high = (float(np.clip(value, 0, 1)) for value in (dice, low, high))
        return Score(dice, min(low, dice), max(high, dice), signals.rank)


class Quality(Section):
    """`quality.yaml`.

    Attributes:
        format: of the file.
        level: share of outlines whose Dice an interval shall hold.
        structures: by name, the points that its map is fitted on.
        estimate: how good such a training's outlines are, over the left-out cases.
        labels: case id to what is strange about its label, in words.

    Examples:
        >>> dice = tuple(0.80 + 0.01 * i for i in range(10))
        >>> from crln.quality import Points, Signals
        >>> points = Points(dice=dice, signals={"sure": dice})
        >>> quality = crln.Quality(structures={"liver": points})
        >>> score = quality.score("liver", Signals(sure=0.85))
        >>> round(score.dice, 2), score.low < 0.85 < score.high
        (0.85, True)
    """

    format: int = FORMAT
    level: float = Field(default=LEVEL, gt=0, lt=1)
    structures: dict[str, Points] = Field(default_factory=dict)
    estimate: tuple[CohortEstimate, ...] = ()
    labels: dict[str, tuple[str, ...]] = Field(default_factory=dict)

    @classmethod
    def learnt(cls, found: Evaluation, signals: Mapping[str, Mapping[str, Signals]]) -> Self:
        """From left-out cases.

        Args:
            found: their outlines measured.
            signals: case id to those of each structure, by name.
        """
        structures: dict[str, Points] = {}
        labels: dict[str, list[str]] = {}
        for value, name in found.class_names.items():
            dice = found.values("dice", value)
            known = [case for case, figure in dice.items() if not math.isnan(figure)]
            each = [signals[case][name].told for case in known]
            told = set.intersection(*map(set, each)) if each else set()
            structures[name] = Points(
                dice=tuple(round(dice[case], 5) for case in known),
                signals={
                    key: tuple(round(of_case[key], 5) for of_case in each) for key in sorted(told)
                },
                cases=tuple(known),
            )
            for case, figure in contradicted(dice).items():
                median = float(np.median([dice[case] for case in known]))
                labels.setdefault(case, []).append(
                    f"{name}: Dice {figure:.2f} with members that never saw it (median of all "
                    f"cases {median:.2f})"
                )
        return cls(
            structures=structures,
            estimate=estimates(found),
            labels={case: tuple(words) for case, words in labels.items()},
        )

    def score(self, name: str, signals: Signals) -> Score:
        """How good the outline of a structure is likely to be."""
        points = self.structures.get(name)
        return points.score(signals, self.level) if points else Score(rank=signals.rank)

    def flags_of_label(self, case: str, name: str) -> list[str]:
        """What is strange about the label of one structure of a case, in words."""
        return [flag for flag in self.labels.get(case, ()) if flag.startswith(f"{name}: ")]

    def shared(self) -> Self:
        """What may be handed on: without the names of cases."""
        structures = {
            name: points.model_copy(update={"cases": ()})
            for name, points in self.structures.items()
        }
        return self.model_copy(update={"structures": structures, "labels": {}})

    def write(self, folder: Path) -> None:
        """Saves it in an ensemble's folder."""
        write_text(folder / QUALITY, to_yaml(self.model_dump(mode="json")))

    @classmethod
    def read(cls, folder: Path) -> "Quality | None":
        """That of a folder; None where it has none.

        Raises:
            CrlnError: it is damaged, or of a newer version.
        """
        file = folder / QUALITY
        if not file.exists():
            return None
        remedy = "remove it, and let crln train --resume write it again"
        content = read_yaml(file, remedy)
        refuse_newer(file, content, FORMAT)
        return checked(content, cls, file, remedy)
