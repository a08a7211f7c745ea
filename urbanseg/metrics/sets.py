"""Prediction sets on the test pixels: how often they hold the right class, and how many classes they hold."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from urbanseg.calibration.conformal import bands, holds
from urbanseg.classes import position_lut
from urbanseg.errors import PipelineError
from urbanseg.grid import Window
from urbanseg.io.raster import reading, require_same_grid
from urbanseg.metrics.counting import Files
from urbanseg.metrics.sections import figure
from urbanseg.metrics.segmentation import TEST, counted


def count_sets(files: Files, sets: Path, laid: Sequence[Window], ids: Sequence[int]) -> NDArray[np.int64]:
    """Count the sets of the test pixels that are scored.

    Args:
        files: the labels, the map and the split, on one grid.
        sets: raster of the sets, as `urbanseg.calibration.conformal.encode` makes them.
        laid: blocks that partition the scene.
        ids: pixel values of the n classes, in order.

    Returns:
        ``(n, 2, n + 1)`` int64 pixels by actual class, whether the set holds it, and the set's size.

    Raises:
        PipelineError: if the sets lie on another grid, or are of another number of classes.
    """
    n, position = len(ids), position_lut(ids)
    total = np.zeros((n, 2, n + 1), np.int64)
    with (
        reading(files.labels) as labels,
        reading(files.prediction) as prediction,
        reading(files.split) as split,
        reading(sets) as stored,
    ):
        require_same_grid(files.labels, labels.grid, sets, stored.grid)
        if stored.info.count != bands(n):
            raise PipelineError(f"{sets} holds no sets of {n} classes; run the predict stage again")
        for block in laid:
            of = split.read_band(block)
            if not (of == TEST).any():
                continue
            actual = labels.read_band(block)
            inside = counted(actual, prediction.read_band(block), of)
            total += set_counts(position[actual[inside]], stored.read(block)[:, inside], n)
    return total


def set_counts(actual: NDArray[np.uint8], stored: NDArray[np.uint8], n: int) -> NDArray[np.int64]:
    """The counts of some pixels; see `count_sets`.

    Args:
        actual: ``(pixels,)`` class ids below `n`, uint8.
        stored: ``(bands, pixels)`` their sets.
        n: number of classes.
    """
    right = holds(stored, actual)
    key = (actual.astype(np.intp) * 2 + right) * (n + 1) + np.minimum(stored[0], n)
    counts: NDArray[np.int64] = np.bincount(key, minlength=n * 2 * (n + 1)).reshape(n, 2, n + 1)
    return counts


def set_figures(counts: NDArray[np.int64] | None, n: int) -> tuple[dict[str, Any], list[float | None]]:
    """Figures of all sets, and the coverage of each class; null where there are no sets.

    Args:
        counts: of `count_sets`, None without sets.
        n: number of classes.

    Returns:
        Plain values by their keys; and one share for each class.
    """
    found = np.zeros((n, 2, n + 1), np.int64) if counts is None else counts
    pixels = found.sum(axis=(1, 2))
    by_class = found[:, 1].sum(axis=1) / np.where(pixels > 0, pixels, np.nan)
    known = by_class[pixels > 0]
    total = int(pixels.sum()) or np.nan
    sizes = found.sum(axis=(0, 1))
    return {
        "coverage": figure(found[:, 1].sum() / total),
        "worst_coverage": figure(known.min() if known.size else np.nan),
        "mean_size": figure(sizes @ np.arange(n + 1) / total),
        "certain": figure(sizes[1] / total),
    }, [figure(share) for share in by_class]
