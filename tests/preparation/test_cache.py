import os
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from crln.cohort import Case
from crln.errors import CrlnError
from crln.labels import IGNORE
from crln.planning.plan import Plan
from crln.preparation import cache as cache_module
from crln.preparation import prepare_cohort

SHAPE = (20, 24, 18)


def write(path: Path, array: np.ndarray) -> Path:
    nib.save(nib.Nifti1Image(array, np.eye(4)), path)
    return path


@pytest.fixture
def case(tmp_path: Path) -> Case:
    random = np.random.default_rng(0)
    label = np.zeros(SHAPE, np.uint8)
    label[4:9, 5:12, 3:8] = 1
    return Case(
        "a",
        (write(tmp_path / "a.nii.gz", random.random(SHAPE, dtype=np.float32)),),
        write(tmp_path / "a_label.nii.gz", label),
    )


@pytest.fixture
def builds(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The ids of the cases that were prepared anew."""
    done: list[str] = []
    original = cache_module._build

    def counted(case, plan, folder):  # type: ignore[no-untyped-def]
        done.append(case.id)
        original(case, plan, folder)

    monkeypatch.setattr(cache_module, "_build", counted)
    return done


def test_a_patch_is_what_lies_there(case: Case, tmp_path: Path) -> None:
    (prepared,) = prepare_cohort([case], Plan(), tmp_path / "cache")
    assert prepared.shape == SHAPE
    image, label = prepared.read((0, 0, 0), SHAPE)
    assert (image.dtype, label.dtype) == (np.float32, np.int64)
    patch, part = prepared.read((3, 4, 2), (16, 16, 16))
    np.testing.assert_array_equal(patch, image[:, 3:19, 4:20, 2:18])
    np.testing.assert_array_equal(part, label[3:19, 4:20, 2:18])
    truth = nib.load(case.label).get_fdata()
    np.testing.assert_array_equal(label, truth)


@pytest.mark.parametrize("start", [(-5, -1, 0), (10, 15, 9), (-40, 0, 0), (30, 0, 0), (-2, -2, -2)])
def test_outside_the_scan_is_zero_and_ignored(
    case: Case, tmp_path: Path, start: tuple[int, int, int]
) -> None:
    (prepared,) = prepare_cohort([case], Plan(), tmp_path / "cache")
    whole, truth = prepared.read((0, 0, 0), SHAPE)
    size = (32, 32, 32)
    image, label = prepared.read(start, size)
    pad = [(64, 64)] * 3
    wide = np.pad(whole[0], pad)
    wide_label = np.pad(truth, pad, constant_values=IGNORE)
    window = tuple(slice(s + 64, s + 64 + n) for s, n in zip(start, size, strict=True))
    np.testing.assert_array_equal(image[0], wide[window])
    np.testing.assert_array_equal(label, wide_label[window])


def test_an_unlabelled_case_opens_no_label(case: Case, tmp_path: Path) -> None:
    assert case.label is not None
    case.label.unlink()
    unlabelled = Case(case.id, case.images)
    (prepared,) = prepare_cohort([unlabelled], Plan(), tmp_path / "cache")
    _, label = prepared.read((-1, 0, 0), SHAPE)
    assert (label[0] == IGNORE).all()
    assert (label[1:] == 0).all()
    assert not prepared.foreground


def test_foreground_voxels_are_foreground(case: Case, tmp_path: Path) -> None:
    (prepared,) = prepare_cohort([case], Plan(), tmp_path / "cache")
    _, label = prepared.read((0, 0, 0), SHAPE)
    assert set(prepared.foreground) == {1}
    voxels = prepared.foreground[1]
    assert len(voxels) == min(1000, 5 * 7 * 5)
    assert (label[tuple(voxels.T)] == 1).all()


def test_unchanged_is_reused_and_changed_is_rebuilt(
    case: Case, tmp_path: Path, builds: list[str]
) -> None:
    cache, plan = tmp_path / "cache", Plan()
    prepare_cohort([case], plan, cache)
    prepare_cohort([case], plan, cache)
    assert builds == ["a"]
    prepare_cohort([case], plan.updated({"training": {"lr": 0.1}}), cache)
    assert builds == ["a"], "what does not touch preparation must not rebuild it"
    prepare_cohort([case], plan.updated({"spacing": [2.0, 2.0, 2.0]}), cache)
    prepare_cohort([case], plan.updated({"intensity": [{"scheme": "minmax"}]}), cache)
    assert builds == ["a"] * 3
    prepare_cohort([case], plan, cache)
    assert builds == ["a"] * 3
    array = np.random.default_rng(5).random(SHAPE, dtype=np.float32)
    write(case.images[0], array)
    os.utime(case.images[0], ns=(1, 1))
    (prepared,) = prepare_cohort([case], plan, cache)
    assert builds == ["a"] * 4
    image, _ = prepared.read((0, 0, 0), SHAPE)
    np.testing.assert_allclose(image[0], (array - array.mean()) / array.std(), atol=1e-4)


@pytest.mark.parametrize("name", ["image.b2nd", "label.b2nd", "case.json"])
def test_a_damaged_cache_is_rebuilt(
    case: Case, tmp_path: Path, builds: list[str], name: str
) -> None:
    cache = tmp_path / "cache"
    (prepared,) = prepare_cohort([case], Plan(), cache)
    content = (prepared.folder / name).read_bytes()
    (prepared.folder / name).write_bytes(content[: len(content) // 2])
    (again,) = prepare_cohort([case], Plan(), cache)
    assert builds == ["a", "a"]
    np.testing.assert_array_equal(
        again.read((0, 0, 0), SHAPE)[1] == 1, nib.load(case.label).get_fdata() == 1
    )


def test_image_and_label_must_lie_on_one_grid(case: Case, tmp_path: Path) -> None:
    assert case.label is not None
    write(case.label, np.zeros((20, 24, 17), np.uint8))
    with pytest.raises(CrlnError, match=r"a_label\.nii\.gz"):
        prepare_cohort([case], Plan(), tmp_path / "cache")
    assert not list((tmp_path / "cache").rglob("*.b2nd"))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(CrlnError, match=r"gone\.nii"):
        prepare_cohort([Case("x", (tmp_path / "gone.nii",))], Plan(), tmp_path / "cache")


def test_progress_is_told(case: Case, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    prepare_cohort([case], Plan(), tmp_path / "cache", lambda done, of: told.append((done, of)))
    assert told == [(1, 1)]


def test_a_cache_that_cannot_be_written_is_named(case: Case, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CrlnError, match="free space or set --cache"):
        prepare_cohort([case], Plan(), tmp_path / "file")
