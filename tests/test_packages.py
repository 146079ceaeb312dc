"""Somebody's own package adds a method: the how-to's, installed as a folder on Python's path."""

import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from crln import registry
from crln.errors import CrlnError
from crln.methods import build_method
from crln.planning import Plan
from crln.registry import METHODS, VIEWS
from crln.runs import open_run
from crln.runs.packages import Needed, check_installed, needed
from crln.testing import MethodTests

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs/how-to/write-a-method.md"


def block(language: str) -> str:
    """The page's first block in a language."""
    text = PAGE.read_text(encoding="utf-8")
    found = re.search(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert found
    return found[1]


def install(folder: Path, name: str, version: str, points: dict[str, dict[str, str]]) -> None:
    """What pip leaves of a package's metadata."""
    info = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    lines = []
    for group, entries in points.items():
        lines += [f"[{group}]", *(f"{key} = {value}" for key, value in entries.items())]
    (info / "entry_points.txt").write_text("\n".join(lines) + "\n")


@pytest.fixture
def fixmatch(tmp_path: Path) -> Path:
    """The folder with the how-to's package in it."""
    folder = tmp_path / "site"
    project = tomllib.loads(block("toml"))["project"]
    install(folder, project["name"], project["version"], project["entry-points"])
    (folder / "crln_fixmatch.py").write_text(block("python"), encoding="utf-8")
    return folder


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Path], None]]:
    """Puts a folder on this process's path."""

    def put(folder: Path) -> None:
        monkeypatch.syspath_prepend(folder)
        registry._foreign.cache_clear()

    yield put
    monkeypatch.undo()
    sys.modules.pop("crln_fixmatch", None)
    registry._foreign.cache_clear()


def crln(site: Path | None, *words: object) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join(filter(None, [str(site or ""), *sys.path]))
    return subprocess.run(
        [sys.executable, "-c", "from crln.cli import main; main()", *map(str, words)],
        capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": path},
    )  # fmt: skip


@pytest.mark.slow
def test_train_predict_resume_and_compare_know_a_package_s_method(
    fixmatch: Path, phantom: Path, tiny_plan: Plan, tmp_path: Path
) -> None:
    plan, run = tmp_path / "plan.yaml", tmp_path / "run"
    # A crash after the labelled start: half of the steps, then the rest.
    halves = tiny_plan.updated({"training": {"iterations": 4, "labelled_start": 0.25}})
    plan.write_text(halves.to_yaml(), encoding="utf-8")
    train = ("train", phantom, "--method", "fixmatch", "--plan", plan, "--device", "cpu")
    done = crln(fixmatch, *train, "--out", run)
    assert done.returncode == 0, done.stderr
    facts = yaml.safe_load((run / "run.yaml").read_text(encoding="utf-8"))
    (package,) = facts["packages"]
    assert package == {
        "kind": "method", "name": "fixmatch", "package": "crln-fixmatch", "version": "0.1",
    }  # fmt: skip
    assert "crln_fixmatch" not in (run / "run.yaml").read_text() + (run / "plan.yaml").read_text()

    masks = crln(fixmatch, "predict", run, phantom, "--out", tmp_path / "masks", "--device", "cpu")
    assert masks.returncode == 0, masks.stderr
    further = crln(fixmatch, *train, "--out", run, "--resume", "--iterations", "6")
    assert further.returncode == 0, further.stderr

    missing = crln(None, "predict", run, phantom, "--out", tmp_path / "none")
    assert missing.returncode == 2
    line = missing.stderr.strip()
    assert "needs the method 'fixmatch' of crln-fixmatch 0.1, which is not installed" in (
        " ".join(line.split())
    )
    assert "Traceback" not in line

    compared = crln(
        fixmatch, "compare", phantom, "--plan", plan, "--methods", "fixmatch", "supervised",
        "--labelled", "2", "--out", tmp_path / "comparison", "--device", "cpu",
    )  # fmt: skip
    assert compared.returncode == 0, compared.stderr
    assert "fixmatch" in compared.stdout


@pytest.mark.slow
def test_the_how_to_s_method_passes_the_shared_tests(
    fixmatch: Path, here: Callable[[Path], None]
) -> None:
    here(fixmatch)

    class TestFixMatch(MethodTests):
        name = "fixmatch"

    tests = TestFixMatch()
    for name in ("every_term_gives_a_gradient", "labels_of_unlabelled_patches_are_never_read",
                 "every_step_has_the_same_terms", "three_classes_and_an_odd_batch",
                 "unlabelled_patches_teach_every_network"):  # fmt: skip
        getattr(tests, f"test_{name}")()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("crossed", "name"),
    [
        ("crossed + self.peeked", "labels_of_unlabelled_patches_are_never_read"),
        ("crossed.detach()", "unlabelled_patches_teach_every_network"),
    ],
)
def test_shared_tests_fail_where_a_method_reads_what_it_must_not_or_learns_nothing(
    crossed: str, name: str, fixmatch: Path, here: Callable[[Path], None]
) -> None:
    module = fixmatch / "crln_fixmatch.py"
    text = module.read_text().replace(
        "    def from_both(self, seen, step):\n",
        "    def see(self, labelled, unlabelled, generator):\n"
        "        self.peeked = unlabelled.labels.float().mean()\n"
        "        return super().see(labelled, unlabelled, generator)\n\n"
        "    def from_both(self, seen, step):\n",
    )
    module.write_text(text.replace("unsupervised=crossed", f"unsupervised={crossed}"))
    here(fixmatch)

    class TestFaulty(MethodTests):
        name = "fixmatch"

    with pytest.raises(AssertionError):
        getattr(TestFaulty(), f"test_{name}")()


def test_a_name_of_our_own_is_refused(
    tmp_path: Path, here: Callable[[Path], None], tiny_plan: Plan
) -> None:
    install(tmp_path / "site", "sly", "3.1", {"crln.methods": {"crln": "os:system"}})
    here(tmp_path / "site")
    with pytest.raises(CrlnError, match=r"sly 3.1 brings a method 'crln', a name of crln's own"):
        build_method("crln", tiny_plan)
    build_method("supervised", tiny_plan)  # others work


def test_a_name_that_two_packages_claim_is_refused(
    tmp_path: Path, here: Callable[[Path], None], tiny_plan: Plan
) -> None:
    for name in ("one", "other"):
        install(tmp_path / name, name, "1", {"crln.methods": {"both": f"{name}:Both"}})
        here(tmp_path / name)
    with pytest.raises(CrlnError, match=r"method 'both' comes from (one|other) 1 and"):
        build_method("both", tiny_plan)


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("no_such_module:Mine", r"method 'mine' of mine 2 cannot be imported .*no_such_module"),
        ("os:no_such_thing", r"cannot be imported"),
        ("os:getcwd", r"is no crln\.methods\.Method"),
    ],
)
def test_a_broken_package_is_told_in_one_line(
    tmp_path: Path, here: Callable[[Path], None], tiny_plan: Plan, target: str, message: str
) -> None:
    install(tmp_path / "site", "mine", "2", {"crln.methods": {"mine": target}})
    here(tmp_path / "site")
    assert "mine" in METHODS
    with pytest.raises(CrlnError, match=message):
        build_method("mine", tiny_plan)


def test_a_run_needs_its_packages_by_name(
    fixmatch: Path, here: Callable[[Path], None], tiny_plan: Plan, tmp_path: Path
) -> None:
    assert needed("crln", tiny_plan) == ()
    found = (Needed(kind="method", name="fixmatch", package="crln-fixmatch", version="0.1"),)
    with pytest.raises(CrlnError, match=r"needs the method 'fixmatch' of crln-fixmatch 0.1, which"):
        check_installed(tmp_path, found)
    here(fixmatch)
    assert needed("fixmatch", tiny_plan) == found
    check_installed(tmp_path, found)
    theirs = (found[0].model_copy(update={"package": "another"}),)
    with pytest.raises(CrlnError, match=r"here that name is of crln-fixmatch 0.1"):
        check_installed(tmp_path, theirs)


def test_views_and_networks_come_from_packages_too(
    tmp_path: Path, here: Callable[[Path], None]
) -> None:
    site = tmp_path / "site"
    points = {"crln.views": {"still": "still:Still"}, "crln.networks": {"flat": "still:flat"}}
    install(site, "still", "1", points)
    (site / "still.py").write_text(
        "from crln.augmentation.paper import PaperViews\n"
        "from crln.networks.vnet import from_plan as flat\n"
        "class Still(PaperViews): pass\n"
    )
    with pytest.raises(ValueError, match="no set of views 'still'; choose one of paper, rich"):
        Plan(views={"kind": "still"})
    here(site)
    plan = Plan(
        views={"kind": "still"}, patch_size=(16, 16, 16),
        network={"kind": "flat", "widths": (4, 4, 8, 8, 8)},
    )  # fmt: skip
    assert type(build_method("supervised", plan).views) is VIEWS["still"]
    assert [each.package for each in needed("supervised", plan)] == ["still", "still"]


def test_our_entry_points_are_the_registry() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for each in registry.REGISTRIES.values():
        assert project["entry-points"][each.group] == each.ours


def test_an_old_run_needs_nothing(tmp_path: Path) -> None:
    (tmp_path / "run.yaml").write_text("method: crln\nseed: 0\n")
    (tmp_path / "plan.yaml").write_text(Plan().to_yaml())
    assert open_run(tmp_path).facts.packages == ()
