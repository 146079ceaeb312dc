"""The routes that 3D Slicer's MONAI Label module speaks, so that Slicer is another page.

*Next sample* opens the worst case, *Run* brings its outline, *Submit label* accepts what was
corrected, *Train* learns again. Answers are what that module reads (client.py of MONAI Label 0.8).
"""

import json
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from crln._version import __version__
from crln.files import fault_of
from crln.imaging import (
    check_same_grid,
    is_scan,
    label_names,
    read_grid,
    read_label,
    scan_suffix,
)
from crln.imaging.naming import plain
from crln.reviewing.learning import Wish
from crln.reviewing.overview import worst_first
from crln.reviewing.server import multipart
from crln.reviewing.server.app import App
from crln.reviewing.server.drawn import check_one_value
from crln.reviewing.server.gate import Refused
from crln.reviewing.server.multipart import FormPart
from crln.reviewing.server.reply import MOST_JSON, Reply, Request, told
from crln.reviewing.state import file_name

FIRST = "slicer"
"""The first part of its paths, after the token."""
MODEL, STRATEGY = "crln", "worst first"
_BYTES_A_VOXEL = 8
_FILE = "application/octet-stream"


class _Segment(BaseModel):
    model_config = ConfigDict(extra="ignore")

    name: str
    idx: int | None = None


class _Params(BaseModel):
    """What comes with a label."""

    model_config = ConfigDict(extra="ignore")

    label_info: list[_Segment] = Field(default_factory=list, max_length=255)


class SlicerAnswers:
    """Answers 3D Slicer, and hands everything else to the page's answers.

    Args:
        app: the page's.
    """

    def __init__(self, app: App) -> None:
        self._app, self._project, self._learning = app, app.project, app.learning
        self._routes: dict[tuple[str, ...], Callable[[Request], Reply]] = {
            ("GET", "info", ""): self._info,
            ("GET", "logs", ""): self._logs,
            ("GET", "datastore", ""): self._cases,
            ("PUT", "datastore", ""): self._scan_of_theirs,
            ("GET", "datastore", "image"): self._scan,
            ("GET", "datastore", "label"): self._label,
            ("PUT", "datastore", "label"): self._submit,
            ("GET", "train", ""): self._training,
            ("POST", "train", ""): self._train,
            ("POST", "train", MODEL): self._train,
            ("DELETE", "train", ""): self._stop,
            ("PUT", "session", ""): self._scan_of_theirs,
        }

    def __call__(self, request: Request) -> Reply:
        """The answer to a request."""
        parts, method = request.target.parts, request.method
        if parts[0] != FIRST:
            return self._app(request)
        rest = (*parts[1:], "") if len(parts) == 2 else parts[1:]
        if {"infer", "label"} & set(rest[:2]):
            check_one_value(self._project)
        if len(rest) == 2 and (method, *rest) in self._routes:
            return self._routes[method, *rest](request)
        if method == "POST" and len(rest) >= 1 and rest[0] == "activelearning":
            return self._next(request)
        if method == "POST" and len(rest) == 2 and rest[0] == "infer":
            return self._outline(request)
        raise Refused(404, "not found")  # also of auth and sessions: there are none

    def _info(self, request: Request) -> Reply:
        states = [self._project.state(id).state for id in self._project.cases]
        names = list(self._project.classes.values())
        now = self._learning.status()
        stats: dict[str, Any] = {
            "epoch": now.get("step", 0), "total_epochs": max(1, now.get("steps", 0)),
        }  # fmt: skip
        if now["stage"] == "done":
            stats["total_time"] = 1
        return told({
            "name": f"crln: {self._project.places.path.name}",
            "description": "outlines of crln review, the worst first",
            "version": __version__,
            "labels": names,
            "models": {MODEL: {
                "type": "segmentation", "labels": names, "dimension": 3, "config": {},
                "description": "the outline as it stands; where there is none, of the last model",
            }},
            "trainers": {MODEL: {"config": {}, "description": "learn again"}},
            "strategies": {STRATEGY: {"config": {}, "description": "the worst outline"}},
            "scoring": {},
            "train_stats": {MODEL: stats} if now["round"] else {},
            "datastore": {"completed": states.count("accepted"), "total": len(states)},
        })  # fmt: skip

    def _next(self, request: Request) -> Reply:
        """The worst case that is to do; an empty answer where none is."""
        request.whole(MOST_JSON)
        waiting = worst_first(self._project)
        if not waiting:
            return told({})
        path = self._file(waiting[0])
        name = f"{file_name(waiting[0])}{scan_suffix(path)}"
        return told({"id": waiting[0], "name": name, "path": str(path.resolve())})

    def _file(self, id: str) -> Path:
        """A scan as one file that Slicer opens: its own, or of a series a copy."""
        case = self._project.case(id)
        if case.images[0].is_file() and is_scan(case.images[0]):
            return case.images[0]
        from crln.imaging import read_image, write_scalar

        path = self._project.places.shown / f"{file_name(id)}.nii.gz"
        if not path.exists():
            scan = read_image(case.images[:1])
            write_scalar(path, scan.array[0], scan.grid)
        return path

    def _id(self, request: Request, name: str = "image") -> str:
        id = request.target.query.get(name, "")
        if id not in self._project.cases:
            raise Refused(404, f"{name}: no such case")
        return id

    def _scan(self, request: Request) -> Reply:
        id = self._id(request)
        return Reply(self._file(id), _FILE, _named(file_name(id), self._file(id)))

    def _cases(self, request: Request) -> Reply:
        objects = {}
        for id, case in self._project.cases.items():
            tags = ["original"] if self._project.masks.round(id) else []
            if self._project.state(id).state == "accepted":
                tags.append("final")
            info = {"name": case.images[0].name, "state": self._project.status(id)}
            objects[id] = {
                "image": {"ext": scan_suffix(case.images[0]), "info": info},
                "labels": {tag: {"ext": ".nii.gz", "info": {}} for tag in tags},
            }
        return told({"name": self._project.places.path.name, "objects": objects})

    def _label(self, request: Request) -> Reply:
        """The outline as it stands."""
        id = self._id(request, "label")
        body, _ = self._packed(id)
        return Reply(body, _FILE, _named(file_name(id), Path("a.nii.gz")))

    def _outline(self, request: Request) -> Reply:
        """The outline, and the names of the values in it, as Slicer asks a model for it."""
        id = self._id(request)
        request.whole(_BYTES_A_VOXEL * self._voxels(id))
        if self._learning.has_model:
            self._learning.outline_one(id)
        body, values = self._packed(id)
        names = {self._project.classes.get(v, f"value {v}"): v for v in values if v}
        answer, kind = multipart.write(
            {"params": json.dumps({"label_names": names, "latencies": {}})},
            {"file": FormPart(body, f"{quote(file_name(id))}.nii.gz")},
        )
        return Reply(answer, kind)

    def _packed(self, id: str) -> tuple[bytes, list[int]]:
        """The outline as a file of NIfTI, and the values that it holds."""
        if self._project.standing(id).origin == "nothing":
            raise Refused(404, "nothing is outlined yet: draw it, or accept others and train")
        values = self._project.values(id)
        values[values == self._project.settings.ignore] = 0
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "outline.nii.gz"
            self._project.structures.write(path, values, self._project.case(id).images[0])
            return path.read_bytes(), np.unique(values).tolist()

    def _submit(self, request: Request) -> Reply:
        """Accepts what was corrected in Slicer."""
        id = self._id(request)
        body = request.whole(_BYTES_A_VOXEL * self._voxels(id) + MOST_JSON)
        parts = multipart.parse(body, request.headers.get("Content-Type", ""))
        if "label" not in parts:
            raise Refused(400, "no label in the form")
        try:
            told_by = parts["params"].content if "params" in parts else b"{}"
            params = _Params.model_validate_json(told_by)
        except ValidationError as error:
            raise Refused(400, f"params: {fault_of(error)}") from error
        values = self._read(id, parts["label"], params.label_info)
        self._project.save(id, values, round=self._project.standing(id).round)
        self._project.decide(id, "accepted")
        return told({"image": id, "label": id})

    def _read(self, id: str, label: FormPart, segments: list[_Segment]) -> np.ndarray:
        """Values of the project's classes, on the scan's grid."""
        scan = self._project.case(id).images[0]
        grid, suffix = read_grid(scan), scan_suffix(Path(label.file))
        if suffix not in (".nii.gz", ".nii", ".seg.nrrd", ".nrrd"):
            raise Refused(415, "a label of a kind that Slicer does not send; send .nii.gz")
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"label{suffix}"
            path.write_bytes(label.content)
            for name in label_names(path).values():  # others would be read as background
                self._value(name)
            found = read_label(path, grid, self._known)
            check_same_grid(scan, grid, path, found.grid)
        return self._by_name(found.array[0], [] if suffix == ".seg.nrrd" else segments)

    def _by_name(self, values: np.ndarray, segments: list[_Segment]) -> np.ndarray:
        """Slicer numbers the segments that it writes; their names say which classes these are."""
        held = set(np.unique(values).tolist()) - {0}
        named = dict(enumerate((each.name for each in segments), 1))
        if not held <= named.keys():
            named = {each.idx: each.name for each in segments if each.idx is not None}
        if not segments:
            named = self._known
        meant = np.zeros(max([0, *held]) + 1, np.int32)
        for value in held:
            meant[value] = self._value(named.get(value, str(value)))
        found: np.ndarray = meant[values]
        return found

    @property
    def _known(self) -> dict[int, str]:
        """Value to name of what can be drawn."""
        return {**self._project.classes, self._project.settings.ignore: "unknown"}

    def _value(self, name: str) -> int:
        """Of the class that a segment is called after."""
        for value, known in self._known.items():
            if _key(known) == _key(name):
                return value
        raise Refused(
            422, f"segment {name}: no structure of this project; call it one of "
            f"{', '.join(self._project.classes.values())}",
        )  # fmt: skip

    def _voxels(self, id: str) -> int:
        x, y, z = read_grid(self._project.case(id).images[0]).shape
        return x * y * z

    def _train(self, request: Request) -> Reply:
        request.whole(MOST_JSON)
        return told({"id": "1", "status": "RUNNING", "details": [self._learning.start(Wish())]})

    def _training(self, request: Request) -> Reply:
        if not self._learning.running():
            raise Refused(404, "no round is at work")
        return told({"id": "1", "status": "RUNNING", "details": [self._learning.status()]})

    def _stop(self, request: Request) -> Reply:
        return told({"id": "1", "status": "STOPPED", "details": [self._learning.stop()]})

    def _logs(self, request: Request) -> Reply:
        return Reply(json.dumps(self._learning.status(), indent=1).encode(), "text/plain")

    def _scan_of_theirs(self, request: Request) -> Reply:
        """A scan of the project is there already; another one belongs into the data's folder."""
        if request.target.query.get("image", "") in self._project.cases:
            return told({"image": request.target.query["image"]})
        raise Refused(
            422, "this server has scans of its own; add yours to the folder of the data, then "
            "start crln review again",
        )  # fmt: skip


def _key(name: str) -> str:
    """What a segment is compared by; a structure that nobody named is called after its value."""
    return plain(name) or name.strip().casefold()


def _named(stem: str, path: Path) -> Mapping[str, str]:
    name = quote(f"{stem}{scan_suffix(path)}")
    return {"Content-Disposition": f'attachment; filename="{name}"'}
