"""Cooperative Rectification Learning Network (Wang et al., Medical Image Analysis 2025).

Prototypes learnt from labels alone relate to every voxel (M), rectify the teacher's logits
(z = f + (1 - a) M) before they become pseudo-labels, and pull uncertain voxels' embeddings
(cooperative positive supervision). doi 10.1016/j.media.2025.103461.
"""

from collections.abc import Callable
from typing import ClassVar, cast

import torch
from torch import Tensor, nn

from crln.labels import IGNORE
from crln.losses import fine_axes, voxel_cross_entropy
from crln.methods.base import Seen, SemiSupervised, Step
from crln.methods.crln.contrastive import (
    EXCLUSIVE,
    cooperative_positive_supervision,
    prototype_alignment,
)
from crln.methods.crln.detail import DetailDraws, surer_where_thin, thin_target
from crln.methods.crln.network import (
    LEVELS,
    RectifiedNetwork,
    Unrectified,
    interleave,
    separate,
)
from crln.methods.crln.options import CRLNOptions
from crln.methods.crln.overlap import OverlappingDraws
from crln.methods.crln.views import StudentViews, Taught
from crln.methods.published import Published
from crln.methods.teacher import Teacher
from crln.methods.totals import summed
from crln.networks.segmentation import coarse_logits
from crln.planning import Plan
from crln.planning.plan import Section


class CRLN(SemiSupervised):
    """The whole method: student, teacher, rectification, pseudo-labels, CPS.

    total = seg(f(x), y) + seg(M(x), y) + u L_u + w CPS + seg(f + (1 - a) M, y), where the last
    term's gradient reaches a only.
    """

    deep = True
    overlapping = True
    published: ClassVar[Published] = Published(
        40000, 0.0025, "poly", "paper and code; so in the paper presets", weight_decay=5e-4
    )

    Options = CRLNOptions
    options: CRLNOptions

    def __init__(self, plan: Plan, options: Section) -> None:
        super().__init__(plan, options)
        self.student = RectifiedNetwork(
            plan,
            signed=self.options.signed,
            start=self.options.prototype_start,
            projected=self.options.project_prototypes,
            linear_maps=self.options.linear_maps,
            full_resolution=self.options.full_resolution,
            thin_prototypes=self.options.thin_prototypes,
        )
        self.teacher = Teacher(self.student, plan.teacher)
        self._axes = fine_axes(plan.patch_size, plan.spacing)
        self._student_views = StudentViews(self.views, self.options, self.criteria, self._axes)
        self._draws = EXCLUSIVE if plan.labels.exclusive else OverlappingDraws(plan.labels)
        if share := self.options.detail_queries:
            self._draws = DetailDraws(self._draws, self.criteria, self._axes, share)

    def from_labels(self, images: Tensor, target: Tensor, step: Step) -> dict[str, Tensor]:
        """What labels teach f, M and a; the terms that need a teacher are 0."""
        images, target = self._with_closer(images, target, len(images) // 2, step)  # of one view
        features = self.student.features(images)
        terms = self._label_terms(features, self.student.segmentation(features), target)
        names = ["unsupervised"]
        if self.options.positive_weight:
            names += ["positive", "alignment"] if self._aligned else ["positive"]
        return summed(terms | dict.fromkeys(names, torch.zeros((), device=images.device)))

    def from_both(self, seen: Seen, step: Step) -> dict[str, Tensor]:
        """Every term of docs/explanation/method.md, section 3."""
        options, student = self.options, self.student
        rectified = options.relation and step.progress >= options.warmup
        images, target, weak, inside, generator = seen
        taught = (weak, *self._pseudo_label(weak, inside, rectified))
        views = self._student_views((images, target), taught, generator)
        if options.detail_zoom:
            closer = self._closer(taught, inside, rectified, step, generator)
            views = tuple(torch.cat(both) for both in zip(views, closer, strict=True))
        shown, pseudo, confidence = views
        images, target = self._with_closer(images, target, len(images), step)

        features_x, features_u = self._student_features(images, shown)
        logits_x, logits_u = student.segmentation(features_x), student.segmentation(features_u)
        terms = self._label_terms(features_x, logits_x, target)
        trusted = pseudo.masked_fill(confidence < options.valid_confidence, IGNORE)
        unsupervised = (
            self.criteria.cross_entropy(*self.marginal(logits_u, trusted))
            if options.trusted_only
            else pseudo_label_loss(
                *self.marginal(logits_u, pseudo),
                confidence,
                options.confidence,
                self.criteria.voxel_cross_entropy,
            )
        )
        terms["unsupervised"] = options.unsupervised_weight * unsupervised
        if options.positive_weight:
            positive, alignment = self._positive_supervision(
                (features_x[0], features_u[0]), (logits_x, logits_u), (target, trusted),
                rectified, step,
            )  # fmt: skip
            terms["positive"] = options.positive_weight * positive
            if self._aligned:
                terms["alignment"] = alignment
        return summed(terms)

    @property
    def _aligned(self) -> bool:
        """Whether prototypes have embeddings to align."""
        return self.options.relation and self.options.project_prototypes

    def _label_terms(
        self, features: list[Tensor], logits: Tensor, target: Tensor
    ) -> dict[str, Tensor]:
        """What labels teach: f(x), M(x) and, of the rectifier, a."""
        student = self.student
        levels = [logits, *coarse_logits(student.coarse_heads, features)]
        terms = {"supervised": self.supervise(levels, target)}
        if self.options.relation:
            relation, thin = student.relations(features)
            terms["relation"] = self.supervise(relation, target)
            if thin is not None:
                theirs = thin_target(self.criteria, self.certain(target), self._axes)
                terms["thin"] = self.supervise(thin, theirs)
            terms["rectifier"] = self.supervise(
                student.rectify(logits.detach(), relation.detach()), target
            )
        return terms

    def _with_closer(
        self, images: Tensor, target: Tensor, rows: int, step: Step
    ) -> tuple[Tensor, Tensor]:
        """Labelled views and, behind them, detail views of the first rows, if there are any."""
        if not self.options.detail_zoom:
            return images, target
        generator = step.generator("thin", images.device)
        return self._student_views.closer(images, target, rows, generator)

    def _closer(
        self,
        taught: Taught,
        inside: Tensor,
        rectified: bool,
        step: Step,
        generator: torch.Generator,
    ) -> Taught:
        """Detail views of the weak views, which the teacher labels anew at their scale; strong."""
        weak, views = taught[0], self._student_views
        view = views.doubtful(taught, step.generator("doubt", weak.device))
        shown, within = view.images(weak), view.maps(inside, outside=False)
        closer = (shown, *self._pseudo_label(shown, within, rectified))
        return views.strong(closer, generator) if self.options.strong_views else closer

    def _student_features(self, images: Tensor, shown: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """Decoder features of the labelled and of the unlabelled patches, finest first.

        In one pass both share batch statistics. What is coarser than the third level is not used.
        """
        if not self.options.joint_pass:
            return self.student.features(images), self.student.features(shown)
        both = self.student.features(interleave(images, shown))
        parts = [separate(level, len(images), len(shown)) for level in both[:LEVELS]]
        return [labelled for labelled, _ in parts], [unlabelled for _, unlabelled in parts]

    @torch.no_grad()
    def _pseudo_label(self, weak: Tensor, inside: Tensor, rectified: bool) -> tuple[Tensor, Tensor]:
        """The teacher's class and confidence per voxel; IGNORE and 0 outside the scan."""
        teacher = self._taught
        features = teacher.features(weak)
        logits = teacher.segmentation(features)
        if rectified:
            logits = teacher.rectify(logits, teacher.relation(features))
        least = self.options.valid_confidence if self.options.trusted_only else None
        probabilities = self.criteria.probabilities(logits)
        if by := self.options.thin_confidence:
            probabilities = surer_where_thin(self.criteria, probabilities, self._axes, by)
        confidence, pseudo = self.criteria.confident(probabilities, least)
        return pseudo.masked_fill(~inside, IGNORE), confidence.masked_fill(~inside, 0)

    def _positive_supervision(
        self,
        features: tuple[Tensor, Tensor],
        logits: tuple[Tensor, Tensor],
        classes: tuple[Tensor, Tensor],
        rectified: bool,
        step: Step,
    ) -> tuple[Tensor, Tensor]:
        """CPS on labelled and unlabelled voxels together, and the prototypes' alignment."""
        options = self.options
        prototypes = self.student.prototype_embeddings()
        starts = (0, classes[0].numel())
        terms = cooperative_positive_supervision(
            lambda voxels: self.student.projection.at(features, voxels, starts),
            torch.cat([self.criteria.probabilities(z.detach()) for z in logits]),
            self.certain(torch.cat(classes)),
            prototypes if rectified else None,
            queries=self._share(options.queries),
            negatives=options.negatives,
            pool=self._share(options.pool),
            xi=options.unassertiveness,
            temperature=options.temperature,
            confidence=options.confidence,
            draws=self._draws,
            generator=step.generator("positive", logits[0].device),
        )
        return terms.loss, prototype_alignment(prototypes, terms)

    def _share(self, voxels: int) -> int:
        """Of the voxels that a class has in CPS: all, or less where there are many classes."""
        most = self.options.most_classes
        return voxels if self.plan.classes <= most else max(1, voxels * most // self.plan.classes)

    def update(self, step: Step) -> None:
        """The teacher's moving average."""
        self.teacher.update(self.student, step)

    def predictor(self) -> nn.Module:
        """The teacher, rectified."""
        if self.options.relation and self.options.rectify_prediction:
            return self._taught
        return Unrectified(self._taught)

    @property
    def _taught(self) -> RectifiedNetwork:
        return cast(RectifiedNetwork, self.teacher.network)


def pseudo_label_loss(
    logits: Tensor,
    pseudo: Tensor,
    confidence: Tensor,
    threshold: float = 0.97,
    cross_entropy: Callable[[Tensor, Tensor], Tensor] = voxel_cross_entropy,
) -> Tensor:
    """Mean cross-entropy of each image, weighted by its share of confident voxels.

    L_u = 1/B sum_b [share of valid voxels of b with confidence >= threshold]
    * [mean over valid voxels of b of CE(student, pseudo-label)]; 0 where no voxel is valid.

    Args:
        logits: (B, K, X, Y, Z), the student's.
        pseudo: (B, X, Y, Z), int64, class or IGNORE.
        confidence: (B, X, Y, Z), the teacher's largest probability.
        threshold: what counts as confident.
        cross_entropy: of each voxel.
    """
    axes = (1, 2, 3)
    valid = pseudo != IGNORE
    count = valid.sum(axes).clamp(min=1)
    voxel = cross_entropy(logits, pseudo)
    share = ((confidence >= threshold) & valid).sum(axes) / count
    return (share * voxel.sum(axes) / count).mean()
