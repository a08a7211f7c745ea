import itertools
import json
import math
from dataclasses import replace

import numpy as np
import pytest
import segmentation_models_pytorch as smp
import torch
from affine import Affine
from pyproj import CRS

from urbanseg import raster, segmenter
from urbanseg.errors import PipelineError
from urbanseg.grid import Grid, Window
from urbanseg.learn import resume, training
from urbanseg.learn.data import Source, Tile, TrainingSet
from urbanseg.segmenter import Spec
from urbanseg.train_params import AugmentParams, LossParams, TrainParams

RECIPE = TrainParams(
    arch="Unet",
    encoder="timm-tf_efficientnet_lite0",
    encoder_weights=None,
    decoder_channels=[16, 16, 8, 8, 8],
    upsample=1,
    crop=64,
    epochs=3,
    steps_per_epoch=2,
    batch_size=2,
    learning_rate=1e-3,
    weight_decay=0.01,
    warmup_epochs=1,
    patience=10,
    loss=LossParams(ce_weight=1, dice_weight=1),
    augment=AugmentParams(flips=True, brightness=0.1, contrast=0.1, noise=0.01),
    device="cpu",
    workers=0,
    threads=1,
)


@pytest.fixture
def data(tmp_path):
    grid = Grid(CRS(32632), Affine(10, 0, 500000, 0, -10, 5400000), 64, 192)
    rng = np.random.default_rng(0)
    labels = np.indices(grid.shape).sum(0) // 16 % 2
    pixels = (1000 + 800 * labels[None] + rng.normal(0, 100, (4, *grid.shape))).astype(np.uint16)
    source = Source(tmp_path / "scene.tif", tmp_path / "labels.tif")
    with raster.writing(source.scene, grid, dtype="uint16", count=4) as writer:
        writer.write(pixels)
    with raster.writing(source.labels, grid, dtype="uint8", nodata=255) as writer:
        writer.write(labels.astype(np.uint8))
    tiles = [Tile("x", Window(0, col, 64, 64)) for col in (0, 64, 128)]
    spec = Spec(["B02", "B03", "B04", "B08"], [1400.0] * 4, [400.0] * 4, ["a", "b"], "Unet", RECIPE.encoder)
    return TrainingSet(tiles[:2], tiles[2:], {"x": source}, spec, tile_size=64)


def run(data, folder, on_epoch=lambda _: None, recipe=RECIPE):
    return training.train(data, recipe, 7, state_folder=folder, data_key="k", on_epoch=on_epoch)


def weights(network):
    return {k: v.clone() for k, v in network.state_dict().items()}


def test_two_runs_give_the_same_weights(data, tmp_path):
    first, second = (weights(run(data, tmp_path / name)[0]) for name in "ab")
    assert all(torch.equal(first[k], second[k]) for k in first)


def test_a_run_that_was_killed_goes_on_to_the_same_weights(data, tmp_path):
    undisturbed, expected = run(data, tmp_path / "a")

    def die(history):
        if len(history) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(data, tmp_path / "b", on_epoch=die)
    seen = []
    resumed, progress = run(data, tmp_path / "b", on_epoch=lambda history: seen.append(len(history)))
    assert seen == [2, 3]
    assert progress == expected
    assert all(torch.equal(v, weights(undisturbed)[k]) for k, v in weights(resumed).items())


def test_the_state_of_another_run_is_not_taken_up(data, tmp_path):
    run(data, tmp_path / "a")
    seen = []
    other = RECIPE.model_copy(update={"learning_rate": 2e-3})
    run(data, tmp_path / "a", on_epoch=lambda history: seen.append(len(history)), recipe=other)
    assert seen == [1, 2, 3]


def test_training_stops_when_validation_no_longer_improves(data, tmp_path):
    recipe = RECIPE.model_copy(update={"epochs": 30, "patience": 2, "learning_rate": 1e-9})
    _, progress = run(data, tmp_path / "a", recipe=recipe)
    assert progress.epoch == progress.best_epoch + 2 < 30


def test_a_loss_that_is_not_finite_stops_and_names_the_tiles(data, tmp_path):
    broken = replace(data, spec=replace(data.spec, mean=[math.nan] * 4))
    with pytest.raises(
        PipelineError, match=r"the loss became nan in epoch 1, step 1, on the tiles x row 0 col"
    ):
        run(broken, tmp_path / "a")


def test_the_network_learns_what_can_be_learnt(data, tmp_path):
    recipe = RECIPE.model_copy(update={"epochs": 8, "steps_per_epoch": 4, "learning_rate": 5e-3})
    _, progress = run(data, tmp_path / "a", recipe=recipe)
    assert progress.best_miou > 0.8
    assert progress.history[-1]["loss"] < progress.history[0]["loss"] / 2


def test_a_saved_model_is_loaded_with_its_spec_and_opens_in_smp(data, tmp_path):
    data = replace(data, spec=replace(data.spec, upsample=2))
    trained, _ = run(data, tmp_path / "state")
    segmenter.save(tmp_path / "model", trained, data.spec)
    loaded, spec = segmenter.load(tmp_path / "model")
    assert spec == data.spec
    image = torch.rand(1, 4, 64, 64)
    torch.testing.assert_close(loaded(image), trained.eval()(image))
    assert loaded(image).shape == (1, 2, 64, 64)
    plain = smp.from_pretrained(str(tmp_path / "model")).eval()
    torch.testing.assert_close(plain(image), trained.network(image))
    names = sorted(p.name for p in (tmp_path / "model").iterdir())
    assert names == ["README.md", "config.json", "model.safetensors", "segmenter.json"]
    assert json.loads((tmp_path / "model" / "segmenter.json").read_text())["bands"] == spec.bands


def test_a_damaged_model_is_one_sentence(data, tmp_path):
    with pytest.raises(PipelineError, match="holds no complete model"):
        segmenter.load(tmp_path / "nowhere")
    network, _ = run(data, tmp_path / "state")
    segmenter.save(tmp_path / "model", network, data.spec)
    weights_file = tmp_path / "model" / "model.safetensors"
    weights_file.write_bytes(weights_file.read_bytes()[:1000])
    with pytest.raises(PipelineError, match="holds no complete model"):
        segmenter.load(tmp_path / "model")


def test_the_rate_warms_up_then_falls_to_nothing():
    factors = [training.lr_factor(step, 10, 100) for step in range(100)]
    assert factors[0] == pytest.approx(0.1)
    assert max(factors) == pytest.approx(1)
    assert factors.index(max(factors)) in {9, 10}
    assert factors[-1] < 0.001
    assert all(a >= b for a, b in itertools.pairwise(factors[10:]))


def test_iou_is_nan_only_where_a_class_is_nowhere():
    confusion = torch.tensor([[8, 2, 0], [0, 10, 0], [0, 0, 0]])
    iou = training.iou_per_class(confusion)
    torch.testing.assert_close(iou[:2], torch.tensor([0.8, 10 / 12], dtype=torch.float64))
    assert iou[2].isnan()


def test_nothing_of_a_state_is_left_when_it_is_cleared(data, tmp_path):
    run(data, tmp_path / "state")
    resume.clear(tmp_path / "state")
    assert not (tmp_path / "state").exists()
