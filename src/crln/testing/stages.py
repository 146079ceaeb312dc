"""What a method must hold to before it is taught by labels, and with a task beside it."""

import copy

import torch
from torch import Tensor

from crln.methods import Method
from crln.methods.first_stages import build_first_stage
from crln.networks import Backbone
from crln.testing.base import MethodBase
from crln.testing.patches import FIRST, LAST, make_batch


class StageTests(MethodBase):
    """A first stage, and denoising beside the method."""

    def test_a_first_stage_begins_every_network(self) -> None:
        """What is learnt from scans alone reaches all that learns, and teachers of it."""
        method = self.build(self.plan(3, pretrain="masked"))
        before = copy.deepcopy(method)
        stage = build_first_stage(method)
        patches = make_batch(stage, 2, labelled=False)
        stage.losses(patches, None, FIRST)["total"].backward()
        with torch.no_grad():
            for name, parameter in stage.named_parameters():
                assert parameter.grad is not None, name
                parameter.sub_(parameter.grad, alpha=0.1)
        stage.give(method)
        for ours, theirs in zip(method.backbones(), before.backbones(), strict=True):
            pairs = zip(ours.parameters(), theirs.parameters(), strict=True)
            assert not any(torch.equal(*pair) for pair in pairs if pair[0].dim() > 1)
        teaching = zip(_taught(method), _taught(before), strict=True)
        assert not any(torch.equal(*pair) for pair in teaching)
        self.losses(method)["total"].backward()

    def test_a_task_beside_it_teaches_what_learns_alone(self) -> None:
        """Its losses stay what they are, and the predictor has no weights of the task."""
        plan = self.plan(training={"denoise": 0.5})
        alone, method = self.build(), self.build(plan)
        torch.manual_seed(LAST.derive("dropout"))
        losses = method.step_losses(*self.batches(method), LAST)
        for name, loss in self.losses(alone).items():
            if name != "total":
                torch.testing.assert_close(losses[name], loss, rtol=0, atol=0, msg=name)
        losses["denoising"].backward()
        taught = {name for name, p in method.named_parameters() if p.grad is not None}
        learning = {id(p) for each in method.backbones() for p in each.parameters()}
        for name, parameter in method.named_parameters():
            assert (name in taught) == (id(parameter) in learning or name.startswith("beside."))
        assert method.predictor().state_dict().keys() == alone.predictor().state_dict().keys()
        ours, theirs = alone.state_dict(), method.state_dict()
        norms = [name for name in ours if "running" in name]
        assert all(torch.equal(ours[name], theirs[name]) for name in norms)


def _taught(method: Method) -> list[Tensor]:
    """The kernels of backbones that do not learn themselves: teachers'."""
    found = (module for module in method.modules() if isinstance(module, Backbone))
    return [p for each in found for p in each.parameters() if not p.requires_grad and p.dim() > 1]
