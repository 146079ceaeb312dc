"""Which scans a training learns from, and those scans prepared."""

from collections.abc import Sequence

from lightning_fabric import Fabric

from crln.cohort import Case, Cohort, unlabelled_pool, without_labels
from crln.errors import CrlnError
from crln.methods import Method
from crln.planning import Plan
from crln.preparation import PreparedCase, prepare_cohort
from crln.training.listeners import Listener
from crln.training.options import Training


def find_pool(cohort: Cohort, learner: Method, options: Training) -> tuple[Case, ...]:
    """The scans to learn from without labels; CrlnError where either kind is missing."""
    if not cohort.labelled:
        raise CrlnError(f"{cohort.root}: no labelled case to learn from; put outlines in labels/")
    if not learner.uses_unlabelled:
        return ()
    if learner.needs_drafts:
        return _drafted(cohort)
    pool = unlabelled_pool(cohort, transductive=options.transductive)
    pool += without_labels([case for case in cohort.labelled if _leaves_open(case, cohort)])
    if not pool:
        raise CrlnError(
            f"{cohort.root}: {options.method} learns from unlabelled scans and there are none; "
            "ask for fewer --labelled, or use --method supervised"
        )
    return pool


def _drafted(cohort: Cohort) -> tuple[Case, ...]:
    """All scans of the training, each with a draft."""
    pool = without_labels(cohort.training)
    if bare := next((case for case in pool if case.draft is None), None):
        raise CrlnError(
            f"{bare.images[0]}: case {bare.id} has no draft, and drafts of all scans are to teach; "
            "give --distil an ensemble, or set the plan's options.supervised.drafts to 0"
        )
    return pool


def _leaves_open(case: Case, cohort: Cohort) -> bool:
    """Whether a label leaves voxels or classes open, so that its scan has more to teach."""
    label = case.label
    return cohort.ignore is not None or bool(label and (label.slices or label.classes is not None))


def prepare_parts(
    fabric: Fabric,
    parts: Sequence[Sequence[Case]],
    plan: Plan,
    options: Training,
    told: Sequence[Listener],
) -> list[list[PreparedCase]]:
    """The prepared cases of each part; several processes prepare a share each."""
    cases = [case for part in parts for case in part]

    def tell(done: int, of: int) -> None:
        for listener in told:
            listener.prepared(done, of)

    if fabric.world_size > 1:
        mine = cases[fabric.global_rank :: fabric.world_size]
        prepare_cohort(mine, plan, options.cache, tell)
        fabric.barrier()
    ready = iter(prepare_cohort(cases, plan, options.cache, tell))
    return [[next(ready) for _ in part] for part in parts]
