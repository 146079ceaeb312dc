import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

from crln.labels import IGNORE
from crln.methods.draws import draw_of_each, draw_voxels


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@settings(max_examples=60, deadline=None)
@given(
    st.tuples(*(st.integers(1, 5) for _ in range(4))),
    st.integers(1, 4),
    st.floats(0, 1),
    st.integers(0, 2**31),
)
def test_every_draw_is_of_its_class(
    shape: tuple[int, ...], number: int, ignored: float, seed: int
) -> None:
    generator = seeded(seed)
    classes = torch.randint(number, shape, generator=generator)
    classes[torch.rand(shape, generator=generator) < ignored] = IGNORE
    voxels, present = draw_voxels(classes, number, 20, generator)
    assert ((voxels >= 0) & (voxels < classes.numel())).all()
    for k in range(number):
        assert bool(present[k]) == bool((classes == k).any())
        if present[k]:
            assert (classes.flatten()[voxels[k]] == k).all()


def test_voxels_are_drawn_uniformly_from_their_class() -> None:
    classes = torch.randint(IGNORE, 3, (2, 3, 4, 7), generator=seeded(5))
    classes[0, 0] = 0  # whole lines of one class beside scattered voxels
    classes[1, 0, 0] = IGNORE
    voxels, _ = draw_voxels(classes, 3, 50_000, seeded(6))
    for k in range(3):
        counts = torch.bincount(voxels[k], minlength=classes.numel())
        assert chisquare(counts[classes.flatten() == k].numpy()).pvalue > 1e-3


def test_an_absent_class_draws_from_everywhere() -> None:
    classes = torch.zeros(2, 3, 4, 5, dtype=torch.long)
    voxels, present = draw_voxels(classes, 2, 50_000, seeded(7))
    assert present.tolist() == [True, False]
    assert chisquare(torch.bincount(voxels[1], minlength=120).numpy()).pvalue > 1e-3


def test_voxels_of_a_mask_are_drawn_equally_often() -> None:
    masks = torch.rand(2, 2, 4, 3, 5, generator=seeded()) < 0.3
    masks[1] = False
    places, present = draw_of_each(masks, 20_000, seeded())
    assert present.tolist() == [True, False]
    counts = torch.bincount(places[0], minlength=masks[0].numel())
    expected = masks[0].flatten() * 20_000 / masks[0].sum()
    assert (counts[~masks[0].flatten()] == 0).all()
    assert ((counts - expected).abs() <= 6 * expected.sqrt()).all()
