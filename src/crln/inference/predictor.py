"""A trained network that outlines scans."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError
from torch import nn

from crln.devices import settle_device
from crln.errors import CrlnError
from crln.files import fault_of
from crln.imaging import Volume, read_image
from crln.inference.features import watched
from crln.inference.fuse import accelerate
from crln.inference.maps import Maps
from crln.inference.mean import Members, Network, networks_of
from crln.inference.prediction import Prediction
from crln.inference.restore import outline
from crln.inference.sliding import Precision, score_slabs
from crln.inference.tally import Tally
from crln.planning import Plan
from crln.preparation import prepare_image, remarks
from crln.preparation.likeness import Looks
from crln.quality import Appraiser, LabelRanges, Quality
from crln.runs import RunFolder
from crln.runs.ensemble import known_quality, predicting_runs

_log = logging.getLogger("crln")


class Predictor:
    """Outlines scans with one network.

    Args:
        network: (B, C, *plan.patch_size) -> logits (B, K, *plan.patch_size): a module, which is
            copied and made faster, or any callable, which is taken as it is.
        plan: how scans are prepared and windows laid.
        device: where to compute.
        precision: of the network's arithmetic: "32", "bf16" or "16".
        seen: what the training scans were like; a scan far from that is told.
        appraiser: tells how good an outline is likely to be.

    Examples:
        >>> predictor = crln.load_predictor("run")
        >>> prediction = predictor.predict(["data/images/case_07.nii.gz"])
        >>> prediction.mask.shape
        (18, 18, 16)
    """

    def __init__(
        self,
        network: Network,
        plan: Plan,
        device: torch.device | str = "cpu",
        precision: Precision = "32",
        seen: Looks | None = None,
        appraiser: Appraiser | None = None,
    ) -> None:
        self.plan = plan
        self.seen = seen
        self.appraiser = appraiser or Appraiser()
        self.device = torch.device(device)
        self.precision = precision
        self.network = network
        if isinstance(network, nn.Module):
            self.network = accelerate(network, self.device, exact=precision != "32")

    def predict(
        self,
        scan: Path | str | Sequence[Path | str] | Volume,
        *,
        probabilities: bool = False,
        uncertainty: bool = False,
        largest_component: bool | Sequence[str] = False,
        maps: bool = False,
    ) -> Prediction:
        """Outlines one scan.

        Args:
            scan: one path per channel; or one h5 archive, one folder of DICOM slices, a `Volume`.
            probabilities: give those of every class too.
            uncertainty: give their entropy too.
            largest_component: keep the largest component only, of each class or of those named.
            maps: give what else the networks can tell by voxel (`Prediction.maps`), too.

        Raises:
            CrlnError: the scan cannot be read or prepared, or there is no class of such a name.
        """
        cleaned = self.classes_to_clean(largest_component)
        source: tuple[Path, ...] | Volume
        if isinstance(scan, Volume):
            source, name = scan, None
        else:
            paths = [scan] if isinstance(scan, Path | str) else scan
            source = tuple(Path(path) for path in paths)
            if not source:
                raise CrlnError("no scan to outline: give a path per channel")
            name = source[0]
            scan = read_image(source)
        image, placement = prepare_image(scan, self.plan, name)
        strange = remarks(scan, image, self.plan, self.seen)
        if strange:
            told = "; ".join(strange)
            _log.warning(
                "%s: unlike the training scans: %s; look at its mask", name or "scan", told
            )
        del scan  # as large as the prepared image
        tally = Tally(self.plan.labels)
        wanted = Maps(self.network, self.plan.labels) if maps else None
        names = wanted.names if wanted else ()
        slabs = score_slabs(
            self.network, image, self.plan, self.device, self.precision, tally, wanted
        )
        with watched([network for network, _ in networks_of(self.network)]) as watch:
            found = outline(
                slabs, placement, self.plan.labels,
                probabilities=probabilities, uncertainty=uncertainty, maps=len(names),
            )  # fmt: skip
        classes = self.plan.labels.cleaned(found.classes, cleaned) if cleaned else found.classes
        signals = tally.signals()
        strange += self.appraiser.unlike(watch.features())
        return Prediction(
            self.plan.labels.decode(classes), found.probabilities, found.uncertainty,
            placement.grid, self.plan.labels, source, found.doubt,
            self.appraiser.appraise(
                classes, self.plan.labels, placement.grid, strange, signals
            ), signals, dict(zip(names, found.maps, strict=True)),
        )  # fmt: skip

    def classes_to_clean(self, largest_component: bool | Sequence[str]) -> list[int]:
        """The classes of which only the largest component is kept.

        Raises:
            CrlnError: there is no class of such a name.
        """
        names = self.plan.labels.names
        if isinstance(largest_component, bool):
            return list(range(1, len(names))) if largest_component else []
        wanted = [largest_component] if isinstance(largest_component, str) else largest_component
        for name in wanted:
            if name not in names[1:]:
                raise CrlnError(
                    f"largest component of {name!r}: no such class; the model has "
                    f"{', '.join(names[1:])}"
                )
        return [names.index(name) for name in wanted]


def load_predictor(
    run: Path | str,
    device: str = "auto",
    precision: Precision = "32",
    *,
    inference: Mapping[str, Any] | None = None,
    second_look: bool = False,
) -> Predictor:
    """The predictor of a run folder, or of an ensemble: its members' mean.

    Args:
        run: the folder that training wrote.
        device: "auto" (a GPU if there is one), "cpu", "cuda", "cuda:1" or "mps".
        precision: of the network's arithmetic: "32", "bf16" or "16".
        inference: laid over `plan.inference`, though the plan itself is sealed: `overlap`,
            `stride`, `weighting`, `mirror_axes`.
        second_look: compare each network's outlines with those of another one of the same
            training, such as the student beside its teacher: a better rank, at twice the time.

    Raises:
        CrlnError: the folder is missing a file, or one is damaged; there is no such device; there
            is no such option of inference, or its value is impossible; or there is no other network
            for a second look.

    Examples:
        >>> predictor = crln.load_predictor("run", inference={"mirror_axes": (0, 1)})
    """
    path = Path(run)
    quality = known_quality(path)
    runs = predicting_runs(path)
    if second_look and (blind := next((run for run in runs if not run.checkpoint.exists()), None)):
        raise CrlnError(
            f"{blind.checkpoint}: is missing, which a second look needs; predict without it"
        )
    found = predictor_of(
        runs, device, precision, inference=inference, quality=quality, second_look=second_look
    )
    if second_look and not all(second for _, second in networks_of(found.network)):
        raise CrlnError(
            f"{path}: {runs[0].facts.method} trains one network, so that there is no second look; "
            "predict without it"
        )
    return found


def predictor_of(
    runs: Sequence[RunFolder],
    device: str = "auto",
    precision: Precision = "32",
    *,
    inference: Mapping[str, Any] | None = None,
    quality: Quality | None = None,
    second_look: bool = False,
) -> Predictor:
    """The predictor of some runs of one plan together; as `load_predictor`.

    `quality`: what cases that such runs left out have told. A second look is taken where there is
    another network to take it.
    """
    plan = _overlaid(runs[0].plan, dict(inference or {}))
    place = settle_device(device)
    networks = [run.load_network(place) for run in runs]
    seen, features = runs[0].facts.seen, tuple(run.facts.features for run in runs)
    outlined = LabelRanges.together(run.facts.outlined for run in runs)
    appraiser = Appraiser(outlined, quality, features)
    others = [run.load_second(place) for run in runs] if second_look else []
    seconds = [other for other in others if other]
    if len(seconds) < len(networks):
        seconds = []
    if len(networks) == 1 and not seconds:
        return Predictor(networks[0], plan, place, precision, seen, appraiser)
    exact = precision != "32"
    fast, compared = (
        [accelerate(network, place, exact=exact) for network in each]
        for each in (networks, seconds)
    )
    members = Members(fast, plan.labels, compared)
    return Predictor(members, plan, place, precision, seen, appraiser)


def _overlaid(plan: Plan, inference: dict[str, Any]) -> Plan:
    if "overlap" in inference:
        inference = {"stride": None} | inference  # or the plan's stride would win
    try:
        return plan.updated({"inference": inference})
    except ValidationError as error:
        raise CrlnError(f"{fault_of(error)}; give another value") from error
