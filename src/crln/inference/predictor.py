"""A trained network that outlines scans."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from crln.devices import settle_device
from crln.imaging import Volume, read_image
from crln.inference.fuse import accelerate
from crln.inference.restore import outline
from crln.inference.sliding import Precision, score_slabs
from crln.labels import largest_components
from crln.planning import Plan
from crln.preparation import prepare_image
from crln.runs import open_run


@dataclass(frozen=True)
class Prediction:
    """The outline of one scan, on the scan's own grid and in its order of axes.

    Attributes:
        mask: (X, Y, Z), values of the label files (`plan.labels.values`).
        probabilities: (K, X, Y, Z) float32 in the order of `plan.labels.values`, or None.
        uncertainty: (X, Y, Z) float32, entropy of the probabilities over log K (0 certain,
            1 undecided), or None.

    Example:
        >>> predictor = crln.load_predictor("run")
        >>> prediction = predictor.predict(["data/images/case_07.nii.gz"], uncertainty=True)
        >>> prediction.uncertainty.shape
        (18, 18, 16)
    """

    mask: np.ndarray
    probabilities: np.ndarray | None = None
    uncertainty: np.ndarray | None = None


class Predictor:
    """Outlines scans with one network.

    Args:
        network: (B, C, *plan.patch_size) -> logits (B, K, *plan.patch_size); it is copied.
        plan: how scans are prepared and windows laid.
        device: where to compute.
        precision: of the network's arithmetic: "32", "bf16" or "16".

    Example:
        >>> predictor = crln.load_predictor("run")
        >>> prediction = predictor.predict(["data/images/case_07.nii.gz"])
        >>> prediction.mask.shape
        (18, 18, 16)
    """

    def __init__(
        self,
        network: nn.Module,
        plan: Plan,
        device: torch.device | str = "cpu",
        precision: Precision = "32",
    ) -> None:
        self.plan = plan
        self.device = torch.device(device)
        self.precision = precision
        self.network = accelerate(network, self.device, exact=precision != "32")

    def predict(
        self,
        scan: Path | str | Sequence[Path | str] | Volume,
        *,
        probabilities: bool = False,
        uncertainty: bool = False,
        largest_component: bool = False,
    ) -> Prediction:
        """Outlines one scan.

        Args:
            scan: one path per channel; or one h5 archive, one folder of DICOM slices, a `Volume`.
            probabilities: give those of every class too.
            uncertainty: give their entropy too.
            largest_component: keep each class's largest component only.

        Raises:
            CrlnError: the scan cannot be read or prepared.
        """
        source = None
        if not isinstance(scan, Volume):
            paths = [Path(path) for path in ([scan] if isinstance(scan, Path | str) else scan)]
            source = paths[0]
            scan = read_image(paths)
        image, placement = prepare_image(scan, self.plan, source)
        del scan  # as large as the prepared image
        slabs = score_slabs(self.network, image, self.plan, self.device, self.precision)
        found = outline(
            slabs, placement, self.plan.classes,
            probabilities=probabilities, uncertainty=uncertainty,
        )  # fmt: skip
        classes = largest_components(found.classes) if largest_component else found.classes
        mask = self.plan.labels.decode(classes)
        return Prediction(mask, found.probabilities, found.uncertainty)


def load_predictor(
    run: Path | str,
    device: str = "auto",
    precision: Precision = "32",
    *,
    overlap: float | None = None,
) -> Predictor:
    """The predictor of a model folder.

    Args:
        run: the folder that training wrote.
        device: "auto" (a GPU if there is one), "cpu", "cuda", "cuda:1" or "mps".
        precision: of the network's arithmetic: "32", "bf16" or "16".
        overlap: share of a window that its neighbour covers too; None takes the plan's.

    Raises:
        CrlnError: the folder is missing a file, or one is damaged; or there is no such device.

    Example:
        >>> predictor = crln.load_predictor("run", device="cpu")
    """
    folder = open_run(Path(run))
    plan = folder.plan
    if overlap is not None:
        plan = plan.updated({"inference": {"overlap": overlap, "stride": None}})
    place = settle_device(device)
    return Predictor(folder.load_method(place).predictor(), plan, place, precision)
