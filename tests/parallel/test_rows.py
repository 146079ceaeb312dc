"""Two batches in one, and apart again, whoever holds which rows."""

import pytest
import torch

from crln.parallel.rows import interleave, own_rows, separate, shared_rows


@pytest.mark.parametrize(("first", "second"), [(2, 2), (2, 4), (3, 1), (4, 6), (1, 1)])
def test_separate_undoes_interleave(first: int, second: int) -> None:
    x, u = torch.randn(first, 3, 2, 2, 2), torch.randn(second, 3, 2, 2, 2)
    both = interleave(x, u)
    assert len(both) == first + second
    for whole, part in zip((x, u), separate(both, first, second), strict=True):
        assert torch.equal(whole, part)


def test_each_process_holds_its_own_rows_of_both() -> None:
    x, u = torch.arange(2), torch.arange(10, 14)
    both = interleave(x, u)
    assert both.tolist() == [0, 10, 11, 1, 12, 13]
    for rank in range(2):
        with shared_rows(rank, 2):
            labelled, unlabelled = separate(own_rows(both), 2, 4)
            assert torch.equal(labelled, own_rows(x))
            assert torch.equal(unlabelled, own_rows(u))


def test_the_layout_stays() -> None:
    rows = torch.randn(4, 8, 4, 4, 4).contiguous(memory_format=torch.channels_last_3d)
    both = interleave(rows[:2], rows[2:])
    for part in (both, *separate(both, 2, 2)):
        assert part.is_contiguous(memory_format=torch.channels_last_3d)
