"""One name, one meaning."""

import ast
import re
from collections import Counter
from importlib import import_module
from pathlib import Path

import crln

ROOT = Path(__file__).parents[1]


def test_no_two_classes_have_the_same_name() -> None:
    source = Path(crln.__file__).parent
    names = Counter(
        name
        for path in source.rglob("*.py")
        for name in re.findall(r"^class ([A-Z]\w*)", path.read_text(encoding="utf-8"), re.M)
        if name != "Options"  # each method's own
    )
    assert [name for name, times in names.items() if times > 1] == []


def test_what_a_benchmark_imports_of_us_is_there() -> None:
    """Benchmarks run seldom: a name that moved away would be missed late."""
    asked = [
        (node.module, name.name)
        for script in (ROOT / "benchmarks").glob("*.py")
        for node in ast.walk(ast.parse(script.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("crln")
        for name in node.names
    ]
    assert asked
    assert [each for each in asked if not hasattr(import_module(each[0]), each[1])] == []
