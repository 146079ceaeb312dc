"""Cross Pseudo Supervision (Chen et al., CVPR 2021): two networks teach each other."""

from typing import ClassVar, cast

import torch
from pydantic import Field
from torch import Tensor, nn

from crln.augmentation import draw_cutmix, host_random
from crln.labels import IGNORE
from crln.methods.base import Seen, SemiSupervised, Step
from crln.methods.published import Published
from crln.methods.ramps import Ramped
from crln.methods.totals import unheard, weighted
from crln.networks import SegmentationNetwork
from crln.planning import Plan
from crln.planning.plan import Section


class CrossPseudo(SemiSupervised):
    """Two networks from different starts; each learns the other's hard pseudo-label.

    L = sum_k seg(f_k(x), y) + w(t) CE(f_k(u), argmax f_j(u)); a network takes x and u in one
    batch, as in the released 3D version. With `cutmix`, as in the 2D original, the pseudo-labels
    are of the plain patches and mixed together with them; the 3D version does without.
    """

    deep = True
    overlapping = True
    published: ClassVar[Published] = Published(
        30000, 0.01, "poly", "SSL4MIS, the 3D version's default"
    )

    class Options(Ramped):
        """Constants of the published 3D version (30,000 steps, the ramp over all of them)."""

        cutmix: bool = Field(
            default=False, description=("mix unlabelled patches and their pseudo-labels by CutMix")
        )

    options: Options

    def __init__(self, plan: Plan, options: Section) -> None:
        super().__init__(plan, options)
        self.students = nn.ModuleList(self.new_network() for _ in range(2))
        # Different kinds of start, as published: Kaiming for the first, Xavier for the second.
        for module in self.students[1].modules():
            if isinstance(module, nn.Conv3d | nn.ConvTranspose3d):
                nn.init.xavier_normal_(module.weight)

    def from_labels(self, images: Tensor, target: Tensor, step: Step) -> dict[str, Tensor]:
        """Both supervised losses."""
        supervised = self._supervised([network.every(images) for network in self._networks], target)
        return unheard(supervised, "crossed")

    def from_both(self, seen: Seen, step: Step) -> dict[str, Tensor]:
        """Both supervised losses and both cross-entropies."""
        images, target, weak, inside, generator = seen
        if self.options.cutmix:
            with torch.no_grad():
                labels = self._labels([student(weak) for student in self.students], inside)
            mix = draw_cutmix(host_random(generator), len(weak), self.plan.patch_size)
            weak, labels = mix(weak), [mix(label) for label in labels]
        levels = [network.every(torch.cat([images, weak])) for network in self._networks]
        known = len(images)
        guesses = [own[0][known:] for own in levels]
        if not self.options.cutmix:
            labels = self._labels(guesses, inside)
        supervised = self._supervised([[z[:known] for z in own] for own in levels], target)
        crossed = torch.stack(
            [self.criteria.cross_entropy(*pair) for pair in zip(guesses, labels[::-1], strict=True)]
        )
        return weighted(supervised, self.weight(step), crossed=crossed.sum())

    @property
    def _networks(self) -> list[SegmentationNetwork]:
        return [cast(SegmentationNetwork, student) for student in self.students]

    def _supervised(self, levels: list[list[Tensor]], target: Tensor) -> Tensor:
        """sum_k seg(f_k(x), y), of each network's logits, finest first."""
        return torch.stack([self.supervise(own, target) for own in levels]).sum()

    def _labels(self, guesses: list[Tensor], inside: Tensor) -> list[Tensor]:
        """Each network's hard pseudo-label, IGNORE outside the scan."""
        return [self.criteria.label(g).masked_fill(~inside, IGNORE) for g in guesses]

    def predictor(self) -> nn.Module:
        """The first network."""
        return self.students[0]
