"""One cell of the comparison: an ordinary run folder, and its masks of the test scans."""

import shutil
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from crln.cohort import Case, Cohort, Held, load_cohort, split_cohort
from crln.comparison.leaks import Recorder
from crln.comparison.variant import Variant
from crln.errors import CrlnError
from crln.files import claim, write_text
from crln.imaging import mask_files, output_suffix
from crln.inference import Precision, load_predictor
from crln.memory import keep_freed_memory
from crln.planning import Plan
from crln.runs import RunFolder, open_run
from crln.runs.checkpoint import Origin, read_origin
from crln.training import train

FAULT = "fault.txt"
MASKS = "masks"


@dataclass(frozen=True)
class Part:
    """How the cohort is split for each cell, but for label count and seed."""

    data: Path
    validation: int
    test: Held
    sparse: bool = False
    kept: str | None = None
    """The split that says who is held out, as `load_cohort` takes it."""
    group: str | None = None

    def load(self) -> Cohort:
        """The cohort, before its split."""
        return load_cohort(self.data, sparse=self.sparse, split=self.kept, group=self.group)

    def split(self, cohort: Cohort, labelled: int | None, seed: int) -> Cohort:
        """As `crln train` splits it with the same numbers."""
        return split_cohort(
            cohort,
            labelled=labelled, validation=self.validation, test=self.test, seed=seed,
        )  # fmt: skip


@dataclass(frozen=True)
class Compute:
    """Where and how cells are computed.

    Attributes:
        device: "auto", "cpu" or "cuda".
        precision: "32", "bf16" or "16".
        cache: where prepared scans are kept.
        threads: of each process; None leaves it to torch.
    """

    device: str = "auto"
    precision: Precision = "32"
    cache: Path | None = None
    threads: int | None = None


@dataclass(frozen=True)
class Cell:
    """A method, a number of labels and a seed.

    Attributes:
        folder: the run folder.
        variant: the method with its options.
        plan: with the variant's options.
        labelled: how many labels it learns from.
        seed: of split and training.
        part: of the cohort.
    """

    folder: Path
    variant: Variant
    plan: Plan
    labelled: int
    seed: int
    part: Part

    @property
    def name(self) -> str:
        """Of its folder."""
        return self.folder.name

    def open(self) -> RunFolder | None:
        """The run folder, if the training has begun; reads its plan and facts."""
        return open_run(self.folder) if (self.folder / "run.yaml").exists() else None

    @property
    def fault(self) -> str | None:
        """Why the last attempt ended, if it was for something that the user can mend."""
        path = self.folder.with_name(f"{self.name}.{FAULT}")
        return path.read_text(encoding="utf-8").strip() if path.exists() else None

    def mask(self, case: Case) -> Path:
        """Where the prediction of a test scan lies."""
        return self.folder / MASKS / f"{case.id}{output_suffix(case.images[0])}"

    def outlined(self, case: Case) -> bool:
        """Whether its prediction is there."""
        files = mask_files(self.mask(case), self.plan.labels)
        return all(path.exists() for path in files.values())

    def figures_only(self, run: RunFolder | None) -> bool:
        """Whether weights and masks were taken away when it was done, and its figures left."""
        if run is None or not run.sealed:
            return False
        return not any(p.exists() for p in (run.weights, run.checkpoint, self.folder / MASKS))

    def done(self, test: tuple[Case, ...]) -> bool:
        """Whether it is trained and has outlined every test scan, or its figures are kept."""
        run = self.open()
        if self.figures_only(run):
            return True
        return bool(run and run.finished) and all(map(self.outlined, test))

    def outdated(self, whole: Cohort, cache: Path | None) -> list[str]:
        """Which labels and scans have changed since it learnt from them: "the label of a", ...

        Args:
            whole: the cohort before its split.
            cache: where its scans were prepared.
        """
        run = self.open()
        if run is None or not run.checkpoint.exists():
            return []
        cohort = self.part.split(whole, self.labelled, self.seed)
        _, learnt = read_origin(run.checkpoint)
        return learnt.changed(Origin.of(run.plan, [*cohort.training, *cohort.validation], cache))

    def complete(self, compute: Compute, command: tuple[str, ...] = ()) -> None:
        """Trains what is left to train and outlines what is left to outline; a process's only job.

        A fault that the user can mend is written beside the folder, for whoever started this.
        """
        keep_freed_memory()  # before torch allocates anything
        if command:
            sys.argv[1:] = command  # what the run folder names as its command
        if compute.threads:
            torch.set_num_threads(compute.threads)
        beside = self.folder.with_name(f"{self.name}.{FAULT}")
        try:
            with claim(self.folder.with_name(f"{self.name}.lock"), wait=True):
                beside.unlink(missing_ok=True)
                self._outline(self._train(compute), compute)
        except CrlnError as error:
            write_text(beside, f"{' '.join(str(error).split())}\n")

    def _train(self, compute: Compute) -> Cohort:
        """Learns; returns the cohort in its parts."""
        run = self.open()
        if self.folder.exists() and not (run and (run.finished or run.checkpoint.exists())):
            shutil.rmtree(self.folder)  # cut off before there was anything in it to keep
        with Recorder(self.folder):
            cohort = self.part.split(self.part.load(), self.labelled, self.seed)
            # The training has no use for these labels; what it does not know it cannot open.
            test = tuple(replace(case, label=None) for case in cohort.test)
            train(
                replace(cohort, test=test), self.plan, self.folder, method=self.variant.method,
                seed=self.seed, device=compute.device, precision=compute.precision,
                cache=compute.cache, resume=True, page=False, progress=False,
            )  # fmt: skip
        return cohort

    def _outline(self, cohort: Cohort, compute: Compute) -> None:
        missing = [case for case in cohort.test if case.label and not self.outlined(case)]
        if not missing:
            return
        predictor = load_predictor(self.folder, compute.device, compute.precision)
        for case in missing:
            predictor.predict(case.images).save(self.mask(case), overwrite=True)
