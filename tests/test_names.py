"""One name, one meaning."""

import re
from collections import Counter
from pathlib import Path

import crln


def test_no_two_classes_have_the_same_name() -> None:
    source = Path(crln.__file__).parent
    names = Counter(
        name
        for path in source.rglob("*.py")
        for name in re.findall(r"^class ([A-Z]\w*)", path.read_text(encoding="utf-8"), re.M)
        if name != "Options"  # each method's own
    )
    assert [name for name, times in names.items() if times > 1] == []
