"""What the page asks for, and what is done about it."""

from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from crln.imaging import read_grid
from crln.reviewing.bridge import Drawing, packed, ras_affine
from crln.reviewing.learning import Learning, Wish
from crln.reviewing.outlines import Origin
from crln.reviewing.overlays import kinds_of, packed_overlay
from crln.reviewing.overview import classes, line, overview, where_to_look
from crln.reviewing.project import Project
from crln.reviewing.server.drawn import (
    Tools,
    asked_slices,
    check_layer,
    known_values,
    layer_of,
    numbers_of,
    slices_of,
    values_of,
)
from crln.reviewing.server.gate import Refused
from crln.reviewing.server.reply import Reply, Request, tag, told
from crln.reviewing.server.static import static
from crln.reviewing.shown import Shelf, channels
from crln.reviewing.slices import of_page
from crln.reviewing.state import CaseState
from crln.reviewing.thumbnails import Thumbnails

_MOST_SECONDS = 24 * 3600.0
_KEPT = 4
"""Outlines that are kept packed."""
_KEEP = "private, max-age=86400, immutable"
_NIFTI = "application/octet-stream"


class _Form(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class _Decided(_Form):
    what: Literal["accepted", "rejected", "skipped"]
    round: int | None = None
    seconds: float = Field(default=0, ge=0, le=_MOST_SECONDS, allow_inf_nan=False)
    slices: list[int] | None = Field(default=None, min_length=1, max_length=10_000)
    axis: int | None = Field(default=None, ge=0, le=2)


class _Note(_Form):
    note: str = Field(max_length=4000)


@dataclass(frozen=True)
class _Ready:
    """An outline as it is sent."""

    case: str
    version: int
    round: int | None
    origin: Origin
    values: tuple[int, ...]
    bodies: dict[int | None, bytes]


class App:
    """A project, as the page sees it.

    Args:
        project: held by this process.
        learning: what learns from it.
    """

    def __init__(self, project: Project, learning: Learning) -> None:
        self.project, self.learning = project, learning
        self.shelf = Shelf(project.places)
        self.tools = Tools(project, self.shelf)
        self.thumbnails = Thumbnails(project, self.shelf)
        self._outlines: deque[_Ready] = deque(maxlen=_KEPT)
        self._of_case: dict[tuple[str, str], Callable[[str, Request], Reply]] = {
            ("GET", ""): self._case,
            ("GET", "scan.nii"): self._scan,
            ("GET", "outline.nii.gz"): self._outline,
            ("GET", "overlay.nii.gz"): self._overlay,
            ("GET", "small.png"): self._small,
            ("PUT", "drawing"): self._draw,
            ("POST", "decision"): self._decide,
            ("POST", "undo"): self._undo,
            ("PUT", "note"): self._note,
            ("POST", "outline"): self._outline_it,
            ("POST", "between"): self.tools.between,
            ("POST", "grown"): self.tools.grown,
        }
        self._of_all: dict[tuple[str, str], Callable[[Request], Reply]] = {
            ("GET", "project"): lambda request: told(self._project()),
            ("GET", "learning"): lambda request: told(self.learning.status()),
            ("POST", "learning"): self._learn,
            ("DELETE", "learning"): lambda request: told(self.learning.stop()),
            ("POST", "introduced"): self._introduced,
        }

    def __call__(self, request: Request) -> Reply:
        """The answer to a request; names are looked up in tables, and no path is made of them."""
        parts, method = request.target.parts, request.method
        if method == "GET" and (found := static(parts)):
            return found
        if parts[0] == "api" and len(parts) == 2 and (method, parts[1]) in self._of_all:
            return self._of_all[method, parts[1]](request)
        if parts[:2] == ("api", "cases") and 3 <= len(parts) <= 4:
            what = (method, parts[3] if len(parts) == 4 else "")
            if parts[2] in self.project.cases and what in self._of_case:
                return self._of_case[what](parts[2], request)
        raise Refused(404, "not found")

    def _project(self) -> dict[str, Any]:
        return {**overview(self.project), "learning": self.learning.status()}

    def _case(self, id: str, request: Request) -> Reply:
        """What the page must know before it shows a case."""
        project, case = self.project, self.project.case(id)
        grid = read_grid(case.images[0])
        names = project.data.channel_names(channels(case))
        channel = request.number("channel") or 0
        shown = self.shelf.scan(case, channel, names[channel] if channel < len(names) else "")
        ready = self._ready(id)
        return told({
            **line(project, id, ""),
            "version": ready.version,
            "origin": ready.origin,
            "base": ready.round,
            "values": list(ready.values),
            "layers": list(project.classes) if project.structures.separate else [],
            "classes": classes(project),
            "shape": list(grid.in_ras(grid.shape)),
            "spacing": list(grid.in_ras(grid.spacing)),
            "affine": ras_affine(grid).tolist() if grid.known else None,
            "done": of_page(grid, project.state(id).limits),
            "windows": [asdict(window) for window in shown.windows],
            "channels": list(names),
            "overlays": kinds_of(project.places, project.masks.round(id), id),
            "can_outline": ready.origin == "nothing" and self.learning.has_model,
            **where_to_look(project, id),
        }, ETag=tag(ready.version))  # fmt: skip

    def _ready(self, id: str) -> _Ready:
        """The outline of a case as it stands now; read once for all that is asked about it."""
        project = self.project
        with project.changing(id, None) as state:
            found = project.standing(id)
            for ready in tuple(self._outlines):  # others are added meanwhile
                if (ready.case, ready.version, ready.round) == (id, state.version, found.round):
                    return ready
            values, version = project.values(id), state.version
        grid, structures = read_grid(project.case(id).images[0]), project.structures
        drawing = Drawing(grid, known_values(project))
        if structures.separate:
            layers = {k: structures.layer(values, k) for k in structures.names}
            bodies: dict[int | None, bytes] = {
                k: packed(drawing.numbers(layer), grid) for k, layer in layers.items()
            }
        else:
            drawing = Drawing.of(grid, drawing.values, values, id)
            bodies = {None: packed(drawing.numbers(values), grid)}
        ready = _Ready(id, version, found.round, found.origin, drawing.values, bodies)
        self._outlines.append(ready)
        return ready

    def _scan(self, id: str, request: Request) -> Reply:
        shown = self.shelf.scan(self.project.case(id), request.number("channel") or 0)
        return Reply(shown.path, _NIFTI)

    def _outline(self, id: str, request: Request) -> Reply:
        """The outline as it stands, as numbers; not another one than the page was told of."""
        ready = self._ready(id)
        seen = request.number("version", ready.version), request.number("round", ready.round)
        if seen != (ready.version, ready.round):
            raise Refused(412, f"{id}: has changed since you opened it; open it again")
        body = ready.bodies[layer_of(request, self.project)]
        return Reply(body, _NIFTI, {"ETag": tag(ready.version)})

    def _outline_it(self, id: str, request: Request) -> Reply:
        """Has the last model outline a case that has no outline."""
        request.said(_Form)
        self.learning.outline_one(id)
        return self._now(self.project.state(id))

    def _overlay(self, id: str, request: Request) -> Reply:
        """A map beside the mask of a round."""
        kind, round = request.target.query.get("kind", ""), request.number("round")
        places = self.project.places
        if round not in places.rounds() or kind not in kinds_of(places, round, id):
            raise Refused(404, "no such map")
        grid = read_grid(self.project.case(id).images[0])
        return Reply(packed_overlay(places, round, kind, id, grid), _NIFTI)

    def _small(self, id: str, request: Request) -> Reply:
        """A picture for the list; its address changes where it does, so that it may be kept."""
        return Reply(self.thumbnails.picture(id), "image/png", {"Cache-Control": _KEEP})

    def _draw(self, id: str, request: Request) -> Reply:
        """Keeps a drawing: gzipped numbers, one a voxel."""
        version = request.version
        grid = read_grid(self.project.case(id).images[0])
        drawing = Drawing(grid, values_of(request, known_values(self.project)))
        seconds = min(float(request.number("seconds") or 0), _MOST_SECONDS)
        structure = layer_of(request, self.project)
        outline = drawing.outline(numbers_of(request, grid))
        check_layer(outline, structure, self.project)
        state = self.project.save(
            id, outline, version=version, round=request.number("round"), seconds=seconds,
            slices=asked_slices(request, grid), structure=structure,
        )  # fmt: skip
        return self._now(state)

    def _decide(self, id: str, request: Request) -> Reply:
        version, form = request.version, request.said(_Decided)
        slices = None
        if form.slices is not None:
            grid = read_grid(self.project.case(id).images[0])
            slices = slices_of(grid, form.slices, form.axis)
        state = self.project.decide(
            id, form.what, version=version, round=form.round, seconds=form.seconds, slices=slices
        )
        return self._now(state)

    def _undo(self, id: str, request: Request) -> Reply:
        return self._now(self.project.undo(id, request.version))

    def _note(self, id: str, request: Request) -> Reply:
        version = request.version
        return self._now(self.project.write_note(id, request.said(_Note).note, version))

    def _learn(self, request: Request) -> Reply:
        return told(self.learning.start(request.said(Wish)))

    def _introduced(self, request: Request) -> Reply:
        request.said(_Form)
        self.project.change_settings(introduced=True)
        return told({})

    def _now(self, state: CaseState) -> Reply:
        return told(line(self.project, state.case, ""), ETag=tag(state.version))
