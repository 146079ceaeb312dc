import pytest
import torch

from crln.profiling import Timing, count_work, device_rates
from crln.profiling import work as work_module


def test_a_matrix_product() -> None:
    a, b = torch.ones(3, 5), torch.ones(5, 7)
    work = count_work(lambda: a @ b)
    assert work.flops == 2 * 3 * 5 * 7
    assert work.bytes == 4 * (15 + 35 + 21)


def test_views_move_nothing() -> None:
    tensor = torch.ones(8, 8)
    assert count_work(lambda: tensor.T[2:].reshape(8, -1).unsqueeze(0)).flops == 0
    assert count_work(lambda: tensor.T[2:].unsqueeze(0)).bytes == 0


def test_the_backward_pass_counts() -> None:
    convolution = torch.nn.Conv3d(2, 3, 3, padding=1, bias=False)
    volume = torch.ones(1, 2, 4, 4, 4)
    forward = 2 * 27 * 2 * 3 * 64
    assert count_work(lambda: convolution(volume)).flops == forward
    volume.requires_grad_()
    assert count_work(lambda: convolution(volume).sum().backward()).flops == 3 * forward


def test_rates_are_work_over_time(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = iter([0.5, 0.25])

    def repeat(call, repeats):  # type: ignore[no-untyped-def]
        call()
        return Timing(next(seconds), 0.0, repeats)

    monkeypatch.setattr(work_module, "repeat", repeat)
    rates = device_rates()
    assert rates.flops == 2 * 2048**3 / 0.5
    assert rates.bytes == 2 * 2**28 / 0.25
