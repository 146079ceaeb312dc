"""Several networks as one."""

import pytest
import torch

from crln.inference.mean import Members
from crln.labels import LabelSpace

SPACES = {
    "exclusive": LabelSpace((0, 1, 2), ("background", "a", "b")),
    "overlapping": LabelSpace((0, 1, 2), ("background", "a", "b"), exclusive=False),
}


@pytest.mark.parametrize("kind", SPACES)
def test_the_probabilities_are_the_mean_of_those_of_the_members(kind: str) -> None:
    given = torch.Generator().manual_seed(0)
    fixed = [torch.randn(1, 3, 2, 2, 2, generator=given) * 4 for _ in range(3)]
    labels = SPACES[kind]
    network = Members([lambda _, logits=logits: logits for logits in fixed], labels)
    each = [logits.softmax(1) if labels.exclusive else logits.sigmoid() for logits in fixed]
    wanted = torch.stack(each).mean(0)
    torch.testing.assert_close(labels.probabilities(network(torch.zeros(1))), wanted)


def test_members_that_are_sure_of_it_leave_a_class_without_any_probability() -> None:
    labels = LabelSpace()
    logits = torch.tensor([200.0, -200.0]).reshape(1, 2, 1, 1, 1)
    mean = labels.probabilities(Members([lambda _: logits] * 2, labels)(torch.zeros(1)))
    assert mean.flatten().tolist() == [1.0, 0.0]
