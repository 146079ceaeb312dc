import pickle
from pathlib import Path

import pytest
import torch
import yaml

from crln.errors import CrlnError
from crln.files import read_tensors, write_tensors, write_text
from crln.methods import METHODS, build_method
from crln.planning import Plan
from crln.runs import Facts, RunFolder, open_run
from crln.runs.checkpoint import Progress, save_checkpoint

FACTS = Facts(format=1, method="supervised", seed=0)


@pytest.fixture
def run(tiny_plan: Plan, tmp_path: Path) -> RunFolder:
    torch.manual_seed(0)
    folder = RunFolder(tmp_path / "run", tiny_plan, FACTS)
    folder.path.mkdir()
    folder.write_facts()
    network = build_method("supervised", tiny_plan).predictor()
    folder.save_weights(dict(network.state_dict()))
    return folder


def test_the_network_comes_back_as_it_was(run: RunFolder, tiny_plan: Plan) -> None:
    torch.manual_seed(0)
    original = build_method("supervised", tiny_plan).predictor()
    loaded = open_run(run.path).load_network()
    assert not loaded.training
    for name, tensor in original.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], tensor)


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
def test_weights_are_those_of_the_predictor_alone(
    method: str, tiny_plan: Plan, tmp_path: Path
) -> None:
    """Built without memory for the method's other networks; the same logits."""
    built = build_method(method, tiny_plan)
    network = built.predictor().eval()
    folder = RunFolder(tmp_path, tiny_plan, Facts(format=1, method=method, seed=0))
    folder.write_facts()
    folder.save_weights(dict(network.state_dict()))
    loaded = open_run(tmp_path).load_network()
    patch = torch.randn(1, 1, 16, 16, 16)
    with torch.no_grad():
        assert torch.equal(loaded(patch), network(patch))


def test_the_file_of_a_student_and_teacher_is_half_as_large(
    tiny_plan: Plan, tmp_path: Path
) -> None:
    built = build_method("crln", tiny_plan)
    folder = RunFolder(tmp_path, tiny_plan, FACTS)
    folder.write_facts()
    folder.save_weights(dict(built.predictor().state_dict()))
    write_tensors(tmp_path / "all.safetensors", dict(built.state_dict()), {})
    whole = (tmp_path / "all.safetensors").stat().st_size
    assert folder.weights.stat().st_size < 0.55 * whole


def test_a_folder_from_before_formats_were_numbered_still_opens(
    tiny_plan: Plan, tmp_path: Path
) -> None:
    """Its weights are the whole method's, its facts had no format."""
    built = build_method("mean_teacher", tiny_plan)
    old = {"method": "mean_teacher", "seed": 3, "commit": None, "labelled": 8, "chosen": "last"}
    folder = RunFolder(tmp_path, tiny_plan, Facts(**old))
    folder.write_facts()
    (tmp_path / "run.yaml").write_text(yaml.safe_dump(old))
    folder.save_weights(dict(built.state_dict()))
    opened = open_run(tmp_path)
    assert (opened.facts.format, opened.facts.seed, opened.facts.labelled) == (0, 3, 8)
    loaded = opened.load_network().state_dict()
    for name, tensor in built.predictor().state_dict().items():
        assert torch.equal(loaded[name], tensor)


@pytest.mark.parametrize("name", ["plan.yaml", "run.yaml", "weights.safetensors", "seal.json"])
def test_a_missing_file_is_named(run: RunFolder, name: str) -> None:
    (run.path / name).unlink()
    with pytest.raises(CrlnError, match=name.replace(".", r"\.")):
        open_run(run.path).load_network()


@pytest.mark.parametrize("name", ["plan.yaml", "run.yaml", "weights.safetensors", "seal.json"])
def test_a_truncated_file_is_named(run: RunFolder, name: str) -> None:
    content = (run.path / name).read_bytes()
    (run.path / name).write_bytes(content[: len(content) // 2])
    with pytest.raises(CrlnError, match=name.replace(".", r"\.")) as error:
        open_run(run.path).load_network()
    assert "\n" not in str(error.value)


def test_one_changed_byte_of_the_weights_is_noticed(run: RunFolder) -> None:
    content = bytearray(run.weights.read_bytes())
    content[-1] ^= 1
    run.weights.write_bytes(bytes(content))
    with pytest.raises(CrlnError, match=r"weights\.safetensors: changed since training"):
        open_run(run.path).load_network()


class Malicious:
    """Runs code when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self):  # type: ignore[no-untyped-def]
        return Path.touch, (self.mark,)


@pytest.mark.parametrize("name", ["plan.yaml", "run.yaml", "weights.safetensors", "seal.json"])
def test_a_planted_pickle_does_not_run(run: RunFolder, tmp_path: Path, name: str) -> None:
    mark = tmp_path / "ran"
    torch.save(Malicious(mark), run.path / name)
    with pytest.raises(CrlnError):
        open_run(run.path).load_network()
    (run.path / name).write_bytes(pickle.dumps(Malicious(mark)))
    with pytest.raises(CrlnError):
        open_run(run.path).load_network()
    (run.path / "run.yaml").write_text(f"!!python/object/apply:pathlib.Path.touch [{mark}]\n")
    with pytest.raises(CrlnError):
        open_run(run.path)
    assert not mark.exists()


def test_the_planted_pickle_would_run_where_pickles_are_trusted(tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    pickle.loads(pickle.dumps(Malicious(mark)))
    assert mark.exists()


def test_an_unfinished_run_says_how_to_finish_it(tiny_plan: Plan, tmp_path: Path) -> None:
    folder = RunFolder(tmp_path, tiny_plan, FACTS)
    folder.write_facts()
    write_tensors(folder.checkpoint, {"a": torch.zeros(1)}, {})
    with pytest.raises(CrlnError, match="did not finish; finish it with --resume"):
        folder.load_network()


def test_no_folder_and_one_that_is_no_run_folder(tmp_path: Path) -> None:
    with pytest.raises(CrlnError, match="no such run folder"):
        open_run(tmp_path / "missing")
    with pytest.raises(CrlnError, match=r"not a run folder: plan\.yaml is missing"):
        open_run(tmp_path)


def test_weights_of_another_plan_are_refused(run: RunFolder) -> None:
    other = RunFolder(run.path, run.plan.updated({"network": {"widths": [8, 8, 8, 8, 8]}}), FACTS)
    other.write_facts()
    other.seal()
    with pytest.raises(CrlnError, match=r"weights do not fit plan\.yaml"):
        open_run(run.path).load_network()


def test_writing_is_all_or_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_text(tmp_path / "a.txt", "old")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(CrlnError, match=r"a\.txt: cannot be written \(No space left on device\)"):
        write_text(tmp_path / "a.txt", "new")
    with pytest.raises(CrlnError, match=r"b\.safetensors: cannot be written"):
        write_tensors(tmp_path / "b.safetensors", {"a": torch.zeros(2)}, {})
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]
    assert (tmp_path / "a.txt").read_text() == "old"


def test_tensors_and_notes_round_trip(tmp_path: Path) -> None:
    write_tensors(tmp_path / "t.safetensors", {"a": torch.arange(3)}, {"k": "v"})
    tensors, notes = read_tensors(tmp_path / "t.safetensors")
    assert torch.equal(tensors["a"], torch.arange(3))
    assert notes == {"k": "v"}


def test_a_second_network_is_the_checkpoint_s_student(tiny_plan: Plan, tmp_path: Path) -> None:
    method = build_method("mean_teacher", tiny_plan)
    run = RunFolder(tmp_path, tiny_plan, Facts(format=1, method="mean_teacher", seed=0))
    assert run.load_second() is None  # no checkpoint
    save_checkpoint(run.checkpoint, method, torch.optim.SGD(method.parameters()), Progress())
    second = run.load_second()
    assert second
    assert not second.training
    patch = torch.randn(1, 1, 16, 16, 16)
    with torch.no_grad():
        assert torch.equal(second(patch), method.student.eval()(patch))


def test_a_method_of_one_network_looks_again_by_its_last_weights(
    tiny_plan: Plan, tmp_path: Path
) -> None:
    method = build_method("supervised", tiny_plan)
    last = RunFolder(tmp_path, tiny_plan, FACTS.updated(chosen="last"))
    save_checkpoint(last.checkpoint, method, torch.optim.SGD(method.parameters()), Progress())
    assert last.load_second() is None
    best = RunFolder(tmp_path, tiny_plan, FACTS.updated(chosen="validation: Dice 0.8"))
    second = best.load_second()
    assert second
    assert second.state_dict().keys() == method.predictor().state_dict().keys()
