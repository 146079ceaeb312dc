import pytest

from crln.comparison.variant import parse_variant
from crln.errors import CrlnError
from crln.planning import Plan


def test_a_plain_method_changes_nothing() -> None:
    variant = parse_variant("crln")
    assert (variant.method, variant.changes, variant.every_label) == ("crln", {}, False)
    assert variant.plan(Plan()) == Plan()


def test_options_are_the_methods_and_dotted_ones_the_plans() -> None:
    variant = parse_variant("crln[positive_weight=0, strong_view=false, network.prototypes=1]")
    plan = variant.plan(Plan(options={"crln": {"queries": 8}}))
    assert plan.options == {"crln": {"queries": 8, "positive_weight": 0, "strong_view": False}}
    assert plan.network.prototypes == 1
    assert variant.slug == "crln-positive_weight=0-strong_view=false-network.prototypes=1"


def test_every_label_is_supervised() -> None:
    variant = parse_variant("supervised_all")
    assert (variant.method, variant.every_label, variant.name) == (
        "supervised", True, "supervised_all",
    )  # fmt: skip


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
