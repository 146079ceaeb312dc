import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from crln.cohort import Case, Label
from crln.errors import CrlnError
from crln.labels import IGNORE
from crln.planning.plan import Plan
from crln.preparation import PreparedCase, default_cache, prepare_cohort
from crln.preparation import cache as cache_module
from crln.preparation.sources import content_of

SHAPE = (20, 24, 18)
WHOLE = ((0, 0, 0), SHAPE)


def write(path: Path, array: np.ndarray) -> Path:
    nib.Nifti1Image(array, np.eye(4)).to_filename(path)
    return path


def make_case(folder: Path, name: str = "a") -> Case:
    random = np.random.default_rng(ord(name))
    label = np.zeros(SHAPE, np.uint8)
    label[4:9, 5:12, 3:8] = 1
    image = random.random(SHAPE, dtype=np.float32)
    return Case(
        name,
        (write(folder / f"{name}.nii.gz", image),),
        Label(write(folder / f"{name}_label.nii.gz", label)),
    )


@pytest.fixture
def case(tmp_path: Path) -> Case:
    return make_case(tmp_path)


@pytest.fixture
def builds(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The ids of the cases that were prepared anew."""
    done: list[str] = []
    original = cache_module._build

    def counted(case: Case, plan: Plan, folder: Path) -> None:
        done.append(case.id)
        original(case, plan, folder)

    monkeypatch.setattr(cache_module, "_build", counted)
    return done


def test_a_case_is_prepared_as_the_plan_says(case: Case, tmp_path: Path) -> None:
    (prepared,) = prepare_cohort([case], Plan(), tmp_path / "cache")
    image, label, _ = prepared.read(*WHOLE)
    voxels = nib.load(case.images[0]).get_fdata()
    np.testing.assert_allclose(image[0], (voxels - voxels.mean()) / voxels.std(), atol=1e-4)
    np.testing.assert_array_equal(label, nib.load(case.label.path).get_fdata())


def test_an_unlabelled_case_opens_no_label(case: Case, tmp_path: Path) -> None:
    assert case.label is not None
    case.label.path.write_text("nobody may look here")
    (prepared,) = prepare_cohort([Case(case.id, case.images)], Plan(), tmp_path / "cache")
    assert not prepared.labelled
    assert (prepared.read(*WHOLE)[1] == IGNORE).all()
    assert not list(prepared.folder.glob("label*"))


def test_unchanged_is_reused(case: Case, tmp_path: Path, builds: list[str]) -> None:
    for changes in ({}, {"training": {"lr": 0.1}}, {"patch_size": [16, 16, 16]}):
        prepare_cohort([case], Plan().updated(changes), tmp_path / "cache")
        assert builds == ["a"], "what does not touch preparation must not rebuild it"


@pytest.mark.parametrize(
    "changes",
    [
        {"spacing": [2.0, 2.0, 2.0]},
        {"intensity": [{"scheme": "minmax"}]},
        {"labels": {"values": [1, 0]}},
    ],
)
def test_another_plan_prepares_anew_and_keeps_the_first(
    case: Case, tmp_path: Path, builds: list[str], changes: dict[str, object]
) -> None:
    cache = tmp_path / "cache"
    prepare_cohort([case], Plan(), cache)
    prepare_cohort([case], Plan().updated(changes), cache)
    assert builds == ["a", "a"]
    prepare_cohort([case], Plan(), cache)
    assert builds == ["a", "a"]


@pytest.mark.parametrize("which", ["image", "label"])
def test_a_changed_file_is_prepared_anew(
    case: Case, tmp_path: Path, builds: list[str], which: str
) -> None:
    path = case.images[0] if which == "image" else case.label.path
    assert path is not None
    prepare_cohort([case], Plan(), tmp_path / "cache")
    array = np.random.default_rng(5).integers(0, 2, SHAPE).astype(np.uint8)
    write(path, array)
    os.utime(path, ns=(1, 1))
    (prepared,) = prepare_cohort([case], Plan(), tmp_path / "cache")
    assert builds == ["a", "a"]
    image, label, _ = prepared.read(*WHOLE)
    seen = image[0] > 0 if which == "image" else label
    np.testing.assert_array_equal(seen, array)


@pytest.mark.parametrize("which", ["image", "label"])
def test_a_file_of_the_same_size_and_time_is_told_by_its_content(
    case: Case, tmp_path: Path, builds: list[str], which: str, caplog: pytest.LogCaptureFixture
) -> None:
    path = case.images[0] if which == "image" else case.label.path
    before = path.stat()
    prepare_cohort([case], Plan(), tmp_path / "cache")
    content = bytearray(path.read_bytes())
    content[4] ^= 1  # in gzip's header: another file that holds the same voxels
    path.write_bytes(content)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    prepare_cohort([case], Plan(), tmp_path / "cache")
    assert builds == ["a", "a"]
    assert f"{path}: has changed since it was prepared; it is prepared anew" in caplog.text


def test_what_is_only_touched_moved_or_copied_is_not_prepared_anew(
    case: Case, tmp_path: Path, builds: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    prepare_cohort([case], Plan(), tmp_path / "cache")
    case.images[0].touch()
    moved = Case("b", (case.images[0].rename(tmp_path / "moved.nii.gz"),), case.label)
    prepare_cohort([moved], Plan(), tmp_path / "cache")
    assert builds == ["a"]
    assert not caplog.records


def test_a_file_that_is_known_is_not_read_again(
    case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = content_of(case.images[0], tmp_path / "sources")
    monkeypatch.setattr("crln.preparation.sources._digest", None)
    assert content_of(case.images[0], tmp_path / "sources") == first


@pytest.mark.parametrize("name", ["image.b2nd", "label.b2nd", "foreground.npz", "case.json"])
def test_flipped_bytes_are_noticed_at_the_start_and_told(
    case: Case, tmp_path: Path, builds: list[str], name: str, caplog: pytest.LogCaptureFixture
) -> None:
    (prepared,) = prepare_cohort([case], Plan(), tmp_path / "cache")
    before = prepared.read(*WHOLE)
    content = bytearray((prepared.folder / name).read_bytes())
    middle = len(content) // 2
    content[middle : middle + 20] = bytes(byte ^ 0x5A for byte in content[middle : middle + 20])
    (prepared.folder / name).write_bytes(content)
    (again,) = prepare_cohort([case], Plan(), tmp_path / "cache")
    assert "damaged in the cache" in caplog.text
    assert caplog.text.count("prepared anew") == 1
    for one, other in zip(before, again.read(*WHOLE), strict=True):
        np.testing.assert_array_equal(one, other)
    assert builds == ["a", "a"]


def test_what_a_killed_preparation_left_is_removed(case: Case, tmp_path: Path) -> None:
    (prepared,) = prepare_cohort([case], Plan(), tmp_path / "cache")
    left = prepared.folder / ".partial-killed"
    left.mkdir()
    (left / "image.b2nd").write_text("half")
    (prepared.folder / "case.json").unlink()
    prepare_cohort([case], Plan(), tmp_path / "cache")
    assert not left.exists()


def test_several_fill_one_cache_at_once(case: Case, tmp_path: Path) -> None:
    def work(_: int) -> PreparedCase:
        return prepare_cohort([case], Plan(), tmp_path / "cache")[0]

    with ThreadPoolExecutor(3) as pool:
        found = list(pool.map(work, range(3)))
    expected = prepare_cohort([case], Plan(), tmp_path / "alone")[0].read(*WHOLE)
    for prepared in found:
        for one, other in zip(prepared.read(*WHOLE), expected, strict=True):
            np.testing.assert_array_equal(one, other)
    assert not list((tmp_path / "cache").rglob(".partial-*"))


@pytest.mark.parametrize("name", ["image.b2nd", "label.b2nd", "foreground.npz", "case.json"])
def test_a_truncated_cache_is_rebuilt(
    case: Case, tmp_path: Path, builds: list[str], name: str
) -> None:
    (prepared,) = prepare_cohort([case], Plan(), tmp_path / "cache")
    before = prepared.read(*WHOLE)
    content = (prepared.folder / name).read_bytes()
    (prepared.folder / name).write_bytes(content[: len(content) // 2])
    (again,) = prepare_cohort([case], Plan(), tmp_path / "cache")
    assert builds == ["a", "a"]
    for one, other in zip(before, again.read(*WHOLE), strict=True):
        np.testing.assert_array_equal(one, other)


def test_links_to_one_scan_are_prepared_once(case: Case, tmp_path: Path, builds: list[str]) -> None:
    (tmp_path / "link.nii.gz").symlink_to(case.images[0])
    link = Case("b", (tmp_path / "link.nii.gz",), case.label)
    first, second = prepare_cohort([case, link], Plan(), tmp_path / "cache")
    assert (first.id, second.id) == ("a", "b")
    assert first.folder == second.folder
    assert len(builds) == 1


def test_a_folder_of_slices_is_known_by_all_of_them(tmp_path: Path) -> None:
    series = tmp_path / "series"
    series.mkdir()
    for name in ("1.dcm", "2.dcm"):
        (series / name).write_text(name)
    before = content_of(series, tmp_path / "sources")
    assert content_of(series, tmp_path / "sources") == before
    (series / "2.dcm").write_text("3.dcm")  # as long as it was
    assert content_of(series, tmp_path / "sources") != before


def test_the_first_fault_ends_it(tmp_path: Path, builds: list[str]) -> None:
    cases = [make_case(tmp_path, name) for name in "abcdefgh"]
    write(cases[1].label.path, np.zeros((20, 24, 17), np.uint8))
    with pytest.raises(CrlnError, match=r"b_label\.nii\.gz: shape"):
        prepare_cohort(cases, Plan(), tmp_path / "cache")
    assert len(builds) < len(cases)
    (tmp_path / "cache").mkdir(exist_ok=True)
    prepare_cohort(cases[:1], Plan(), tmp_path / "cache")
    assert builds.count("a") == 1, "what was ready before the fault is kept"


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(CrlnError, match=r"gone\.nii: cannot be read"):
        prepare_cohort([Case("x", (tmp_path / "gone.nii",))], Plan(), tmp_path / "cache")


def test_progress_is_told(tmp_path: Path) -> None:
    cases = [make_case(tmp_path, name) for name in "abc"]
    told: list[tuple[int, int]] = []
    for some in (cases[:1], cases, cases):
        prepare_cohort(some, Plan(), tmp_path / "cache", lambda *now: told.append(now))
    assert told == [(1, 1), (2, 3), (3, 3), (3, 3)]


def test_a_cache_that_does_not_keep_is_named(
    case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache_module, "_build", lambda *_: None)
    with pytest.raises(CrlnError, match="the cache cannot be read back"):
        prepare_cohort([case], Plan(), tmp_path / "cache")


def test_a_cache_that_cannot_be_written_is_named(case: Case, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CrlnError, match="free space or set --cache"):
        prepare_cohort([case], Plan(), tmp_path / "file")


def test_the_cache_is_where_the_environment_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CRLN_CACHE", str(tmp_path))
    assert default_cache() == tmp_path
    monkeypatch.delenv("CRLN_CACHE")
    assert default_cache() == Path.home() / ".cache" / "crln"


def test_a_label_that_was_searched_for_no_structure_of_the_plan_is_named(
    case: Case, tmp_path: Path
) -> None:
    """It would teach nothing, without a word."""
    assert case.label
    other = replace(case, label=replace(case.label, classes=(7,)))
    with pytest.raises(CrlnError, match=r"was searched for \[7\], none of the plan's structures"):
        prepare_cohort([other], Plan(), tmp_path / "cache")
