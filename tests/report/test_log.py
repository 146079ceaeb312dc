import math
from pathlib import Path

import numpy as np
import pytest

from crln.errors import CrlnError
from crln.report.log import read_log


def test_read_log(tmp_path: Path) -> None:
    file = tmp_path / "log.csv"
    file.write_text("step,total,validation\n10,3,\n20,2,0.7\n")
    log = read_log(file)
    np.testing.assert_array_equal(log["step"], [10, 20])
    np.testing.assert_array_equal(log["validation"], [math.nan, 0.7])


@pytest.mark.parametrize("text", [None, "", "a,b\n1,2\n", "step,total\n1,x\n"])
def test_a_damaged_log_is_refused(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "log.csv").write_text(text)
    with pytest.raises(CrlnError, match=r"give a run's log\.csv"):
        read_log(tmp_path / "log.csv")
