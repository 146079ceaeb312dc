from math import prod
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crln.cohort import load_cohort, split_cohort
from crln.errors import CrlnError
from crln.methods import build_method
from crln.planning import Fingerprint, Plan, make_plan, plan_for, preset_names, read_preset
from crln.planning.fingerprint import Statistics
from crln.planning.planner import LARGEST_PATCH

PAPER = ("la", "pancreas", "brats19")


def statistics(low: float = 0.0, **others: float) -> Statistics:
    values = {"minimum": low, "low": low, "median": 50.0, "high": 200.0, "maximum": 250.0}
    return Statistics.model_validate(values | {"mean": 60.0, "std": 20.0} | others)


def fingerprint(**facts: Any) -> Fingerprint:
    """Of 1 mm scans of 100 x 90 x 80 with one channel and a structure of 50,000 voxels."""
    spacing, size = facts.get("spacing", (1.0, 1.0, 1.0)), facts.get("size", (100, 90, 80))
    usual = {
        "labelled": 2, "unlabelled": 2, "validation": 0, "test": 0, "layout": "folders",
        "channels": ("MR",), "headers_read": 4, "scans_read": 4, "labels_read": 2,
        "spacing": spacing, "spacing_low": spacing, "spacing_range": [(s, s) for s in spacing],
        "size": size, "size_range": [(n, n) for n in size],
        "intensity": [statistics()], "foreground": [statistics(30)],
        "volumes": {0: 670_000.0, 1: 50_000.0}, "class_names": {},
    }  # fmt: skip
    return Fingerprint.model_validate(usual | facts)


def test_the_spacing_is_the_median() -> None:
    assert plan_for(fingerprint(spacing=(0.7, 0.7, 2.0))).spacing == (0.7, 0.7, 2.0)


@pytest.mark.parametrize(
    ("low", "target"), [(1.5, 1.5), (5.0, 5.0), (0.3, 0.8)], ids=["thin", "all thick", "floor"]
)
def test_thick_slices_follow_the_thinner_ones(low: float, target: float) -> None:
    found = fingerprint(spacing=(0.8, 5.0, 0.7), spacing_low=(0.8, low, 0.7))
    assert plan_for(found).spacing == (0.8, target, 0.7)


def test_archives_keep_their_grid_and_their_values() -> None:
    plan = plan_for(fingerprint(layout="h5", geometry=False))
    assert plan.spacing is None
    assert plan.intensity[0].scheme == "none"


@pytest.mark.parametrize(
    ("size", "patch"),
    [
        ((35, 51, 36), (32, 48, 32)),
        ((37, 53, 20), (48, 64, 16)),
        ((6, 16, 17), (16, 16, 16)),
        ((112, 112, 80), (112, 112, 80)),
    ],
)
def test_the_patch_covers_a_small_scan(size: tuple[int, ...], patch: tuple[int, ...]) -> None:
    assert plan_for(fingerprint(size=size)).patch_size == patch


def test_the_patch_of_a_large_scan_is_a_cube_in_millimetres() -> None:
    patch = plan_for(fingerprint(size=(512, 512, 300), spacing=(0.8, 0.8, 1.6))).patch_size
    extent = [n * s for n, s in zip(patch, (0.8, 0.8, 1.6), strict=True)]
    assert max(extent) - min(extent) <= 16 * 1.6
    assert prod(patch) > 0.75 * LARGEST_PATCH


@settings(max_examples=50, deadline=None)
@given(st.tuples(*[st.integers(1, 700)] * 3), st.tuples(*[st.floats(0.1, 10, allow_nan=False)] * 3))
def test_every_patch_is_possible(size: tuple[int, ...], spacing: tuple[float, ...]) -> None:
    plan = plan_for(fingerprint(size=size, spacing=spacing))
    assert prod(plan.patch_size) <= LARGEST_PATCH
    assert all(
        side >= every and side % every == 0
        for side, every in zip(plan.patch_size, plan.step, strict=True)
    )


@pytest.mark.parametrize(
    ("spacing", "half"),
    [((1.0, 1.0, 1.5), (2.0, 2.0, 3.0)), ((1.5, 1.5, 10.0), (3.0, 3.0, 10.0))],
    ids=["all axes", "thick slices stay"],
)
def test_quick_is_half_the_resolution(spacing: tuple[float, ...], half: tuple[float, ...]) -> None:
    found = fingerprint(spacing=spacing, size=(200, 200, 40))
    plan, quick = plan_for(found), plan_for(found, quick=True)
    assert (plan.spacing, quick.spacing) == (spacing, half)
    assert prod(quick.patch_size) < prod(plan.patch_size)


def test_quick_is_nothing_for_what_keeps_its_grid(phantom: Path) -> None:
    with pytest.raises(CrlnError, match="--quick: archives keep their grid"):
        plan_for(fingerprint(layout="h5", geometry=False), quick=True)
    with pytest.raises(CrlnError, match="--quick and --preset la exclude each other"):
        make_plan(load_cohort(phantom), preset="la", quick=True)


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (0.8, 0.8, 1.6)])
def test_what_is_not_thick_gets_the_default_network(spacing: tuple[float, ...]) -> None:
    assert plan_for(fingerprint(spacing=spacing)).network == Plan().network


def test_the_patch_of_thick_slices_covers_them() -> None:
    """Nine slices: eight in a patch, which the network halves once; today's would be 16."""
    plan = plan_for(fingerprint(spacing=(2.5, 2.5, 10.0), size=(96, 96, 9)))
    assert (plan.patch_size, plan.step) == ((96, 96, 8), (16, 16, 2))
    assert plan.network.kernels == ((3, 3, 1), *[(3, 3, 3)] * 4)


def test_no_patch_is_longer_for_a_rounding_of_its_voxel_size() -> None:
    """12 * 0.8 / 0.8 is 12.000000000000002, four more than 8: one step, as with any other size."""
    patches = {
        plan_for(fingerprint(spacing=(mm, mm, 4 * mm), size=(12, 12, 3))).patch_size
        for mm in (0.3, 0.5, 0.7, 0.8, 1.0, 1.5)
    }
    assert patches == {(8, 8, 3)}


def test_the_patch_of_single_slices_is_one_voxel_thick() -> None:
    plan = plan_for(fingerprint(size=(256, 200, 1)))
    assert (plan.patch_size, plan.step) == ((256, 208, 1), (16, 16, 1))


def test_ct_by_its_name_or_its_air() -> None:
    inside = [statistics(-20, mean=40, std=15)]
    for found in (
        fingerprint(channels=("CT",), foreground=inside),
        fingerprint(channels=("image",), intensity=[statistics(-1000)], foreground=inside),
    ):
        (scheme,) = plan_for(found).intensity
        assert (scheme.scheme, scheme.low, scheme.high) == ("window", -20, 200)
        assert (scheme.mean, scheme.std) == (40, 15)


@pytest.mark.parametrize(
    "facts",
    [
        {"intensity": [statistics(0, minimum=-900)]},
        {"intensity": [statistics(-600)]},
        {"intensity": [statistics(-950)], "foreground": [statistics(0, high=4700)]},
    ],
)
def test_negative_values_alone_are_no_ct(facts: dict[str, Any]) -> None:
    assert plan_for(fingerprint(**facts)).intensity[0].scheme == "zscore"


def test_each_channel_has_its_scheme() -> None:
    found = fingerprint(
        channels=("CT", "PET"), intensity=[statistics()] * 2, foreground=[statistics(std=0)] * 2
    )
    first, second = plan_for(found).intensity
    assert (first.scheme, first.std, second.scheme) == ("window", 1, "zscore")


def test_classes_and_their_names() -> None:
    volumes = {255: 9e4, 0: 6e5, 7: 3e4}
    plan = plan_for(fingerprint(volumes=volumes, class_names={7: "atrium"}))
    assert plan.labels.values == (0, 7, 255)
    assert plan.labels.names == ("background", "atrium", "class 255")


def test_rare_structures_draw_patches() -> None:
    assert plan_for(fingerprint()).training.foreground == 0
    rare = fingerprint(volumes={0: 7e5, 1: 2000.0})
    assert plan_for(rare).training.foreground == pytest.approx(1 / 3)


@pytest.mark.parametrize(
    ("volumes", "share"),
    [
        ({1: 90_000.0, 2: 70.0}, 1 / 3),  # 1 in 10,000 beside 1 in 8
        ({1: 90_000.0, 2: 3_000.0}, 0),
        ({1: 90_000.0, 2: 0.0}, 0),  # the data set names it, no label holds it
    ],
)
def test_the_rarest_structure_decides(volumes: dict[int, float], share: float) -> None:
    plan = plan_for(fingerprint(volumes={0: 6e5, **volumes}))
    assert plan.training.foreground == pytest.approx(share)


def test_a_structure_of_one_value_makes_no_window() -> None:
    flat = [statistics(50, high=50)]
    plan = plan_for(fingerprint(channels=("CT",), foreground=flat))
    assert plan.intensity[0].scheme == "zscore"


def test_nothing_is_mirrored_unasked() -> None:
    plan = plan_for(fingerprint())
    assert plan.views.mirror_axes == ()
    assert plan.inference.mirror_axes == ()


def test_changes_win_over_the_preset_over_the_cohort(phantom: Path) -> None:
    cohort = load_cohort(phantom)
    own = make_plan(cohort)
    plan = make_plan(cohort, preset="la", changes={"training": {"iterations": 7}})
    assert plan.training.iterations == 7
    assert plan.training.lr == 0.0025 != own.training.lr
    assert plan.labels.values == own.labels.values == (0, 1, 2)
    assert make_plan(cohort, fingerprint=fingerprint()).patch_size == (96, 96, 80)


@pytest.mark.parametrize("name", preset_names())
@pytest.mark.parametrize("size", [(41, 45, 9), (43, 40, 1), (216, 256, 9)])
def test_a_preset_brings_its_own_network(phantom: Path, name: str, size: tuple[int, ...]) -> None:
    found = fingerprint(spacing=(1.5, 1.5, 8.0), size=size)
    plan = make_plan(load_cohort(phantom), preset=name, fingerprint=found)
    assert plan.network.strides == ((2, 2, 2),) * 4
    assert plan.network.kernels is None


def test_a_preset_serves_every_channel() -> None:
    assert read_preset("la", 3)["intensity"] == [{"scheme": "minmax"}] * 3


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"patch_size": [30, 32, 32]}, r"patch_size: each side of the patch must be a multiple"),
        ({"training": {"lr": -1}}, r"training\.lr: .* greater than 0"),
        ({"trainin": {}}, r"trainin: Extra inputs"),
    ],
)
def test_an_impossible_change_is_named(
    phantom: Path, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(CrlnError, match=message) as caught:
        make_plan(load_cohort(phantom), fingerprint=fingerprint(), changes=changes)
    assert "\n" not in str(caught.value)


def test_an_unknown_preset_lists_the_known(phantom: Path) -> None:
    with pytest.raises(CrlnError, match=r"no preset 'heart'; choose one of brats19, .*phantom"):
        make_plan(load_cohort(phantom), preset="heart")


def test_there_are_five_presets() -> None:
    assert preset_names() == ["brats19", "hippocampus", "la", "pancreas", "phantom"]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["brats19", "hippocampus", "la", "pancreas", "phantom"])
def test_every_preset_is_a_plan_that_builds(name: str) -> None:
    plan = Plan().updated(read_preset(name))
    assert plan.name == name
    build_method("crln", plan)


@pytest.mark.parametrize("name", PAPER)
def test_the_papers_numbers(name: str) -> None:
    """docs/explanation/method.md, sections 2 to 4."""
    plan = Plan().updated(read_preset(name))
    training, options = plan.training, plan.options["crln"]
    assert (training.iterations, training.labelled, training.unlabelled) == (40_000, 2, 2)
    assert (training.optimiser, training.lr, training.weight_decay) == ("sgd", 2.5e-3, 5e-4)
    assert (training.momentum, training.schedule, training.power) == (0.9, "poly", 0.9)
    assert (training.foreground, training.warmup, training.gradient_clip) == (0, 0, None)
    assert (plan.teacher.decay, plan.teacher.dropout, plan.teacher.norm) == (0.99, True, "own")
    assert plan.network.widths == (16, 32, 64, 128, 256)
    assert plan.inference.weighting == "uniform"
    assert plan.inference.mirror_axes == ()
    assert plan.intensity[0].scheme == "minmax"
    assert (plan.views.kind, plan.spacing) == ("paper", None)
    assert plan.training.labelled_start == 0
    assert options == {
        "unsupervised_weight": 0.5,
        "trusted_only": False,
        "confidence": 0.97,
        "valid_confidence": 0.7,
        "temperature": 0.5,
        "queries": 256,
        "negatives": 512,
        "warmup": 0.02,
        "positive_weight": 1.0 if name == "pancreas" else 0.5,
        "strong_views": 1,
        "copy_paste": 0.0,
        "joint_pass": False,
        "linear_maps": True,
        "unassertiveness": 0.1 if name == "brats19" else 0.6,
    }


@pytest.mark.parametrize(
    ("name", "kind", "dropout", "prototypes", "patch", "stride", "turned"),
    [
        ("la", "vnet", 0.5, 16, (112, 112, 80), (18, 18, 4), True),
        ("pancreas", "vnet", 0.5, 4, (96, 96, 96), (16, 16, 16), False),
        ("brats19", "unet", 0.3, 4, (96, 96, 96), (16, 16, 16), True),
    ],
)
def test_where_the_papers_presets_differ(
    name: str,
    kind: str,
    dropout: float,
    prototypes: int,
    patch: tuple[int, ...],
    stride: tuple[int, ...],
    turned: bool,
) -> None:
    plan = Plan().updated(read_preset(name))
    network, views = plan.network, plan.views
    assert (network.kind, network.dropout, network.prototypes) == (kind, dropout, prototypes)
    assert (plan.patch_size, plan.inference.stride) == (patch, stride)
    assert (views.rotate90, views.brightness) == (turned, turned)
    assert views.mirror_axes == ((0, 1) if turned else ())


def test_the_hippocampus_preset_fits_its_data(data_root: Path) -> None:
    cohort = split_cohort(load_cohort(data_root / "hippocampus"), labelled=4, test=190)
    plan = make_plan(cohort, preset="hippocampus")
    assert (plan.patch_size, plan.labels.values, plan.spacing) == (
        (32, 48, 32),
        (0, 1, 2),
        (1, 1, 1),
    )
    training = plan.training
    assert (training.iterations, training.optimiser, training.lr) == (1000, "adamw", 0.003)
    assert (plan.views.kind, plan.views.mirror_axes) == ("rich", ())
    assert plan.network.prototypes == 4


def test_the_automatic_plan_of_the_hippocampus_is_nearly_that(data_root: Path) -> None:
    cohort = split_cohort(load_cohort(data_root / "hippocampus"), labelled=4, test=190)
    plan = make_plan(cohort)
    assert (plan.patch_size, plan.labels.values, plan.spacing) == (
        (32, 48, 32),
        (0, 1, 2),
        (1, 1, 1),
    )
    assert plan.labels.names == ("background", "Anterior", "Posterior")
    assert plan.intensity[0].scheme == "zscore"


def test_the_atrium_is_no_ct(data_root: Path) -> None:
    cohort = split_cohort(load_cohort(data_root / "la_half"), labelled=2, test=76)
    assert make_plan(cohort).intensity[0].scheme == "zscore"
    assert make_plan(cohort, preset="la").labels.values == (0, 1)
