"""Tiles as arrays: read by window from the scene and its labels, and padded to the size of a tile."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from urbanseg.classes import IGNORE
from urbanseg.dataset.tiles import windows_of
from urbanseg.io import raster

PathOf = Callable[[str], Path]
"""The path of a city's file by the city's name."""


def read_spread(
    table: pd.DataFrame, split: str, at_most: int, size: int, *, scene_of: PathOf, labels_of: PathOf
) -> list[tuple[NDArray[Any], NDArray[np.uint8]]]:
    """Pixels and labels of tiles that are spread evenly over a split.

    Args:
        table: tiles of all splits, as the dataset stage writes them.
        split: name of the split.
        at_most: how many tiles are read; all, if there are fewer.
        size: side of a tile in pixels; smaller ones are padded.
        scene_of: path of a city's scene.
        labels_of: path of a city's labels.

    Returns:
        For each tile pixels ``(bands, size, size)`` of the scene's dtype and labels ``(size, size)``.
    """
    rows = table[table["split"] == split].reset_index(drop=True)
    chosen = rows.iloc[np.unique(np.linspace(0, len(rows) - 1, min(at_most, len(rows)), dtype=int))]
    pairs = []
    for city, window in zip(chosen["city"], windows_of(chosen), strict=True):
        with raster.reading(scene_of(city)) as scene, raster.reading(labels_of(city)) as labels:
            pixels = pad(scene.read(window), size, mode="reflect")
            known = pad(labels.read_band(window), size, mode="constant", constant_values=IGNORE)
        pairs.append((pixels, known))
    return pairs


def pad(array: NDArray[Any], size: int, **how: Any) -> NDArray[Any]:
    """Pad the last two axes at their ends to at least `size` pixels; `how` as in `np.pad`."""
    missing = [max(0, size - n) for n in array.shape[-2:]]
    if not any(missing):
        return array
    widths = [(0, 0)] * (array.ndim - 2) + [(0, n) for n in missing]
    return np.pad(array, widths, **how)
