"""Tiles of an image that are compared with a model's training: a sample, whatever the image's size."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from urbanseg.errors import PipelineError
from urbanseg.grid import Window
from urbanseg.infer.scene import Scene
from urbanseg.model import domain
from urbanseg.model.domain import STOP, TILE_PX, WARN, Domain
from urbanseg.model.spec import Spec

log = logging.getLogger(__name__)

PER_SIDE = 7
"""Places along each side at which tiles are read."""

WARN_STD = 3
"""Standard deviations from the training's mean from which the median of a band is warned of, where no
statistics of the training were kept."""


def judge(image: Scene, bands: Sequence[int], spec: Spec, known: Mapping[str, Any]) -> Domain | None:
    """How far an open image is from a model's training; None if too little of it is measured.

    Args:
        image: in the units and pixels that the model is given.
        bands: 1-based numbers of its bands, in the model's order.
        spec: of the model.
        known: statistics of the training.
    """
    rows = [domain.describe(tile, spec) for tile in _sample(image, bands)]
    height, width = image.grid.shape
    apart = max(1, height // TILE_PX) * max(1, width // TILE_PX)
    return domain.distance(np.array(rows), known, spec, apart=apart) if rows else None


def require_familiar(
    image: Scene,
    bands: Sequence[int],
    spec: Spec,
    known: Mapping[str, Any] | None,
    name: str,
    *,
    force: bool = False,
) -> Domain | None:
    """Refuse an image that is nothing like a model's training; warn of one that is unlike it.

    Without statistics of the training, only warn of bands that are far from its mean.

    Args:
        image: in the units and pixels that the model is given.
        bands: 1-based numbers of its bands, in the model's order.
        spec: of the model.
        known: statistics of the training; None where nothing was kept.
        name: of the image, for the sentence.
        force: only warn.

    Returns:
        How far the image is from the training; None without statistics, or without tiles to compare.

    Raises:
        PipelineError: if it is nothing like the training, unless `force`.
    """
    if known is None:
        _warn_of_bands(image, bands, spec, name)
        return None
    found = judge(image, bands, spec, known)
    if found and found.is_unusual:
        sentence = (
            f"{name} is {'nothing like' if found.is_foreign else 'unlike'} what the model was trained "
            f"on (distance {found.score:.1f}; {WARN:g} is the edge of the training, {STOP:g} the limit): "
            f"{'; '.join(found.reasons)}"
        )
        if found.is_foreign and not force:
            raise PipelineError(
                f"{sentence}; name another model with --model, or add --force to predict nevertheless"
            )
        log.warning("%s; look at the result before it is used", sentence)
    return found


def _warn_of_bands(image: Scene, bands: Sequence[int], spec: Spec, name: str) -> None:
    """Name the bands whose median is far from the mean of the training."""
    sample = _sample(image, bands)
    if not sample:
        return
    medians = np.median([np.median(tile, axis=(1, 2)) for tile in sample], axis=0)
    for band, middle, mean, std in zip(spec.bands, medians, spec.mean, spec.std, strict=True):
        if abs(middle - mean) > WARN_STD * std:
            log.warning(
                "%s: the band %s is around %.4g, but the model was trained on %.4g ± %.4g; if the image is "
                "in other units, the classes will be wrong", name, band, middle, mean, std,
            )  # fmt: skip


def _sample(image: Scene, bands: Sequence[int]) -> list[NDArray[np.float64]]:
    """Tiles spread evenly over an image, top to bottom, as files are read best."""
    height, width = image.grid.shape
    found = []
    for row in _offsets(height):
        for col in _offsets(width):
            window = Window(row, col, min(TILE_PX, height), min(TILE_PX, width))
            valid = image.valid(window, bands)
            if valid.mean() >= domain.LEAST_VALID:
                found += list(domain.tiles(image.read(window, bands), valid))
    return found


def _offsets(length: int) -> list[int]:
    last = max(length - TILE_PX, 0)
    return sorted({round(last * place / (PER_SIDE - 1)) for place in range(PER_SIDE)})
