"""Every method passes the same tests: a new one is one more name in the registry."""

import math

import pytest
import torch
import yaml

from crln.errors import CrlnError
from crln.methods import METHODS, Batch, Method, SemiSupervised, Step, build_method, spelled_out
from crln.planning import Plan
from crln.testing import MethodTests, make_batch
from crln.testing.patches import SLICE, THICK

pytestmark = pytest.mark.slow

STEP = Step(index=3, total=4, seed=0)
SPECIAL = {
    "bcp": {"device_options": {"largest_component": False}},  # labelled on the host, as published
    "crln": {"options": {"queries": 8, "negatives": 16}},
    "sdcl": {"device_options": {"largest_component": False}},
    "ssl_contrastive": {"unheard": 1},  # the better network labels for the other
}

for name in METHODS.ours:
    tests = type(f"Test_{name}", (MethodTests,), {"name": name, **SPECIAL.get(name, {})})
    globals()[tests.__name__] = tests


def batches(method: Method) -> tuple[Batch, Batch | None]:
    unlabelled = make_batch(method, 2, labelled=False)
    return make_batch(method, 1), unlabelled if method.uses_unlabelled else None


def losses_of(method: Method, step: Step = STEP) -> dict[str, torch.Tensor]:
    torch.manual_seed(step.derive("dropout"))
    return method.losses(*batches(method), step)


@pytest.mark.parametrize("name", sorted(METHODS))
def test_no_term_is_0_where_the_shared_tests_look(name: str, tiny_plan: Plan) -> None:
    """A term that is 0 there would pass them whatever it teaches."""
    assert all(losses_of(build_method(name, tiny_plan)).values())


@pytest.mark.parametrize("name", sorted(METHODS))
def test_kernels_within_slices_are_those_of_every_network(name: str, tiny_plan: Plan) -> None:
    for shape, thick in ((THICK, True), (SLICE, False)):
        learner = build_method(name, tiny_plan.updated(shape))
        reaching = [m.kernel_size for m in learner.modules() if isinstance(m, torch.nn.Conv3d)]
        assert ((3, 3, 3) in reaching) == thick


DEEP = {"network": {"kind": "resenc", "options": {"deep_supervision": True}}}


@pytest.mark.parametrize("name", sorted(METHODS))
def test_deep_supervision_teaches_every_level_or_is_refused(name: str, tiny_plan: Plan) -> None:
    plan = tiny_plan.updated(DEEP)
    if not METHODS[name].deep:
        with pytest.raises(CrlnError, match=r"deep_supervision|network\.kind: vnet"):
            build_method(name, plan)
        return
    learner = build_method(name, plan)
    for index in (0, 3):
        learner.zero_grad()
        losses_of(learner, Step(index=index, total=4, seed=0))["total"].backward()
        named = [(n, p) for n, p in learner.named_parameters() if p.requires_grad]
        heads = [parameter for name, parameter in named if "coarse_heads" in name]
        assert heads
        taught = [bool(h.grad is not None and h.grad.any()) for h in heads]
        assert sum(taught) >= 4  # CRLN reads three levels, so it has two coarser ones to teach
    assert spelled_out(name, plan).network.options == {"blocks": [1, 2], "deep_supervision": True}


def test_the_labelled_start_sees_each_patch_in_two_views(tiny_plan: Plan) -> None:
    """As many patches a step as later, so that a step is as large a sample of the views."""
    method = build_method("mean_teacher", tiny_plan)
    seen = []
    method.student.backbone.register_forward_pre_hook(  # type: ignore[union-attr, operator]
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


@pytest.mark.parametrize(
    "name",
    [
        "ad_mt",
        "cross_pseudo",
        "crossmatch",
        "diffrect",
        "llm_segnet",
        "mcnet",
        "ssl_contrastive",
        "tracoco",
    ],
)
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


@pytest.mark.parametrize("name", sorted(METHODS))
def test_labels_teach_thin_parts_and_surfaces_where_the_plan_asks_for_it(
    name: str, tiny_plan: Plan
) -> None:
    found = []
    for detail in ([], ["skeleton_recall"], ["boundary"]):
        torch.manual_seed(0)
        changes = {"training": {"labelled_start": 1.0}, "loss": ["dice_ce", *detail]}
        found.append(losses_of(build_method(name, tiny_plan.updated(changes)))["total"].item())
    assert found[0] < min(found[1:])
    assert found[1] != found[2]


@pytest.mark.parametrize("name", ["bcp", "diffrect", "sdcl"])
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
