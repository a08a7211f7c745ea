import json
import math
from dataclasses import replace
from functools import partial

import pytest
import segmentation_models_pytorch as smp
import torch

from tests.unit.learn.recipes import recipe, run, stripes, without_chance
from urbanseg.errors import PipelineError
from urbanseg.learn import fabric, resume, training, validation
from urbanseg.model import segmenter
from urbanseg.model.card import Card

BUSY = {
    "ema_decay": 0.9,
    "schedule": "one_cycle",
    "accumulate": 2,
    "clip_norm": 1.0,
    "freeze_encoder_epochs": 1,
    "encoder_rate_factor": 0.1,
    "augment": {"scale": 0.3},
}
"""Everything at once that a killed run must take up again."""


SHORT = {"epochs": 1, "steps_per_epoch": 1}
LONG = {"epochs": 8, "steps_per_epoch": 4, "learning_rate": 5e-3}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return stripes(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def learnt(data, tmp_path_factory):
    """A network that has learnt, and its progress."""
    return run(data, tmp_path_factory.mktemp("learnt") / "state", recipe(**LONG))


def weights(network):
    return {k: v.clone() for k, v in network.state_dict().items()}


def same(one, other):
    return all(torch.equal(v, weights(other)[k]) for k, v in weights(one).items())


def test_two_runs_give_the_same_weights_and_another_seed_others(data, tmp_path):
    params = recipe(epochs=2)
    first, second = (run(data, tmp_path / name, params)[0] for name in "ab")
    assert same(first, second)
    other = training.train(
        fabric.launch(params, 8),
        training.create(params, data.spec),
        data,
        params,
        8,
        state_folder=tmp_path / "c",
        data_key="k",
        on_epoch=lambda _: None,
    )[0]
    assert not same(first, other)


@pytest.mark.parametrize(
    "changes",
    [
        BUSY,
        pytest.param({"optimizer": "sgd", "momentum": 0.0}, marks=pytest.mark.slow),
        pytest.param({}, marks=pytest.mark.slow),
        pytest.param({"optimizer": "adam"}, marks=pytest.mark.slow),
    ],
)
def test_a_run_that_was_killed_goes_on_to_the_same_weights(data, tmp_path, changes):
    params = recipe(**changes)
    undisturbed, expected = run(data, tmp_path / "a", params)

    def die(history):
        if len(history) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(data, tmp_path / "b", params, on_epoch=die)
    seen = []
    resumed, progress = run(data, tmp_path / "b", params, on_epoch=lambda history: seen.append(len(history)))
    assert seen == [2, 3]
    assert progress == expected
    assert same(resumed, undisturbed)


def test_a_run_that_had_ended_but_not_been_saved_is_not_trained_again(data, tmp_path):
    params = recipe(epochs=30, patience=1, learning_rate=1e-9)
    stopped, expected = run(data, tmp_path / "a", params)
    seen = []
    again, progress = run(data, tmp_path / "a", params, on_epoch=lambda history: seen.append(len(history)))
    assert seen == [expected.epoch]
    assert progress == expected
    assert same(again, stopped)


def test_the_state_of_another_run_is_not_taken_up(data, tmp_path):
    run(data, tmp_path / "a", recipe())
    seen = []
    run(data, tmp_path / "a", recipe(learning_rate=2e-3), on_epoch=lambda history: seen.append(len(history)))
    assert seen == [1, 2, 3]


def test_training_stops_when_validation_no_longer_improves(data, tmp_path):
    _, progress = run(data, tmp_path / "a", recipe(epochs=30, patience=2, learning_rate=1e-9))
    assert progress.epoch == progress.best_epoch + 2 < 30


def test_a_loss_that_is_not_finite_stops_and_names_the_tiles(data, tmp_path):
    broken = replace(data, spec=replace(data.spec, mean=[math.nan] * 4))
    with pytest.raises(
        PipelineError, match=r"the loss became nan in epoch 1, step 1, on the tiles x row 0 col"
    ):
        run(broken, tmp_path / "a", recipe(clip_norm=1.0))


@pytest.mark.parametrize(
    ("optimizer", "schedule"),
    [
        ("adamw", "cosine"),
        pytest.param("adam", "poly", marks=pytest.mark.slow),
        pytest.param("sgd", "step", marks=pytest.mark.slow),
        ("sgd", "one_cycle"),
    ],
)
def test_each_optimiser_and_schedule_lowers_the_loss_with_unknown_pixels(data, tmp_path, optimizer, schedule):
    params = recipe(
        optimizer=optimizer,
        schedule=schedule,
        epochs=2,
        steps_per_epoch=3,
        warmup_epochs=0,
        learning_rate=0.02 if optimizer == "sgd" else 2e-3,
        encoder="resnet18",
    )
    _, progress = run(data, tmp_path / "a", params)
    assert progress.history[1]["loss"] < progress.history[0]["loss"]


@pytest.mark.parametrize("precision", ["32-true", pytest.param("bf16-mixed", marks=pytest.mark.slow)])
def test_the_network_learns_what_can_be_learnt(data, tmp_path, learnt, precision):
    trained, progress = (
        learnt if precision == "32-true" else run(data, tmp_path, recipe(**LONG, precision=precision))
    )
    assert progress.best_miou > 0.8
    assert progress.history[-1]["loss"] < progress.history[0]["loss"] / 2
    assert all(v.dtype in {torch.float32, torch.int64} for v in trained.state_dict().values())


def test_a_frozen_encoder_stays_as_it_is_and_then_learns(data, tmp_path):
    params = recipe(freeze_encoder_epochs=1, epochs=1, ema_decay=0.0)
    fabric.launch(params, 7)
    start = weights(training.create(params, data.spec))
    frozen, _ = run(data, tmp_path / "a", params)
    changed = {name for name, value in weights(frozen).items() if not torch.equal(value, start[name])}
    assert changed
    assert not any("encoder" in name for name in changed)
    freed, _ = run(data, tmp_path / "b", recipe(freeze_encoder_epochs=1, epochs=3, learning_rate=5e-3))
    assert any("encoder" in name for name, v in weights(freed).items() if not torch.equal(v, start[name]))


def test_the_average_of_the_weights_is_what_is_validated_and_kept(data, tmp_path):
    fabric.launch(recipe(), 7)
    start = training.create(recipe(), data.spec)
    first = recipe(epochs=1, steps_per_epoch=1)
    one, _ = run(data, tmp_path / "c", recipe(epochs=1, steps_per_epoch=1, ema_decay=0.999))
    moved, _ = run(data, tmp_path / "d", first)
    for name, value in one.state_dict().items():
        if value.is_floating_point():
            # of the first step, where the decay is 1/10
            expected = 0.1 * start.state_dict()[name] + 0.9 * moved.state_dict()[name]
            torch.testing.assert_close(value, expected, atol=1e-6, rtol=1e-5)


@pytest.mark.slow
def test_a_batch_computed_in_parts_gives_the_gradient_of_the_whole(data, tmp_path):
    """Of cross-entropy and focal, with unknown pixels unevenly spread and classes weighted."""
    loss = {"dice_weight": 0.0, "focal_weight": 0.5, "class_weights": "inverse_frequency"}
    trained = []
    for accumulate in (1, 2, 4):
        params = recipe(
            arch="FPN",
            encoder="mit_b0",
            epochs=1,
            batch_size=4,
            accumulate=accumulate,
            optimizer="sgd",
            learning_rate=0.1,
            loss=loss,
        )
        processes = fabric.launch(params, 7)
        start = training.create(params, data.spec)
        without_chance(start)
        trained.append(
            training.train(
                processes,
                start,
                data,
                params,
                7,
                state_folder=tmp_path / str(accumulate),
                data_key="k",
                on_epoch=lambda _: None,
            )[0]
        )
    for name, value in weights(trained[0]).items():
        for other in trained[1:]:
            torch.testing.assert_close(weights(other)[name], value, atol=2e-6, rtol=1e-5)


def test_clipping_bounds_the_step(data, tmp_path):
    moved = {}
    for clip in (0.0, 1e-3):
        params = recipe(
            clip_norm=clip, optimizer="sgd", momentum=0, weight_decay=0, epochs=1, steps_per_epoch=1
        )
        fabric.launch(params, 7)
        start = dict(training.create(params, data.spec).named_parameters())
        trained, _ = run(data, tmp_path / str(clip), params)
        squares = [((v - start[k]).detach() ** 2).sum() for k, v in trained.named_parameters()]
        moved[clip] = float(torch.stack(squares).sum().sqrt())
    assert moved[1e-3] == pytest.approx(1e-3 * 1e-3, rel=0.05)
    assert moved[0.0] > 10 * moved[1e-3]


@pytest.mark.slow
def test_a_compiled_network_is_kept_under_its_own_names(data, tmp_path, monkeypatch):
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="eager"))
    plain, _ = run(data, tmp_path / "a", recipe(epochs=1))
    trained, _ = run(data, tmp_path / "b", recipe(epochs=1, compile=True))
    for name, value in weights(plain).items():
        torch.testing.assert_close(weights(trained)[name], value)


def test_a_saved_model_is_loaded_with_its_spec_and_opens_in_smp(data, tmp_path):
    data = replace(data, spec=replace(data.spec, upsample=2))
    trained, _ = run(data, tmp_path / "state", recipe(**SHORT))
    segmenter.save(tmp_path / "model", trained, data.spec, Card(["x"]))
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
    network, _ = run(data, tmp_path / "state", recipe(**SHORT))
    segmenter.save(tmp_path / "model", network, data.spec, Card(["x"]))
    weights_file = tmp_path / "model" / "model.safetensors"
    weights_file.write_bytes(weights_file.read_bytes()[:1000])
    with pytest.raises(PipelineError, match="holds no complete model"):
        segmenter.load(tmp_path / "model")


def test_nothing_of_a_state_is_left_when_it_is_cleared(data, tmp_path):
    run(data, tmp_path / "state", recipe(**SHORT))
    resume.clear(tmp_path / "state")
    assert not (tmp_path / "state").exists()


def test_training_that_starts_from_a_model_shows_what_it_brought(data, tmp_path, learnt):
    """The test tiles are read after training, by the first and the final model."""
    first, _ = learnt
    segmenter.save(tmp_path / "first", first, data.spec, Card(["x"]))
    params = recipe(init_from=str(tmp_path / "first"), epochs=1)
    processes = fabric.launch(params, 8)
    start = training.create(params, data.spec)
    assert same(start, first)
    blank = training.create(recipe(), data.spec)
    gain = validation.gain_by_city(processes, blank, start, data, batch_size=2)
    assert set(gain) == {"x"}
    assert gain["x"]["before"] < 0.6
    assert gain["x"]["after"] > 0.8


def test_memory_that_is_full_in_training_says_what_to_lower(data, tmp_path, monkeypatch):
    def full(*_):
        raise torch.OutOfMemoryError("CUDA out of memory.\nTried to allocate 20.00 GiB")

    monkeypatch.setattr(training, "train_epoch", full)
    with pytest.raises(PipelineError, match=r"not enough memory to train; lower train\.batch_size"):
        run(data, tmp_path / "a", recipe())


def test_a_network_too_large_for_the_memory_says_what_to_lower(data):
    fabric.launch(recipe(), 7)
    too_large = recipe().model_copy(update={"decoder_channels": [2**24] * 5})
    with pytest.raises(PipelineError, match=r"not enough memory for the network; take a smaller"):
        training.create(too_large, data.spec)
