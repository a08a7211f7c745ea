"""Counting on the test pixels of a scene, strip by strip.

Everything the scores of `segmentation`, `boundary` and `area` need is a count that adds
up over strips, so memory is bounded by a strip. Only the road masks are kept whole (a
byte per pixel), because a skeleton has no windows.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from urbanseg.classes import IGNORE
from urbanseg.errors import PipelineError
from urbanseg.grid import Grid, Window, strips
from urbanseg.metrics.boundary import BoundaryCounts, boundary_counts, halo_px
from urbanseg.metrics.segmentation import TEST, confusion, counted
from urbanseg.raster import Reader, require_same_grid

ROWS = 512
"""Height of a strip in pixels."""


@dataclass(frozen=True)
class Tally:
    """What was counted on the test pixels of a scene.

    `matrix` is ``(n, n)`` int64 from `confusion`; the masks are ``(height, width)`` bool:
    the test area, and the counted pixels that are road in either raster.
    """

    grid: Grid
    matrix: NDArray[np.int64]
    boundaries: BoundaryCounts
    area: NDArray[np.bool_]
    reference_roads: NDArray[np.bool_]
    predicted_roads: NDArray[np.bool_]


def tally(
    labels: Reader, prediction: Reader, split: Reader, n: int, *, tolerance_m: float, road: int | None
) -> Tally:
    """Count confusion, boundaries and roads on the test pixels.

    Args:
        labels: label raster, uint8, 255 where unknown.
        prediction: class raster, uint8, 255 where the scene has no data.
        split: split raster, uint8, values are indices into `SPLITS`.
        n: number of classes.
        tolerance_m: of the boundaries, in metres.
        road: class id of roads; None if the classes have none.

    Raises:
        PipelineError: if the rasters lie on different grids, hold unknown class ids, or
            have no pixel that is test, labelled and predicted.
    """
    grid = labels.grid
    for other in (prediction, split):
        require_same_grid(labels.path, grid, other.path, other.grid)
    matrix = np.zeros((n, n), np.int64)
    boundaries = BoundaryCounts.none(n)
    area, reference_roads, predicted_roads = (np.zeros(grid.shape, bool) for _ in range(3))

    halo = halo_px(tolerance_m, grid.pixel_m)
    for strip in tqdm(list(strips(grid.shape, ROWS)), desc="evaluate", unit="strip"):
        window, core = _with_halo(strip, halo, grid.height)
        reference, predicted = _classes(labels, window, n), _classes(prediction, window, n)
        splits = split.read_band(window)
        counts = counted(reference, predicted, splits)
        inside = counts[core]
        matrix += confusion(reference[core][inside], predicted[core][inside], n)
        boundaries += boundary_counts(
            reference, predicted, counts, n=n, tolerance_m=tolerance_m, pixel_m=grid.pixel_m, core=core
        )
        area[strip.slices] = splits[core] == TEST
        if road is not None:
            reference_roads[strip.slices] = inside & (reference[core] == road)
            predicted_roads[strip.slices] = inside & (predicted[core] == road)
    if not matrix.any():
        raise PipelineError(
            f"{labels.path} has no labelled and predicted pixel in the test split of {split.path}; "
            "check the labels, or give the test split a larger share in tiles.split"
        )
    return Tally(grid, matrix, boundaries, area, reference_roads, predicted_roads)


def _with_halo(strip: Window, halo: int, height: int) -> tuple[Window, tuple[slice, slice]]:
    """The strip grown by the halo inside the scene, and where the strip lies in it."""
    top, bottom = max(0, strip.row - halo), min(height, strip.row + strip.height + halo)
    core = slice(strip.row - top, strip.row - top + strip.height)
    return Window(top, strip.col, bottom - top, strip.width), (core, slice(None))


def _classes(raster: Reader, window: Window, n: int) -> NDArray[np.uint8]:
    """Class ids of a window, all of them below `n` or ignored."""
    values = raster.read_band(window)
    known = values[values != IGNORE]
    if known.size and known.max() >= n:
        raise PipelineError(
            f"{raster.path} holds the value {known.max()}, but the class ids are 0 to {n - 1}; "
            "run the stage that makes it again"
        )
    return values
