"""Networks and encoders by name, with random weights: what names there are, and what they build.

The decoders are those of segmentation-models-pytorch, our own `DualBranch`, and `PlainUNet`. Encoders
are smp's by their name, and timm's by ``tu-`` and theirs. Learnt weights are loaded by
`urbanseg.learn.pretrained`.
"""

from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any, cast

import segmentation_models_pytorch as smp
import timm
from segmentation_models_pytorch.encoders import is_equivalent_to_timm_universal
from segmentation_models_pytorch.encoders.timm_vit import TimmViTEncoder
from torch import nn

from urbanseg.config.train import PLAIN_WIDTH
from urbanseg.errors import PipelineError, is_out_of_memory
from urbanseg.model.dual_branch import DualBranch
from urbanseg.model.plain_unet import PlainUNet

DECODERS: dict[str, type[nn.Module]] = {
    **{decoder.__name__: decoder for decoder in smp.MODEL_ARCHITECTURES_MAPPING.values()},
    "DualBranch": DualBranch,
    "PlainUNet": PlainUNet,
}
"""What `train.arch` may be."""

HOW_TO_LIST = (
    "`python -c 'import segmentation_models_pytorch as smp; print(*smp.encoders.get_encoder_names())'`"
    " lists smp's, and timm's are `tu-` and a name of `timm.list_models()`"
)

_WITH_CHANNELS = {"Unet", "UnetPlusPlus", "MAnet", "DualBranch"}
"""Decoders whose width is `train.decoder_channels`; the others have smp's own."""


def build(
    arch: str,
    encoder: str,
    bands: int,
    classes: int,
    decoder_channels: Sequence[int],
    width: int = PLAIN_WIDTH,
) -> nn.Module:
    """A network with random weights.

    Args:
        arch: a name of `DECODERS`, in any case.
        encoder: name of an encoder of smp, or of timm after ``tu-``; `PlainUNet` has its own.
        bands: number of bands.
        classes: number of classes.
        decoder_channels: width of the decoder's stages, for decoders that take it.
        width: of a `PlainUNet`.

    Raises:
        PipelineError: for an unknown name, or an encoder that this decoder cannot use.
    """
    name = decoder_name(arch)
    if name == "PlainUNet":
        return PlainUNet(bands, classes, width)
    require_encoder(encoder)
    options: dict[str, Any] = {"encoder_name": encoder, "in_channels": bands, "classes": classes}
    if name in _WITH_CHANNELS:
        options["decoder_channels"] = list(decoder_channels)
    if name != "DualBranch":
        options["encoder_weights"] = None
    if name == "DPT":
        options["dynamic_img_size"] = True
    try:
        return DECODERS[name](**options)
    except (AttributeError, IndexError, KeyError, RuntimeError, TypeError, ValueError) as error:
        if is_out_of_memory(error):
            raise
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise PipelineError(
            f"params.yaml: train.encoder {encoder!r} does not work with train.arch {name} ({reason}); "
            "take another of the two"
        ) from error


def decoder_name(arch: str) -> str:
    """The decoder's name as `DECODERS` spells it.

    Raises:
        PipelineError: if there is none of that name; lists all.
    """
    names = {name.lower(): name for name in DECODERS}
    if arch.lower() not in names:
        raise PipelineError(
            f"params.yaml: train.arch {arch!r} is unknown; the decoders are {', '.join(sorted(DECODERS))}"
        )
    return names[arch.lower()]


def require_encoder(encoder: str) -> None:
    """Check an encoder's name.

    Raises:
        PipelineError: if neither smp nor timm has it; lists the closest names, and says how to list all.
    """
    if encoder in smp.encoders.encoders:
        return
    if is_timm(encoder) and timm.is_model(_timm_name(encoder).split(".")[0]):
        return
    known = [*smp.encoders.get_encoder_names(), *(f"tu-{name}" for name in timm.list_models())]
    close = get_close_matches(encoder, known, n=8, cutoff=0.5) or ["resnet34", "timm-tf_efficientnet_lite0"]
    raise PipelineError(
        f"params.yaml: train.encoder {encoder!r} is unknown; near it are {', '.join(close)}; {HOW_TO_LIST}"
    )


def is_timm(encoder: str) -> bool:
    """Whether smp hands the name on to timm."""
    return encoder.startswith("tu-") or is_equivalent_to_timm_universal(encoder)


def build_encoder(arch: str, encoder: str, bands: int, *, imagenet: bool = False) -> nn.Module:
    """An encoder alone, as deep as any decoder asks for; with ImageNet weights from the hub, or random ones.

    Args:
        arch: the decoder's name.
        encoder: the encoder's name.
        bands: number of bands.
        imagenet: whether it gets ImageNet weights.

    Returns:
        The encoder.

    Raises:
        OSError: if the hub cannot be reached.
        KeyError, RuntimeError: if the hub has no weights of it.
    """
    if decoder_name(arch) == "DPT":
        return cast("nn.Module", TimmViTEncoder(_timm_name(encoder), imagenet, bands, dynamic_img_size=True))
    weights = (True if is_timm(encoder) else "imagenet") if imagenet else None
    return cast("nn.Module", smp.encoders.get_encoder(encoder, in_channels=bands, weights=weights))


def encoders_of(network: nn.Module) -> dict[str, nn.Module]:
    """A network's encoders by the name of their branch; a single one has the name ``""``."""
    encoder = network.encoder
    if isinstance(encoder, nn.ModuleDict):
        return dict(encoder.items())
    return {"": cast("nn.Module", encoder)}


def image_layers(network: nn.Module, arch: str, encoder: str, bands: int) -> set[str]:
    """Names of an encoder's tensors whose shape follows the number of bands.

    Args:
        network: as `build` makes it.
        arch: name of its decoder.
        encoder: name of its encoder.
        bands: that it takes.
    """
    if isinstance(network, PlainUNet):
        return {"levels.0.0.weight"}
    more = build_encoder(arch, encoder, bands + 1).state_dict()
    own = next(iter(encoders_of(network).values())).state_dict()
    return {name for name, tensor in own.items() if tensor.shape != more[name].shape}


def _timm_name(encoder: str) -> str:
    """timm's name of an encoder that smp hands on to timm."""
    if encoder.startswith("timm-mobilenetv3"):
        return encoder.replace("timm-", "tf_", 1)
    return encoder.removeprefix("tu-").removeprefix("timm-")
