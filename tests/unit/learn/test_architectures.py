import re

import pytest
import torch
from torch.nn import functional as F

from tests.conftest import ROOT
from urbanseg.classes import IGNORE
from urbanseg.errors import PipelineError
from urbanseg.learn.architectures import DECODERS, build, encoders_of, image_layers

GUIDE = ROOT / "docs" / "training.md"
CHANNELS = [16, 16, 8, 8, 8]
ENCODERS = [
    "resnet18",
    "resnet34",
    "resnet101",
    "efficientnet-b0",
    "timm-tf_efficientnet_lite0",
    "timm-tf_efficientnet_lite1",
    "timm-tf_efficientnet_lite2",
    "mobilenet_v2",
    "mobileone_s0",
    "mit_b0",
    "tu-convnext_atto",
    "tu-regnety_002",
]


def one_step(network, side):
    """A step on four bands with ignored pixels; the logits, and the share of weights with a gradient."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(2, 4, side, side, generator=generator)
    target = torch.randint(0, 5, (2, side, side), generator=generator)
    target[:, : side // 2] = IGNORE
    optimiser = torch.optim.AdamW(network.parameters(), lr=1e-3)
    logits = network.train()(images)
    F.cross_entropy(logits, target, ignore_index=IGNORE).backward()
    optimiser.step()
    weights = list(network.parameters())
    assert all(weight.isfinite().all() for weight in weights)
    reached = [weight.grad is not None and bool(weight.grad.any()) for weight in weights]
    return logits, sum(reached) / len(reached)


@pytest.mark.parametrize("arch", sorted(DECODERS))
def test_each_decoder_learns_from_four_bands(arch):
    encoder = "tu-vit_tiny_patch16_224" if arch == "DPT" else "timm-tf_efficientnet_lite0"
    side = {"PAN": 128, "DPT": 32}.get(arch, 64)
    logits, reached = one_step(build(arch, encoder, 4, 5, CHANNELS), side)
    assert logits.shape == (2, 5, side, side)
    assert reached > 0.3  # PSPNet uses the first half of the encoder alone


LARGER = {"resnet34", "resnet101", "timm-tf_efficientnet_lite1", "timm-tf_efficientnet_lite2"}
"""Of families whose smallest is tried each time."""


@pytest.mark.parametrize(
    "encoder", [pytest.param(name, marks=pytest.mark.slow if name in LARGER else ()) for name in ENCODERS]
)
def test_each_encoder_of_the_guide_learns_from_four_bands(encoder):
    logits, reached = one_step(build("Unet", encoder, 4, 5, CHANNELS), 32)
    assert logits.shape == (2, 5, 32, 32)
    assert reached > 0.3  # timm starts the last layer of each block at 0: nothing passes it at first


@pytest.mark.parametrize("encoder", ["mobileone_s0", "tu-test_convnext", "mit_b0"])
def test_the_layers_that_see_the_image_are_found_whatever_the_encoder_calls_them(encoder):
    network = build("Unet", encoder, 4, 5, CHANNELS)
    names = image_layers(network, "Unet", encoder, 4)
    encoder = encoders_of(network)[""]
    seen = {name for name, module in encoder.named_modules() if getattr(module, "in_channels", 0) == 4}
    assert {name.removesuffix(".weight") for name in names} == seen


def test_the_guide_names_the_decoders_and_encoders_that_are_tested():
    section = GUIDE.read_text().split("## Models")[1].split("\n## ")[0]
    rows = re.findall(r"^\| (`.*?)\|", section, flags=re.MULTILINE)
    named = {name for row in rows for name in re.findall(r"`([^`]+)`", row)}
    assert named == {*DECODERS, *ENCODERS}


@pytest.mark.parametrize(
    ("arch", "encoder", "sentence"),
    [
        (
            "Onet",
            "resnet34",
            f"train.arch 'Onet' is unknown; the decoders are {', '.join(sorted(DECODERS))}$",
        ),
        ("Unet", "resnet35", "train.encoder 'resnet35' is unknown; near it are .*resnet34.*; `python -c"),
        (
            "Unet",
            "tu-convnext_ato",
            "train.encoder 'tu-convnext_ato' is unknown; near it are tu-convnext_atto",
        ),
        ("Unet", "tu-test_vit", "train.encoder 'tu-test_vit' does not work with train.arch Unet"),
        (
            "DPT",
            "resnet18",
            "train.encoder 'resnet18' does not work with train.arch DPT .*must start with 'tu-'",
        ),
        ("UnetPlusPlus", "mit_b0", "train.encoder 'mit_b0' does not work with train.arch UnetPlusPlus"),
    ],
)
def test_a_wrong_name_lists_the_valid_ones(arch, encoder, sentence):
    with pytest.raises(PipelineError, match=sentence):
        build(arch, encoder, 4, 6, CHANNELS)


def test_names_of_decoders_are_taken_in_any_case():
    assert type(build("unetplusplus", "resnet18", 3, 2, CHANNELS)).__name__ == "UnetPlusPlus"
