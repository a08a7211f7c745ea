"""The segmenter: a trained network with what it must be told, and its folder on disk.

A saved model is a folder of safetensors and JSON, no pickle: smp's own `config.json` and
`model.safetensors` (so `smp.from_pretrained` opens it), and `segmenter.json` with the
bands it expects, their normalisation, and the classes it tells apart. Importing this
module imports torch: only training and inference do.
"""

import json
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import segmentation_models_pytorch as smp
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from torch import Tensor, nn
from torch.nn import functional as F

from urbanseg.errors import PipelineError
from urbanseg.files import atomic

CLIP = 4.0
"""Normalised pixels are clipped to this many standard deviations: a cloud edge or a
glinting roof must not dominate a batch."""


@dataclass(frozen=True)
class Spec:
    """What a network was trained for: bands, normalisation, classes, and its make."""

    bands: list[str]
    mean: list[float]
    std: list[float]
    classes: list[str]
    arch: str
    encoder: str
    upsample: int = 1
    """How many times finer than the scene's pixels the network works."""
    versions: dict[str, str] = field(default_factory=dict)

    def normalise(self, pixels: NDArray[Any]) -> NDArray[np.float32]:
        """Standard scores of ``(bands, height, width)`` pixels of any dtype, clipped to ±`CLIP`."""
        mean = np.asarray(self.mean, np.float32)[:, None, None]
        std = np.asarray(self.std, np.float32)[:, None, None]
        scores: NDArray[np.float32] = np.clip((pixels.astype(np.float32) - mean) / std, -CLIP, CLIP)
        return scores


class Segmenter(nn.Module):
    """A network that works on an image enlarged `upsample` times; its logits are averaged back.

    Encoders halve the image at their first layer, so objects of one or two pixels, as
    houses and streets are at 10 m, are lost before any decoder could keep them. Enlarged,
    they survive.
    """

    def __init__(self, network: nn.Module, upsample: int) -> None:
        super().__init__()
        self.network, self.upsample = network, upsample

    def forward(self, images: Tensor) -> Tensor:
        """Logits ``(n, classes, height, width)`` of images ``(n, bands, height, width)``."""
        if self.upsample == 1:
            logits: Tensor = self.network(images)
            return logits
        finer = F.interpolate(images, scale_factor=self.upsample, mode="bilinear", align_corners=False)
        return F.avg_pool2d(self.network(finer), self.upsample)


def library_versions() -> dict[str, str]:
    """Versions of the libraries that make the weights what they are."""
    return {name: version(name) for name in ("torch", "segmentation-models-pytorch", "timm")}


def save(folder: Path, segmenter: Segmenter, spec: Spec) -> None:
    """Write a model's folder, atomically."""
    with atomic(folder) as temporary:
        temporary.mkdir(parents=True)
        segmenter.network.save_pretrained(temporary)  # type: ignore[operator]
        (temporary / "README.md").write_text(_card(spec))
        (temporary / "segmenter.json").write_text(json.dumps(asdict(spec), indent=2) + "\n")


def load(folder: Path) -> tuple[Segmenter, Spec]:
    """Read a model's folder: the segmenter on the CPU, in evaluation mode, and its spec.

    Raises:
        PipelineError: if the folder is missing or incomplete.
    """
    spec = read_spec(folder)
    try:
        network = smp.from_pretrained(str(folder), local_files_only=True)
    except (OSError, TypeError, ValueError, RuntimeError, SafetensorError) as error:
        raise _incomplete(folder, error) from error
    return Segmenter(network, spec.upsample).eval(), spec


def read_spec(folder: Path) -> Spec:
    """Read what a saved model was trained for, without the model.

    Raises:
        PipelineError: if the folder is missing or incomplete.
    """
    try:
        return Spec(**json.loads((folder / "segmenter.json").read_text()))
    except (OSError, TypeError, ValueError) as error:
        raise _incomplete(folder, error) from error


def _incomplete(folder: Path, error: Exception) -> PipelineError:
    return PipelineError(f"{folder} holds no complete model ({error}); run the train stage again")


def device_of(choice: str) -> torch.device:
    """The device for `auto`, `cpu` or `cuda`.

    Raises:
        PipelineError: if `cuda` is asked for and there is none.
    """
    if choice == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if choice == "cuda" and not torch.cuda.is_available():
        raise PipelineError(
            "params.yaml: device is cuda, but this machine has no usable GPU; set it to auto or cpu"
        )
    return torch.device(choice)


def native_bf16(device: torch.device) -> bool:
    """Whether a device computes in bfloat16 itself; where it must emulate it, float32 is far faster."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    features = torch.cpu.get_capabilities()
    return any(features.get(name) for name in ("avx512_bf16", "amx_bf16"))


def _card(spec: Spec) -> str:
    return (
        "# Land-cover segmenter\n\n"
        f"{spec.arch} with encoder {spec.encoder}, on images enlarged {spec.upsample} times.\n\n"
        f"- bands, in order: {', '.join(spec.bands)}\n- classes, in order: {', '.join(spec.classes)}\n"
        f"- made with {', '.join(f'{k} {v}' for k, v in spec.versions.items())}\n\n"
        "`segmenter.json` holds the normalisation; input is (x - mean) / std per band, "
        f"clipped to ±{CLIP:g}.\n"
    )
