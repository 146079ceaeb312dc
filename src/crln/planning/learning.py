"""The parts of a plan that say how it is learnt: loss, teacher, budget and optimiser."""

from typing import Any, Literal, Self, get_args

from pydantic import Field, field_validator, model_validator

from crln.planning.sections import Section

OverlapTerm = Literal["dice_ce", "cross_entropy", "dice"]
DetailTerm = Literal["skeleton_recall", "cldice", "surface_dice", "thin_ce", "boundary"]


class LossPlan(Section):
    """What a label teaches, in every method whose paper does not say otherwise.

    A name or a list of them is short for `terms`.
    """

    terms: tuple[OverlapTerm | DetailTerm, ...] = Field(
        default=("dice_ce",),
        min_length=1,
        description=(
            "averaged: `cross_entropy`, `dice`, or `dice_ce`, the mean of both; for thin parts and "
            "surfaces, each added at half weight: `skeleton_recall`, `cldice`, `surface_dice`, "
            "`thin_ce`, `boundary`"
        ),
    )
    class_weights: tuple[float, ...] | None = Field(
        default=None, description="one a class, background first"
    )

    @property
    def overlap(self) -> tuple[str, ...]:
        """The terms that are averaged."""
        return tuple(term for term in self.terms if term in get_args(OverlapTerm))

    @property
    def detail(self) -> tuple[str, ...]:
        """The terms that are added: of thin parts and surfaces."""
        return tuple(term for term in self.terms if term in get_args(DetailTerm))

    @field_validator("terms")
    @classmethod
    def _terms_add_up(cls, terms: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(terms)) < len(terms) or not set(terms) & set(get_args(OverlapTerm)):
            raise ValueError(
                f"each term once, and one of {', '.join(get_args(OverlapTerm))} among them, got "
                f"{', '.join(terms)}"
            )
        return terms

    @model_validator(mode="before")
    @classmethod
    def _names_alone(cls, given: Any) -> Any:
        if isinstance(given, str):
            return {"terms": (given,)}
        return {"terms": given} if isinstance(given, list | tuple) else given

    @field_validator("class_weights")
    @classmethod
    def _weights_weigh(cls, weights: tuple[float, ...] | None) -> tuple[float, ...] | None:
        if weights is not None and (min(weights, default=0) < 0 or not any(weights[1:])):
            raise ValueError(
                f"class weights must not be negative, and one structure's above 0, got {weights}"
            )
        return weights


class TeacherPlan(Section):
    """The mean teacher."""

    decay: float = Field(
        default=0.99,
        ge=0,
        le=1,
        description=(
            "a in the moving average's decay min(1 - 1/(t + 1), a); "
            "[measured](../explanation/decisions/teacher-decay.md)"
        ),
    )
    dropout: bool = Field(
        default=False,
        description=(
            "dropout is on while the teacher labels (paper presets: true); "
            "[measured](../explanation/decisions/dropout.md)"
        ),
    )
    norm: Literal["own", "ema"] = Field(
        default="ema",
        description=(
            "norm statistics: `ema`, following the student's; `own`, from its own "
            "passes (paper presets)"
        ),
    )


class DraftsPlan(Section):
    """Masks of any tool for scans without an outline: what they may teach.

    How it is judged what a draft is worth: `crln.methods.drafts`.
    """

    weight: float = Field(
        default=0.5,
        ge=0,
        le=1,
        description=(
            "share of the voxels of a draft beyond doubt that teach, at the start; 0: drafts are "
            "not used"
        ),
    )
    fade: float = Field(
        default=0.8,
        gt=0,
        le=1,
        description="share of the training over which that share falls to 0",
    )
    doubted: float = Field(
        default=0.3,
        ge=0,
        lt=1,
        description=(
            "agreement beyond chance, between a draft and what the network predicts, up to which "
            "the draft teaches nothing"
        ),
    )
    trusted: float = Field(
        default=0.6, gt=0, le=1, description="agreement beyond chance from which it is beyond doubt"
    )
    overruled: float = Field(
        default=0.1,
        gt=0,
        le=1,
        description=(
            "a voxel does not teach if the network gives its class in the draft less probability"
        ),
    )

    @model_validator(mode="after")
    def _trust_needs_more_than_doubt(self) -> Self:
        if self.trusted <= self.doubted:
            raise ValueError(f"trusted, {self.trusted:g}, must be above doubted, {self.doubted:g}")
        return self


class PretrainPlan(Section):
    """A first stage: what networks learn from all scans of the training, before any label teaches.

    A task's name is short for `task`.
    """

    task: Literal["none", "episodes", "denoise", "masked"] = Field(
        default="none",
        description=(
            "`masked`: fill in hidden blocks; `denoise`: clean a noisy patch; `episodes`: find "
            "supervoxels again in another view; `none`: no first stage"
        ),
    )
    share: float = Field(
        default=0.25,
        gt=0,
        description="its steps as a share of `training.iterations`, which are taken after it",
    )
    iterations: int | None = Field(
        default=None, ge=1, description="its steps; none: as `share` says"
    )

    @model_validator(mode="before")
    @classmethod
    def _name_alone(cls, given: Any) -> Any:
        return {"task": given} if isinstance(given, str) else given

    def steps(self, total: int) -> int:
        """How many it takes before a training of `total` steps; 0 without a task."""
        if self.task == "none":
            return 0
        return self.iterations or max(1, round(self.share * total))

    def leaves(self, steps: int) -> int:
        """How many of so many steps are the training's, if the others are the first stage's."""
        if self.task == "none":
            return steps
        return max(1, steps - self.iterations if self.iterations else int(steps / (1 + self.share)))


class TrainingPlan(Section):
    """Budget, batch and optimiser.

    AdamW at 0.003 is what a short budget learns most with: on hippocampus, 1,000 steps, it brought
    two points of Dice on validation cases over SGD at 0.01 (docs/explanation/decisions/).
    """

    iterations: int = Field(default=4000, ge=1, description="steps")
    labelled: int = Field(default=2, ge=1, description="labelled patches a step")
    unlabelled: int = Field(
        default=2,
        ge=0,
        description=(
            "unlabelled patches a step; a method without use for them takes as many"
            " labelled ones more"
        ),
    )
    foreground: float = Field(
        default=0.0, ge=0, le=1, description=("share of labelled patches centred on foreground")
    )
    thin: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description=(
            "share of labelled patches centred on thin parts, less than 5 of the finest voxel "
            "edges across; at most 1 together with `foreground`"
        ),
    )
    likely: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description=(
            "share of unlabelled patches centred where a labelled scan, scaled to the same size, "
            "has thin parts or, without any, structures; for scans that lie alike"
        ),
    )
    labelled_start: float = Field(
        default=0.4,
        ge=0,
        le=1,
        description=(
            "share of the steps on the labels alone, two views of each labelled "
            "patch, for every method that learns from unlabelled ones (paper "
            "presets: 0); [measured](../explanation/decisions/labelled-start.md)"
        ),
    )
    denoise: float = Field(
        default=0.0,
        ge=0,
        description=(
            "weight, falling to 0 over the training, of a task beside the method: each of its "
            "networks also cleans noisy unlabelled patches; 0: none"
        ),
    )
    optimiser: Literal["sgd", "adam", "adamw"] = Field(
        default="adamw",
        description=(
            "`adamw`, `adam` or `sgd` (Nesterov; paper presets); "
            "[measured](../explanation/decisions/optimiser.md)"
        ),
    )
    lr: float = Field(default=0.003, gt=0, description="learning rate at the start")
    momentum: float = Field(default=0.9, ge=0, lt=1, description="of SGD")
    weight_decay: float = Field(default=0.01, ge=0, description="of AdamW; SGD wants some 0.0005")
    schedule: Literal["poly", "step", "constant"] = Field(
        default="poly", description=("of the learning rate: `poly`, `step` or `constant`")
    )
    power: float = Field(default=0.9, ge=0, description="of the polynomial decay")
    warmup: float = Field(
        default=0.0,
        ge=0,
        lt=1,
        description=("share of the training in which the learning rate rises from 0"),
    )
    gradient_clip: float | None = Field(
        default=None, gt=0, description="largest norm of the gradient"
    )

    @model_validator(mode="after")
    def _shares_are_shares(self) -> Self:
        if self.foreground + self.thin > 1:
            raise ValueError(
                f"foreground, {self.foreground:g}, and thin, {self.thin:g}, are shares of the same "
                "patches, at most 1 together"
            )
        return self

    @model_validator(mode="after")
    def _decay_leaves_weights(self) -> Self:
        if self.lr * self.weight_decay >= 1:
            raise ValueError(
                f"weight_decay, {self.weight_decay:g}, times lr, {self.lr:g}, must be below 1: a "
                "step would turn every weight around"
            )
        return self
