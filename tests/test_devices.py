import subprocess
import sys
from collections.abc import Callable

import pytest
import torch

from crln.devices import settle_device
from crln.errors import CrlnError
from crln.training.start import fabric_names

Machine = Callable[..., None]


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    """Makes this a machine with so many NVIDIA GPUs, and one of Apple's or none."""

    def make(cuda: int = 0, mps: bool = False) -> None:
        monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda > 0)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: cuda)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)

    return make


@pytest.mark.parametrize(
    ("cuda", "mps", "expected"), [(0, False, "cpu"), (0, True, "mps"), (1, False, "cuda")]
)
def test_auto_takes_the_gpu_that_is_there(
    machine: Machine, cuda: int, mps: bool, expected: str
) -> None:
    machine(cuda, mps)
    assert settle_device("auto") == torch.device(expected)
    assert fabric_names("auto", "32") == (expected, "32-true")


def test_a_device_is_taken_as_it_is_named(machine: Machine) -> None:
    machine(cuda=2, mps=True)
    for name in ("cpu", "cuda", "cuda:1", "mps"):
        assert settle_device(name) == torch.device(name)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("cuda", "no CUDA device found; use --device cpu, or install a CUDA build of torch"),
        ("cuda:0", "no CUDA device found"),
        ("mps", r"no Apple GPU \(mps\) device found; use --device cpu"),
        ("xla", "--device xla: not supported; give auto, cpu, cuda or mps"),
        ("gpu", "--device gpu: unknown; give auto, cpu, cuda or mps"),
    ],
)
def test_a_device_that_is_not_there_is_refused(machine: Machine, name: str, told: str) -> None:
    machine()
    with pytest.raises(CrlnError, match=told):
        settle_device(name)


def test_a_gpu_beyond_the_last_is_refused(machine: Machine) -> None:
    machine(cuda=2)
    with pytest.raises(CrlnError, match="--device cuda:2: 2 GPUs found, counted from 0"):
        settle_device("cuda:2")


def test_training_takes_the_first_gpu(machine: Machine) -> None:
    machine(cuda=2)
    assert fabric_names("cuda", "bf16") == ("cuda", "bf16-mixed")
    with pytest.raises(CrlnError, match="set CUDA_VISIBLE_DEVICES=1"):
        fabric_names("cuda:1", "32")


@pytest.mark.parametrize(("device", "where"), [("cpu", "a processor"), ("mps", "mps")])
def test_half_precision_is_trained_on_nvidia_alone(
    machine: Machine, device: str, where: str
) -> None:
    machine(mps=True)
    with pytest.raises(CrlnError, match=f"--precision 16: .* training on {where}; use .* 32"):
        fabric_names(device, "16")


@pytest.mark.parametrize(("given", "expected"), [(None, "1"), ("0", "0")])
def test_on_a_mac_torch_may_fall_back_to_the_processor(
    given: str | None, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "PYTORCH_ENABLE_MPS_FALLBACK"
    monkeypatch.delenv(name, raising=False)
    if given is not None:
        monkeypatch.setenv(name, given)  # the user's own choice stays
    code = f"import os, sys; sys.platform = 'darwin'; import crln; print(os.environ['{name}'])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == expected
