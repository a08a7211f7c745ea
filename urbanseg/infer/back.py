"""A prediction on another grid than its own, strip by strip: that of the image it was made for."""

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray
from pyproj import Transformer
from rasterio.enums import Resampling
from rasterio.warp import reproject

from urbanseg.classes import IGNORE
from urbanseg.grid import BLOCK_PX, Grid, Window, strips
from urbanseg.infer.decode import DecodedLayers
from urbanseg.infer.stitching import Strip
from urbanseg.io.georeference import gdal_systems

MARGIN_PX = 2
"""Rows around those that a strip needs."""


def onto_grid(
    predicted: Iterator[Strip],
    grid: Grid,
    target: Grid,
    valid: Callable[[Window], NDArray[np.bool_]] | None = None,
) -> Iterator[Strip]:
    """Strips on another grid, by nearest neighbour.

    Memory grows with the rows of the prediction that a strip of `target` crosses: few where both
    are north up, all where one is rotated by a right angle.

    Args:
        predicted: strips of the whole prediction, top to bottom.
        grid: its grid.
        target: the other grid.
        valid: which pixels of a window of `target` may be known; all, if None.

    Yields:
        Strips that partition `target`, top to bottom; `IGNORE` where nothing is predicted.
    """
    held: list[Strip] = []
    for window in strips(target.shape, BLOCK_PX):
        there = target.window(window)
        rows = _rows(grid, there)
        while (
            held and held[0].window.row + held[0].window.height <= rows.start and _is_downward(grid, target)
        ):
            held.pop(0)
        while not held or held[-1].window.row + held[-1].window.height < rows.stop:
            strip = next(predicted, None)
            if strip is None:
                break
            held.append(strip)
        layers = _warped(held, grid, there, rows)
        result = Strip(window, layers)
        if valid is not None:
            result.hide(~valid(window))
        yield result
    for _ in predicted:  # what nobody needs is predicted nevertheless, so that its threads end
        pass


def _rows(grid: Grid, there: Grid) -> range:
    """Rows of `grid` that a part of another grid crosses."""
    along = np.linspace(0, 1, 21)
    cols = np.concatenate([along, along, 0 * along, 0 * along + 1]) * there.width
    rows = np.concatenate([0 * along, 0 * along + 1, along, along]) * there.height
    a, b, c, d, e, f = there.transform[:6]
    x, y = a * cols + b * rows + c, d * cols + e * rows + f
    if there.crs != grid.crs:
        x, y = Transformer.from_crs(there.crs, grid.crs, always_xy=True).transform(x, y)
    _, _, _, d, e, f = (~grid.transform)[:6]
    found = d * x + e * y + f
    if not np.isfinite(found).all():
        return range(grid.height)
    first = int(np.clip(np.floor(found.min()) - MARGIN_PX, 0, grid.height))
    return range(first, int(np.clip(np.ceil(found.max()) + MARGIN_PX, first, grid.height)))


def _is_downward(grid: Grid, target: Grid) -> bool:
    """Whether later strips of `target` need no earlier rows of `grid`."""
    first = target.window(Window(0, 0, 1, target.width))
    last = target.window(Window(target.height - 1, 0, 1, target.width))
    return _rows(grid, first).start <= _rows(grid, last).start


def _warped(held: list[Strip], grid: Grid, there: Grid, rows: range) -> DecodedLayers:
    """Layers of a part of the other grid, made of the strips that are held."""
    layers: DecodedLayers = {}
    system = gdal_systems(grid, there)
    for name, like in held[0].layers.items():
        parts = [strip.layers[name] for strip in held]
        first = held[0].window.row
        values = np.concatenate(parts, axis=-2)[..., max(0, rows.start - first) : rows.stop - first, :]
        top = max(first, rows.start)
        result = np.full((*like.shape[:-2], *there.shape), IGNORE, np.uint8)
        if values.shape[-2]:
            reproject(
                np.ascontiguousarray(values),
                result,
                src_transform=grid.window(Window(top, 0, values.shape[-2], grid.width)).transform,
                src_crs=system[0],
                dst_transform=there.transform,
                dst_crs=system[1],
                src_nodata=IGNORE,
                dst_nodata=IGNORE,
                resampling=Resampling.nearest,
            )
        layers[name] = result
    return layers
