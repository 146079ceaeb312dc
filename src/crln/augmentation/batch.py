"""What both sets of views share: precision and the layout of their results."""

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast

import torch
from torch import Tensor

from crln.planning.plan import Triple

View = TypeVar("View", bound=Callable[..., Any])


def exact(view: View) -> View:
    """Runs a view in the precision of its inputs and outside the graph.

    Views are made inside the training step, where autocast would take their matrix products (and
    with them the intensities) to bfloat16.
    """

    @wraps(view)
    def wrapped(self: Any, images: Tensor, *rest: Any) -> Any:
        with torch.no_grad(), torch.autocast(images.device.type, enabled=False):
            return view(self, images, *rest)

    return cast(View, wrapped)


def empty_views(images: Tensor, size: Triple | None = None) -> Tensor:
    """(B, C, *size), channels last, for the views of `images` (B, C, X, Y, Z); default: as big."""
    return torch.empty(
        *images.shape[:2],
        *(size or images.shape[2:]),
        dtype=images.dtype,
        device=images.device,
        memory_format=torch.channels_last_3d,
    )
