import pytest
import torch
from torch import nn

from tests.pipeline.project import small_params
from urbanseg.config.train import PLAIN_WIDTH, TrainParams
from urbanseg.learn.architectures import build, image_layers
from urbanseg.model.plain_unet import PlainUNet


def test_it_has_64_to_1024_channels_at_the_usual_width_and_in_proportion_at_others():
    def widths(network):
        return [level[3].out_channels for level in network.encoder.levels]

    assert widths(PlainUNet(4, 11)) == [64, 128, 256, 512, 1024] == [PLAIN_WIDTH * 2**i for i in range(5)]
    assert widths(PlainUNet(4, 11, width=8)) == [8, 16, 32, 64, 128]


def test_every_convolution_but_the_last_is_normalised_and_all_weights_learn():
    network = PlainUNet(4, 11, width=4)
    convolutions = [layer for layer in network.modules() if isinstance(layer, nn.Conv2d)]
    normalised = [layer for layer in network.modules() if isinstance(layer, nn.BatchNorm2d)]
    assert len(convolutions) == 19
    assert len(normalised) == 18
    network(torch.randn(2, 4, 64, 96)).mean().backward()
    assert all(parameter.grad is not None for parameter in network.parameters())


def test_it_answers_for_every_pixel_and_sees_far():
    torch.manual_seed(0)
    network = PlainUNet(3, 2, width=4).eval()
    image = torch.randn(1, 3, 64, 64)
    moved = image.clone()
    moved[..., 0, 0] += 5
    before, after = network(image), network(moved)
    assert before.shape == (1, 2, 64, 64)
    changed = (before != after).any(dim=1)[0]
    assert changed[:4, :4].any()
    assert changed[32:, 32:].any()


def test_sides_are_multiples_of_32_and_only_its_first_layer_follows_the_bands():
    network = build("plainunet", "anything", 4, 3, [], 4)
    with pytest.raises(ValueError, match="multiples of 32"):
        network(torch.zeros(1, 4, 48, 64))
    own, more = (build("PlainUNet", "", bands, 3, [], 4).encoder.state_dict() for bands in (4, 5))
    assert image_layers(network, "PlainUNet", "plain", 4) == {
        name for name in own if own[name].shape != more[name].shape
    }


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"arch": "PlainUNet"}, "has no learnt encoder; set encoder_weights to null"),
        ({"width": 32}, "width is of arch PlainUNet alone"),
    ],
)
def test_what_it_cannot_use_is_refused(recipe_values, changes, sentence):
    with pytest.raises(ValueError, match=sentence):
        TrainParams.model_validate(recipe_values | changes)


@pytest.fixture
def recipe_values():
    return small_params()["train"] | {"encoder_weights": "imagenet"}
