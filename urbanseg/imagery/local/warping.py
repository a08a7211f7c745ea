"""A raster on another grid, warped window by window as it is read.

A scene needs a metric, north-up grid. Rasters that have one are not warped unless the
parameters ask for another grid; others are warped to the UTM zone of their centre.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from affine import Affine
from pyproj import CRS, Transformer
from rasterio.enums import ColorInterp, Resampling
from rasterio.vrt import WarpedVRT

from urbanseg.config.scene import LocalScene
from urbanseg.errors import PipelineError
from urbanseg.grid import Grid, utm_crs
from urbanseg.io import raster


@contextmanager
def onto_metric_grid(
    source: raster.Reader, params: LocalScene, trusted: Sequence[Path] = ()
) -> Iterator[raster.Reader]:
    """The raster on the grid that the parameters ask for; itself, if it needs no warping.

    Args:
        source: the raster.
        params: the grid, and how to resample.
        trusted: files and folders that ``like`` may name, besides its own folder.

    Yields:
        The raster, on its own grid or warped.

    Raises:
        PipelineError: if the grid to take over (``like``) is not metric and north-up.
    """
    grid = _wanted(source, params, trusted)
    if grid is None or grid.same_as(source.grid):
        yield source
        return
    nodata = source.info.nodata if params.nodata is None else params.nodata
    alpha = nodata is None and ColorInterp.alpha not in source.dataset.colorinterp
    with warped(
        source, grid, Resampling[params.resampling], src_nodata=nodata, nodata=nodata, add_alpha=alpha
    ) as image:
        yield image


@contextmanager
def warped(
    source: raster.Reader, grid: Grid, resampling: Resampling = Resampling.nearest, **options: Any
) -> Iterator[raster.Reader]:
    """Open a raster on another grid.

    Args:
        source: the raster.
        grid: to warp it to.
        resampling: rule for the values.
        **options: others of rasterio's ``WarpedVRT``.

    Yields:
        The raster on `grid`; outside its own extent there is nodata, or 0.
    """
    with WarpedVRT(
        source.dataset,
        crs=grid.crs.to_wkt(),
        transform=grid.transform,
        height=grid.height,
        width=grid.width,
        resampling=resampling,
        **options,
    ) as view:
        yield raster.Reader(source.path, view)


def _wanted(source: raster.Reader, params: LocalScene, trusted: Sequence[Path]) -> Grid | None:
    """The grid to warp to; None to stay on the raster's own."""
    if params.like is not None:
        grid = raster.describe(params.like, trusted).grid
        if not (grid.is_metric and _is_north_up(grid)):
            raise PipelineError(f"{params.like} is no metric, north-up raster; choose another file for like")
        return grid
    fit = source.grid.is_metric and _is_north_up(source.grid)
    target = CRS.from_user_input(params.crs) if params.crs else source.grid.crs
    if fit and target == source.grid.crs and params.resolution_m is None:
        return None
    return _suggested(source, target if params.crs or source.grid.is_metric else _zone(source.grid), params)


def _suggested(source: raster.Reader, crs: CRS, params: LocalScene) -> Grid:
    """A grid of `crs` around the raster, its edges at multiples of the resolution.

    Without `params.resolution_m`, pixels are as large as GDAL would make them, to three digits.
    """
    with WarpedVRT(source.dataset, crs=crs.to_wkt()) as view:
        around = Grid(crs, view.transform, view.height, view.width)
    pixel = params.resolution_m or float(f"{around.resolution:.3g}")
    left, bottom, right, top = (edge / pixel for edge in around.bounds)
    col, row = np.floor(left + 1e-6), np.ceil(top - 1e-6)
    width, height = int(np.ceil(right - 1e-6) - col), int(row - np.floor(bottom + 1e-6))
    return Grid(crs, Affine(pixel, 0, col * pixel, 0, -pixel, row * pixel), max(1, height), max(1, width))


def _zone(grid: Grid) -> CRS:
    """The UTM zone of a grid's centre."""
    centre = grid.transform @ (grid.width / 2, grid.height / 2)
    return utm_crs(*Transformer.from_crs(grid.crs, 4326, always_xy=True).transform(*centre))


def _is_north_up(grid: Grid) -> bool:
    t = grid.transform
    return bool(t.b == 0 and t.d == 0 and t.a > 0 and t.e < 0)
