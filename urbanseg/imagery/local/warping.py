"""A raster on another grid, warped window by window as it is read.

A scene needs a north-up grid whose metres are metres on the ground. Rasters that have one are not
warped unless the parameters ask for another grid; others are warped to the UTM zone of their place.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from pyproj import CRS, Transformer
from pyproj.exceptions import ProjError
from rasterio.enums import Resampling
from rasterio.errors import RasterioError
from rasterio.vrt import WarpedVRT

from urbanseg.config.scene import LocalScene
from urbanseg.errors import PipelineError
from urbanseg.grid import Grid, Window, ground_scale, is_metric_at, utm_crs
from urbanseg.io import raster

_Axis = NDArray[np.float64]

COARSER = 1.05
"""Pixels larger than the source's by this factor are averages of it, so that nothing is left out."""

MARGIN_PX = 16
"""Pixels around an area that resampling may read besides, at least."""


def target(source: raster.Reader, params: LocalScene, trusted: Sequence[Path] = ()) -> Grid | None:
    """The grid to warp a raster to; None where it stays on its own.

    Args:
        source: the raster.
        params: the grid that is asked for.
        trusted: files and folders that ``like`` may name, besides its own folder.

    Raises:
        PipelineError: if the raster's coordinates are nowhere on Earth, or the grid that is
            asked for is not metric and north-up.
    """
    if params.like is not None:
        grid = raster.describe(params.like, trusted).grid
        if not (grid.is_metric and _is_north_up(grid)):
            raise PipelineError(
                f"{params.like} is no metric, north-up raster: a unit of it is no metre on the ground, or it "
                "is rotated; choose another file for like"
            )
    else:
        grid = _wanted(source, params)
    return None if grid.same_as(source.grid) else grid


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
        **kernel_scales(source.grid, grid),
        **options,
    ) as view:
        yield raster.Reader(source.path, view, grid)


def kernel_scales(source: Grid, grid: Grid) -> dict[str, str]:
    """Pixels of `grid` per pixel of `source`, by which GDAL widens its kernels.

    It would guess them from the extent of each piece, and so blur what is rotated, each piece in a way
    of its own.
    """
    ratios = (mine / theirs for mine, theirs in zip(source.pixel_m, grid.pixel_m, strict=True))
    return {key: f"{min(1.0, ratio):.6f}" for key, ratio in zip(("YSCALE", "XSCALE"), ratios, strict=True)}


def gcp_grid(source: raster.Reader) -> Grid:
    """The metric grid, as GDAL suggests it, of a raster that is placed by ground control points.

    Raises:
        PipelineError: if the points are nowhere on Earth.
    """
    longitude, latitude = _place(source, None)
    crs = source.grid.crs
    return _around(source, crs if _is_metric(crs, longitude, latitude) else utm_crs(longitude, latitude))


@contextmanager
def warped_by_gcps(source: raster.Reader, grid: Grid, resampling: Resampling) -> Iterator[raster.Reader]:
    """Open a raster that is placed by ground control points on a grid, with an alpha band.

    Args:
        source: the raster.
        grid: its `gcp_grid`; GDAL warps by the points to no other.
        resampling: rule for the values.

    Yields:
        The raster on `grid`.
    """
    options = {"resampling": resampling, "add_alpha": True}
    with WarpedVRT(source.dataset, src_crs=source.dataset.gcps[1], crs=grid.crs.to_wkt(), **options) as view:
        yield raster.Reader(source.path, view)


def rule(params: LocalScene, source: Grid, grid: Grid) -> Resampling:
    """How to resample: as the parameters say, else bilinear, or the average for larger pixels.

    Args:
        params: of the scene.
        source: grid of the raster.
        grid: to which it is warped.

    Returns:
        The rule for the values.
    """
    if params.resampling != "auto":
        return Resampling[params.resampling]
    (height, width), (from_height, from_width) = grid.pixel_m, source.pixel_m
    is_coarser = height * width > COARSER**2 * from_height * from_width
    return Resampling.average if is_coarser else Resampling.bilinear


def needed(source: Grid, grid: Grid) -> Window:
    """The window of `source` from which the pixels of `grid` are resampled, with a margin.

    Args:
        source: grid of the raster.
        grid: what is made of it.

    Returns:
        The window, clipped to the raster; of at least one pixel.
    """
    along = np.linspace(0, 1, 21)
    side, zero = np.concatenate([along, along]), np.zeros(21)
    cols = grid.width * np.concatenate([side, zero, zero + 1])
    rows = grid.height * np.concatenate([zero, zero + 1, side])
    to_source = Transformer.from_crs(grid.crs, source.crs, always_xy=True)
    x, y = to_source.transform(*_applied(grid.transform, cols, rows))
    places = _applied(~source.transform, x, y)
    if not np.isfinite(places).all():
        return Window(0, 0, *source.shape)
    (left, right), (top, bottom) = ((min(values), max(values)) for values in places)
    margin = MARGIN_PX + 2 * max((right - left) / grid.width, (bottom - top) / grid.height)
    col, row = (
        int(np.clip(left - margin, 0, source.width - 1)),
        int(np.clip(top - margin, 0, source.height - 1)),
    )
    last_col = int(np.clip(np.ceil(right + margin), col + 1, source.width))
    last_row = int(np.clip(np.ceil(bottom + margin), row + 1, source.height))
    return Window(row, col, last_row - row, last_col - col)


def _applied(transform: Affine, x: _Axis, y: _Axis) -> tuple[_Axis, _Axis]:
    a, b, c, d, e, f = transform[:6]
    return a * x + b * y + c, d * x + e * y + f


def _wanted(source: raster.Reader, params: LocalScene) -> Grid:
    """The grid by the parameters `crs`, `resolution_m` and `bbox`; the source's own, if that will do."""
    own = source.grid
    longitude, latitude = _place(source, params.bbox)
    crs = CRS.from_user_input(params.crs) if params.crs else own.crs
    is_metric = _is_metric(crs, longitude, latitude)
    if params.crs and not is_metric:
        scale = max(
            ground_scale(crs, *_projected(crs, longitude, latitude)), key=lambda metres: abs(metres - 1)
        )
        raise PipelineError(
            f"crs {params.crs} is not metric at {params.path}: its metre is {scale:.3g} m on the ground "
            "there; leave crs out for the UTM zone, or choose a local system"
        )
    if is_metric and crs == own.crs and _is_north_up(own) and params.resolution_m is None:
        return own
    return _suggested(source, crs if is_metric else utm_crs(longitude, latitude), params)


def _place(source: raster.Reader, bbox: tuple[float, float, float, float] | None) -> tuple[float, float]:
    """Longitude and latitude of the raster's centre, or of the area's point nearest to it."""
    try:
        place = Transformer.from_crs(source.grid.crs, 4326, always_xy=True).transform(*source.grid.centre)
    except ProjError:
        place = np.nan, np.nan
    if not np.isfinite(place).all() or abs(place[1]) > 90:
        x, y = source.grid.centre
        raise PipelineError(
            f"{source.path} lies nowhere on Earth: its centre, ({x:g}, {y:g}), is no place in "
            f"{source.grid.crs.name}; correct its CRS or its geotransform, with gdal_edit.py"
        )
    west, south, east, north = bbox or (-np.inf, -90, np.inf, 90)
    return float(np.clip(place[0], west, east)), float(np.clip(place[1], south, north))


def _projected(crs: CRS, longitude: float, latitude: float) -> tuple[float, float]:
    x, y = Transformer.from_crs(4326, crs, always_xy=True).transform(longitude, latitude)
    return x, y


def _is_metric(crs: CRS, longitude: float, latitude: float) -> bool:
    return is_metric_at(crs, *_projected(crs, longitude, latitude))


def _suggested(source: raster.Reader, crs: CRS, params: LocalScene) -> Grid:
    """A grid of `crs` around the raster, its edges at multiples of the resolution.

    Without `params.resolution_m`, pixels are as large as GDAL would make them, to three digits.
    """
    around = _around(source, crs)
    pixel = params.resolution_m or float(f"{around.resolution:.3g}")
    left, bottom, right, top = (edge / pixel for edge in around.bounds)
    col, row = np.floor(left + 1e-6), np.ceil(top - 1e-6)
    width, height = int(np.ceil(right - 1e-6) - col), int(row - np.floor(bottom + 1e-6))
    return Grid(crs, Affine(pixel, 0, col * pixel, 0, -pixel, row * pixel), max(1, height), max(1, width))


def _around(source: raster.Reader, crs: CRS) -> Grid:
    """The grid of `crs` that GDAL suggests for a raster."""
    try:
        with WarpedVRT(
            source.dataset, src_crs=source.dataset.crs or source.dataset.gcps[1], crs=crs.to_wkt()
        ) as view:
            return Grid(crs, view.transform, view.height, view.width)
    except RasterioError as error:
        raise PipelineError(
            f"{source.path} cannot be warped to {crs.name} ({error}); cut the part out that is on Earth, "
            "or warp it with gdalwarp"
        ) from error


def _is_north_up(grid: Grid) -> bool:
    t = grid.transform
    return bool(t.b == 0 and t.d == 0 and t.a > 0 and t.e < 0)
