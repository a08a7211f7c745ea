"""The network that training starts from: new, with a learnt encoder, or an earlier model's."""

import logging
from collections.abc import Sequence
from pathlib import Path

from torch import Tensor, nn

from urbanseg.config.train import PLAIN_WIDTH
from urbanseg.errors import PipelineError
from urbanseg.learn.architectures import build, encoders_of, image_layers
from urbanseg.learn.pretrained import adapt_first_layer, load_encoder
from urbanseg.model import segmenter
from urbanseg.model.spec import Spec

log = logging.getLogger(__name__)

HEAD = "segmentation_head."


def create(
    arch: str,
    encoder: str,
    bands: Sequence[str],
    classes: int,
    *,
    decoder_channels: Sequence[int],
    weights: str | None,
    width: int = PLAIN_WIDTH,
) -> nn.Module:
    """A network by name: any decoder of segmentation-models-pytorch, `DualBranch`, or `PlainUNet`.

    Args:
        arch: decoder, for example ``Unet``, ``UnetPlusPlus``, ``FPN``, ``DeepLabV3Plus``.
        encoder: encoder, for example ``resnet34``, or one of timm as ``tu-convnext_tiny``.
        bands: names of the input bands.
        classes: number of classes.
        decoder_channels: width of the decoder's stages, for decoders that take it.
        weights: ``imagenet``, a file, the folder of an earlier model (see
            `pretrained.load_encoder`), or None for a random start.
        width: of a `PlainUNet`.

    Raises:
        PipelineError: for an unknown name (listing the known ones), or if the weights
            cannot be had or do not fit.
    """
    network = build(arch, encoder, len(bands), classes, decoder_channels, width)
    if weights is not None:
        load_encoder(network, weights, arch, encoder, bands)
    return network


def start_from(network: nn.Module, folder: Path, spec: Spec) -> list[str]:
    """Give a network all weights of an earlier model that fit, and say what was not taken.

    Tensors of the same name and shape are taken as they are. Where the bands differ, the
    first layer is adapted (see `pretrained.adapt_first_layer`); where the classes differ,
    each row of the last layer is taken by its class's name. All else keeps the weights it has.

    Args:
        network: as `create` makes it.
        folder: of the earlier model.
        spec: what `network` is for.

    Returns:
        A sentence, also logged, for each thing that differs.

    Raises:
        PipelineError: if there is no model in `folder`, or it is of another make.
    """
    earlier, learnt = segmenter.load(folder)
    if (learnt.arch.lower(), learnt.encoder) != (spec.arch.lower(), spec.encoder):
        raise PipelineError(
            f"{folder} is a {learnt.arch} with the encoder {learnt.encoder}, but params.yaml asks for "
            f"{spec.arch} with {spec.encoder}; set train.arch and train.encoder to the model's, or "
            "train.encoder_weights to its folder, to take its encoder alone"
        )
    theirs = earlier.network.state_dict()
    if learnt.bands != spec.bands:
        _adapt_bands(theirs, network, learnt, spec)
    own = network.state_dict()
    if learnt.channels != spec.channels:
        _adapt_classes(theirs, own, learnt.channels, spec.channels)
    fitting = {name: t for name, t in theirs.items() if name in own and t.shape == own[name].shape}
    network.load_state_dict(own | fitting)

    remarks = [*_differences(learnt, spec), *_left_out(own, fitting)]
    for remark in remarks:
        log.info("%s: %s", folder, remark)
    return remarks


def _adapt_bands(theirs: dict[str, Tensor], network: nn.Module, learnt: Spec, spec: Spec) -> None:
    first = image_layers(network, spec.arch, spec.encoder, len(spec.bands))
    for branch in encoders_of(network):
        prefix = f"encoder.{branch}." if branch else "encoder."
        for name in first:
            theirs[prefix + name] = adapt_first_layer(theirs[prefix + name], spec.bands, learnt.bands)


def _adapt_classes(
    theirs: dict[str, Tensor], own: dict[str, Tensor], learnt: Sequence[str], classes: Sequence[str]
) -> None:
    rows = [(classes.index(name), learnt.index(name)) for name in classes if name in learnt]
    for name, fresh in own.items():
        old = theirs.get(name)
        if not name.startswith(HEAD) or old is None or len(old) != len(learnt) or len(fresh) != len(classes):
            continue
        theirs[name] = fresh.clone()
        for row, source in rows:
            theirs[name][row] = old[source]


def _differences(learnt: Spec, spec: Spec) -> list[str]:
    remarks = []
    if learnt.bands != spec.bands:
        remarks.append(
            f"its first layer is adapted from the bands {', '.join(learnt.bands)} to {', '.join(spec.bands)}"
        )
    if new := [name for name in spec.channels if name not in learnt.channels]:
        remarks.append(f"it doesn't know {', '.join(new)}, which start at random")
    if gone := [name for name in learnt.channels if name not in spec.channels]:
        remarks.append(f"what it knows of {', '.join(gone)} is left out")
    if learnt.upsample != spec.upsample:
        remarks.append(f"it saw images enlarged {learnt.upsample} times, now it's {spec.upsample} times")
    return remarks


def _left_out(own: dict[str, Tensor], fitting: dict[str, Tensor]) -> list[str]:
    missing = [name for name in own if name not in fitting]
    parts = sorted({name.split(".")[0] for name in missing})
    return (
        [f"{len(missing)} tensors of {', '.join(parts)} have another shape and start at random"]
        if missing
        else []
    )
