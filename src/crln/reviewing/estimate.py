"""How good a round's model is on labelled cases that it has not learnt."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import BaseModel, ConfigDict

from crln.files import checked, read_yaml, to_yaml, write_text

if TYPE_CHECKING:
    from crln.evaluation import Evaluation

ESTIMATE = "estimate.yaml"
_REMEDY = "remove it; the next round writes another"


class MeanDice(BaseModel):
    """Of one structure, or the mean over all.

    Attributes:
        mean: over cases.
        low: lower end of the 95 % interval of the mean; None of fewer than six cases.
        high: upper end of it.
        cases: that were measured.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    mean: float
    low: float | None = None
    high: float | None = None
    cases: int


class RoundEstimate(BaseModel):
    """What the labelled cases tell that a round did not learn.

    Attributes:
        how: "left out", in parts by networks that never saw them; or "validation", the split's own.
        dice: the mean over the structures; None where nothing could be measured.
        structures: of each, by its name.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    how: Literal["left out", "validation"]
    dice: MeanDice | None = None
    structures: dict[str, MeanDice] = {}

    @classmethod
    def of(cls, found: "Evaluation", how: Literal["left out", "validation"]) -> Self:
        """From measured cases."""
        from crln.quality.estimate import estimates

        every = [each for each in estimates(found) if each.metric == "dice"]
        told = {
            each.structure: MeanDice(
                mean=each.mean, low=each.low, high=each.high, cases=each.cases
            )
            for each in every
        }  # fmt: skip
        if not every:
            return cls(how=how)
        whole = every[-1].structure  # the mean, or the only one
        structures = {each.structure: told[each.structure] for each in every if each.value}
        return cls(how=how, dice=told[whole], structures=structures)

    def told(self) -> dict[str, Any]:
        """For the page."""
        return self.model_dump(mode="json")

    def write(self, folder: Path) -> None:
        """Saves it in the folder of a round."""
        write_text(folder / ESTIMATE, to_yaml(self.model_dump(mode="json")))

    @classmethod
    def read(cls, folder: Path) -> "RoundEstimate | None":
        """That of a round; None where nothing was measured.

        Raises:
            CrlnError: the file is damaged.
        """
        path = folder / ESTIMATE
        if not path.exists():
            return None
        return checked(read_yaml(path, _REMEDY), cls, path, _REMEDY)
