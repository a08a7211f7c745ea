"""A trained network as a function from pixels to class probabilities."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from urbanseg.errors import PipelineError
from urbanseg.segmenter import Spec

CONFIDENCE_SCALE = 254
"""Confidence of 1 as stored in uint8; 255 is nodata."""


class Predictor:
    """Maps batches of pixels to probabilities on one device.

    Mixed precision (bfloat16) on a GPU only: on a CPU without the instructions it is
    many times slower than float32.
    """

    def __init__(self, network: nn.Module, spec: Spec, device: torch.device, threads: int) -> None:
        torch.set_num_threads(threads)
        self.spec, self.device = spec, device
        self.network = network.eval().to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]

    @torch.inference_mode()
    def __call__(self, pixels: NDArray[Any]) -> NDArray[np.float32]:
        """Class probabilities ``(n, classes, height, width)`` of ``(n, bands, height, width)`` pixels."""
        images = np.stack([self.spec.normalise(np.nan_to_num(p)) for p in pixels])
        batch = torch.from_numpy(images).to(self.device, memory_format=torch.channels_last)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.device.type == "cuda"):
            logits = self.network(batch)
        probabilities: NDArray[np.float32] = logits.float().softmax(dim=1).cpu().numpy()
        return probabilities


def select_bands(descriptions: tuple[str, ...], spec: Spec, scene: str) -> list[int]:
    """1-based numbers of the scene's bands that the model wants, in its order.

    Raises:
        PipelineError: if the scene lacks one.
    """
    missing = [band for band in spec.bands if band not in descriptions]
    if missing:
        raise PipelineError(
            f"{scene} has the bands {', '.join(descriptions) or 'without names'}, but the model needs "
            f"{', '.join(spec.bands)}; name them under cities.<city>.scene.bands, or train on this sensor"
        )
    return [descriptions.index(band) + 1 for band in spec.bands]


def encode_confidence(confidence: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Probabilities 0–1 as uint8 0–`CONFIDENCE_SCALE`."""
    return np.rint(confidence * CONFIDENCE_SCALE).astype(np.uint8)
