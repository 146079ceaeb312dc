import logging
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch
from torch import Tensor, nn

from crln.cohort import load_cohort
from crln.errors import CrlnError
from crln.imaging import Grid, Volume, read_image
from crln.inference import Predictor, load_predictor, sliding_window
from crln.labels import LabelSpace
from crln.methods import build_method
from crln.planning import Plan
from crln.preparation import prepare_cohort, prepare_image, what_was_seen
from crln.quality import Features, what_was_outlined
from crln.runs import Facts, RunFolder
from crln.runs.checkpoint import Progress, save_checkpoint

pytestmark = pytest.mark.slow


class Threshold(nn.Module):
    """Class 1 above 0, class 2 above 1; so that the outline is known."""

    def forward(self, images: Tensor) -> Tensor:
        return 20 * torch.cat([0 * images + 0.5, images + 0.5, 2 * images - 0.5], 1)


def make_plan(**changes: object) -> Plan:
    return Plan(
        labels=LabelSpace((0, 200, 500), ("background", "low", "high")),
        intensity=({"scheme": "none"},), patch_size=(16, 16, 16),
    ).updated(changes)  # fmt: skip


def make_volume(shape: tuple[int, int, int] = (20, 12, 18)) -> Volume:
    array = np.random.default_rng(0).normal(0, 2, (1, *shape)).astype(np.float32)
    return Volume(array, Grid(shape, np.diag([-1.0, -1.0, 2.0, 1.0])))


def expected_mask(volume: Volume) -> np.ndarray:
    values = volume.array[0]
    return np.select([values > 1, values > 0], [500, 200], 0)


def test_mask_has_the_files_values_and_the_scans_order() -> None:
    volume = make_volume()
    prediction = Predictor(Threshold(), make_plan()).predict(volume)
    assert np.array_equal(prediction.mask, expected_mask(volume))
    assert prediction.mask.dtype == np.uint16
    assert prediction.probabilities is None
    assert prediction.uncertainty is None


def test_whatever_gives_logits_predicts() -> None:
    volume, network = make_volume(), Threshold()
    prediction = Predictor(lambda images: network(images), make_plan()).predict(volume)
    assert np.array_equal(prediction.mask, expected_mask(volume))


def test_a_scan_smaller_than_the_patch() -> None:
    volume = make_volume((5, 9, 7))
    prediction = Predictor(Threshold(), make_plan()).predict(volume)
    assert np.array_equal(prediction.mask, expected_mask(volume))


def test_probabilities_and_uncertainty_on_request() -> None:
    volume = make_volume()
    prediction = Predictor(Threshold(), make_plan()).predict(
        volume, probabilities=True, uncertainty=True
    )
    scores = prediction.probabilities
    assert scores is not None
    assert scores.shape == (3, *volume.grid.shape)
    np.testing.assert_allclose(scores.sum(0), 1, atol=1e-5)
    labels = np.array([0, 200, 500])
    assert np.array_equal(labels[scores.argmax(0)], prediction.mask)
    entropy = -(scores * np.log(scores + 1e-30)).sum(0) / np.log(3)
    np.testing.assert_allclose(prediction.uncertainty, entropy, atol=1e-5)


def test_largest_component() -> None:
    volume = Volume(np.full((1, 16, 16, 16), -5, np.float32), Grid((16, 16, 16), np.eye(4)))
    volume.array[0, 2:6, 2:6, 2:6] = 0.5
    volume.array[0, 12, 12, 12] = 0.5
    predictor = Predictor(Threshold(), make_plan())
    assert (predictor.predict(volume).mask == 200).sum() == 65
    assert (predictor.predict(volume, largest_component=True).mask == 200).sum() == 64


def test_the_largest_component_of_chosen_classes() -> None:
    volume = Volume(np.full((1, 16, 16, 16), -5, np.float32), Grid((16, 16, 16), np.eye(4)))
    for value in (0.5, 5):
        volume.array[0, 2:6, 2:6, int(value) : int(value) + 3] = value
        volume.array[0, 12, 12, 10 + int(value)] = value
    predictor = Predictor(Threshold(), make_plan())

    def count(*names: str) -> list[int]:
        mask = predictor.predict(volume, largest_component=names).mask
        return [int((mask == value).sum()) for value in (200, 500)]

    assert count() == [49, 49]
    assert count("low") == [48, 49]
    assert count("low", "high") == [48, 48]
    for name in ("background", "liver"):
        with pytest.raises(CrlnError, match=rf"'{name}': no such class; the model has low, high"):
            predictor.predict(volume, largest_component=[name])


def test_another_spacing_keeps_the_scans_grid() -> None:
    z = np.linspace(-3, 3, 20, dtype=np.float32)
    volume = Volume(np.broadcast_to(z, (1, 24, 24, 20)).copy(), Grid((24, 24, 20), np.eye(4)))
    plan = make_plan(spacing=(1.5, 1.5, 1.5))
    prediction = Predictor(Threshold(), plan).predict(volume)
    assert prediction.mask.shape == volume.grid.shape
    assert (prediction.mask == expected_mask(volume)).mean() > 0.89  # a plane at each border


@pytest.mark.parametrize("labels", [(0, 255), (0, -1), (1, 0), (0, 70_000)])
def test_labels_of_any_value(labels: tuple[int, int]) -> None:
    plan = make_plan(labels=LabelSpace(labels, ("background", "foreground")))
    network = nn.Conv3d(1, 2, 1)
    volume = make_volume()
    mask = Predictor(network, plan).predict(volume).mask
    classes = Predictor(network, plan.updated({"labels": {"values": (0, 1)}})).predict(volume).mask
    assert np.array_equal(mask, np.array(labels)[classes])
    assert set(np.unique(mask)) <= set(labels)


@pytest.mark.parametrize("classes", [256, 257, 300])
def test_more_classes_than_a_byte_holds(classes: int) -> None:
    class Sure(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            logits = torch.zeros(len(x), classes, *x.shape[2:])
            logits[:, -1] = 50
            return logits

    names = tuple(f"k{k}" for k in range(classes))
    plan = Plan(labels=LabelSpace(tuple(range(classes)), names), patch_size=(16, 16, 16))
    volume = Volume(
        np.random.default_rng(0).random((1, 8, 8, 8), np.float32), Grid((8, 8, 8), np.eye(4))
    )
    assert (Predictor(Sure(), plan).predict(volume).mask == classes - 1).all()
    assert (sliding_window(Sure(), volume.array, plan) == classes - 1).all()


def test_wrong_number_of_channels() -> None:
    with pytest.raises(CrlnError, match="2 channels"):
        Predictor(Threshold(), make_plan()).predict(
            Volume(np.zeros((2, 4, 4, 4), np.float32), Grid((4, 4, 4), np.eye(4)))
        )


@pytest.fixture
def run(tiny_plan: Plan, tmp_path: Path) -> RunFolder:
    torch.manual_seed(0)
    folder = RunFolder(tmp_path / "run", tiny_plan, Facts(format=1, method="crln", seed=0))
    folder.path.mkdir()
    folder.write_facts()
    folder.save_weights(dict(build_method("crln", tiny_plan).predictor().state_dict()))
    return folder


@pytest.mark.slow
def test_a_run_predicts_as_its_method(run: RunFolder, phantom: Path) -> None:
    case = load_cohort(phantom).test[0]
    predictor = load_predictor(run.path, device="cpu")
    assert isinstance(predictor.network, nn.Module)
    assert not predictor.network.training
    prediction = predictor.predict(case.images)
    image, _ = prepare_image(read_image(case.images), run.plan)
    network = run.load_network()
    classes = sliding_window(network, image, run.plan)
    scan = nib.load(case.images[0])
    assert prediction.mask.shape == scan.shape
    assert nib.aff2axcodes(scan.affine) == ("R", "A", "S")
    agree = prediction.mask == run.plan.labels.decode(classes)
    assert agree.mean() > 0.999
    for single in (case.images[0], str(case.images[0])):
        assert np.array_equal(predictor.predict(single).mask, prediction.mask)


@pytest.mark.slow
def test_overlap_replaces_the_plans_stride(run: RunFolder) -> None:
    inference = load_predictor(run.path, inference={"overlap": 0.25}).plan.inference
    assert inference.overlap == 0.25
    assert inference.stride is None
    assert load_predictor(run.path).plan == run.plan


@pytest.mark.slow
def test_mirroring_at_prediction_averages_the_flipped_views(run: RunFolder, phantom: Path) -> None:
    case = load_cohort(phantom).test[0]
    plain = load_predictor(run.path, "cpu")
    mirrored = load_predictor(run.path, "cpu", inference={"mirror_axes": (0,)})
    assert plain.plan.inference.mirror_axes == ()
    patch = plain.plan.patch_size
    volume = Volume(
        np.random.default_rng(0).normal(size=(1, *patch)).astype(np.float32), Grid(patch, np.eye(4))
    )
    flipped = Volume(volume.array[:, ::-1].copy(), volume.grid)
    a, b, both = (
        predictor.predict(scan, probabilities=True).probabilities
        for predictor, scan in ((plain, volume), (plain, flipped), (mirrored, volume))
    )
    assert np.abs(a - both).max() > 1e-3
    np.testing.assert_allclose(both, (a + b[:, ::-1]) / 2, atol=1e-4)
    assert mirrored.predict(case.images).mask.shape == nib.load(case.images[0]).shape


@pytest.mark.parametrize(
    ("inference", "message"),
    [
        ({"overlap": 1.5}, r"inference\.overlap: .*less than 1; give another value"),
        ({"overlaps": 0.5}, r"inference\.overlaps"),
        ({"weighting": "square"}, r"inference\.weighting"),
    ],
)
def test_options_of_prediction_are_checked(run: RunFolder, inference: dict, message: str) -> None:
    with pytest.raises(CrlnError, match=message):
        load_predictor(run.path, inference=inference)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_no_cuda_device(run: RunFolder) -> None:
    with pytest.raises(CrlnError, match="no CUDA device found; use --device cpu"):
        load_predictor(run.path, device="cuda")


def test_a_scan_far_from_the_training_scans_is_told(
    run: RunFolder, phantom: Path, caplog: pytest.LogCaptureFixture
) -> None:
    seen = what_was_seen(prepare_cohort(load_cohort(phantom).training, run.plan))
    RunFolder(run.path, run.plan, run.facts.updated(seen=seen)).write_facts()
    run.seal()
    scan = read_image(load_cohort(phantom).test[0].images)
    thick = Grid(scan.grid.shape, scan.grid.to_world @ np.diag([1, 1, 8, 1]))
    predictor = load_predictor(run.path)
    with caplog.at_level(logging.WARNING, "crln"):
        predictor.predict(scan)
        assert not caplog.records
        predictor.predict(Volume(scan.array, thick))
    assert "scan: unlike the training scans: voxels of" in caplog.text


def test_an_outline_far_from_the_labels_has_a_flag(run: RunFolder, phantom: Path) -> None:
    prepared = prepare_cohort(load_cohort(phantom).labelled, run.plan)
    outlined = what_was_outlined(prepared, run.plan)
    RunFolder(run.path, run.plan, run.facts.updated(outlined=outlined)).write_facts()
    run.seal()
    scan = read_image(load_cohort(phantom).test[0].images)
    network, plan = load_predictor(run.path), run.plan
    names = plan.labels.names[1:]

    def nothing(windows: torch.Tensor) -> torch.Tensor:
        logits = torch.zeros(len(windows), plan.classes, *windows.shape[2:])
        logits[:, 0] = 1
        return logits

    found = Predictor(nothing, plan, appraiser=network.appraiser).predict(scan)
    assert found.flags == tuple(f"{name} is missing, which every label has" for name in names)
    assert Predictor(nothing, plan).predict(scan).flags == ()


def test_a_scan_that_the_network_sees_far_from_all_others_has_a_flag(
    run: RunFolder, phantom: Path
) -> None:
    scan = load_cohort(phantom).test[0].images
    near = Features(mean=(0.0,) * 8, spread=(1e6,) * 8, reach=1.0, scans=5)
    for known, flags in ((near, ()), (near.model_copy(update={"spread": (1e-9,) * 8}), 1)):
        RunFolder(run.path, run.plan, run.facts.updated(features=known)).write_facts()
        run.seal()
        found = load_predictor(run.path).predict(scan).flags
        told = "unlike the training scans: what the network sees in it"
        assert (told in found) == bool(flags)


def test_a_second_look_compares_with_the_student_and_outlines_the_same(
    tiny_plan: Plan, phantom: Path, tmp_path: Path
) -> None:
    method = build_method("mean_teacher", tiny_plan)
    run = RunFolder(tmp_path, tiny_plan, Facts(format=1, method="mean_teacher", seed=0))
    run.write_facts()
    run.save_weights(dict(method.predictor().state_dict()))
    save_checkpoint(run.checkpoint, method, torch.optim.SGD(method.parameters()), Progress())
    scan = load_cohort(phantom).test[0].images
    once = load_predictor(run.path).predict(scan)
    twice = load_predictor(run.path, second_look=True).predict(scan)
    assert np.array_equal(once.mask, twice.mask)
    assert all(np.isnan(signals.second) for signals in once.signals.values())
    # Before the first step the student is the teacher.
    told = [signals.second for signals in twice.signals.values()]
    assert all(value in (0, pytest.approx(1)) for value in told)
    assert any(told)
