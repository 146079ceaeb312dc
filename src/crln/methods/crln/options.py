"""What a plan may change of CRLN."""

from pydantic import Field, field_validator

from crln.methods.crln.dim import START
from crln.planning.plan import Section


class CRLNOptions(Section):
    """The paper's constants, and switches for its ablations."""

    unsupervised_weight: float = Field(
        default=2.0,
        ge=0,
        description=(
            "u, weight of the pseudo-label loss L_u; the paper's, over every voxel:"
            " 0.5 (in its presets)"
        ),
    )
    trusted_only: bool = Field(
        default=True,
        description=(
            "L_u is the mean over unlabelled voxels of `valid_confidence` or more; "
            "false: over all, times the share of sure ones, as in the paper (and "
            "its presets)"
        ),
    )
    confidence: float = Field(
        default=0.97,
        ge=0,
        le=1,
        description=(
            "a pseudo-label this sure counts in an image's share, where "
            "`trusted_only` is false; a student this sure needs no CPS"
        ),
    )
    positive_weight: float = Field(
        default=0.1,
        ge=0,
        description=(
            "w, weight of CPS; 0 turns it off; the paper's, with SGD: 0.5, on "
            "Pancreas 1.0 (in its presets)"
        ),
    )
    unassertiveness: float = Field(
        default=0.6, ge=0, description="ξ; 0: the positive is the plain mean"
    )
    valid_confidence: float = Field(
        default=0.7,
        ge=0,
        le=1,
        description=(
            "least confidence of an unlabelled voxel in CPS and, with `trusted_only`, in L_u"
        ),
    )
    temperature: float = Field(default=0.5, gt=0, description="τ of CPS")
    queries: int = Field(default=256, ge=1, description="unsure voxels per class")
    negatives: int = Field(default=512, ge=1, description="negatives per query")
    pool: int = Field(
        default=1024, ge=1, description=("voxels of each class that these are drawn from")
    )
    most_classes: int = Field(
        default=8,
        ge=1,
        description=(
            "classes that have `queries` and `pool` voxels each; of more classes all "
            "together have as many as these"
        ),
    )
    warmup: float = Field(
        default=0.02,
        ge=0,
        le=1,
        description=("share of the training before rectification starts"),
    )
    strong_views: int = Field(
        default=1,
        ge=0,
        description=(
            "strong views of each unlabelled patch, all against one pseudo-label; "
            "0: the student sees the weak view, an ablation"
        ),
    )
    copy_paste: float = Field(
        default=2 / 3,
        ge=0,
        lt=1,
        description=(
            "side of the box of a labelled patch, as a share of the patch's, that "
            "is pasted with its label into one more view of each unlabelled patch, "
            "as BCP does; 0: no such view, as in the paper (and its presets)"
        ),
    )
    relation: bool = Field(
        default=True, description=("the Dynamic Interaction Module; false: an ablation")
    )
    rectify_prediction: bool = Field(
        default=True, description=("predict with z rather than f; false: an ablation")
    )
    joint_pass: bool = Field(
        default=True,
        description=(
            "one student pass for labelled and unlabelled patches, which share norm"
            " statistics; false: one each, as in the paper (and its presets)"
        ),
    )
    signed: bool = Field(
        default=True,
        description=("M(x) may speak against a class; false: as in the released code"),
    )
    prototype_start: float = Field(
        default=START,
        ge=0,
        description=("standard deviation of the prototypes at the start; released code: 0"),
    )
    project_prototypes: bool = Field(
        default=True,
        description=(
            "a learnt layer brings prototypes into the embedding; false: the mean "
            "of their features, as in the released code, with E = N"
        ),
    )
    linear_maps: bool = Field(
        default=False,
        description=(
            "queries, keys and values of the Dynamic Interaction Module have linear"
            " maps of their own, as in the paper (and its presets)"
        ),
    )
    full_resolution: bool = Field(
        default=False,
        description=(
            "M(x) has a level at full resolution too, for details: prototypes meet the finest "
            "features, and the clue that they give there is added"
        ),
    )
    thin_prototypes: int = Field(
        default=0,
        ge=0,
        description=(
            "prototypes per class, beside `network.prototypes`, that learn from its thin parts "
            "and the background alone; their relation is added to M(x)"
        ),
    )
    thin_confidence: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description=(
            "added to the confidence in a pseudo-label where it is thinner than 3 voxels, half "
            "of it below 5, so that thin parts are not the first to be ignored"
        ),
    )
    detail_queries: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="share of the `queries` that is drawn from thin parts and edges of the class",
    )
    detail_zoom: float = Field(
        default=0.0,
        ge=0,
        description=(
            "one more view of each patch, enlarged so many times: of a labelled one around a thin "
            "part, of an unlabelled one around a thin or doubtful one, labelled by the teacher at "
            "that scale; 0: no such view"
        ),
    )
    whole_structures: bool = Field(
        default=False,
        description=(
            "the boxes of CutMix and of `copy_paste` are moved to where they carry a whole small "
            "structure, if there is one"
        ),
    )

    @field_validator("detail_zoom")
    @classmethod
    def _zoom_enlarges(cls, zoom: float) -> float:
        if 0 < zoom <= 1:
            raise ValueError(f"enlarges, by more than 1, or is 0, got {zoom:g}")
        return zoom
