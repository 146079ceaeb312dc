"""What every way of learning must hold to."""

import copy
import dataclasses
from itertools import permutations

import torch
from torch import Tensor, nn

from crln.labels import IGNORE, LabelSpace
from crln.methods import Batch, Method, Step, build_method, find_method
from crln.testing.device import OnDevice, device, to_device
from crln.testing.patches import FIRST, LAST, SHAPES
from crln.testing.stages import StageTests


class MethodTests(StageTests):
    """A method's tests: subclass it in a file that pytest collects.

    Attributes:
        name: under which the method is installed.
        options: of the method, in every test.
        device_options: besides, where nothing may wait for the device.
        unheard: how many of its networks unlabelled patches do not teach in a step.

    Examples:
        >>> class TestMine(MethodTests):
        ...     name = "supervised"
        >>> TestMine().test_losses_are_finite_scalars_in_float32()
    """

    def test_losses_are_finite_scalars_in_float32(self) -> None:
        """In both stages of a training."""
        for step in (FIRST, LAST):
            losses = self.losses(self.build(), step)
            assert "total" in losses
            for name, loss in losses.items():
                assert loss.shape == (), name
                assert loss.dtype == torch.float32, name
                assert loss.isfinite(), name

    def test_every_step_has_the_same_terms(self) -> None:
        """The log is a table."""
        method = self.build()
        assert self.losses(method, LAST).keys() == self.losses(method, FIRST).keys()

    def test_a_step_is_decided_by_its_seed(self) -> None:
        """Repeated it is the same, to the bit; another step draws other views."""
        ours, theirs, other = (
            self.losses(self.build(), step) for step in (LAST, LAST, Step(2, 4, seed=0))
        )
        for name in ours:
            torch.testing.assert_close(ours[name], theirs[name], rtol=0, atol=0, msg=name)
        assert ours["total"] != other["total"]

    def test_three_classes_and_an_odd_batch(self) -> None:
        """Nothing is made for two classes or for pairs."""
        for classes, size in ((3, 2), (4, 3)):
            method = self.build(self.plan(classes))
            assert self.losses(method, size=size)["total"].isfinite(), (classes, size)

    def test_patches_of_any_shape(self) -> None:
        """Of unequal sides, of thick slices, of a single one: learnt in both stages, outlined."""
        for name, shape in SHAPES.items():
            for step in (FIRST, LAST):
                method = self.build(self.plan(3, **shape))
                losses = self.losses(method, step)
                losses["total"].backward()
                assert all(loss.isfinite() for loss in losses.values()), name
                grown = [p.grad for p in method.parameters() if p.grad is not None]
                assert all(gradient.isfinite().all() for gradient in grown), name
            x, y, z = method.plan.patch_size
            with torch.no_grad():
                logits = method.eval().predictor()(torch.randn(1, 1, y, x, z))
            assert logits.shape == (1, 3, y, x, z), name
            assert logits.isfinite().all(), name

    def test_where_nobody_knows_anything_nothing_is_learnt_wrongly(self) -> None:
        """Patches without a known voxel give finite losses and gradients; alone they teach none."""
        for step in (FIRST, LAST):
            method, losses = self._without_labels(step)
            assert losses["total"].isfinite()
            gradients = [p.grad for p in method.parameters() if p.grad is not None]
            assert all(gradient.isfinite().all() for gradient in gradients)
            if step is FIRST:  # the labelled start: nothing else teaches
                assert not any(_taught(backbone) for backbone in method.backbones())

    def test_unlabelled_patches_teach_every_network(self) -> None:
        """What they say reaches each network that learns, but for `unheard` of them in a step."""
        method, _ = self._without_labels(LAST)
        if method.uses_unlabelled:
            silent = [not _taught(backbone) for backbone in method.backbones()]
            assert sum(silent) == self.unheard, silent

    def _without_labels(self, step: Step) -> tuple[Method, dict[str, Tensor]]:
        """A method after a step in whose labelled patches nobody knows a voxel."""
        method = self.build()
        labelled, unlabelled = self.batches(method)
        nothing = torch.full_like(labelled.labels, IGNORE)
        losses = self.losses_of(method, labelled._replace(labels=nothing), unlabelled, step)
        losses["total"].backward()
        return method, losses

    def test_a_class_that_nobody_looked_for_is_not_punished(self) -> None:
        """Where none was looked for, background is all there may be, whatever is predicted."""
        for step in (FIRST, LAST):
            method = self.build(self.plan(classes=3))
            labelled, unlabelled = self.batches(method)
            known = torch.tensor([[True, False, False]] * len(labelled.labels))
            empty = labelled.labels.clamp(max=0)  # background, and IGNORE outside
            torch.manual_seed(0)
            losses = method.losses(labelled._replace(labels=empty, known=known), unlabelled, step)
            assert losses["total"].isfinite()
            if step is FIRST or "supervised" in losses:
                assert losses.get("supervised", losses["total"]).abs() < 1e-4

    def test_classes_that_overlap(self) -> None:
        """Regions, and structures of a file each, of which one is unknown in one patch."""
        if not find_method(self.name).overlapping:
            return
        regions = LabelSpace.of([0, 1, 2], {}, regions={"whole": (1, 2), "core": (2,)})
        separate = LabelSpace.of([0, 1, 2], {}, exclusive=False)
        for space, unknown in ((regions, 0), (separate, 8)):  # 8: the bit of the second
            method = self.build(self.plan(3, labels=dataclasses.asdict(space)))
            labelled, unlabelled = self.batches(method)
            both = torch.where(labelled.labels == 2, 3, labelled.labels)
            both[0] |= torch.where(both[0] >= 0, unknown, 0)
            torch.manual_seed(0)
            losses = method.losses(labelled._replace(labels=both), unlabelled, LAST)
            losses["total"].backward()
            assert all(loss.isfinite() for loss in losses.values()), space
            gradients = [p.grad for p in method.parameters() if p.grad is not None]
            assert all(gradient.isfinite().all() for gradient in gradients), space

    def test_labels_of_unlabelled_patches_are_never_read(self) -> None:
        """Whatever stands there changes nothing, in either stage."""
        for step in (FIRST, LAST):
            method = self.build(self.plan(3))
            labelled, unlabelled = self.batches(method)
            if unlabelled is None:
                return
            generator = torch.Generator().manual_seed(5)
            garbage = torch.randint(-9, 300, unlabelled.labels.shape, generator=generator)
            poison = torch.full(garbage.shape, torch.nan)
            first, *others = (
                self.losses_of(
                    copy.deepcopy(method), labelled, unlabelled._replace(labels=labels), step
                )
                for labels in (torch.full_like(garbage, IGNORE), garbage, poison)
            )
            for other in others:
                for name in first:
                    torch.testing.assert_close(first[name], other[name], rtol=0, atol=0, msg=name)

    def test_unlabelled_patches_are_heard_after_the_labelled_start(self) -> None:
        """Their images reach the losses then, and not before."""
        plan = self.plan(training={"labelled_start": 0.4})
        if not self.build(plan).uses_unlabelled:
            return
        for index, heard in ((3, False), (4, True)):
            method = self.build(plan)
            labelled, unlabelled = self.batches(method)
            assert unlabelled is not None
            broken = unlabelled._replace(images=torch.full_like(unlabelled.images, torch.nan))
            torch.manual_seed(0)
            total = method.losses(labelled, broken, Step(index, 10, 0))["total"]
            assert bool(total.isfinite()) != heard, index

    def test_every_term_gives_a_gradient(self) -> None:
        """A term that is not 0 teaches something; every weight that learns is taught by the sum.

        A term of detached tensors, as some released code has, would be logged and teach nothing.
        """
        method = self.build()
        losses = self.losses(method)
        learning = [p for p in method.parameters() if p.requires_grad]
        silent = [name for name, loss in losses.items() if loss != 0 and not loss.requires_grad]
        assert silent == []
        for name, loss in losses.items():
            if name != "total" and loss != 0:
                taught = torch.autograd.grad(loss, learning, retain_graph=True, allow_unused=True)
                assert any(g is not None and g.any() for g in taught), name
        losses["total"].backward()
        missing = [n for n, p in method.named_parameters() if p.requires_grad and p.grad is None]
        assert missing == []
        assert all(p.grad is None for p in method.parameters() if not p.requires_grad)

    def test_no_term_reaches_a_network_through_another(self) -> None:
        """What one network says is a label to the other: it is taught through its own loss alone.

        d^2 loss / d a d b is 0 for weights a of one network and b of another, unless what one says
        keeps its gradient in what the other is taught.
        """
        method = self.build()
        learning = [
            [p for p in backbone.parameters() if p.requires_grad] for backbone in method.backbones()
        ]
        assert learning, "no backbone learns"
        if len(learning) == 1:
            return
        losses = self.losses(method)
        for name, loss in losses.items():
            for ours, theirs in permutations(learning, 2):
                if name == "total" or not loss.requires_grad:
                    continue
                own = torch.autograd.grad(loss, ours, create_graph=True, allow_unused=True)
                steepness = sum((g.square().sum() for g in own if g is not None), torch.zeros(()))
                if steepness.requires_grad:
                    found = torch.autograd.grad(
                        steepness, theirs, retain_graph=True, allow_unused=True
                    )
                    assert not any(g is not None and g.any() for g in found), name

    def test_learning_lowers_the_loss(self) -> None:
        """In eight steps of Adam on one batch."""
        method = self.build()
        optimiser = torch.optim.Adam([p for p in method.parameters() if p.requires_grad], lr=1e-2)
        history = []
        for _ in range(8):
            loss = self.losses(method)["total"]
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            method.update(LAST)
            history.append(float(loss.detach()))
        assert min(history[-3:]) < history[0], history

    def test_the_predictor_gives_logits_of_any_patch(self) -> None:
        """The same twice, for a patch of other sides than the plan's."""
        method = self.build(self.plan(classes=3)).eval()
        patch = torch.randn(1, 1, 32, 16, 16, generator=torch.Generator().manual_seed(3))
        with torch.no_grad():
            logits = method.predictor()(patch)
            torch.testing.assert_close(method.predictor()(patch), logits)
        assert logits.shape == (1, 3, 32, 16, 16)

    def test_the_state_round_trips(self) -> None:
        """Weights saved and loaded predict the same."""
        method = self.build().eval()
        torch.manual_seed(99)
        other = build_method(self.name, self.plan()).eval()
        other.load_state_dict(method.state_dict())
        patch = torch.randn(1, 1, 16, 16, 16, generator=torch.Generator().manual_seed(3))
        torch.testing.assert_close(method.predictor()(patch), other.predictor()(patch))

    def test_it_runs_under_bfloat16_autocast(self) -> None:
        """Losses stay in float32."""
        with torch.autocast("cpu", torch.bfloat16):
            losses = self.losses(self.build())
        assert all(loss.isfinite() and loss.dtype == torch.float32 for loss in losses.values())

    def test_no_step_waits_for_the_device(self) -> None:
        """A GPU computes on while the host goes ahead: nothing reads a value back."""
        for views in ("paper", "rich"):
            given = {self.name: self.options | self.device_options}
            plan = self.plan(views={"kind": views}, options=given)
            expected = self._step(self.build(plan), on_device=False)
            losses = self._step(self.build(plan), on_device=True)
            for term, loss in losses.items():
                assert isinstance(loss, OnDevice)
                torch.testing.assert_close(loss.held, expected[term].detach(), msg=term)

    def _step(self, method: Method, on_device: bool) -> dict[str, Tensor]:
        """What the loop does between two batches."""
        batches = self.batches(method)
        if not on_device:
            return _learn(method, batches)
        with device():
            to_device(method)
            moved = [None if b is None else b.each(OnDevice) for b in batches]
            return _learn(method, (moved[0], moved[1]))


def _taught(network: nn.Module) -> bool:
    """Whether any weight has a gradient that is not 0."""
    return any(p.grad is not None and bool(p.grad.any()) for p in network.parameters())


def _learn(method: Method, batches: tuple[Batch | None, Batch | None]) -> dict[str, Tensor]:
    labelled, unlabelled = batches
    assert labelled is not None
    optimiser = torch.optim.SGD(
        [p for p in method.parameters() if p.requires_grad], lr=1e-3, foreach=True
    )
    torch.manual_seed(0)
    losses = method.losses(labelled, unlabelled, LAST)
    losses["total"].backward()
    optimiser.step()
    optimiser.zero_grad()
    method.update(LAST)
    return losses
