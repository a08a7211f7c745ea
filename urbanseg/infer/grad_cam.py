"""Grad-CAM: where the features that speak for a class lie, by one pass back through the network.

Selvaraju et al. 2017, "Grad-CAM: Visual explanations from deep networks via gradient-based localization", for
the logit of one place, as Vinogradova et al. 2020, "Towards interpretable semantic segmentation via
gradient-weighted class activation mapping", have it.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from urbanseg.infer.explanation import AROUND
from urbanseg.model.segmenter import Segmenter

STRIDE = 8
"""Of the features that are looked at, or the nearest there are: finer ones know less of classes."""


def grad_cam(
    segmenter: Segmenter, image: NDArray[np.float32], place: tuple[int, int], value: int
) -> NDArray[np.float32] | None:
    """How strongly the features of each place speak for a class at one place.

    Args:
        segmenter: in evaluation mode, on the CPU.
        image: normalised, ``(bands, height, width)``, with sides in multiples of 32.
        place: row and column.
        value: position of the class.

    Returns:
        ``(height, width)``, 0–1; None if the network has no encoder whose features can be had.
    """
    encoder = getattr(segmenter.network, "encoder", None)
    if encoder is None:
        return None
    kept: list[Tensor] = []

    def keep(_module: Any, _given: Any, features: Any) -> None:
        chosen = _features(features, image.shape[-1] * segmenter.upsample)
        if chosen is not None:
            chosen.retain_grad()
            kept.append(chosen)

    hook = encoder.register_forward_hook(keep)
    try:
        with torch.enable_grad():
            batch = torch.from_numpy(image)[None].requires_grad_()
            logits = segmenter(batch)
            rows, cols = (slice(max(0, at - AROUND), at + AROUND + 1) for at in place)
            logits[0, value, rows, cols].mean().backward()
    finally:
        hook.remove()
    if not kept or kept[0].grad is None:
        return None
    weights = kept[0].grad.mean((2, 3), keepdim=True)
    found = (weights * kept[0]).sum(1, keepdim=True).clamp(min=0).detach()
    found = F.interpolate(found, size=image.shape[-2:], mode="bilinear", align_corners=False)[0, 0]
    segmenter.zero_grad()
    return np.asarray((found / found.max().clamp(min=1e-12)).numpy(), np.float32)


def _features(features: Any, width: int) -> Tensor | None:
    """Of an encoder's features the ones nearest to `STRIDE`; None if they are no maps."""
    if not isinstance(features, Sequence):
        return None
    maps = [each for each in features if isinstance(each, Tensor) and each.ndim == 4 and each.requires_grad]
    return min(maps, key=lambda each: abs(width / each.shape[-1] - STRIDE), default=None)
