"""Buildings one by one, of the classes and of the probability of the inside of a building.

Insides that stand apart are the seeds of a watershed: from them, the pixels of buildings are flooded by
falling probability, so that floods meet at the walls (Meyer 1994, "Topographic distance and watershed
lines"). A patch of building without a seed is one building. Seeds are numbered over the whole scene first
and floods keep the numbers, so that a building has one number however the scene is cut; a window sees
`HALO_PX` around it, and only a building that reaches farther from its seed may depend on the windows.
Memory is bounded by the window and the number of buildings; what is between the steps lies in a file.
"""

import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, sparse
from scipy.sparse import csgraph
from skimage.segmentation import watershed

from urbanseg.classes import CONFIDENCE_SCALE, IGNORE
from urbanseg.grid import Window, blocks
from urbanseg.io import cog, raster

Read = Callable[[Window], NDArray[np.uint8]]
"""Pixels of a window, ``(height, width)`` uint8."""
ReadMask = Callable[[Window], NDArray[np.bool_]]
Numbers = NDArray[np.uint32]

WINDOW_PX = 1024
HALO_PX = 128
"""Pixels around a window that its floods see: at 0.5 m the length of a large house."""

SEED = round(0.9 * CONFIDENCE_SCALE)
"""Least stored probability of the inside of a building in a seed: walls are thin and seldom below a half.

Of 0.5 to 0.95, the best on the validation blocks of `bench.instances`.
"""

NOTHING = 0


def write(
    target: Path,
    classes: raster.Reader,
    cores: raster.Reader,
    buildings: list[int],
    window_px: int = WINDOW_PX,
) -> int:
    """Write the raster of buildings: a number from 1 for each, uint32, 0 elsewhere.

    Args:
        target: the raster.
        classes: pixel values of classes.
        cores: probability of the inside of a building, as `classes.encode_share` stores it.
        buildings: pixel values of the classes of buildings.
        window_px: side of the windows.

    Returns:
        How many buildings there are.

    Raises:
        PipelineError: if the disk is full.
    """
    grid = classes.grid

    def is_building(window: Window) -> NDArray[np.bool_]:
        return np.isin(classes.read_band(window), buildings)

    with (
        tempfile.TemporaryFile(dir=target.parent) as first,
        tempfile.TemporaryFile(dir=target.parent) as second,
    ):
        seeds, numbers = (np.memmap(file, np.uint32, "w+", shape=grid.shape) for file in (first, second))
        count = number(numbers, seeds, is_building, cores.read_band, window_px)
        with cog.writing(target, grid, dtype="uint32", nodata=NOTHING) as output:
            for window in blocks(grid.shape, window_px):
                output.write(np.asarray(numbers[window.slices]), window)
    return count


def number(
    target: Numbers, seeds: Numbers, is_building: ReadMask, cores: Read, window_px: int = WINDOW_PX
) -> int:
    """Number the buildings of a scene from 1, by row and column of their first pixel.

    Args:
        target: ``(height, width)`` uint32 of zeros, perhaps a file; it gets the numbers.
        seeds: another one, for the work.
        is_building: reads which pixels are building.
        cores: reads the stored probability of the inside of a building; `IGNORE` counts as 0.
        window_px: side of the windows.

    Returns:
        How many buildings there are.
    """
    windows = blocks(target.shape, window_px)

    def inside(window: Window) -> NDArray[np.uint8]:
        found = cores(window)
        return np.where(found == IGNORE, 0, found).astype(np.uint8)

    def is_seed(window: Window) -> NDArray[np.bool_]:
        return is_building(window) & (inside(window) >= SEED)

    def is_left(window: Window) -> NDArray[np.bool_]:
        return is_building(window) & np.equal(target[window.slices], NOTHING)

    count = _patches(seeds, windows, is_seed, 0)
    for window in windows:
        around, core = window.grown(HALO_PX, target.shape)
        flooded = watershed(  # type: ignore[no-untyped-call]
            255 - inside(around), seeds[around.slices].astype(np.int64), mask=is_building(around)
        )
        target[window.slices] = flooded[core.slices]
    count = _patches(target, windows, is_left, count)
    return _in_order(target, windows, count)


def _patches(target: Numbers, windows: list[Window], mask: ReadMask, before: int) -> int:
    """Number the 4-connected patches of a mask from ``before + 1``, over the windows; the last number."""
    count, pairs = before, []
    for window in windows:
        found, new = ndimage.label(mask(window), output=np.int64)
        placed = np.where(found > 0, found + count, 0)
        count += new
        here = target[window.slices]
        here[placed > 0] = placed[placed > 0]
        (rows, cols) = window.slices
        for far, near in (
            (target[max(0, window.row - 1), cols], target[window.row, cols]),
            (target[rows, max(0, window.col - 1)], target[rows, window.col]),
        ):
            both = (far > before) & (near > before) & (far != near)
            pairs.append(np.unique(np.column_stack([far[both], near[both]]), axis=0).astype(np.int64))
    first, second = np.concatenate(pairs).T - before - 1
    links = sparse.coo_array((np.ones(len(first), bool), (first, second)), shape=(count - before,) * 2)
    _, roots = csgraph.connected_components(links, directed=False)
    table = np.concatenate([np.arange(before + 1), before + 1 + roots]).astype(np.uint32)
    for window in windows:
        target[window.slices] = table[target[window.slices]]
    return int(table.max(initial=0))


def _in_order(target: Numbers, windows: list[Window], count: int) -> int:
    """Number what is there from 1 by its first pixel, in place; how many there are."""
    first = np.full(count + 1, np.iinfo(np.int64).max)
    for window in windows:
        values = np.asarray(target[window.slices])
        at = np.flatnonzero(values)
        rows, cols = np.divmod(at, values.shape[1])
        places = (window.row + rows) * target.shape[1] + window.col + cols
        np.minimum.at(first, values.ravel()[at], places)
    there = np.flatnonzero(first < np.iinfo(np.int64).max)
    table = np.zeros(count + 1, np.uint32)
    table[there[np.argsort(first[there])]] = np.arange(1, len(there) + 1)
    for window in windows:
        target[window.slices] = table[target[window.slices]]
    return len(there)
