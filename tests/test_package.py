"""What is released: a source archive, and a wheel that is built from it and works alone."""

import os
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import venv
from pathlib import Path
from zipfile import ZipFile

import pytest

from crln.errors import CrlnError, needs

ROOT = Path(__file__).parents[1]

EVERY_MODULE = """
import pkgutil, sys
from importlib import import_module
import crln
assert crln.__file__.startswith(sys.prefix), crln.__file__
for module in pkgutil.walk_packages(crln.__path__, "crln."):
    import_module(module.name)
from crln.planning import preset_names, read_preset
for name in preset_names():
    read_preset(name)
"""


PAGE = tuple(
    f"reviewing/page/{name}" for name in ("index.html", "niivue.umd.js", "niivue-notices.txt")
)
"""Of the files that the page of a review needs, and the licences of what it carries."""


def run(*command: object) -> str:
    """The output of a command that does not see this tree."""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    words = list(map(str, command))
    done = subprocess.run(words, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stdout[-1000:] + done.stderr[-2000:]
    return done.stdout


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of both archives; the wheel is built from the unpacked sources."""
    out = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", out, ROOT)
    return out


@pytest.mark.slow
def test_the_archives_hold_what_they_should(released: Path) -> None:
    (wheel,), (sources,) = released.glob("*.whl"), released.glob("*.tar.gz")
    names = ZipFile(wheel).namelist()
    for name in ("py.typed", "presets/la.yaml", "report/templates/page.html", *PAGE):
        assert f"crln/{name}" in names
    assert all(name.startswith("crln") for name in names)
    with tarfile.open(sources) as archive:
        inside = {name.partition("/")[2] for name in archive.getnames()}
    for name in ("src/crln/py.typed", "tests/test_package.py", "LICENSE", "CITATION.cff"):
        assert name in inside
    assert not any("shared" in name or name.startswith("docs") for name in inside)


@pytest.mark.slow
def test_the_wheel_works_in_an_environment_of_its_own(released: Path, tmp_path: Path) -> None:
    (wheel,) = released.glob("*.whl")
    home = tmp_path / "env"
    venv.create(home)
    scripts = home / ("Scripts" if sys.platform == "win32" else "bin")
    python = scripts / "python"
    run(sys.executable, "-m", "pip", "--python", python, "install", "-q", "--no-deps",
        "--no-index", wheel)  # fmt: skip
    # The libraries are those of the tests' own environment.
    packages = run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip()
    (Path(packages) / "libraries.pth").write_text(sysconfig.get_path("purelib") + "\n")
    assert "predict" in run(scripts / "crln", "--help")
    run(python, "-c", EVERY_MODULE)


def test_development_installs_every_extra_but_the_sentence_model() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"][
        "optional-dependencies"
    ]
    (line,) = (line for line in extras["dev"] if line.startswith("crln["))
    # A sentence model is 90 MB, and one test asks for it.
    assert line == f"crln[{','.join(sorted(extras.keys() - {'dev', 'text'}))}]"


def test_a_library_of_an_extra_that_is_missing_is_told_by_the_extras_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "pydicom", None)
    line = r"series: a series needs pydicom, which is not installed; pip install 'crln\[dicom\]'"
    with pytest.raises(CrlnError, match=line), needs("dicom", "series: a series"):
        import pydicom  # noqa: F401
