"""One network taught by the outlines of several: each is made once, and learnt as a label is."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import cast

from crln.cohort import Case, Cohort, Label, check_never_taught, mask_as_label
from crln.cohort.parts import change_cases
from crln.errors import CrlnError
from crln.files import checked, checksum, claim, read_json, write_text
from crln.imaging import output_suffix
from crln.inference import Precision, Predictor
from crln.inference.predictor import predictor_of
from crln.planning import Plan
from crln.preparation import SOURCES, content_of, default_cache
from crln.runs import RunFolder
from crln.runs.ensemble import predicting_runs
from crln.runs.folder import SEAL
from crln.training.options import Training

OUTLINES, RECORD = "outlines", "made.json"
"""The teacher's folder of outlines, and in it what each was made from."""


def with_outlines(cohort: Cohort, plan: Plan, options: Training) -> Cohort:
    """The cohort, each scan to learn from with the teacher's outline as its draft.

    Outlines lie in the teacher's folder, as any number of trainings may learn from them. One that
    is there is made again only where the scan or the teacher has changed. No label is opened, and
    no validation or test scan.

    Args:
        cohort: in its parts.
        plan: of the network that learns; of the same classes.
        options: `distil` is the teacher's folder.

    Raises:
        CrlnError: the teacher has not finished, has other classes, or has learnt from a validation
            or test case of the cohort; or a scan cannot be read.
    """
    assert options.distil
    teacher = options.distil
    runs = predicting_runs(teacher)
    if runs[0].plan.labels != plan.labels:
        raise CrlnError(
            f"--distil {teacher}: outlines other classes ({', '.join(runs[0].plan.labels.names)}) "
            f"than the plan has ({', '.join(plan.labels.names)}); leave out --plan"
        )
    check_never_taught(cohort, teacher)
    for run in runs:
        run.check_seal()
    folder = teacher / OUTLINES
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise CrlnError(
            f"{folder}: cannot be made ({error.strerror}); give a copy of {teacher} that may be "
            "written to"
        ) from error
    with claim(folder / ".lock", wait=True):  # several processes may ask for the same
        drafts = _outlined(cohort.training, runs, folder, options)
    return change_cases(cohort, lambda case: replace(case, draft=drafts.get(case.id)))


def _outlined(
    cases: Sequence[Case], runs: Sequence[RunFolder], folder: Path, options: Training
) -> dict[str, Label]:
    """Case id to its outline, made or found."""
    record, made = folder / RECORD, dict[str, str]()
    if record.exists():
        made = checked(read_json(record, "remove it"), dict[str, str], record, "remove it")
    labels, sources = runs[0].plan.labels, (options.cache or default_cache()) / SOURCES
    predictor: Predictor | None = None
    drafts: dict[str, Label] = {}
    for done, case in enumerate(cases, 1):
        mask = folder / f"{case.id}{output_suffix(case.images[0])}"
        draft = replace(mask_as_label(mask, labels), kind="draft")
        origin = _origin(runs, case, sources)
        if made.get(case.id) != origin or not all(file.exists() for file in draft.files):
            if predictor is None:
                precision = cast(Precision, options.precision or "32")
                predictor = predictor_of(runs, options.device, precision)
            predictor.predict(case.images).save(mask, overwrite=True)
            made[case.id] = origin
            write_text(record, json.dumps(made, indent=1) + "\n")
            if options.progress:
                print(f"{done} of {len(cases)} scans outlined by {folder.parent}", flush=True)
        drafts[case.id] = draft
    return drafts


def _origin(runs: Sequence[RunFolder], case: Case, sources: Path) -> str:
    """What an outline is made from: the teacher's sealed files and what is in the scan."""
    parts = [checksum(run.path / SEAL) for run in runs]
    parts += [content_of(image, sources) for image in case.images]
    return hashlib.blake2b(" ".join(parts).encode(), digest_size=16).hexdigest()
