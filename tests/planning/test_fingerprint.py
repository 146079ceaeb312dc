from dataclasses import replace
from pathlib import Path
from types import ModuleType

import nibabel as nib
import numpy as np
import pytest

from crln.cohort import Case, Cohort, Label, load_cohort, outline
from crln.errors import CrlnError
from crln.planning import fingerprint as module
from crln.planning import make_fingerprint

SHAPE = (8, 10, 12)


def write(
    path: Path, array: np.ndarray, spacing: tuple[float, ...] = (1, 1, 1), codes: str = "RAS"
) -> Path:
    orientation = nib.orientations.axcodes2ornt(tuple(codes))
    affine = np.linalg.inv(nib.orientations.inv_ornt_aff(orientation, array.shape))
    affine[:3, :3] *= spacing
    nib.Nifti1Image(array, affine).to_filename(path)
    return path


def make_case(folder: Path, name: str, label: np.ndarray | None = None, **grid: object) -> Case:
    image = np.random.default_rng(len(name)).normal(100, 20, SHAPE).astype(np.float32)
    if label is not None:
        image[label != label.min()] += 500
    path = write(folder / f"{name}.nii", image, **grid)  # type: ignore[arg-type]
    if label is None:
        return Case(name, (path,))
    return Case(name, (path,), Label(write(folder / f"{name}_seg.nii", label, **grid)))  # type: ignore[arg-type]


def block(*values: int) -> np.ndarray:
    """A label in which the n-th value fills n + 1 planes of 120 voxels, the rest is 0."""
    label = np.zeros(SHAPE, np.int16)
    first = 0
    for n, value in enumerate(values):
        label[first : first + n + 1] = value
        first += n + 1
    return label


def test_what_is_counted_and_measured(tmp_path: Path) -> None:
    labelled = (
        make_case(tmp_path, "a", block(1, 2), spacing=(1, 1, 2)),
        make_case(tmp_path, "b", block(1), spacing=(1, 1, 4)),
    )
    unlabelled = (make_case(tmp_path, "c", spacing=(3, 1, 2)),)
    test = (make_case(tmp_path, "t", block(7), spacing=(9, 9, 9)),)
    found = make_fingerprint(Cohort(tmp_path, "folders", labelled, unlabelled, test=test))
    assert (found.labelled, found.unlabelled, found.validation, found.test) == (2, 1, 0, 1)
    assert (found.headers_read, found.scans_read, found.labels_read) == (3, 3, 2)
    assert (found.spacing, found.size) == ((1, 1, 2), SHAPE)
    assert found.spacing_range == ((1, 3), (1, 1), (2, 4))
    assert found.spacing_low == (1, 1, 2)
    assert found.volumes == {0: (5 + 7) * 120 / 2, 1: 120, 2: 240}
    assert found.labels == (0, 1, 2)
    # Structures are 500 brighter; of the three scans they are 3 + 1 of 24 planes.
    assert found.foreground[0].mean == pytest.approx(600, abs=2)
    assert found.intensity[0].mean == pytest.approx(100 + 500 * 4 / 24, abs=4)
    assert found.intensity[0].low < found.intensity[0].median < found.intensity[0].high


def test_axes_are_those_of_the_prepared_scan(tmp_path: Path) -> None:
    case = make_case(tmp_path, "a", block(1), spacing=(5, 0.5, 1), codes="SLA")
    found = make_fingerprint(Cohort(tmp_path, "folders", (case,)))
    assert found.spacing == (0.5, 1, 5)
    assert found.size == (10, 12, 8)


@pytest.mark.parametrize(
    ("values", "labels"),
    [((255,), (0, 255)), ((2, -1), (0, -1, 2)), ((4, 2), (0, 2, 4))],
)
def test_background_comes_first(
    tmp_path: Path, values: tuple[int, ...], labels: tuple[int, ...]
) -> None:
    cohort = Cohort(tmp_path, "folders", (make_case(tmp_path, "a", block(*values)),))
    assert make_fingerprint(cohort).labels == labels


def test_without_a_zero_the_smallest_is_background(tmp_path: Path) -> None:
    case = make_case(tmp_path, "a", np.where(block(1) == 1, 5, 3).astype(np.int16))
    found = make_fingerprint(Cohort(tmp_path, "folders", (case,)))
    assert found.labels == (3, 5)
    assert found.foreground[0].mean > 550


def test_a_class_that_is_named_and_not_seen_is_a_class_and_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cohort = Cohort(
        tmp_path,
        "decathlon",
        (make_case(tmp_path, "a", block(1)),),
        class_names={0: "background", 1: "liver", 2: "tumour"},
    )
    found = make_fingerprint(cohort)
    assert found.labels == (0, 1, 2)
    assert found.volumes[2] == 0
    assert [record.getMessage() for record in caplog.records] == [
        f"{tmp_path}: none of the 1 labels that were read holds tumour; nothing is learnt of what "
        "no label holds"
    ]


def test_only_labels_of_labelled_cases_are_opened(
    phantom: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cohort = load_cohort(phantom)
    opened: set[Path] = set()

    def spy(room: ModuleType, name: str) -> None:
        original = getattr(room, name)

        def counted(argument: object, *more: object, **options: object) -> object:
            opened.update(argument if isinstance(argument, tuple) else [argument])  # type: ignore[list-item]
            return original(argument, *more, **options)

        monkeypatch.setattr(room, name, counted)

    for room, name in ((module, "read_grid"), (module, "read_image"), (outline, "read_label")):
        spy(room, name)
    make_fingerprint(cohort)
    allowed = {path for case in cohort.training for path in case.images}
    allowed |= {case.label.path for case in cohort.labelled if case.label}
    assert opened == allowed


def test_a_large_cohort_is_sampled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_HEADERS", 7)
    monkeypatch.setattr(module, "MOST_SCANS", 4)
    monkeypatch.setattr(module, "MOST_LABELS", 5)
    labelled = tuple(make_case(tmp_path, f"l{i}", block(1)) for i in range(9))
    unlabelled = tuple(make_case(tmp_path, f"u{i}") for i in range(9))
    found = make_fingerprint(Cohort(tmp_path, "folders", labelled, unlabelled))
    assert (found.headers_read, found.scans_read, found.labels_read) == (7, 4, 5)
    found = make_fingerprint(Cohort(tmp_path, "folders", labelled, unlabelled[:1]))
    assert (found.scans_read, found.labels_read) == (4, 5)


def test_large_scans_are_fewer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_VOXELS", 6 * 960)
    labelled = tuple(make_case(tmp_path, f"l{i}", block(1)) for i in range(9))
    found = make_fingerprint(Cohort(tmp_path, "folders", labelled))
    assert (found.scans_read, found.labels_read) == (6, 6)
    monkeypatch.setattr(module, "MOST_VOXELS", 10)
    assert make_fingerprint(Cohort(tmp_path, "folders", labelled)).scans_read == module.FEWEST


def test_ten_thousand_cases_take_no_longer_than_the_sample(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = make_case(tmp_path, "a", block(1))
    headers: list[Path] = []
    original = module.read_grid
    monkeypatch.setattr(module, "read_grid", lambda path: (headers.append(path), original(path))[1])
    cohort = Cohort(
        tmp_path,
        "folders",
        (case,),
        tuple(replace(case, id=str(i), label=None) for i in range(10_000)),
    )
    found = make_fingerprint(cohort)
    assert found.unlabelled == 10_000
    assert len(headers) == module.MOST_HEADERS


def test_an_archive_counts_as_one_millimetre(small_scans: Path) -> None:
    found = make_fingerprint(load_cohort(small_scans / "archives"))
    assert (found.geometry, found.spacing) == (False, (1, 1, 1))
    assert found.labels == (0, 1)


def test_no_labelled_case_is_a_fault(tmp_path: Path) -> None:
    with pytest.raises(CrlnError, match="no labelled case; put at least one outline"):
        make_fingerprint(Cohort(tmp_path, "folders", (), (make_case(tmp_path, "a"),)))


def test_labels_without_a_structure_are_a_fault(tmp_path: Path) -> None:
    cohort = Cohort(tmp_path, "folders", (make_case(tmp_path, "a", block()),))
    with pytest.raises(CrlnError, match=r"one value only \(0\); outline a structure"):
        make_fingerprint(cohort)


def test_a_label_on_another_grid_is_a_fault(tmp_path: Path) -> None:
    case = make_case(tmp_path, "a", block(1))
    write(case.label.path, block(1), spacing=(1, 1, 2))
    with pytest.raises(CrlnError, match=r"a_seg\.nii"):
        make_fingerprint(Cohort(tmp_path, "folders", (case,)))


def test_what_nobody_outlined_is_no_class(tmp_path: Path) -> None:
    label = block(1)
    label[:, :, -3:] = 9
    cohort = Cohort(tmp_path, "folders", (make_case(tmp_path, "a", label),), ignore=9)
    found = make_fingerprint(cohort)
    assert (found.labels, found.ignore) == ((0, 1), 9)


def test_a_file_of_several_channels_names_them(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    for k, name in enumerate("ab"):
        image = random.normal(loc=[0, 50], size=(8, 8, 8, 2)).astype(np.float32)
        for folder, array in (("images", image), ("labels", (image[..., 0] > 0).astype(np.uint8))):
            (tmp_path / folder).mkdir(exist_ok=True)
            nib.save(nib.Nifti1Image(array, np.eye(4)), tmp_path / folder / f"{name}{k}.nii")
    found = make_fingerprint(load_cohort(tmp_path))
    assert found.channels == ("channel 0", "channel 1")
    assert [round(channel.median / 50) for channel in found.intensity] == [0, 1]
    image = random.normal(size=(8, 8, 8)).astype(np.float32)
    nib.save(nib.Nifti1Image(image, np.eye(4)), tmp_path / "images" / "c.nii")
    with pytest.raises(CrlnError, match=r"c\.nii: 1 channels, where another scan has 2"):
        make_fingerprint(load_cohort(tmp_path))
