"""Learning from the labelled scans alone: the lower bound, and with all labels the upper one.

With `drafts`, from another model's outlines of all scans, too: what an ensemble knows, in one
network (Hinton et al., 2015, with masks in the place of soft targets).
"""

from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn

from crln.labels import IGNORE
from crln.methods.base import Batch, Method, Step
from crln.methods.published import Published
from crln.methods.totals import weighted
from crln.planning import Plan
from crln.planning.plan import Section


class Supervised(Method):
    """Cross-entropy and soft Dice on labelled patches; where asked for, on drafts as well.

    L = seg(f(x), y), or seg(f(x), y) + w seg(f(u), d) with patches u of all scans and their drafts
    d, in the same views as labelled ones, all the training long.
    """

    class Options(Section):
        """None is needed without drafts."""

        drafts: float = Field(
            default=0.0,
            ge=0,
            description=(
                "w, weight of what drafts of all scans teach, as labels do and for the whole "
                "training; 0: labels alone. 1 with `--distil`"
            ),
        )

    options: Options
    uses_unlabelled = False
    deep = True
    overlapping = True
    published: ClassVar[Published] = Published(
        6000, 0.01, "step", "the labelled-only V-Net of UA-MT's code, the field's lower bound"
    )

    def __init__(self, plan: Plan, options: Section) -> None:
        super().__init__(plan, options)
        self.student = self.new_network()
        self.uses_unlabelled = self.needs_drafts = self.options.drafts > 0

    def losses(self, labelled: Batch, unlabelled: Batch | None, step: Step) -> dict[str, Tensor]:
        """seg(f(x), y), and of drafts."""
        generator = step.generator("views", "cpu")
        images, target = self.labelled_view(labelled, generator)
        if unlabelled is None:
            return {"total": self.supervise(self.student.every(images), target)}
        more, drafts = self._drafted(unlabelled, generator)
        levels, known = self.student.every(torch.cat([images, more])), len(images)
        supervised = self.supervise([z[:known] for z in levels], target)
        distilled = self.supervise([z[known:] for z in levels], drafts)
        return weighted(supervised, self.options.drafts, distilled=distilled)

    def _drafted(self, patches: Batch, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Views of patches as labelled ones have them, and of their drafts."""
        images, drafts = patches.images, patches.draft
        if drafts is None:
            drafts = torch.full_like(patches.labels, IGNORE)
        view = self.views.draw("labelled", len(images), images.shape[1], generator)
        return view.images(images), view.labels(drafts)

    def predictor(self) -> nn.Module:
        """The trained network."""
        return self.student
