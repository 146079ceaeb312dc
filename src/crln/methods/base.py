"""What every way of learning answers, so that the training loop never asks which one it runs."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from crln.augmentation import build_views
from crln.errors import CrlnError
from crln.losses import (
    criteria_of,
    detail_loss,
    fine_axes,
    marginal,
    mark_partial,
    voxel_edges,
    without_partial,
)
from crln.methods.batch import Batch, Step
from crln.methods.drafts import drafted_view
from crln.methods.published import Published
from crln.methods.ramps import Ramped, gaussian_ramp
from crln.networks import Backbone, SegmentationNetwork, build_backbone
from crln.networks.segmentation import over_levels
from crln.planning import Plan
from crln.planning.plan import Section, Triple

if TYPE_CHECKING:
    from crln.methods.beside import DenoisingBeside

__all__ = ["Batch", "Method", "Seen", "SemiSupervised", "Step"]


class Seen(NamedTuple):
    """What a step shows the networks.

    Attributes:
        images: labelled views (B, C, X, Y, Z), at the views' output size.
        target: of these, (B, X, Y, Z), int64: class or IGNORE, or less (`mark_partial`).
        weak: weak views of the unlabelled patches, (B, C, X, Y, Z).
        inside: (B, X, Y, Z), bool: which of their voxels are in the scan.
        generator: on the CPU, of further views and boxes.
    """

    images: Tensor
    target: Tensor
    weak: Tensor
    inside: Tensor
    generator: torch.Generator


class Method(nn.Module):
    """A way of learning: owns its networks, turns batches into losses.

    Args:
        plan: every decision of the training.
        options: of this method, validated.

    Attributes:
        Options: its hyper-parameters; the plan's `options[name]` overrides the defaults.
        uses_unlabelled: False: the stream delivers labelled patches only.
        needs_drafts: True: every scan, labelled or not, is learnt from by its draft, too.
        own_loss: True: labels teach by a loss of the paper; the plan must not ask for another.
        deep: True: labels teach coarser levels too, where the network asks for deep supervision.
        overlapping: True: learns classes that overlap too, as it asks `criteria` what logits mean.
        published: the optimiser and rates of its paper, for who asks for them; None: none known.
    """

    Options: ClassVar[type[Section]] = Section
    uses_unlabelled: bool = True
    needs_drafts: bool = False
    own_loss: ClassVar[bool] = False
    deep: ClassVar[bool] = False
    overlapping: ClassVar[bool] = False
    published: ClassVar[Published | None] = None

    def __init__(self, plan: Plan, options: Section) -> None:
        super().__init__()
        self.plan = plan
        self.options = options
        self.criteria = criteria_of(plan.labels)
        self.views = build_views(plan, self.view_size)
        weights = plan.loss.class_weights
        self._class_weights: Tensor | None
        given = None if weights is None else torch.tensor(weights)
        self.register_buffer("_class_weights", given, persistent=False)
        self._known: Tensor | None = None  # of this step's labelled patches
        self._progress = 1.0  # of the training, at this step; where nothing trains, all of it
        self.beside: DenoisingBeside | None = None  # a task beside the method's own

    @property
    def view_size(self) -> Triple:
        """X, Y, Z of a labelled or weak view."""
        return self.plan.patch_size

    @property
    def read_size(self) -> Triple:
        """Voxels along X, Y, Z that the stream must cut, at least the patch."""
        return self.views.read_size

    def new_backbone(self) -> Backbone:
        """The plan's backbone, newly initialised.

        Raises:
            CrlnError: it asks for deep supervision, and the method has none.
        """
        backbone = build_backbone(self.plan.network, len(self.plan.channels))
        if backbone.deep_supervision and not self.deep:
            raise CrlnError(
                "plan: network.options.deep_supervision: this method teaches the finest level "
                "only; set it false, or choose another method"
            )
        return backbone

    def new_network(self) -> SegmentationNetwork:
        """The plan's backbone with a head; see `new_backbone`."""
        return SegmentationNetwork(self.new_backbone(), self.plan.classes)

    def backbones(self) -> list[Backbone]:
        """The backbones that learn, each whole: not those within another, nor a teacher's."""
        found: list[Backbone] = []
        within: set[nn.Module] = set()
        for module in self.modules():
            if isinstance(module, Backbone) and module not in within:
                within.update(module.modules())
                if any(parameter.requires_grad for parameter in module.parameters()):
                    found.append(module)
        return found

    def labelled_view(
        self, patches: Batch, generator: torch.Generator, views: int = 1
    ) -> tuple[Tensor, Tensor]:
        """Labelled views and their targets, one view after the other of every patch.

        In a target, background of a case that was not searched for every class is below IGNORE
        (`crln.losses.mark_partial`): `supervise` understands it.

        Args:
            patches: labelled ones.
            generator: on the CPU.
            views: of each patch.
        """
        images, labels, _, self._known, _ = patches
        if self._known is not None:
            labels = mark_partial(labels, self._known)
        if views > 1:
            images, labels = torch.cat([images] * views), torch.cat([labels] * views)
        view = self.views.draw("labelled", len(images), images.shape[1], generator)
        return view.images(images), view.labels(labels)

    def weak_view(self, patches: Batch, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """The weak view of unlabelled patches, and which of its voxels are in the scan (bool)."""
        view = self.views.draw("weak", len(patches.images), patches.images.shape[1], generator)
        return view.images(patches.images), view.maps(patches.inside, outside=False)

    def with_drafts(
        self, images: Tensor, target: Tensor, unlabelled: Batch, step: Step
    ) -> tuple[Tensor, Tensor]:
        """Labelled views and targets, and behind them those of drafts, where these may teach."""
        found = drafted_view(self, unlabelled, step)
        if found is None:
            return images, target
        return torch.cat([images, found[0]]), torch.cat([target, found[1]])

    def supervise(self, logits: Tensor | Sequence[Tensor], target: Tensor) -> Tensor:
        """What a label teaches: `plan.loss`.

        Args:
            logits: (B, K, X, Y, Z), or those of several levels, see `over_levels`.
            target: (B, X, Y, Z), as `labelled_view` gives it.
        """
        if not isinstance(logits, Tensor):
            return over_levels(self.supervise, logits, target)
        logits, target = self.marginal(logits, target)
        terms, weights = self.plan.loss.overlap, self._class_weights
        loss = self.criteria.segmentation(logits, target, terms, weights)
        return loss + self.details(logits, target) if self.plan.loss.detail else loss

    def details(self, logits: Tensor, target: Tensor) -> Tensor:
        """What a label teaches of thin parts and surfaces: the plan's terms of detail.

        Args:
            logits: (B, K, X, Y, Z).
            target: (B, X, Y, Z), class or IGNORE (`marginal`).
        """
        shape, spacing, names = target.shape[1:], self.plan.spacing, self.plan.loss.detail
        axes = fine_axes(shape, spacing)
        edges = voxel_edges(shape, self.plan.patch_size, spacing)
        return detail_loss(names, self.criteria, logits, target, axes, edges, self._progress)

    def marginal(self, logits: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """What a loss of the method's own takes in place of a labelled view's logits and target.

        No class is punished where nobody looked for it; the target is class or IGNORE.
        """
        return (logits, target) if self._known is None else marginal(logits, target, self._known)

    def certain(self, target: Tensor) -> Tensor:
        """A labelled view's target, IGNORE where its background may be a class."""
        return target if self._known is None else without_partial(target)

    def prepare(self) -> None:
        """What training alone needs, before anything is written; prediction does without."""

    def losses(self, labelled: Batch, unlabelled: Batch | None, step: Step) -> dict[str, Tensor]:
        """The loss terms of one step; `total` is what is minimised, the others are logged."""
        raise NotImplementedError

    def step_losses(
        self, labelled: Batch, unlabelled: Batch | None, step: Step
    ) -> dict[str, Tensor]:
        """The terms of one step, and those of a task beside them; what the loop minimises."""
        self._progress = step.progress
        losses = self.losses(labelled, unlabelled, step)
        if self.beside is None:
            return losses
        images, inside = self.weak_view(unlabelled or labelled, step.generator("beside", "cpu"))
        return self.beside.added(losses, images, inside, step)

    def update(self, step: Step) -> None:
        """What follows the optimiser's step, such as the teacher's moving average."""

    def predictor(self) -> nn.Module:
        """The network that outlines scans: (B, C, X, Y, Z) -> logits (B, K, X, Y, Z)."""
        raise NotImplementedError


class SemiSupervised(Method):
    """Learns from labels alone for `training.labelled_start` of the steps, then from all patches.

    In the start each labelled patch is seen in two views, so that a step has as many patches as
    later.
    """

    def losses(self, labelled: Batch, unlabelled: Batch | None, step: Step) -> dict[str, Tensor]:
        """The terms of one step; both stages have the same ones, since the log is a table."""
        assert unlabelled is not None
        generator = step.generator("views", "cpu")
        if step.progress >= self.plan.training.labelled_start:
            seen = self.see(labelled, unlabelled, generator)
            images, target = self.with_drafts(seen.images, seen.target, unlabelled, step)
            return self.from_both(seen._replace(images=images, target=target), step)
        images, target = self.labelled_view(labelled, generator, views=2)
        return self.from_labels(*self.with_drafts(images, target, unlabelled, step), step)

    def see(self, labelled: Batch, unlabelled: Batch, generator: torch.Generator) -> Seen:
        """Both views of a step."""
        images, target = self.labelled_view(labelled, generator)
        return Seen(images, target, *self.weak_view(unlabelled, generator), generator)

    def from_labels(self, images: Tensor, target: Tensor, step: Step) -> dict[str, Tensor]:
        """The terms where labels alone teach; those that need unlabelled patches are 0.

        Args:
            images: (2B, C, X, Y, Z), two views of each labelled patch, at the views' output size.
            target: (2B, X, Y, Z), class or IGNORE.
            step: where the training stands.
        """
        raise NotImplementedError

    def from_both(self, seen: Seen, step: Step) -> dict[str, Tensor]:
        """The terms of the paper."""
        raise NotImplementedError

    def weight(self, step: Step) -> float:
        """W of what unlabelled patches teach at this step, of `Ramped` options."""
        assert isinstance(self.options, Ramped)
        return self.options.weight * self.ramp(step, self.options.ramp)

    def ramp(self, step: Step, share: float) -> float:
        """The Gaussian ramp over `share` of the training, 0..1, of what unlabelled patches teach.

        One that would be over before the first of them starts with it, and is as much shorter as
        the rest of the training: at full weight at once, labels are unlearnt (see the decisions in
        docs/explanation).
        """
        start = self.plan.training.labelled_start
        first = 0.0 if share > start else start
        return gaussian_ramp(step.index - first * step.total, share * (1 - first) * step.total)
