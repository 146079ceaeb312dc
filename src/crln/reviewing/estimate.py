"""How good a round's model is on labelled cases that it has not learnt."""

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from crln.files import checked, read_yaml, to_yaml, write_text
from crln.quality.estimate import CohortEstimate

ESTIMATE = "estimate.yaml"
_REMEDY = "remove it; the next round writes another"


class RoundEstimate(BaseModel):
    """What the labelled cases tell that a round did not learn.

    Attributes:
        how: "left out", in parts by networks that never saw them; or "validation", the split's own.
        metrics: means over the cases, of each structure and of all.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    how: Literal["left out", "validation"]
    metrics: tuple[CohortEstimate, ...] = ()

    @property
    def dice(self) -> CohortEstimate | None:
        """The mean Dice, over the structures where there are several."""
        found = [each for each in self.metrics if each.metric == "dice"]
        return found[-1] if found else None

    def told(self) -> dict[str, Any] | None:
        """For the page."""
        if (dice := self.dice) is None:
            return None
        return {
            "how": self.how, "mean": dice.mean, "low": dice.low, "high": dice.high,
            "cases": dice.cases,
            "structures": {
                each.structure: each.mean
                for each in self.metrics
                if each.metric == "dice" and each.value is not None
            },
        }  # fmt: skip

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
