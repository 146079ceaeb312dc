"""What the labels of a training are like."""

from collections.abc import Iterable

from crln.planning import Plan
from crln.preparation import PreparedCase, spacing_of
from crln.quality.outlines import LabelRanges
from crln.quality.shape import Shape, shapes_of


def label_shapes(case: PreparedCase, plan: Plan) -> dict[str, Shape | None]:
    """The shape of each structure in a label, by its name.

    A structure of which the label leaves voxels open, or that nobody looked for, is left out.

    Args:
        case: with its label.
        plan: that it was prepared for.
    """
    _, classes, _ = case.read((0, 0, 0), case.shape)
    found = shapes_of(classes, plan.labels, spacing_of(case, plan))
    told = {
        name
        for k, name in enumerate(plan.labels.names)
        if plan.labels.knows(classes, k).all() and (case.known is None or case.known[k])
    }
    return {name: shape for name, shape in found.items() if name in told}


def what_was_outlined(cases: Iterable[PreparedCase], plan: Plan) -> LabelRanges | None:
    """What labels are like; None where none tells of a whole structure."""
    return LabelRanges.of([label_shapes(case, plan) for case in cases if case.labelled])
