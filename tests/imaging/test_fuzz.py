"""Damaged files of every format: a scan or one line, never a traceback, a crash or a warning.

CRLN_FUZZ=N makes N of each format; with the seed that is in the name of a failing test, one alone.
"""

import gzip
import os
import re
import struct
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pydicom
import pytest

from crln.errors import CrlnError
from crln.imaging import read_grid, read_image, read_label

COUNT = int(os.environ.get("CRLN_FUZZ", "25"))
MOST_BYTES = 64 * 2**20
HEAD = 600
NUMBERS = [0, 1, -1, -5, 7, 255, 32767, -32768, 65535, 2**31 - 1, -(2**31), 2**40, 2**62]
WORDS = [b"0", b"-3", b"nan", b"1e999", b"99999999", b"(((", b"", b"raw", b"LOCAL", b"\xff\xfe"]
SHAPE = (5, 6, 7)
FORMATS = [".nii", ".nii.gz", ".nrrd", ".mha", ".h5", ".dcm"]


def damage(content: bytes, random: np.random.Generator) -> bytes:
    """Cuts a file off, or writes absurd numbers, bytes or words into its header."""
    mutated = bytearray(content)
    for _ in range(random.integers(1, 4)):
        kind = random.integers(5)
        at = int(random.integers(min(HEAD, len(mutated)) or 1))
        if kind == 0:
            del mutated[int(random.integers(len(mutated) + 1)) :]
        elif kind == 1:
            mutated[at : at + 1] = bytes([random.integers(256)])
        elif kind == 2:
            form = "<" + str(random.choice(list("hiq")))
            number = int(random.choice(NUMBERS)) % 2 ** (8 * struct.calcsize(form))
            mutated[at : at + struct.calcsize(form)] = struct.pack(form.upper(), number)
        elif kind == 3:
            value = float(random.choice([0, -1, np.nan, np.inf, 1e30, 1e-30]))
            mutated[at : at + 4] = struct.pack("<f", value)
        elif found := list(re.finditer(rb"[\d.]+", bytes(mutated[:HEAD]))):
            start, end = found[random.integers(len(found))].span()
            mutated[start:end] = WORDS[random.integers(len(WORDS))]
    return bytes(mutated)


@pytest.fixture
def sound(tmp_path: Path, save: Callable[..., Path], small_scans: Path) -> Callable[[str], Path]:
    """A sound file of a format, by its suffix."""

    def make(suffix: str) -> Path:
        path = tmp_path / f"sound{suffix}"
        voxels = np.arange(np.prod(SHAPE), dtype=np.int16).reshape(SHAPE)
        if suffix == ".dcm":
            made = pydicom.dcmread(small_scans / "series" / "1.dcm")
            frames = pydicom.Dataset()
            made.PerFrameFunctionalGroupsSequence = [frames]  # nested, as enhanced files are
            made.save_as(path)
            return path
        return save(path, voxels)

    return make


@pytest.mark.parametrize("suffix", FORMATS)
def test_damaged_files_are_read_or_told_of_in_one_line(
    suffix: str, tmp_path: Path, sound: Callable[[str], Path], small_scans: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    content = sound(suffix).read_bytes()
    folder = tmp_path / "damaged"
    folder.mkdir()
    if suffix == ".dcm":
        for slice in sorted((small_scans / "series").iterdir())[2:4]:  # beside the first in Z
            (folder / slice.name).write_bytes(slice.read_bytes())
    target = folder / f"1{suffix}"
    path = folder if suffix == ".dcm" else target
    told: list[str] = []
    for seed in range(COUNT if suffix != ".dcm" else COUNT // 3):
        target.write_bytes(damage(content, np.random.default_rng(seed)))
        for read in (read_grid, lambda p: read_image([p]), read_label):
            if suffix != ".dcm":  # pydicom is slow under it
                tracemalloc.start()
            try:
                read(path)
            except CrlnError as fault:
                told.append(str(fault))
            except Exception as fault:
                pytest.fail(f"{suffix}, seed {seed}: {type(fault).__name__}: {fault}")
            finally:
                peak = tracemalloc.get_traced_memory()[1] if tracemalloc.is_tracing() else 0
                tracemalloc.stop()
            assert peak < MOST_BYTES, (seed, peak)
    assert told  # the damage is no make-believe
    for line in told:
        assert "\n" not in line
        assert str(folder) in line
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("count", [b"99999999", b"-3", b"", b"three"])
def test_a_metaimage_of_absurd_dimensions_crashes_nothing(
    tmp_path: Path, save: Callable[..., Path], voxels: np.ndarray, count: bytes
) -> None:
    path = save(tmp_path / "a.mha", voxels)
    path.write_bytes(path.read_bytes().replace(b"NDims = 3", b"NDims = " + count))
    with pytest.raises(CrlnError, match=r"a\.mha: truncated or not an image; copy .*\(NDims ="):
        read_grid(path)


def test_a_header_cannot_ask_for_more_than_its_file_holds(
    tmp_path: Path, save: Callable[..., Path], voxels: np.ndarray
) -> None:
    """Ten thousand voxels a side, in a file of a few hundred bytes."""
    nifti = save(tmp_path / "a.nii", voxels)
    content = bytearray(nifti.read_bytes())
    content[42:48] = struct.pack("<3h", 10_000, 10_000, 10_000)
    nifti.write_bytes(content)
    packed = save(tmp_path / "b.nii.gz", voxels)
    packed.write_bytes(gzip.compress(content))
    for name, field in (("c.nrrd", rb"sizes: .*"), ("d.mha", rb"DimSize = .*")):
        text = save(tmp_path / name, voxels).read_bytes()
        key = field.partition(b".*")[0]
        (tmp_path / name).write_bytes(re.sub(field, key + b"10000 10000 10000", text))
    with h5py.File(tmp_path / "e.h5", "w") as file:
        for name in ("image", "label"):
            file.create_dataset(name, (10_000, 10_000, 10_000), np.int8, chunks=(8, 8, 8))
    for path in sorted(tmp_path.iterdir()):
        for read in (read_grid, lambda p: read_image([p]), read_label):
            with pytest.raises(CrlnError, match=rf"{path.name}: truncated or not an image; copy"):
                read(path)
