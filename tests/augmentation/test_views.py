"""What holds for every set of views."""

from pathlib import Path
from typing import Any, get_args

import nibabel as nib
import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from crln.augmentation import Kind, Views, build_views
from crln.augmentation.paper import PaperViews
from crln.augmentation.recipe import Recipe
from crln.augmentation.rich import RichViews
from crln.errors import CrlnError
from crln.labels import IGNORE
from crln.planning.plan import Plan

PATCH = (32, 16, 16)
OFTEN = [name for name in Recipe.model_fields if name not in ("degrees", "zoom_range")]
EVERYTHING = dict.fromkeys(OFTEN, 1.0)

pytestmark = pytest.mark.parametrize("kind", ["paper", "rich"])


def plan_of(kind: str, channels: int = 2) -> Plan:
    names = [f"channel {c}" for c in range(channels)]
    return Plan(
        patch_size=PATCH,
        channels=names,
        intensity=[{}] * channels,
        views={"kind": kind, "mirror_axes": (0, 1), "rotate90": True},
    )


def views_of(kind: str) -> Views:
    if kind == "paper":
        return build_views(plan_of(kind))
    always = dict.fromkeys(("labelled", "weak", "strong"), EVERYTHING)
    return build_views(plan_of(kind).updated({"views": {"options": always}}))


def inputs(view: Views, batch: int = 2) -> tuple[Tensor, Tensor]:
    torch.manual_seed(0)
    images = torch.randn(batch, 2, *view.read_size)
    target = torch.randint(IGNORE, 3, (batch, *view.read_size))
    return images.contiguous(memory_format=torch.channels_last_3d), target


def all_views(views: Views, images: Tensor, target: Tensor, seed: int) -> list:
    generator = torch.Generator().manual_seed(seed)
    labelled, weak, strong = (
        views.draw(kind, *images.shape[:2], generator) for kind in get_args(Kind)
    )
    known, shown, classes = labelled.images(images), weak.images(images), weak.labels(target)
    confidence = shown[:, 0].abs()
    return [
        *(known, labelled.labels(target), shown, classes),
        *(strong.images(shown), strong.labels(classes), strong.maps(confidence)),
    ]


def test_plan_names_its_views(kind: str) -> None:
    expected = {"paper": PaperViews, "rich": RichViews}[kind]
    assert isinstance(build_views(plan_of(kind)), expected)


@pytest.mark.slow
@pytest.mark.parametrize("batch", [1, 2, 3])
def test_shapes_types_and_layout(kind: str, batch: int) -> None:
    view = views_of(kind)
    results = all_views(view, *inputs(view, batch), seed=0)
    for images in (results[0], results[2], results[4]):
        assert images.shape == (batch, 2, *PATCH)
        assert images.dtype == torch.float32
        assert images.is_contiguous(memory_format=torch.channels_last_3d)
        assert images.isfinite().all()
    for target in (results[1], results[3], results[5]):
        assert target.shape == (batch, *PATCH)
        assert target.dtype == torch.int64
        assert target.is_contiguous()
        assert set(target.unique().tolist()) <= {IGNORE, 0, 1, 2}
    assert results[6].shape == (batch, *PATCH)
    assert (results[6] >= 0).all()


@pytest.mark.slow
def test_same_seed_same_views_and_inputs_stay(kind: str) -> None:
    view = views_of(kind)
    images, target = inputs(view)
    kept = images.clone(), target.clone()
    first, again, other = (all_views(view, images, target, seed) for seed in (1, 1, 2))
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not any(torch.equal(a, b) for a, b in zip(first, other, strict=True))
    assert torch.equal(images, kept[0])
    assert torch.equal(target, kept[1])


@pytest.mark.slow
def test_mixed_precision_leaves_views_exact(kind: str) -> None:
    view = views_of(kind)
    images, target = inputs(view)
    expected = all_views(view, images, target, seed=1)
    with torch.autocast("cpu", torch.bfloat16):
        results = all_views(view, images.requires_grad_(), target, seed=1)
    assert all(torch.equal(a, b) for a, b in zip(results, expected, strict=True))
    assert not any(result.requires_grad for result in results)


def test_a_drawn_view_is_the_same_however_often_it_is_applied(kind: str) -> None:
    views = views_of(kind)
    images, target = inputs(views)
    view = views.draw("labelled", 2, 2, torch.Generator().manual_seed(3))
    first = view.labels(target), view.images(images)
    assert torch.equal(view.images(images), first[1])
    assert torch.equal(view.labels(target), first[0])


def test_any_map_travels_as_the_labels_do(kind: str) -> None:
    """Of any type, exactly, channels too; what comes from outside is what is asked for."""
    views = views_of(kind)
    drawn = views.draw("strong", 2, 2, torch.Generator().manual_seed(5))
    shape = (2, *PATCH)
    number = torch.arange(2 * PATCH[0] * PATCH[1] * PATCH[2]).view(shape)
    place = drawn.labels(number)
    assert (place == IGNORE).any()
    assert (place != IGNORE).any()
    origin, outside = place.clamp(min=0), place == IGNORE
    for values, filler in (
        (torch.rand(shape) > 0.5, False),
        (torch.rand(shape, dtype=torch.float64), 0.25),
        (number + 2**40, -7),
        (torch.rand(2, 3, *PATCH), 0.0),
    ):
        flat = values.movedim(1, -1) if values.ndim == 5 else values
        taken = flat.flatten(0, 3)[origin.flatten()].view(*shape, *flat.shape[4:])
        expected = taken.movedim(-1, 1) if values.ndim == 5 else taken
        hole = outside[:, None].expand_as(values) if values.ndim == 5 else outside
        found = drawn.maps(values, filler)
        assert found.dtype == values.dtype
        assert torch.equal(found, expected.masked_fill(hole, filler))


def test_views_come_in_any_size(kind: str) -> None:
    size = (19, 17, 24)
    views = build_views(plan_of(kind), size)
    assert views.draw("weak", 1, 2, torch.Generator()).size == size
    assert all(read >= side for read, side in zip(views.read_size, size, strict=True))
    images = torch.rand(1, 2, *views.read_size)
    drawn = views.draw("labelled", 1, 2, torch.Generator().manual_seed(0))
    assert drawn.images(images).shape == (1, 2, *size)


def test_an_unknown_option_of_the_views_is_named(kind: str) -> None:
    plan = plan_of(kind).updated({"views": {"options": {"noises": 1}}})
    with pytest.raises(CrlnError, match=rf"views\.options\.noises.*; {kind} has .*noise"):
        build_views(plan)


class NoSync(TorchDispatchMode):
    """Refuses what makes a GPU wait: a value read back, or a shape that depends on values."""

    FORBIDDEN = ("_local_scalar_dense", "nonzero", "masked_select", "equal", "unique", "item")

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        name = func.overloadpacket.__name__
        assert name not in self.FORBIDDEN, f"{name} waits for the device"
        if name in ("index", "index_put_"):
            masks = [i for i in args[1] if i is not None and i.dtype == torch.bool]
            assert not masks, "indexing by a boolean mask waits for the device"
        return func(*args, **(kwargs or {}))


def test_nothing_waits_for_the_device(kind: str) -> None:
    view = views_of(kind)
    images, target = inputs(view)
    with NoSync():
        all_views(view, images, target, seed=1)


def test_the_guard_against_waiting_guards(kind: str) -> None:
    for wait in (lambda t: t.max().item(), lambda t: t[t > 0], lambda t: bool(t.sum() > 0)):
        with NoSync(), pytest.raises(AssertionError, match="waits for the device"):
            wait(torch.ones(3))


def test_real_label_keeps_its_classes_and_volume(kind: str, data_root: Path) -> None:
    """A hippocampus label survives the weak view: its volume changes by the zoom's cube at most."""
    name = sorted((data_root / "hippocampus" / "labelsTr").glob("*.nii.gz"))[0].name
    image, label = (
        np.asarray(nib.load(data_root / "hippocampus" / folder / name).dataobj)
        for folder in ("imagesTr", "labelsTr")
    )
    plan = Plan(patch_size=(32, 48, 32), views={"kind": kind, "mirror_axes": (0, 1)})
    view = build_views(plan)
    images, target = torch.zeros(1, 1, *view.read_size), torch.full((1, *view.read_size), IGNORE)
    places, crops = [], []
    for have, want in zip(label.shape, view.read_size, strict=True):
        n = min(have, want)
        places.append(slice((want - n) // 2, (want - n) // 2 + n))
        crops.append(slice((have - n) // 2, (have - n) // 2 + n))
    images[0, 0][tuple(places)] = torch.from_numpy(image[tuple(crops)].astype(np.float32))
    target[0][tuple(places)] = torch.from_numpy(label[tuple(crops)].astype(np.int64))
    before = (target > 0).sum()
    generator = torch.Generator().manual_seed(0)
    for _ in range(5):
        after = view.draw("weak", 1, 1, generator).labels(target)
        assert set(after.unique().tolist()) <= {IGNORE, 0, 1, 2}
        assert 0.5 < (after > 0).sum() / before < 1.9
