import json
import subprocess
import sys
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import load_file

from tests.conftest import ROOT
from tests.unit.learn import together
from tests.unit.learn.recipes import recipe
from tests.unit.learn.test_architectures import CHANNELS, ENCODERS
from urbanseg.classes import IGNORE
from urbanseg.errors import PipelineError
from urbanseg.learn import fabric, steps
from urbanseg.learn.architectures import build
from urbanseg.model.segmenter import Segmenter

PARTS = {
    "arch": "FPN",  # with this encoder it has no batch statistics, of which each process has its own on a CPU
    "encoder": "mit_b0",
    "epochs": 2,
    "steps_per_epoch": 1,
    "batch_size": 4,
    "optimizer": "sgd",
    "learning_rate": 0.05,
    "ema_decay": 0.5,
    "freeze_encoder_epochs": 1,
    "loss": {"focal_weight": 0.5, "class_weights": "inverse_frequency"},
}


def trained(folder, **changes):
    """Weights and history of each process after a run by the command line."""
    command = [sys.executable, "-m", "tests.unit.learn.together", str(folder), json.dumps(changes)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return [result(own) for own in sorted(folder.iterdir())]


def result(own):
    return load_file(own / "weights.safetensors"), json.loads((own / "history.json").read_text())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("loss", "alone"),
    [({"dice_weight": 0.0}, {"accumulate": 1}), ({"dice_weight": 1.0}, {"accumulate": 2})],
    ids=["sums over pixels: as the whole batch", "overlap losses: as the same parts in one process"],
)
def test_two_processes_train_as_one_with_the_same_batch(tmp_path, loss, alone):
    changes = PARTS | {"loss": PARTS["loss"] | loss}
    together.train(tmp_path / "one", **changes, **alone)
    one = result(tmp_path / "one" / "0")
    two = trained(tmp_path / "two", **changes, devices=2)
    assert len(two) == 2
    for name, value in one[0].items():
        torch.testing.assert_close(two[0][0][name], value, atol=1e-5, rtol=1e-4)
        assert torch.equal(two[0][0][name], two[1][0][name])
    for row, expected in zip(two[0][1]["rows"], one[1]["rows"], strict=True):
        assert row == pytest.approx(expected, abs=1e-3)
    assert two[0][1]["rows"] == two[1][1]["rows"]
    assert two[0][1]["told"] == [1, 2]
    assert two[1][1]["told"] == []
    assert not (tmp_path / "two" / "1" / "state").exists()


def test_precision_is_bfloat16_only_where_it_is_native(monkeypatch):
    cpu = torch.device("cpu")
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": True})
    assert fabric.precision_of("auto", cpu) == "bf16-mixed"
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_f": True, "amx_bf16": False})
    assert fabric.precision_of("auto", cpu) == "32-true"
    assert fabric.precision_of("bf16-mixed", cpu) == "bf16-mixed"


def test_more_gpus_than_there_are_is_one_sentence(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(PipelineError, match=r"train\.devices is 2, but this machine has 1 usable GPUs"):
        fabric.launch(recipe(device="cuda", devices=2), 7)


TWO_GPUS = SimpleNamespace(world_size=2, device=torch.device("cuda"))


FAST = {"resnet18", "timm-tf_efficientnet_lite0", "tu-regnety_002"}


@pytest.mark.parametrize(
    "encoder", [pytest.param(name, marks=() if name in FAST else pytest.mark.slow) for name in ENCODERS]
)
@torch.no_grad()
def test_shared_batch_statistics_leave_the_network_what_it_is(encoder):
    torch.manual_seed(0)
    network = Segmenter(build("Unet", encoder, 4, 3, CHANNELS), 1).eval()
    image = torch.randn(1, 4, 32, 32)
    expected, names = network(image), list(network.state_dict())
    converted = fabric.share_batch_statistics(network, TWO_GPUS)
    assert torch.equal(converted(image), expected)
    assert list(converted.state_dict()) == names
    kinds = [type(module) for module in converted.modules()]
    assert any(issubclass(kind, torch.nn.SyncBatchNorm) for kind in kinds)
    assert not any(issubclass(kind, torch.nn.BatchNorm2d) for kind in kinds)


@pytest.mark.parametrize("weights", [None, torch.tensor([0.5, 2.0, 0.0])])
def test_the_mass_of_a_part_is_that_of_its_labelled_pixels_and_waits_for_no_gpu(weights):
    target = torch.tensor([[0, 1, IGNORE], [2, 1, IGNORE]])[None]
    assert steps._mass(target, weights) == (4 if weights is None else 4.5)
    assert steps._mass(target, weights).dtype == torch.float64
    # on this device a shape that depends on values can't be known, as on a GPU without waiting for it
    steps._mass(target.to("meta"), weights if weights is None else weights.to("meta"))
