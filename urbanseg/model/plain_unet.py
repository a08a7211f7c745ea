"""PlainUNet: the U-Net of Ronneberger et al. 2015 as courses and notebooks build it.

It has no learnt encoder. Four levels down and four up, each of two convolutions of 3 × 3 with batch
normalisation; the image is halved by maximum pooling and enlarged bilinearly. At the usual width it has 64
to 1,024 channels. It is an smp model in its attributes, its encoder's freezing and its files, but for the
class, which is ours.
"""

from itertools import pairwise

from segmentation_models_pytorch.base import SegmentationModel
from torch import Tensor, cat, nn

from urbanseg.config.base import ENCODER_STRIDE

ENCODER = "plain"
"""What a model's files call its encoder."""
LEVELS = 4


class PlainUNet(SegmentationModel):  # type: ignore[misc]
    """A U-Net of double convolutions.

    Args:
        in_channels: number of bands.
        classes: number of classes.
        width: channels of the first level; each level below has twice as many.
    """

    def __init__(self, in_channels: int = 3, classes: int = 1, width: int = 64) -> None:
        super().__init__()
        channels = [width * 2**level for level in range(LEVELS + 1)]
        self.encoder = Encoder(in_channels, channels)
        self.decoder = Decoder(channels)
        self.segmentation_head = nn.Conv2d(width, classes, kernel_size=1)
        self.classification_head = None

    def forward(self, images: Tensor) -> Tensor:
        """Logits ``(n, classes, height, width)`` of images ``(n, in_channels, height, width)``.

        Height and width are multiples of 32, as for all networks here; 16 would do.
        """
        self.check_input_shape(images)
        logits: Tensor = self.segmentation_head(self.decoder(self.encoder(images)))
        return logits

    def check_input_shape(self, x: Tensor) -> None:
        """Refuse images whose sides are no multiples of the stride that all networks have here."""
        if any(side % ENCODER_STRIDE for side in x.shape[-2:]):
            raise ValueError(
                f"the sides {tuple(x.shape[-2:])} of an image must be multiples of {ENCODER_STRIDE}"
            )


class Encoder(nn.Module):
    """The way down: features of each level, the finest first.

    Args:
        in_channels: number of bands.
        channels: of each level.
    """

    def __init__(self, in_channels: int, channels: list[int]) -> None:
        super().__init__()
        before = [in_channels, *channels]
        self.levels = nn.ModuleList(double_convolution(a, b) for a, b in zip(before, channels, strict=False))
        self.pool = nn.MaxPool2d(2)

    def forward(self, images: Tensor) -> list[Tensor]:
        """Features ``(n, channels, height / 2^level, width / 2^level)`` of each level."""
        features = [self.levels[0](images)]
        for level in self.levels[1:]:
            features.append(level(self.pool(features[-1])))
        return features


class Decoder(nn.Module):
    """The way up: each level's features beside those of the level below, enlarged.

    Args:
        channels: of each level, the finest first.
    """

    def __init__(self, channels: list[int]) -> None:
        super().__init__()
        pairs = list(pairwise(channels))[::-1]
        self.levels = nn.ModuleList(double_convolution(fine + coarse, fine) for fine, coarse in pairs)
        self.enlarge = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True)

    def forward(self, features: list[Tensor]) -> Tensor:
        """Features of the finest level, ``(n, channels, height, width)``."""
        *finer, found = features
        for level, own in zip(self.levels, finer[::-1], strict=True):
            found = level(cat((own, self.enlarge(found)), dim=1))
        return found


def double_convolution(before: int, after: int) -> nn.Sequential:
    """Twice: a convolution of 3 × 3, batch normalisation, and ReLU."""
    layers: list[nn.Module] = []
    for channels in (before, after):
        layers += [
            nn.Conv2d(channels, after, kernel_size=3, padding=1, bias=False),
            nn.BatchNorm2d(after),
            nn.ReLU(inplace=True),
        ]
    return nn.Sequential(*layers)
