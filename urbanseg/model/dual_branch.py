"""DualBranch: a network that processes the image at two scales.

A local branch reads the image at full resolution, a context branch reads it averaged
`SHRINK` times coarser, where one convolution spans what the local branch cannot see at
once. Between encoders and decoders the deepest features of both become tokens of one
transformer, so that each place is read knowing the whole image. A gate fuses their logits.

The parts are those of smp's U-Net; it follows the global–local idea of Chen et al. 2019
("Collaborative global-local networks for memory-efficient segmentation of ultra-high
resolution images") with the transformer of Vaswani et al. 2017. It is an smp model in its
attributes, its encoder's freezing and its files, but for the class, which is ours.
"""

import math
from collections.abc import Sequence

import torch
from segmentation_models_pytorch.base import SegmentationHead, SegmentationModel, initialization
from segmentation_models_pytorch.decoders.unet.decoder import UnetDecoder
from segmentation_models_pytorch.encoders import get_encoder
from torch import Tensor, nn
from torch.nn import functional as F

from urbanseg.config.base import ENCODER_STRIDE

BRANCHES = ("local", "context")
SHRINK = 4
"""How many times coarser the context branch sees the image."""


class DualBranch(SegmentationModel):  # type: ignore[misc]
    """Two U-Nets of one kind of encoder, joined by a transformer.

    Args:
        encoder_name: any encoder of smp or timm that a U-Net takes.
        in_channels: number of bands.
        classes: number of classes.
        decoder_channels: width of each decoder's five stages.
        width: of the tokens; a multiple of 4 and of `heads`.
        heads: of the attention.
        layers: of the transformer.
    """

    def __init__(
        self,
        encoder_name: str = "resnet34",
        in_channels: int = 3,
        classes: int = 1,
        decoder_channels: Sequence[int] = (256, 128, 64, 32, 16),
        width: int = 128,
        heads: int = 4,
        layers: int = 2,
    ) -> None:
        super().__init__()
        features = decoder_channels[-1]
        encoders = {
            name: get_encoder(encoder_name, in_channels=in_channels, weights=None) for name in BRANCHES
        }
        channels = encoders["local"].out_channels
        self.encoder = nn.ModuleDict(encoders)
        self.decoder = nn.ModuleDict(
            {
                name: UnetDecoder(channels, decoder_channels, add_center_block=encoder_name.startswith("vgg"))
                for name in BRANCHES
            }
        )
        self.segmentation_head = nn.ModuleDict(
            {name: SegmentationHead(features, classes) for name in BRANCHES}
        )
        self.classification_head = None
        self.exchange = Exchange(channels[-1], width, heads, layers)
        self.gate = nn.Conv2d(2 * features, 1, kernel_size=1)
        for name in BRANCHES:
            initialization.initialize_decoder(self.decoder[name])
            initialization.initialize_head(self.segmentation_head[name])

    def forward(self, images: Tensor) -> Tensor:
        """Logits ``(n, classes, height, width)`` of images ``(n, in_channels, height, width)``.

        Height and width are multiples of 32. What lies around a place is the rest of the
        image: the larger the images are, the wider is the view.
        """
        self.check_input_shape(images)
        seen = {"local": images, "context": _whole_strides(F.avg_pool2d(images, SHRINK))}
        features = {name: list(self.encoder[name](image)) for name, image in seen.items()}
        local, context = self.exchange(features["local"][-1], features["context"][-1])
        features["local"][-1], features["context"][-1] = local, context

        decoded = {name: self.decoder[name](features[name]) for name in BRANCHES}
        logits = {name: self.segmentation_head[name](decoded[name]) for name in BRANCHES}
        size = images.shape[-2:]
        far = _enlarged(decoded["context"], size)
        nearness = torch.sigmoid(self.gate(torch.cat([decoded["local"], far], dim=1)))
        fused: Tensor = nearness * logits["local"] + (1 - nearness) * _enlarged(logits["context"], size)
        return fused

    def check_input_shape(self, x: Tensor) -> None:
        """Refuse images whose sides are no multiples of the encoder's stride."""
        if any(side % ENCODER_STRIDE for side in x.shape[-2:]):
            raise ValueError(
                f"the sides {tuple(x.shape[-2:])} of an image must be multiples of {ENCODER_STRIDE}"
            )


class Exchange(nn.Module):
    """Lets every place of two feature maps attend to every place of both, and adds what it learnt.

    A token is a feature projected to `width`, plus a vector for its branch, plus the
    sine–cosine embedding of where its centre lies, measured from the image's centre in
    strides of the local branch: both branches' tokens of one place are embedded alike.
    """

    def __init__(self, channels: int, width: int, heads: int, layers: int) -> None:
        super().__init__()
        self.inward = nn.ModuleDict({name: nn.Conv2d(channels, width, kernel_size=1) for name in BRANCHES})
        self.outward = nn.ModuleDict({name: nn.Conv2d(width, channels, kernel_size=1) for name in BRANCHES})
        self.branch = nn.ParameterDict({name: nn.Parameter(0.02 * torch.randn(width)) for name in BRANCHES})
        self.shared = nn.Sequential(
            *(
                nn.TransformerEncoderLayer(
                    width, heads, 2 * width, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
                )
                for _ in range(layers)
            ),
            nn.LayerNorm(width),
        )

    def forward(self, local: Tensor, context: Tensor) -> tuple[Tensor, Tensor]:
        """Both maps ``(n, channels, rows, columns)``, each with what it learnt of the other added."""
        maps = {"local": local, "context": context}
        tokens = [self._tokens(name, features, local.shape[-2:]) for name, features in maps.items()]
        mixed = self.shared(torch.cat(tokens, dim=1)).split([t.shape[1] for t in tokens], dim=1)
        local, context = (
            features + self.outward[name](part.transpose(1, 2).unflatten(2, features.shape[-2:]))
            for (name, features), part in zip(maps.items(), mixed, strict=True)
        )
        return local, context

    def _tokens(self, name: str, features: Tensor, local_shape: torch.Size) -> Tensor:
        """Tokens ``(n, rows × columns, width)`` of a branch."""
        tokens = self.inward[name](features).flatten(2).transpose(1, 2)
        step = 1 if name == "local" else SHRINK
        down, across = (
            (torch.arange(count, device=features.device) + 0.5) * step - whole / 2
            for count, whole in zip(features.shape[-2:], local_shape, strict=True)
        )
        place = position_embedding(down, across, tokens.shape[2])
        embedded: Tensor = tokens + self.branch[name] + place.to(tokens)
        return embedded


def position_embedding(rows: Tensor, columns: Tensor, width: int) -> Tensor:
    """Sine–cosine embedding of a grid of places, ``(rows × columns, width)``.

    Half of the width tells the row, half the column, each by the sine and cosine at
    ``width / 4`` geometrically spaced frequencies (Vaswani et al. 2017, section 3.5).

    Args:
        rows: ``(rows,)`` places down.
        columns: ``(columns,)`` places across.
        width: of the embedding; a multiple of 4.

    Returns:
        One row for each place, row by row.
    """
    frequencies = torch.exp(-math.log(1000) * torch.arange(width // 4, device=rows.device) / (width // 4))

    def waves(places: Tensor) -> Tensor:
        angles = places[:, None] * frequencies
        return torch.cat([angles.sin(), angles.cos()], dim=1)

    down, across = waves(rows), waves(columns)
    grid = [down[:, None].expand(-1, len(columns), -1), across[None].expand(len(rows), -1, -1)]
    return torch.cat(grid, dim=2).flatten(0, 1)


def _whole_strides(image: Tensor) -> Tensor:
    """The image, its last rows and columns repeated until its sides are multiples of the stride."""
    height, width = image.shape[-2:]
    return F.pad(image, (0, -width % ENCODER_STRIDE, 0, -height % ENCODER_STRIDE), mode="replicate")


def _enlarged(coarse: Tensor, size: torch.Size) -> Tensor:
    """The context branch's map at full resolution, without what was padded."""
    finer = F.interpolate(coarse, scale_factor=SHRINK, mode="bilinear", align_corners=False)
    return finer[..., : size[0], : size[1]]
