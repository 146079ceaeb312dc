"""crln review: finish a cohort in the browser, or in 3D Slicer."""

import os
import signal
import socket
import sys
import threading
import webbrowser
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any

import typer

from crln.cli.options import (
    Cache,
    Data,
    Device,
    Iterations,
    JobOption,
    Overwrite,
    Preset,
    Slurm,
    Sparse,
    job_options,
)
from crln.cli.parts import Group, Split
from crln.cli.screen import console, examples
from crln.errors import CrlnError

if TYPE_CHECKING:
    from crln.reviewing import Places
    from crln.reviewing.serving import Service

EXAMPLES = examples(
    "crln review data",
    "crln review scans --classes liver,tumour",
    "crln review data --run run",
    "crln review data --no-browser --port 8765",
    "crln review data --folds 3",
    "crln review data --slicer",
    "crln review data --export finished",
)


def command(
    data: Data,
    project: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", show_default="DATA-review, beside it",
            help="Where everything is kept; your own files are only read.",
        ),
    ] = None,
    run: Annotated[
        Path | None,
        typer.Option(metavar="RUN", help="A run folder, or an ensemble's, to begin with."),
    ] = None,
    classes: Annotated[
        str | None,
        typer.Option(metavar="NAMES", help="Structures (a,b), where there is no label yet."),
    ] = None,
    by: Annotated[
        str | None,
        typer.Option(metavar="NAME", show_default="this account's", help="Who decides."),
    ] = None,
    port: Annotated[
        int, typer.Option(metavar="N", min=0, max=65535, help="To listen on; 0: any that is free.")
    ] = 0,
    no_browser: Annotated[
        bool, typer.Option("--no-browser", help="Only print the address.")
    ] = False,
    slicer: Annotated[
        bool, typer.Option("--slicer", help="Answer 3D Slicer's MONAI Label module, too.")
    ] = False,
    export: Annotated[
        Path | None,
        typer.Option(metavar="OUT", help="Hand over all masks, with cases.csv, and end."),
    ] = None,
    format: Annotated[
        str | None,
        typer.Option(
            metavar="FORMAT", show_default="nifti",
            help="Of the masks to hand over: nifti, nrrd, metaimage; of DICOM series dicom-seg, "
            "rtstruct too.",
        ),
    ] = None,
    split: Split = None,
    group: Group = None,
    sparse: Sparse = False,
    plan: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The plan that rounds follow.")
    ] = None,
    preset: Preset = None,
    iterations: Iterations = None,
    method: Annotated[
        str, typer.Option(metavar="NAME", help="How rounds learn, as for crln train.")
    ] = "crln",
    folds: Annotated[
        int | None,
        typer.Option(
            metavar="K", min=1, max=10, show_default="as before; at first none",
            help="From now on each round trains K networks, each without a Kth of the labelled "
            "cases, which then tell how good it is. 1: one network learns from all.",
        ),
    ] = None,
    device: Device = "auto",
    cache: Cache = None,
    slurm: Slurm = False,
    job_option: JobOption = [],  # noqa: B006
    overwrite: Overwrite = False,
) -> None:  # fmt: skip
    """Finish a cohort: look, correct, learn again.

    Opens a page in the browser, from this machine alone. Ctrl-C ends it.
    """
    from crln.jobs import Jobs
    from crln.reviewing import find_project
    from crln.reviewing.rounds import Order

    if format and not export:
        raise CrlnError("--format is of the masks to hand over; add --export OUT")
    names = [name.strip() for name in (classes or "").split(",") if name.strip()]
    places = find_project(
        data, project, run=run, classes=names, split=split, group=group, sparse=sparse,
        say=console.print,
    )  # fmt: skip
    if export:
        from crln.reviewing.export import export as hand_over
        from crln.reviewing.project import Project

        hand_over(
            Project(places.path), export, format=format, overwrite=overwrite, say=console.print
        )
        return
    from crln.registry import METHODS

    if method not in METHODS:
        raise CrlnError(f"--method {method}: no such method; choose one of {', '.join(METHODS)}")
    usual = Order(
        iterations=iterations, plan=str(plan.resolve()) if plan else None, preset=preset,
        method=method, device=device, cache=str(cache.resolve()) if cache else None,
    )  # fmt: skip
    jobs = Jobs(slurm=slurm, options=job_options(job_option, slurm))
    serve(
        places, browser=not no_browser, port=port, by=by, usual=usual, jobs=jobs, slicer=slicer,
        folds=folds,
    )  # fmt: skip


def serve(places: "Places", *, browser: bool = True, slicer: bool = False, **options: Any) -> None:
    """Answers for a project until Ctrl-C.

    Args:
        places: of the project.
        browser: open the page, rather than only tell its address.
        slicer: answer 3D Slicer, too.
        options: as for `crln.reviewing.serving.serving`.
    """
    from crln.reviewing.serving import serving

    with serving(places, slicer=slicer, **options) as service:
        seen = browser and _has_screen()
        _tell(service, places.path, slicer, not seen)
        if seen:
            webbrowser.open(service.url)
        _wait()
        if service.learning.running():
            console.print("the round stops after its step; the page can go on with it")
    console.print(f"ended; everything is in {places.path}")


def _tell(service: "Service", folder: Path, slicer: bool, remote: bool) -> None:
    """The address, and how to reach it from elsewhere."""
    project = service.project
    done = sum(project.state(id).state == "accepted" for id in project.cases)
    console.print(f"{len(project.cases)} scans, {done} accepted; project in {folder}")
    console.print(service.url)
    if slicer:
        console.print(f"server for 3D Slicer: {service.url}slicer")
    if remote:
        name = socket.gethostname()
        console.print(
            f"from your own machine: ssh -N -L {service.port}:127.0.0.1:{service.port} {name}"
        )
    console.print("Ctrl-C ends it")


def _has_screen() -> bool:
    """Whether a browser with windows can be opened; one for terminals would take this one."""
    if os.name == "nt" or sys.platform == "darwin":
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def _wait() -> None:
    """Until Ctrl-C or SIGTERM."""
    ended = threading.Event()

    def end(number: int, frame: FrameType | None) -> None:
        ended.set()

    before = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        while not ended.wait(0.5):
            pass
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
