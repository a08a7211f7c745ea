"""A network by name, with ImageNet weights in its encoder."""

from collections.abc import Sequence
from typing import Any, cast

import segmentation_models_pytorch as smp
from torch import nn

from urbanseg.errors import PipelineError
from urbanseg.learn.pretrained import PACKAGED, adapt_first_layer, packaged_weights


def create(
    arch: str,
    encoder: str,
    bands: Sequence[str],
    classes: int,
    *,
    decoder_channels: Sequence[int],
    weights: str | None,
) -> nn.Module:
    """A network by name: any decoder and encoder of segmentation-models-pytorch.

    Args:
        arch: decoder, for example ``Unet``, ``UnetPlusPlus``, ``FPN``, ``DeepLabV3Plus``.
        encoder: encoder, for example ``resnet34``.
        bands: names of the input bands.
        classes: number of classes.
        decoder_channels: width of the decoder's stages, for decoders that take it.
        weights: ``imagenet`` or None for a random start.

    Raises:
        PipelineError: for an unknown name (listing the known ones), or if the weights
            cannot be had.
    """
    packaged = weights is not None and encoder == PACKAGED
    options: dict[str, Any] = (
        {"decoder_channels": list(decoder_channels)} if arch in {"Unet", "UnetPlusPlus"} else {}
    )
    known = {name.lower(): name for name in smp.MODEL_ARCHITECTURES_MAPPING}
    if arch.lower() not in known:
        names = ", ".join(sorted(c.__name__ for c in smp.MODEL_ARCHITECTURES_MAPPING.values()))
        raise PipelineError(f"params.yaml: train.arch {arch!r} is unknown; the decoders are {names}")
    try:
        network = smp.create_model(
            arch,
            encoder_name=encoder,
            encoder_weights=None if packaged else weights,
            in_channels=len(bands),
            classes=classes,
            **options,
        )
    except (KeyError, ValueError) as error:
        names = ", ".join(smp.encoders.get_encoder_names())
        raise PipelineError(
            f"params.yaml: train.encoder {encoder!r} does not work with {arch} ({error}); "
            f"the encoders are {names}"
        ) from error
    except OSError as error:
        raise PipelineError(
            f"params.yaml: the imagenet weights of {encoder} come from the Hugging Face hub, which cannot be "
            f"reached; connect once, use train.encoder {PACKAGED} (its weights are installed), or set "
            "train.encoder_weights to null"
        ) from error
    if packaged:
        state = packaged_weights()
        state["conv_stem.weight"] = adapt_first_layer(state["conv_stem.weight"], bands)
        network.encoder.load_state_dict({k: v for k, v in state.items() if not k.startswith("classifier.")})
    return cast("nn.Module", network)
