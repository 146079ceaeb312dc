import logging
from pathlib import Path

import pytest

from crln.errors import CrlnError
from crln.imaging import group_channels, list_folder, readable_names


def scans(*names: str) -> dict[str, Path]:
    return {name: Path(f"{name}.nii.gz") for name in names}


MANY = scans(*(f"case_{k:02d}_0000" for k in range(4)))


def test_what_systems_leave_in_folders_is_not_listed(tmp_path: Path) -> None:
    for name in (".DS_Store", "._a.nii.gz", "Thumbs.db", "desktop.ini", "a.nii.gz"):
        (tmp_path / name).touch()
    for name in ("__MACOSX", "@eaDir"):
        (tmp_path / name).mkdir()
    assert [entry.name for entry in list_folder(tmp_path)] == ["a.nii.gz"]


def test_one_odd_scan_does_not_change_how_the_others_are_read(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.WARNING, "crln"):
        cases = group_channels(MANY | scans("case_03 copy"), ["case_00", "case_01"])
        assert cases.keys() == {"case_00", "case_01", "case_02", "case_03", "case_03 copy"}
        assert group_channels(MANY | scans("case_03 copy")).keys() == cases.keys()
    assert "case_03 copy.nii.gz: ends in no channel, _0000, as the others do" in caplog.text


def test_one_odd_label_does_not_change_how_the_scans_are_read() -> None:
    labels = ["case_00", "case_01_0000", "case_02"]
    assert group_channels(MANY, labels).keys() == {f"case_{k:02d}" for k in range(4)}


def test_labels_of_a_near_name_tell_how_scans_are_read() -> None:
    assert group_channels(MANY, ["case_00_0000_seg"]).keys() == MANY.keys()


def test_an_odd_name_among_several_channels_is_refused() -> None:
    several = scans(*(f"c{k}_000{c}" for k in range(3) for c in range(2)))
    with pytest.raises(CrlnError, match=r"odd\.nii\.gz: ends in no channel, _0000 to _0001, as"):
        group_channels(several | scans("odd"), ["c0", "c1"])


def test_names_of_which_few_end_in_digits_are_no_channels() -> None:
    mixed = scans("a_0000", "b", "c")
    assert group_channels(mixed).keys() == mixed.keys()
    years = scans("a_2020", "b_2021", "c")
    assert group_channels(years).keys() == years.keys()


def test_a_name_that_is_not_utf8_is_shown_escaped() -> None:
    with pytest.raises(CrlnError, match=r"caf\\xe9\.nii\.gz: its name is not UTF-8; rename it"):
        readable_names([Path("a.nii.gz"), Path("caf\udce9.nii.gz")])
