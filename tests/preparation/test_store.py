import os
from pathlib import Path

import blosc2
import numpy as np
import pytest

from crln.cohort import Case, Label
from crln.errors import CrlnError
from crln.labels import IGNORE, LabelSpace
from crln.preparation.store import PreparedCase, load_case, store_case

SHAPE = (20, 40, 18)
RANDOM = np.random.default_rng(0)
IMAGE = RANDOM.random((2, *SHAPE), dtype=np.float32)
LABEL = np.zeros(SHAPE, np.uint8)
LABEL[4:9, 5:12, 3:8] = 1
LABEL[:, 30:, :] = 2
SPACE = LabelSpace.of(range(4), {})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    store_case(tmp_path / "ab" / "case", IMAGE, LABEL, SPACE)
    return tmp_path / "ab" / "case"


@pytest.fixture
def prepared(folder: Path) -> PreparedCase:
    found = load_case(Case("a", (), Label(Path("label"))), folder)
    assert found is not None
    return found


def test_the_whole_scan_comes_back(prepared: PreparedCase) -> None:
    image, label, inside = prepared.read((0, 0, 0), SHAPE)
    assert (prepared.id, prepared.shape, prepared.labelled) == ("a", SHAPE, True)
    assert (image.dtype, label.dtype) == (np.float32, np.int64)
    np.testing.assert_array_equal(image, IMAGE)
    np.testing.assert_array_equal(label, LABEL)
    assert inside.all()


@pytest.mark.parametrize(
    "start",
    [(3, 4, 1), (-5, -1, 0), (10, 15, 9), (-40, 0, 0), (-16, 0, 0), (20, 0, 0), (90, -70, 0)],
)
def test_outside_the_scan_is_zero_and_ignored(
    prepared: PreparedCase, start: tuple[int, int, int]
) -> None:
    size = (16, 32, 32)
    image, label, inside = prepared.read(start, size)
    margin = 100
    wide = np.pad(IMAGE, [(0, 0)] + [(margin, margin)] * 3)
    wide_label = np.pad(LABEL.astype(np.int64), margin, constant_values=IGNORE)
    window = tuple(slice(s + margin, s + margin + n) for s, n in zip(start, size, strict=True))
    np.testing.assert_array_equal(image, wide[(slice(None), *window)])
    np.testing.assert_array_equal(label, wide_label[window])
    np.testing.assert_array_equal(inside, wide_label[window] != IGNORE)


def test_without_a_label_nobody_knows_the_class_inside_or_outside(tmp_path: Path) -> None:
    store_case(tmp_path, IMAGE, None, SPACE)
    prepared = load_case(Case("a", ()), tmp_path)
    assert prepared is not None
    _, label, inside = prepared.read((-1, 0, 0), SHAPE)
    assert (label == IGNORE).all()
    assert not inside[0].any()
    assert inside[1:].all()
    assert prepared.foreground == {}


@pytest.mark.slow
@pytest.mark.parametrize("classes", [3, 128, 129, 265, 40_000])
def test_every_class_and_what_nobody_knows_comes_back(tmp_path: Path, classes: int) -> None:
    space = LabelSpace(tuple(range(classes)), tuple(f"k{k}" for k in range(classes)), ignore=-7)
    values = np.random.default_rng(0).integers(0, classes, SHAPE)
    values[0, 0, :3] = 0, classes - 1, -7
    store_case(tmp_path, IMAGE, space.encode(values), SPACE)
    prepared = load_case(Case("a", (), Label(Path("label"))), tmp_path)
    assert prepared is not None
    label = prepared.read((0, 0, 0), SHAPE)[1]
    np.testing.assert_array_equal(label, np.where(values == -7, IGNORE, values))


def test_foreground_voxels_are_foreground(prepared: PreparedCase) -> None:
    assert set(prepared.foreground) == {1, 2}  # of class 3 there is none
    assert [len(prepared.foreground[k]) for k in (1, 2)] == [5 * 7 * 5, 1000]
    for k, voxels in prepared.foreground.items():
        assert (LABEL[tuple(voxels.T)] == k).all()
        assert len(np.unique(voxels, axis=0)) == len(voxels)
    spread = np.ptp(prepared.foreground[2], axis=0)
    assert (spread >= [18, 8, 16]).all()


def test_a_patch_decompresses_little_more_than_itself(folder: Path) -> None:
    array = blosc2.open(str(folder / "image.b2nd"))
    assert array.chunks == (1, 20, 32, 18)
    assert array.blocks == (1, 16, 16, 16)


def test_nothing_lies_beside_what_was_stored(folder: Path) -> None:
    names = {"image.b2nd", "label.b2nd", "foreground.npz", "case.json"}
    assert {path.name for path in folder.iterdir()} == names


@pytest.mark.parametrize("notes", ["", "[]", "{}", '{"files": {}, "shape": [1, 2]}'])
def test_notes_that_say_nothing_count_as_missing(folder: Path, notes: str) -> None:
    (folder / "case.json").write_text(notes)
    assert load_case(Case("a", (Path("scan"),)), folder) is None


def test_a_cache_that_was_removed_is_named(folder: Path, prepared: PreparedCase) -> None:
    (folder / "image.b2nd").unlink()
    with pytest.raises(CrlnError, match="case: damaged in the cache; start again to"):
        prepared.read((0, 0, 0), SHAPE)


def test_a_cache_that_cannot_be_written_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(CrlnError, match=r"No space left on device\); free space or set --cache"):
        store_case(tmp_path / "case", IMAGE, LABEL, SPACE)
    assert not list((tmp_path / "case").iterdir())


@pytest.mark.parametrize("name", ["image.b2nd", "label.b2nd", "foreground.npz"])
def test_what_was_damaged_after_the_start_is_made_anew_at_the_next(
    folder: Path, prepared: PreparedCase, name: str
) -> None:
    content = bytearray((folder / name).read_bytes())
    content[8:-8] = bytes(len(content) - 16)
    (folder / name).write_bytes(content)
    with pytest.raises(CrlnError, match="case: damaged in the cache; start again"):
        prepared.foreground, prepared.read((0, 0, 0), SHAPE)
    assert load_case(Case("a", (Path("scan"),)), folder) is None


def test_a_cache_that_was_copied_is_taken(folder: Path) -> None:
    for path in folder.iterdir():
        os.utime(path, (1, 1))  # its times are lost
    assert load_case(Case("a", ()), folder) is not None
