"""What networks can learn from scans alone, before a method teaches them what labels say."""

from crln.errors import CrlnError
from crln.methods.base import Method
from crln.methods.first_stages.denoising import Denoising
from crln.methods.first_stages.episodes import Episodes
from crln.methods.first_stages.masked import Masked
from crln.methods.first_stages.stage import FirstStage

TASKS: dict[str, type[FirstStage]] = {"episodes": Episodes, "denoise": Denoising, "masked": Masked}
"""Of `plan.pretrain.task`."""

__all__ = ["TASKS", "FirstStage", "build_first_stage"]


def build_first_stage(method: Method) -> FirstStage:
    """The first stage that a method's plan asks for, of copies of the method's backbones.

    Args:
        method: newly built; its plan says which task.

    Raises:
        CrlnError: the method has no backbone that learns.
    """
    if not method.backbones():
        raise CrlnError(
            f"plan: pretrain: {method.plan.pretrain.task}, but {type(method).__name__} has no "
            "backbone that a first stage could teach; set pretrain: none"
        )
    return TASKS[method.plan.pretrain.task](method)
