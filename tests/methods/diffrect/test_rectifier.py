import pytest
import torch
from torch import Tensor

from crln.labels import IGNORE
from crln.methods.diffrect.colours import colour, mixed_colour, palette
from crln.methods.diffrect.diffusion import add_noise
from crln.methods.diffrect.rectifier import Denoiser, LabelRectifier

WIDTHS = (4, 4, 8, 8, 8)


@pytest.fixture
def rectifier() -> LabelRectifier:
    torch.manual_seed(0)
    return LabelRectifier(1, 3, WIDTHS).eval()


def patch(seed: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    images = torch.randn(2, 1, 32, 16, 32, generator=generator)
    return images, torch.randint(-1, 3, (2, 32, 16, 32), generator=generator)


def test_four_classes_are_black_red_green_and_blue() -> None:
    expected = torch.tensor([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]])
    assert torch.equal(palette(4), expected)


@pytest.mark.parametrize("classes", [2, 3, 15])
def test_no_two_classes_look_alike(classes: int) -> None:
    assert len(palette(classes).unique(dim=0)) == classes


def test_every_voxel_has_its_class_colour_and_the_unknown_none() -> None:
    labels = torch.tensor([[[[0, 1], [2, IGNORE]]]])
    found = colour(labels, palette(3))
    assert found.shape == (1, 3, 1, 2, 2)
    assert torch.equal(found[0, :, 0, 0, 1], palette(3)[1])
    assert torch.equal(found[0, :, 0, 1, 0], palette(3)[2])
    assert found[0, :, 0, 1, 1].sum() == found[0, :, 0, 0, 0].sum() == 0


def test_latents_lie_on_a_sixteenth_grid_and_decode_to_the_patch(rectifier: LabelRectifier) -> None:
    images, labels = patch(0)
    condition = rectifier.condition(images, labels, torch.tensor(0.5))
    assert condition.features[-1].shape == (2, 8, 2, 1, 2)
    latent = rectifier.latent(images, labels, condition)
    assert not latent.requires_grad
    torch.testing.assert_close(latent, condition.features[-1])  # the same labels, the same latent
    assert rectifier.decode(condition, latent).shape == (2, 3, 32, 16, 32)


@pytest.mark.slow
def test_guidance_and_labels_and_image_matter(rectifier: LabelRectifier) -> None:
    images, labels = patch(0)
    others, marks = patch(1)

    def latent(images: Tensor, labels: Tensor, guidance: float) -> Tensor:
        return rectifier.condition(images, labels, torch.tensor(guidance)).features[-1]

    base = latent(images, labels, 0.1)
    for changed in (latent(images, labels, 0.9), latent(images, marks, 0.1),
                    latent(others, labels, 0.1)):  # fmt: skip
        assert not torch.allclose(base, changed)


def test_denoising_is_of_a_noisy_latent_at_a_drawn_step(rectifier: LabelRectifier) -> None:
    images, labels = patch(0)
    condition = rectifier.condition(images, labels, torch.tensor(0.5))
    clean = rectifier.latent(*patch(1), condition)
    found = rectifier.denoise(condition, clean, torch.Generator().manual_seed(3))
    generator = torch.Generator().manual_seed(3)
    steps = torch.randint(10, (2,), generator=generator)
    noise = torch.empty_like(clean).normal_(generator=generator)
    noisy = add_noise(clean, noise, rectifier.alphas[steps])
    torch.testing.assert_close(found, rectifier.denoiser(noisy, steps, condition.features[-1]))


def test_samples_depend_on_the_noise_alone(rectifier: LabelRectifier) -> None:
    condition = rectifier.condition(*patch(0), torch.tensor(0.5))
    one, same, other = (
        rectifier.sample(condition, torch.Generator().manual_seed(seed), 2) for seed in (0, 0, 1)
    )
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
    part = rectifier.sample(condition.of(slice(0, 1)), torch.Generator().manual_seed(0), 2)
    assert part.shape[0] == 1


@pytest.mark.parametrize("size", [(1, 1, 1), (2, 3, 2), (7, 7, 5)])
def test_the_denoiser_takes_any_grid_and_a_single_patch(size: tuple[int, int, int]) -> None:
    torch.manual_seed(0)
    denoiser = Denoiser(8)
    latent = torch.randn(1, 8, *size)
    found = denoiser(latent, torch.tensor([3]), torch.randn(1, 8, *size))
    assert found.shape == latent.shape


def test_the_condition_reaches_the_denoiser_s_depth() -> None:
    """In the released code it passes the layers by and enters at the last skip."""
    torch.manual_seed(0)
    denoiser = Denoiser(8)
    seen: list[Tensor] = []
    denoiser.down[1].register_forward_hook(lambda module, inputs, output: seen.append(output))
    latent = torch.randn(1, 8, 4, 4, 4)
    for condition in (torch.zeros_like(latent), torch.randn_like(latent)):
        denoiser(latent, torch.tensor([0]), condition)
    assert not torch.allclose(*seen)


def test_a_patch_that_does_not_fit_is_refused(rectifier: LabelRectifier) -> None:
    with pytest.raises(ValueError, match="multiple of 16"):
        rectifier.condition(
            torch.zeros(1, 1, 20, 16, 16), torch.zeros(1, 20, 16, 16).long(), torch.tensor(0.0)
        )


def test_a_combination_has_the_mean_of_its_classes_colours() -> None:
    colours = palette(4)
    found = mixed_colour(torch.tensor([0, 1, 2, 4, 3, -1, 1 + 8])[None, None, None], colours)[
        0, :, 0, 0
    ]
    expected = [colours[0], colours[1], colours[2], colours[3], (colours[1] + colours[2]) / 2,
                colours[0], colours[1]]  # fmt: skip
    torch.testing.assert_close(found, torch.stack(expected, 1))
