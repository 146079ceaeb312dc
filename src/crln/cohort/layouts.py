"""Recognises how a data set lies on disk. No voxel is read: directories, lists and one JSON."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import yaml

from crln.cohort.case import Case, Cohort
from crln.errors import CrlnError
from crln.imaging import is_archive, is_dicom_folder, is_scan, scan_stem

LISTS = {"training": ("train.list",), "validation": ("val.list", "eval.list"), "test": ("test.list",)}
CHANNEL_DIGITS = 4


def load_cohort(path: Path) -> Cohort:
    """Reads which cases there are.

    Layouts: `images/` and `labels/`; Medical Segmentation Decathlon or nnU-Net (`imagesTr`,
    `labelsTr`, `dataset.json`, optional `imagesUn`); the field's h5 archives; a `cohort.yaml`. In
    the first and third, `train.list`, `val.list` (or `eval.list`) and `test.list` name the parts.

    Args:
        path: the folder, or the cohort.yaml.

    Returns:
        Cases with a label as labelled, those without as unlabelled, listed ones in their part.

    Raises:
        CrlnError: no layout is recognised, ids repeat, a label has no scan, or a listed case is
            missing.
    """
    path = Path(path)
    try:
        if path.is_file() and path.suffix in (".yaml", ".yml"):
            return _from_yaml(path)
        if (path / "cohort.yaml").is_file():
            return _from_yaml(path / "cohort.yaml")
        if (path / "imagesTr").is_dir():
            return _from_decathlon(path)
        if (path / "images").is_dir():
            return _from_folders(path)
        if path.is_dir():
            archives = sorted(p for p in path.rglob("*.h5") if not p.name.startswith("."))
            if archives:
                return _from_archives(path, archives)
    except OSError as error:
        raise CrlnError(
            f"{error.filename or path}: cannot be read ({error.strerror}); check its permissions"
        ) from error
    if not path.exists():
        raise CrlnError(f"{path}: no such folder; give the folder that holds the scans")
    raise CrlnError(
        f"{path}: no known layout; it should hold images/ and labels/, or imagesTr/ and labelsTr/, "
        "or h5 archives, or a cohort.yaml"
    )


def _from_folders(root: Path) -> Cohort:
    scans = _by_id(_scans(root / "images"))
    labels = _by_id(_scans(root / "labels")) if (root / "labels").is_dir() else {}
    cases = _pair(scans, labels)
    channels = _channel_names(cases)
    return _parted(Cohort(root, "folders", channels=channels), cases, root)


def _from_decathlon(root: Path) -> Cohort:
    notes = _dataset_json(root / "dataset.json")
    names = notes.get("channel_names") or notes.get("modality") or {}
    channels = tuple(str(names[key]) for key in sorted(names, key=int))
    scans = _by_id(_scans(root / "imagesTr"))
    labels = _by_id(_scans(root / "labelsTr")) if (root / "labelsTr").is_dir() else {}
    cases = _pair(scans, labels)
    if (root / "imagesUn").is_dir():
        extra = _by_id(_scans(root / "imagesUn"))
        for repeated in extra.keys() & scans.keys():
            raise CrlnError(f"{extra[repeated][0]}: case {repeated!r} is in imagesTr too; rename it")
        cases += _pair(extra, {})
    _check_channels(root, cases, len(channels))
    cohort = Cohort(
        root, "decathlon", channels=channels or _channel_names(cases),
        class_names=_class_names(notes.get("labels", {})),
    )  # fmt: skip
    return _parted(cohort, cases, root)


def _from_archives(root: Path, archives: Sequence[Path]) -> Cohort:
    files = _by_id(archives)
    cases = []
    for case, (path,) in files.items():
        try:
            with h5py.File(path, "r") as file:
                labelled = "label" in file
        except OSError as error:
            raise CrlnError(f"{path}: not a readable h5 archive; copy it again") from error
        cases.append(Case(case, (path,), path if labelled else None))
    return _parted(Cohort(root, "h5"), cases, root)


def _from_yaml(path: Path) -> Cohort:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise CrlnError(f"{path}: not readable YAML; correct it") from error
    parts = ("labelled", "unlabelled", "validation", "test")
    known = {*parts, "channels", "classes", "ordered"}
    if not isinstance(content, dict) or content.keys() - known:
        raise CrlnError(f"{path}: may hold {', '.join(sorted(known))} and nothing else")
    cases = {part: [_yaml_case(path, entry, part) for entry in content.get(part) or []] for part in parts}
    everyone = [case for part in parts for case in cases[part]]
    _check_unique(path, [case.id for case in everyone])
    return Cohort(
        path, "yaml",
        **{part: tuple(cases[part]) for part in parts},
        channels=tuple(content.get("channels") or _channel_names(everyone)),
        class_names={int(k): str(v) for k, v in (content.get("classes") or {}).items()},
        ordered=bool(content.get("ordered", False)),
    )  # fmt: skip


def _yaml_case(path: Path, entry: Any, part: str) -> Case:
    if not isinstance(entry, dict) or not {"images"} <= entry.keys() <= {"id", "images", "label"}:
        raise CrlnError(f"{path}: under {part}: each case has images, and may have id and label")
    images = entry["images"] if isinstance(entry["images"], list) else [entry["images"]]
    files = tuple(path.parent / str(image) for image in images)
    label = path.parent / str(entry["label"]) if entry.get("label") else None
    for file in (*files, *([label] if label else [])):
        if not file.exists():
            raise CrlnError(f"{file}: no such file, but {path} names it; correct either")
    if part == "labelled" and label is None:
        raise CrlnError(f"{path}: case {files[0].name} is under labelled without a label")
    if part == "unlabelled":
        label = None
    return Case(str(entry.get("id") or scan_stem(files[0])), files, label)


def _scans(folder: Path) -> list[Path]:
    """Scan files and DICOM folders, sorted by name."""
    return sorted(p for p in folder.iterdir() if is_scan(p) or (p.is_dir() and is_dicom_folder(p)))


def _by_id(paths: Iterable[Path]) -> dict[str, tuple[Path, ...]]:
    """Case id -> its files, channels `_0000`, `_0001`, ... in order."""
    found: dict[str, dict[int, Path]] = {}
    for path in paths:
        stem, channel = scan_stem(path), 0
        head, _, tail = stem.rpartition("_")
        if head and len(tail) == CHANNEL_DIGITS and tail.isdigit() and not is_archive(path):
            stem, channel = head, int(tail)
        channels = found.setdefault(stem, {})
        if channel in channels:
            raise CrlnError(
                f"{path}: a second scan of case {stem!r} besides {channels[channel].name}; "
                "rename or remove one"
            )
        channels[channel] = path
    return {case: tuple(files[i] for i in sorted(files)) for case, files in found.items()}


def _pair(
    scans: Mapping[str, tuple[Path, ...]], labels: Mapping[str, tuple[Path, ...]]
) -> list[Case]:
    for case, files in labels.items():
        if case not in scans:
            raise CrlnError(f"{files[0]}: a label without a scan; add the scan or remove the label")
    return [
        Case(case, files, labels[case][0] if case in labels else None)
        for case, files in scans.items()
    ]


def _parted(cohort: Cohort, cases: Sequence[Case], folder: Path) -> Cohort:
    """Puts cases into their parts, by the lists if there are any."""
    if not cases:
        raise CrlnError(f"{folder}: holds no scan in a known format")
    by_id = {case.id: case for case in cases}
    lists = {part: _read_list(folder, names, by_id) for part, names in LISTS.items()}
    held = (lists["validation"] or []) + (lists["test"] or [])
    training = lists["training"]
    if training is None:
        training = [case for case in by_id if case not in held]
    _check_unique(folder, training + held)
    chosen = [by_id[case] for case in training]
    return replace(
        cohort,
        labelled=tuple(case for case in chosen if case.label is not None),
        unlabelled=tuple(case for case in chosen if case.label is None),
        validation=tuple(by_id[case] for case in lists["validation"] or []),
        test=tuple(by_id[case] for case in lists["test"] or []),
        ordered=lists["training"] is not None,
    )


def _read_list(
    folder: Path, names: Sequence[str], cases: Mapping[str, Case]
) -> list[str] | None:
    """The ids of a list file in the folder, or None where there is none."""
    for path in (folder / name for name in names):
        if path.is_file():
            lines = path.read_text(encoding="utf-8").split("\n")
            entries = [line.strip() for line in lines if line.strip()]
            ids = [scan_stem(Path(e)) if is_scan(Path(e)) else e.removesuffix("_norm") for e in entries]
            missing = [case for case in ids if case not in cases]
            if missing:
                raise CrlnError(f"{path}: names the case {missing[0]!r}, of which there is no scan")
            return ids
    return None


def _check_unique(path: Path, ids: Sequence[str]) -> None:
    seen: set[str] = set()
    for case in ids:
        if case in seen:
            raise CrlnError(f"{path}: case {case!r} appears twice; every id must be unique")
        seen.add(case)


def _check_channels(root: Path, cases: Sequence[Case], channels: int) -> None:
    expected = channels or max((len(case.images) for case in cases), default=1)
    for case in cases:
        if len(case.images) != expected:
            raise CrlnError(
                f"{case.images[0]}: case {case.id!r} has {len(case.images)} channel files where "
                f"{root / 'dataset.json'} has {expected} channels"
            )


def _channel_names(cases: Sequence[Case]) -> tuple[str, ...]:
    most = max((len(case.images) for case in cases), default=1)
    return ("image",) if most == 1 else tuple(f"channel {i}" for i in range(most))


def _dataset_json(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise CrlnError(f"{path}: not readable JSON ({error}); correct or remove it") from error
    return content if isinstance(content, dict) else {}


def _class_names(labels: Mapping[str, Any]) -> dict[int, str]:
    """Decathlon: value -> name; nnU-Net: name -> value."""
    names: dict[int, str] = {}
    for key, value in labels.items():
        if str(key).lstrip("-").isdigit():
            names[int(key)] = str(value)
        elif isinstance(value, int):
            names[value] = str(key)
    return names
