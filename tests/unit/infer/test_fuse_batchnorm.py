import pytest
import segmentation_models_pytorch as smp
import torch
from torch import nn

from urbanseg.infer.fuse_batchnorm import fuse_batchnorm
from urbanseg.learn.architectures import build
from urbanseg.model.segmenter import Segmenter


def trained(network):
    """The network with statistics as if it had seen data, and not those of its first day."""
    torch.manual_seed(5)
    for layer in network.modules():
        if isinstance(layer, nn.BatchNorm2d) and layer.track_running_stats:
            nn.init.normal_(layer.running_mean, 0, 0.3)
            nn.init.uniform_(layer.running_var, 0.3, 3)
            if layer.affine:
                nn.init.uniform_(layer.weight, 0.5, 2)
                nn.init.normal_(layer.bias, 0, 0.3)
    return network.eval()


def normalisations(network):
    return sum(isinstance(layer, nn.BatchNorm2d) for layer in network.modules())


def logits(network, images):
    with torch.inference_mode():
        return network(images.clone())


@pytest.mark.parametrize(
    ("arch", "encoder"),
    [
        ("Unet", "timm-tf_efficientnet_lite0"),
        ("UnetPlusPlus", "resnet18"),
        ("DeepLabV3Plus", "mobilenet_v2"),
        ("FPN", "tu-regnetx_002"),
        ("Segformer", "mit_b0"),
        ("DualBranch", "resnet18"),
    ],
)
def test_a_folded_network_says_the_same_with_fewer_layers(arch, encoder):
    torch.manual_seed(3)
    network = trained(Segmenter(build(arch, encoder, 4, 6, [16, 8, 8, 8, 8]), 2))
    images = torch.randn(2, 4, 32, 64)
    expected, before = logits(network, images), normalisations(network)
    fast = fuse_batchnorm(network)
    assert torch.allclose(logits(fast, images), expected, rtol=1e-4, atol=1e-4 * expected.abs().max().item())
    assert normalisations(fast) < before / 4
    assert normalisations(network) == before
    assert torch.equal(logits(network, images), expected)


class Forked(nn.Module):
    """A convolution whose output is normalised and also used as it is."""

    def __init__(self):
        super().__init__()
        self.convolution, self.norm = nn.Conv2d(1, 2, 3, padding=1), nn.BatchNorm2d(2)

    def forward(self, images):
        found = self.convolution(images)
        return found + self.norm(found)


class Shared(nn.Module):
    """A convolution that is used twice, normalised differently."""

    def __init__(self):
        super().__init__()
        self.convolution = nn.Conv2d(1, 1, 3, padding=1)
        self.first, self.second = nn.BatchNorm2d(1), nn.BatchNorm2d(1, track_running_stats=False)

    def forward(self, images):
        return self.second(self.convolution(self.first(self.convolution(images))))


class Twins(nn.Module):
    """Two parts that share a convolution; which is used first depends on the data."""

    def __init__(self):
        super().__init__()
        shared = nn.Conv2d(1, 1, 3, padding=1)
        self.one, self.other = (nn.Sequential(shared, nn.BatchNorm2d(1)) for _ in range(2))

    def forward(self, images):
        first, second = (self.one, self.other) if images.mean() > 0 else (self.other, self.one)
        return second(first(images))


@pytest.mark.parametrize("make", [Forked, Shared, Twins])
def test_what_is_used_in_two_places_stays_as_it_is(make):
    torch.manual_seed(3)
    network = trained(make())
    images = torch.randn(2, 1, 8, 8)
    fast = fuse_batchnorm(network)
    assert normalisations(fast) == normalisations(network) > 0
    assert torch.equal(logits(fast, images), logits(network, images))


def test_every_normalisation_of_a_unet_is_folded():
    network = smp.Unet("resnet18", encoder_weights=None)
    assert normalisations(fuse_batchnorm(network)) == 0
