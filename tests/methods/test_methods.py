"""Every method passes the same tests: a new one is one more name in the registry."""

import copy
import math

import pytest
import torch
import yaml

from crln.errors import CrlnError
from crln.labels import IGNORE
from crln.methods import METHODS, Batch, Method, SemiSupervised, Step, build_method, spelled_out
from crln.planning import Plan

pytestmark = pytest.mark.slow

STEP = Step(index=3, total=4, seed=0)


def make_batch(method: Method, classes: int, seed: int) -> Batch:
    generator = torch.Generator().manual_seed(seed)
    images = torch.randn(2, 1, *method.read_size, generator=generator)
    labels = (images[:, 0] > 0.5).long() * torch.randint(1, classes, (1,), generator=generator)
    labels[:, :2] = IGNORE
    return Batch(images, labels, labels != IGNORE)


@pytest.fixture(params=sorted(METHODS))
def method(request: pytest.FixtureRequest, tiny_plan: Plan) -> Method:
    torch.manual_seed(0)
    return build_method(request.param, tiny_plan)


def batches(method: Method) -> tuple[Batch, Batch | None]:
    labelled = make_batch(method, method.plan.classes, 1)
    unlabelled = make_batch(method, method.plan.classes, 2)
    unlabelled = unlabelled._replace(labels=torch.full_like(unlabelled.labels, IGNORE))
    return labelled, unlabelled if method.uses_unlabelled else None


def losses_of(method: Method, step: Step = STEP) -> dict[str, torch.Tensor]:
    torch.manual_seed(step.derive("dropout"))
    return method.losses(*batches(method), step)


def test_losses_are_finite_scalars_in_float32(method: Method) -> None:
    for name, loss in losses_of(method).items():
        assert loss.shape == (), name
        assert loss.dtype == torch.float32, name
        assert loss.isfinite(), name


THICK = {
    "patch_size": (16, 16, 8),
    "network": {"strides": [[2, 2, 1], [2, 2, 1], [2, 2, 2], [2, 2, 2]]},
}


@pytest.mark.parametrize("name", sorted(METHODS))
@pytest.mark.parametrize("index", [0, 3])
def test_thick_slices_are_learnt_and_predicted(name: str, index: int, tiny_plan: Plan) -> None:
    """A network that halves one axis less often, at a patch that is thinner than 16 there."""
    thick = build_method(name, tiny_plan.updated(THICK))
    found = losses_of(thick, Step(index=index, total=4, seed=0))
    found["total"].backward()
    assert all(loss.isfinite() for loss in found.values())
    with torch.no_grad():
        logits = thick.eval().predictor()(torch.randn(1, 1, 16, 32, 4))
    assert logits.shape == (1, tiny_plan.classes, 16, 32, 4)
    assert logits.isfinite().all()


def test_a_step_is_the_same_when_repeated(method: Method) -> None:
    twin = copy.deepcopy(method)
    ours, theirs = losses_of(method), losses_of(twin)
    for name in ours:
        torch.testing.assert_close(ours[name], theirs[name], rtol=0, atol=0)


def test_another_step_draws_other_views(method: Method) -> None:
    twin = copy.deepcopy(method)
    other = Step(index=2, total=4, seed=0)
    assert losses_of(method)["total"] != losses_of(twin, other)["total"]


def test_every_step_has_the_same_terms(method: Method) -> None:
    """The log is a table."""
    assert losses_of(method).keys() == losses_of(method, Step(index=0, total=4, seed=0)).keys()


SEMI = [name for name, kind in sorted(METHODS.items()) if kind.uses_unlabelled]


@pytest.mark.parametrize(("index", "heard"), [(3, False), (4, True)])
@pytest.mark.parametrize("name", SEMI)
def test_unlabelled_patches_are_heard_after_the_labelled_start(
    tiny_plan: Plan, name: str, index: int, heard: bool
) -> None:
    plan = tiny_plan.updated({"training": {"labelled_start": 0.4}})
    torch.manual_seed(0)
    method = build_method(name, plan)
    twin = copy.deepcopy(method)
    known, other = batches(method)
    assert other is not None
    broken = other._replace(images=torch.full_like(other.images, torch.nan))
    totals = []
    for learner, unlabelled in ((method, other), (twin, broken)):
        torch.manual_seed(0)
        totals.append(learner.losses(known, unlabelled, Step(index, 10, 0))["total"])
    assert totals[0].isfinite()
    assert totals[1].isfinite() != heard


def test_the_labelled_start_sees_each_patch_in_two_views(tiny_plan: Plan) -> None:
    """As many patches a step as later, so that a step is as large a sample of the views."""
    method = build_method("mean_teacher", tiny_plan)
    seen = []
    method.student.register_forward_pre_hook(  # type: ignore[union-attr, operator]
        lambda _, inputs: seen.append(inputs[0])
    )
    method.losses(*batches(method), Step(0, 10, 0))
    (images,) = seen
    assert len(images) == 4
    assert not torch.equal(images[:2], images[2:])


@pytest.mark.parametrize(
    ("start", "share", "index", "past"),
    [
        (0.0, 0.4, 0, 0.0),
        (0.0, 0.4, 20, 0.5),
        (0.0, 0.4, 40, 1.0),
        (0.4, 1.0, 40, 0.4),  # not over yet: counted from the first step
        (0.4, 0.5, 50, 1.0),
        (0.4, 0.4, 40, 0.0),  # over: counted from the first unlabelled patch
        (0.4, 0.4, 52, 0.5),
        (0.4, 0.4, 64, 1.0),
        (0.4, 0.01, 40, 0.0),
    ],
)
def test_no_ramp_is_over_before_the_first_unlabelled_patch(
    tiny_plan: Plan, start: float, share: float, index: int, past: float
) -> None:
    plan = tiny_plan.updated({"training": {"labelled_start": start}})
    method = build_method("mean_teacher", plan)
    assert isinstance(method, SemiSupervised)
    weight = method.ramp(Step(index, 100, 0), share)
    assert weight == pytest.approx(math.exp(-5 * (1 - past) ** 2))


@pytest.mark.parametrize("name", ["ad_mt", "cross_pseudo", "diffrect", "mcnet", "tracoco"])
def test_the_options_ramp_is_the_one_that_weighs(name: str, tiny_plan: Plan) -> None:
    """The same step early in a long ramp and late in a short one."""
    found = []
    unsure = {"confidence": 0.0} if name in ("ad_mt", "diffrect") else {}
    for ramp in (1.0, 0.05):
        torch.manual_seed(0)
        options = {name: {"ramp": ramp, **unsure}}
        plan = tiny_plan.updated({"options": options, "training": {"labelled_start": 0.0}})
        method = build_method(name, plan)
        found.append(losses_of(method, Step(6, 100, 0))["total"].item())
    assert found[0] < found[1]


def test_learning_lowers_the_loss(method: Method) -> None:
    parameters = [p for p in method.parameters() if p.requires_grad]
    optimiser = torch.optim.Adam(parameters, lr=1e-2)
    history = []
    for _ in range(8):
        loss = losses_of(method)["total"]
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        method.update(STEP)
        history.append(float(loss.detach()))
    assert min(history[-3:]) < history[0]


def test_the_predictor_gives_logits_of_the_patch(method: Method) -> None:
    method.eval()
    patch = torch.randn(1, 1, 32, 16, 16)
    logits = method.predictor()(patch)
    assert logits.shape == (1, method.plan.classes, 32, 16, 16)
    torch.testing.assert_close(method.predictor()(patch), logits)


def test_only_what_learns_takes_gradients(method: Method) -> None:
    losses_of(method)["total"].backward()
    missing = [n for n, p in method.named_parameters() if p.requires_grad and p.grad is None]
    assert missing == []
    assert all(p.grad is None for p in method.parameters() if not p.requires_grad)


def test_the_state_round_trips(method: Method, tiny_plan: Plan) -> None:
    name = next(n for n, kind in METHODS.items() if type(method) is kind)
    torch.manual_seed(99)
    other = build_method(name, tiny_plan)
    other.load_state_dict(method.state_dict())
    patch = torch.randn(1, 1, 16, 16, 16)
    torch.testing.assert_close(method.eval().predictor()(patch), other.eval().predictor()(patch))


def test_it_runs_under_bfloat16_autocast(method: Method) -> None:
    with torch.autocast("cpu", torch.bfloat16):
        losses = losses_of(method)
    assert all(loss.isfinite() and loss.dtype == torch.float32 for loss in losses.values())


@pytest.mark.parametrize("name", [n for n in sorted(METHODS) if not METHODS[n].own_loss])
def test_the_plans_loss_is_what_labels_teach(name: str, tiny_plan: Plan) -> None:
    found = []
    for loss in ("dice_ce", "cross_entropy", {"class_weights": [1.0] + [3.0] * 9}):
        if isinstance(loss, dict):
            loss = {"class_weights": loss["class_weights"][: tiny_plan.classes]}
        torch.manual_seed(0)
        plan = tiny_plan.updated({"training": {"labelled_start": 1.0}}).updated({"loss": loss})
        found.append(losses_of(build_method(name, plan))["total"].item())
    assert len(set(found)) == 3


@pytest.mark.parametrize("name", ["bcp", "diffrect"])
def test_a_loss_that_a_method_would_not_heed_is_refused(name: str, tiny_plan: Plan) -> None:
    with pytest.raises(CrlnError, match=f"plan: loss: {name} teaches labels by the loss of its"):
        build_method(name, tiny_plan.updated({"loss": ["dice"]}))


def test_an_unknown_method_lists_the_known_ones(tiny_plan: Plan) -> None:
    with pytest.raises(CrlnError, match=r"no method 'unet'; choose one of .*crln.*supervised"):
        build_method("unet", tiny_plan)


def test_an_unknown_option_is_named(tiny_plan: Plan) -> None:
    plan = tiny_plan.updated({"options": {"crln": {"querys": 3}}})
    with pytest.raises(CrlnError, match=r"options\.crln\.querys.*queries"):
        build_method("crln", plan)


@pytest.mark.parametrize("name", sorted(METHODS))
def test_a_spelled_out_plan_names_every_option(name: str, tiny_plan: Plan) -> None:
    plan = tiny_plan.updated({"options": {"crln": {"queries": 3}, "bcp": {"box": 0.5}}})
    whole = spelled_out(name, plan)
    kind = METHODS[name]
    given = kind.Options.model_validate(plan.options.get(name, {})).model_dump()
    assert whole.options.get(name, {}) == given
    assert whole.updated({"options": plan.options}) == whole
    assert whole.views.options["strong"]["cutmix"] == 1
    assert {n: o for n, o in whole.options.items() if n != name} == {
        n: o for n, o in plan.options.items() if n != name
    }
    assert Plan.model_validate(yaml.safe_load(whole.to_yaml())) == whole
    assert spelled_out(name, whole) == whole


def test_a_spelled_out_plan_refuses_an_unknown_option(tiny_plan: Plan) -> None:
    plan = tiny_plan.updated({"options": {"crln": {"querys": 3}}})
    with pytest.raises(CrlnError, match=r"options\.crln\.querys.*queries"):
        spelled_out("crln", plan)
