import numpy as np
import torch
from torch import nn

from tests.unit.workflows.painted import BIAS, CLASSES, WEIGHTS, painted, town
from urbanseg.infer.explanation import band_importance, occlusion
from urbanseg.infer.grad_cam import grad_cam
from urbanseg.model.segmenter import Segmenter

FILL = [90.0] * 3
BUILDING, ROAD = CLASSES.index("building"), CLASSES.index("road")


def predict(pixels):
    """The painted model: only the colours of a pixel count."""
    logits = np.einsum("cb,nbhw->nchw", WEIGHTS, pixels.astype(np.float32)) + BIAS[:, None, None]
    powers = np.exp(logits - logits.max(1, keepdims=True))
    return (powers / powers.sum(1, keepdims=True)).astype(np.float32)


def test_only_the_square_at_the_place_speaks_for_a_class_of_single_pixels():
    pixels = painted(town())
    fallen = occlusion(predict, pixels, (24, 40), BUILDING, fill=FILL, side=16)
    assert fallen.shape == (96, 128)
    assert fallen[16:32, 32:48].min() > 0.9
    fallen[16:32, 32:48] = 0
    assert np.abs(fallen).max() < 1e-6
    against = occlusion(predict, pixels, (24, 40), ROAD, fill=FILL, side=16)
    assert against[24, 40] < -0.5


def test_the_band_that_makes_a_roof_red_is_the_one_that_counts():
    falls = band_importance(predict, painted(town()), (24, 40), BUILDING, fill=FILL)
    assert falls[0] > 0.15
    assert max(np.abs(falls[1:])) < 0.01


class _Encoder(nn.Module):
    def forward(self, images):
        return [images, nn.functional.avg_pool2d(images, 8)]


class _Network(nn.Module):
    """Class 1 is a bright first band; of the second band it knows nothing."""

    def __init__(self):
        super().__init__()
        self.encoder = _Encoder()
        self.head = nn.Conv2d(2, 2, 1, bias=False)
        with torch.no_grad():
            self.head.weight.copy_(torch.tensor([[-1.0, 0.0], [1.0, 0.0]])[:, :, None, None])

    def forward(self, images):
        coarse = self.head(self.encoder(images)[1])
        return nn.functional.interpolate(coarse, scale_factor=8, mode="nearest")


def test_features_that_speak_for_the_class_are_found_and_the_network_is_left_as_it_was():
    image = np.zeros((2, 64, 64), np.float32)
    image[0, 8:24, 8:24], image[1, 40:56, 40:56] = 1, 5
    network = Segmenter(_Network(), 1).eval()
    found = grad_cam(network, image, (12, 12), 1)
    assert found.shape == (64, 64)
    assert found[12:20, 12:20].min() > 0.7
    assert found[36:, 36:].max() < 1e-6
    assert all(parameter.grad is None for parameter in network.parameters())
    assert not network.network.encoder._forward_hooks


def test_a_network_without_an_encoder_has_none():
    assert grad_cam(Segmenter(nn.Conv2d(2, 2, 1), 1), np.zeros((2, 32, 32), np.float32), (3, 3), 0) is None
