"""LLM-SegNet (Kumari, Das, Roy, Joshi and Singh, arXiv 2407.05088): two networks and a text."""

from typing import cast

import torch
from pydantic import Field
from torch import Tensor, nn

from crln.augmentation import draw_cutmix, host_random
from crln.errors import CrlnError
from crln.labels import IGNORE
from crln.methods.base import Seen, SemiSupervised, Step
from crln.methods.llm_segnet.embed import embed
from crln.methods.llm_segnet.fusion import TextBackbone, TextFusion
from crln.methods.llm_segnet.text import WIDTH, Text, tokens_of
from crln.methods.pairs import Outliner, outliner, unlike_backbone
from crln.methods.ramps import Ramped
from crln.methods.totals import unheard, weighted
from crln.networks import Backbone, SegmentationNetwork, has_halves
from crln.planning import Plan
from crln.planning.plan import Section


class LLMSegNet(SemiSupervised):
    """Two networks, one on weak views and one on their CutMix, teach each other.

    L = sum_i seg(f_i(x), y) + w(t) [S(f_1(u), f_2(u)) + S(f_2(mix(u)), mix(f_1(u)))]; with q the
    other network's probabilities, without gradient, c their largest and y its class, the unified
    loss S is the mean over voxels of

        -log p_y  where c >= tau,   sum_k (p_k - q_k)^2  elsewhere.

    At the bottleneck of both networks a text of the task is fused in (`TextFusion`). No code of the
    paper was found, and its formulas were not within reach, only descriptions. Two networks, the
    views, the labelled loss, the two parts of S and a text of the task with a learnt balance are
    as described; tau, w, its ramp, the form of the fusion, the sentences and the model that embeds
    them are ours, and none of them is tuned. The networks are the plan's and a V-Net with a
    residual encoder, or a plain one where the plan has that.
    """

    overlapping = True

    class Options(Ramped):
        """Ours: the paper's constants are not known."""

        confidence: float = Field(
            default=0.8, ge=0, le=1, description="tau, from which a pseudo-label is taken for hard"
        )
        text: Text = Field(
            default="learnt",
            description=(
                "what the networks are told of each class: tokens that are `learnt`; sentences of "
                "the `classes`; `random` tokens that stay as they are; `none`"
            ),
        )
        sentences: dict[str, str] = Field(
            default_factory=dict,
            description=(
                "with `text: classes`, a sentence of your own by class; needs "
                "`pip install 'crln[text]'`, in training alone"
            ),
        )
        predict: Outliner = Field(
            default="mean", description="outline with the `mean` of both networks, or the `first`"
        )

    options: Options

    def __init__(self, plan: Plan, options: Section) -> None:
        super().__init__(plan, options)
        names, own = plan.labels.names, self.options.sentences
        if own and self.options.text != "classes":
            raise CrlnError(
                "plan: options.llm_segnet.sentences: they are heard with text: classes alone; set "
                "that, or remove them"
            )
        tokens = torch.randn(len(names), WIDTH) / WIDTH**0.5
        if self.options.text == "classes":
            tokens = tokens_of(names, own)
        self.students = nn.ModuleList(
            SegmentationNetwork(self._told(kind, tokens), plan.classes)
            for kind in (self.new_backbone(), unlike_backbone(plan))
        )

    def _told(self, backbone: Backbone, tokens: Tensor) -> Backbone:
        """A backbone that hears the text, if there is any."""
        if self.options.text == "none":
            return backbone
        if not has_halves(backbone):
            raise CrlnError(
                f"plan: network.kind: {self.plan.network.kind!r} has no encode and decode to put a "
                "text between; choose vnet, resenc or unet, or text: none"
            )
        channels, learnt = self.plan.network.widths[-1], self.options.text == "learnt"
        return TextBackbone(backbone, TextFusion(channels, tokens.clone(), learnt))

    @torch.no_grad()
    def prepare(self) -> None:
        """Embeds the user's sentences; a run that outlines has their embeddings as weights."""
        if not (own := self.options.sentences):
            return
        names = [name.casefold() for name in self.plan.labels.names]
        rows = embed(list(own.values()))
        for network in self._networks:
            tokens = cast(TextBackbone, network.backbone).fusion.tokens
            for name, row in zip(own, rows, strict=True):
                tokens[names.index(name.casefold())] = row.to(tokens)

    def from_labels(self, images: Tensor, target: Tensor, step: Step) -> dict[str, Tensor]:
        """Both supervised losses."""
        return unheard(self._supervised([f(images) for f in self._networks], target), "unified")

    def from_both(self, seen: Seen, step: Step) -> dict[str, Tensor]:
        """Both supervised losses and both unified ones."""
        images, target, weak, inside, generator = seen
        known = len(images)
        mix = draw_cutmix(host_random(generator), len(weak), self.plan.patch_size)
        first, second = self._networks
        with torch.no_grad():
            theirs = self.criteria.probabilities(second(weak))
        on_weak, on_mixed = first(torch.cat([images, weak])), second(torch.cat([images, mix(weak)]))
        ours = self.criteria.probabilities(on_weak[known:].detach())
        supervised = self._supervised([on_weak[:known], on_mixed[:known]], target)
        unified = self._unified(on_weak[known:], theirs, inside)
        mixed = self._unified(on_mixed[known:], mix(ours), mix(inside))
        return weighted(supervised, self.weight(step), unified=unified + mixed)

    @property
    def _networks(self) -> list[SegmentationNetwork]:
        return [cast(SegmentationNetwork, student) for student in self.students]

    def _supervised(self, logits: list[Tensor], target: Tensor) -> Tensor:
        """sum_i seg(f_i(x), y)."""
        return torch.stack([self.supervise(z, target) for z in logits]).sum()

    def _unified(self, logits: Tensor, taught: Tensor, inside: Tensor) -> Tensor:
        """S of logits with the other network's probabilities (B, K, X, Y, Z)."""
        confidence, label = self.criteria.confident(taught)
        agrees = self.criteria.voxel_cross_entropy(logits, label.masked_fill(~inside, IGNORE))
        apart = (self.criteria.probabilities(logits) - taught).square().sum(1)
        each = torch.where(confidence >= self.options.confidence, agrees, apart)
        return (each * inside).sum() / inside.sum().clamp(min=1)

    def predictor(self) -> nn.Module:
        """The mean of both networks, or the first."""
        return outliner(self._networks, self.options.predict, self.plan.labels.exclusive)
