import pytest
import torch

from urbanseg.errors import PipelineError
from urbanseg.learn import model
from urbanseg.learn.pretrained import PACKAGED, adapt_first_layer, packaged_weights

CHANNELS = [64, 32, 24, 16, 8]


def test_the_packaged_weights_fill_the_encoder_and_need_no_network():
    weights = packaged_weights()
    network = model.create(
        "Unet", PACKAGED, ["B04", "B03", "B02"], 6, decoder_channels=CHANNELS, weights="imagenet"
    )
    state = network.encoder.state_dict()
    assert len(state) == len(weights) - 2  # all but the classifier
    for name, tensor in state.items():
        torch.testing.assert_close(tensor, weights[name])


def test_the_first_layer_answers_alike_to_any_order_of_the_colours():
    weight = packaged_weights()["conv_stem.weight"]
    rgb = torch.rand(1, 3, 32, 32)
    expected = torch.nn.functional.conv2d(rgb, weight)
    swapped = adapt_first_layer(weight, ["B02", "B03", "B04"])
    torch.testing.assert_close(
        torch.nn.functional.conv2d(rgb.flip(1), swapped), expected, atol=1e-5, rtol=1e-4
    )


def test_the_first_layer_keeps_its_response_to_a_grey_image_with_four_bands():
    weight = packaged_weights()["conv_stem.weight"]
    grey = torch.rand(1, 1, 32, 32)
    three = torch.nn.functional.conv2d(grey.expand(1, 3, 32, 32), weight)
    adapted = adapt_first_layer(weight, ["B02", "B03", "B04", "B08"])
    four = torch.nn.functional.conv2d(grey.expand(1, 4, 32, 32), adapted)
    torch.testing.assert_close(four, three, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(
    ("arch", "encoder", "sentence"),
    [
        ("Onet", PACKAGED, "train.arch 'Onet' is unknown; the decoders are .*Unet"),
        ("Unet", "resnet35", "train.encoder 'resnet35' does not work.*resnet34"),
    ],
)
def test_a_wrong_name_lists_the_valid_ones(arch, encoder, sentence):
    with pytest.raises(PipelineError, match=sentence):
        model.create(arch, encoder, ["red"], 6, decoder_channels=CHANNELS, weights=None)


def test_weights_from_the_hub_without_a_network_are_one_sentence(monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(PipelineError, match="imagenet weights of resnet34 come from the Hugging Face hub"):
        model.create("Unet", "resnet34", ["red"], 6, decoder_channels=CHANNELS, weights="imagenet")
