"""Scans in, masks out: many scans, of which some may fail."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path

from crln.cohort import Case
from crln.errors import CrlnError, bare_reason
from crln.evaluation.measures import Measures
from crln.files import claim, file_number, remove_partial
from crln.imaging import check_option, mask_files, output_suffix, readable_names, write_scalar
from crln.inference.cards import MaskPage, page_of
from crln.inference.discover import find_cases, input_files
from crln.inference.predictor import Predictor
from crln.inference.table import TABLE, Rows, add_rows, check_table, headings, rows_of
from crln.labels import LabelSpace
from crln.planning import Plan
from crln.quality import Appraisal
from crln.report.gallery import MARK, PAGE, check_own

PROBABILITIES, UNCERTAINTY, CLAIMS = "probabilities", "uncertainty", ".claims"


@dataclass(frozen=True)
class Outcome:
    """What became of one case.

    Attributes:
        case: its id.
        mask: the file that was written; None if it failed.
        error: one line that says why it failed; None if it did not.
        seconds: that it took.
        measures: of each structure, by its name.
        appraisal: how good the outline is likely to be, and what is strange.
        kept: whether its mask was there before, and stays as it is.
    """

    case: str
    mask: Path | None
    error: str | None
    seconds: float
    measures: Mapping[str, Measures] = field(default_factory=dict)
    appraisal: Appraisal = field(default_factory=Appraisal)
    kept: bool = False


@dataclass(frozen=True)
class Outputs:
    """The files of one case: `OUT/<case>.nii.gz`, or with the scan's own suffix.

    Structures that have a file each are written to `OUT/<structure>/<case>.nii.gz`.

    Probabilities and uncertainty lie in folders of their own, so that `OUT` holds masks alone.
    """

    case: Case
    out: Path
    probabilities: bool
    uncertainty: bool
    labels: LabelSpace
    format: str | None = None

    @property
    def masks(self) -> list[Path]:
        """The mask, or one for each structure that has a file of its own, in their order."""
        suffix = output_suffix(self.case.images[0], option=self.format)
        return list(mask_files(self.out / f"{self.case.id}{suffix}", self.labels).values())

    @property
    def mask(self) -> Path:
        """The last mask; written last of all, so that where it is, all is."""
        return self.masks[-1]

    @property
    def outlined(self) -> bool:
        """Whether the case has its mask, or all of its masks."""
        return all(mask.exists() for mask in self.masks)

    @property
    def done(self) -> bool:
        """Whether it has all that is asked for."""
        return self.outlined and all(file.exists() for file in self.maps.values())

    @property
    def maps(self) -> dict[str, Path]:
        """Name of each further output asked for, to its file."""
        wanted = {PROBABILITIES: self.probabilities, UNCERTAINTY: self.uncertainty}
        suffix = output_suffix(self.case.images[0], map=True, option=self.format)
        name = f"{self.case.id}{suffix}"
        return {kind: self.out / kind / name for kind, asked in wanted.items() if asked}


def predict_files(
    predictor: Predictor,
    inputs: Sequence[Path | str],
    out: Path | str,
    *,
    probabilities: bool = False,
    uncertainty: bool = False,
    largest_component: bool | Sequence[str] = False,
    format: str | None = None,
    overwrite: bool = False,
    skip_existing: bool = False,
    share: bool = False,
    page: bool = True,
    progress: Callable[[Outcome, int], None] | None = None,
) -> list[Outcome]:
    """Outlines scans and writes a mask for each; a scan that fails does not stop the others.

    Args:
        predictor: from `load_predictor`.
        inputs: scans and folders of scans, see `discover_inputs`.
        out: the folder to write to.
        probabilities: write `probabilities/<case>` too, K values a voxel.
        uncertainty: write `uncertainty/<case>` too.
        largest_component: keep the largest component only, of each class or of those named.
        format: of the masks: "nifti", "nrrd", "metaimage", "dicom-seg" or "rtstruct"; None: the
            scan's own, or NIfTI where that is a DICOM series.
        overwrite: replace masks that exist.
        skip_existing: scans whose mask exists are not outlined again, and their lines in
            `cases.csv` stay. Maps that they lack are made; one without a mask is made anew.
        share: other processes predict the same inputs into the same folder. Each case is done
            once; masks that exist count as done, and those of a process that died are taken over.
        page: write `index.html` too: every scan that `out` holds the mask of, the worst first.
        progress: called after each case with its outcome and the number of cases to outline.

    Returns:
        An outcome for each case that this process worked on; with `skip_existing` first those for
        cases that had everything.

    Raises:
        CrlnError: before any work: an input holds no scan, a mask exists or would be written onto
            a scan, there is no such format or a scan is no series that it could refer to, or there
            is no class of such a name.

    Examples:
        >>> predictor = crln.load_predictor("run")
        >>> (outcome,) = crln.predict_files(predictor, ["scan.nii.gz"], "outlines")
        >>> outcome.mask.name
        'scan.nii.gz'
    """
    found = find_cases(inputs, len(predictor.plan.channels))
    cases = [Case(case.id, case.images) for case in found]
    out, labels = Path(out), predictor.plan.labels
    outputs = [Outputs(case, out, probabilities, uncertainty, labels, format) for case in cases]
    if format is not None:
        check_option(format, [case.images[0] for case in cases])
    if share and overwrite:
        raise CrlnError("sharing takes masks that exist as done; remove them, or do not overwrite")
    if skip_existing and overwrite:
        raise CrlnError(
            "--skip-existing leaves masks that exist, --overwrite replaces them; give one"
        )
    predictor.classes_to_clean(largest_component)  # a name that is wrong is told at once
    _refuse_inputs(outputs, found)
    check_table(out)
    if page:
        check_own(out / PAGE, MARK)
    if not share and not overwrite:
        _refuse_existing(outputs, skip_existing)
    fresh = [f for f in (out / PROBABILITIES, out / UNCERTAINTY, out) if not f.exists()]
    skip = skip_existing and not share  # sharing does so by itself
    done = {files.case.id: files.mask for files in outputs if skip and files.done}
    todo = [files for files in outputs if files.case.id not in done]
    outcomes = [Outcome(case, mask, None, 0.0, kept=True) for case, mask in done.items()]
    with _page(out, outputs, share) if page else nullcontext() as shown:
        for files in _claimed(todo, out / CLAIMS) if share else todo:
            outcome = _predict_one(
                predictor, files, largest_component, overwrite or share, skip, shown
            )
            _tell_measures(predictor.plan, outcome, out, share, keep=share or skip_existing)
            outcomes.append(outcome)
            if progress:
                progress(outcome, len(todo))
    _remove_empty(fresh)
    return outcomes


def _page(
    out: Path, outputs: Sequence[Outputs], share: bool
) -> AbstractContextManager[MaskPage | None]:
    def known() -> list[str]:
        return [files.case.id for files in outputs if files.outlined]

    return page_of(out, known, out / CLAIMS / PAGE if share else None)


def _tell_measures(plan: Plan, outcome: Outcome, out: Path, share: bool, keep: bool) -> None:
    if outcome.mask and not outcome.kept:
        of_case = rows_of(outcome.case, outcome.measures, plan.labels, outcome.appraisal)
        rows: Rows = {outcome.case: of_case}
        lock = out / CLAIMS / TABLE if share else None
        add_rows(out, rows, headings(plan.channels), lock, keep=keep)


def _remove_empty(folders: Sequence[Path]) -> None:
    """Removes those that hold nothing, as every scan failed."""
    for folder in folders:
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()


def _refuse_inputs(outputs: Sequence[Outputs], found: Sequence[Case]) -> None:
    kept = input_files(found)
    for files in outputs:
        for path in (*files.masks, *files.maps.values()):
            if path.exists() and (what := kept.get(file_number(path))):
                raise CrlnError(f"{path}: is {what}; give another output")


def _refuse_existing(outputs: Sequence[Outputs], skip: bool) -> None:
    """Refuses what is there; where masks that are there are kept, those that lack their like."""
    for files in outputs:
        if skip and files.outlined:
            continue
        for path in (*files.masks, *({} if skip else files.maps).values()):
            if path.exists():
                raise CrlnError(
                    f"{path}: exists, and masks of other structures of the scan do not; remove it, "
                    "or give --overwrite"
                    if skip
                    else f"{path}: exists; give another output, or --overwrite"
                )


def _predict_one(
    predictor: Predictor,
    files: Outputs,
    largest_component: bool | Sequence[str],
    overwrite: bool,
    skip: bool,
    page: MaskPage | None,
) -> Outcome:
    """Outlines a scan; with `skip`, of one whose mask is there only the maps that it lacks."""
    start = time.perf_counter()
    scan = files.case.images[0]
    written: list[Path] = []
    error, measures, appraisal = None, {}, Appraisal()
    kept = skip and files.outlined
    try:
        readable_names([scan])
        prediction = predictor.predict(
            files.case.images,
            probabilities=files.probabilities,
            uncertainty=files.uncertainty,
            largest_component=largest_component,
        )
        for name, path in files.maps.items():
            if kept and path.exists():
                continue
            # beside a mask that is missing, a map is of a process that came to no end
            write_scalar(path, getattr(prediction, name), scan, overwrite=overwrite or skip)
            written.append(path)
        if not kept:
            seen = replace(prediction, scan=prediction.read_scan())  # once for all that is told
            measures, appraisal = seen.measures(), prediction.appraisal
            if page:
                page.add(files.case.id, str(files.mask.relative_to(files.out)), seen, measures)
            prediction.save(files.out / files.mask.name, overwrite=overwrite)
    except CrlnError as fault:
        error = str(fault)
    except Exception as fault:  # whatever it is, the other scans can be outlined
        error = f"{scan}: {bare_reason(fault)}; mend that and predict it again"
    if error:
        for path in written:
            path.unlink(missing_ok=True)
        if page:
            page.fail(files.case.id, error)
    mask, seconds = None if error else files.mask, time.perf_counter() - start
    return Outcome(files.case.id, mask, error, seconds, measures, appraisal, kept)


def _claimed(outputs: Sequence[Outputs], claims: Path) -> Iterator[Outputs]:
    """The outputs that fall to this process: first those that are free, then those left over."""
    claims.mkdir(parents=True, exist_ok=True)
    busy: list[Outputs] = []
    for wait, round_ in ((False, outputs), (True, busy)):
        for files in round_:
            if files.mask.exists():
                continue
            with claim(claims / files.case.id, wait=wait) as ours:
                if not ours:
                    busy.append(files)
                elif not files.mask.exists():
                    for path in (*files.masks, *files.maps.values()):
                        remove_partial(path)  # whoever held it before is dead
                    yield files
