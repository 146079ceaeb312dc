import pytest

from crln.comparison.variant import parse_variant
from crln.errors import CrlnError
from crln.planning import Plan


def test_a_plain_method_changes_nothing() -> None:
    variant = parse_variant("crln")
    assert (variant.method, variant.changes, variant.every_label) == ("crln", {}, False)
    assert variant.plan(Plan()) == Plan()


def test_options_are_the_methods_and_dotted_ones_the_plans() -> None:
    variant = parse_variant("crln[positive_weight=0, strong_views=0, network.prototypes=1]")
    plan = variant.plan(Plan(options={"crln": {"queries": 8}}))
    assert plan.options == {"crln": {"queries": 8, "positive_weight": 0, "strong_views": 0}}
    assert plan.network.prototypes == 1
    assert variant.slug == "crln-positive_weight=0-strong_views=0-network.prototypes=1"


def test_every_label_is_supervised() -> None:
    variant = parse_variant("supervised_all")
    assert (variant.method, variant.every_label, variant.name) == (
        "supervised", True, "supervised_all",
    )  # fmt: skip


def test_published_rates_are_scaled_to_the_budget_and_yield_to_options() -> None:
    plan = Plan().updated({"training": {"iterations": 1500, "optimiser": "adamw", "labelled": 3}})
    trained = parse_variant("mcnet[published]").plan(plan).training
    assert (trained.optimiser, trained.schedule, trained.weight_decay) == ("sgd", "constant", 1e-4)
    assert trained.lr == pytest.approx(0.01 * 10**0.5)
    assert (trained.iterations, trained.labelled, trained.labelled_start) == (1500, 3, 0)
    mine = parse_variant("mcnet[published, decoders=2, training.lr=0.5]")
    assert mine.plan(plan).training.lr == 0.5
    assert mine.plan(plan).options == {"mcnet": {"decoders": 2}}
    assert mine.slug == "mcnet-published-decoders=2-training.lr=0.5"
    assert parse_variant("mcnet").plan(plan) == plan


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("nonsense", "no method 'nonsense'; choose among .*crln"),
        ("crln[", "not a method"),
        ("crln[positive_weight]", "positive_weight has no value"),
        ("crln[a=[1]", "cannot be read"),
    ],
)
def test_what_is_no_method_is_told(text: str, line: str) -> None:
    with pytest.raises(CrlnError, match=line):
        parse_variant(text)


@pytest.mark.parametrize("text", ["crln[network.nonsense=1]", "crln[training.lr=-1]"])
def test_an_impossible_field_is_named(text: str) -> None:
    with pytest.raises(CrlnError, match=text.split("[")[1].split("=")[0]):
        parse_variant(text).plan(Plan())
