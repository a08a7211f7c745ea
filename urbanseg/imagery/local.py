"""Any GeoTIFF as a scene: chosen bands, an optional crop, and one rule for missing pixels.

Missing pixels follow, in this order: the nodata value of the parameters, that of the
file, or the file's alpha band or mask. Where only a mask says it, missing pixels become
0 and present ones at least 1 (whole numbers), or NaN (floating point). A pixel counts
as missing if any chosen band misses it.
"""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pyproj import Transformer
from rasterio.enums import ColorInterp, MaskFlags
from tqdm import tqdm

from urbanseg import raster
from urbanseg.errors import PipelineError
from urbanseg.grid import Grid, Window, blocks
from urbanseg.params import LocalScene

log = logging.getLogger(__name__)

WINDOW = 1024
"""Side of the pieces that are copied at a time, in pixels."""

DTYPES = ("uint8", "uint16", "int16", "uint32", "int32", "float32", "float64")


@dataclass(frozen=True)
class Missing:
    """How missing pixels are written: their value, and whether a mask of the file says which."""

    value: float | None
    masked: bool


def copy(params: LocalScene, target: Path) -> Grid:
    """Copy the chosen bands and area of a GeoTIFF, window by window, in its own dtype.

    Args:
        params: file, bands, nodata value and area (west, south, east, north in degrees);
            the crop is by whole pixels, all that the area touches.
        target: the GeoTIFF to write; bands are described by their names.

    Returns:
        The grid of the copy.

    Raises:
        PipelineError: if the file is missing, damaged, has no metric CRS or lacks a
            band, if the area lies outside it, or if nothing in it is data.
    """
    with raster.reading(params.path) as source:
        _check(source, params)
        missing = _missing(source, params)
        window = _area(source, params)
        grid = source.grid.window(window)
        valid = 0
        with raster.writing(
            target,
            grid,
            dtype=source.info.dtype,
            count=len(params.bands),
            nodata=missing.value,
            descriptions=list(params.bands),
            resampling="average",
        ) as out:
            for piece in tqdm(blocks(grid.shape, WINDOW), desc="copy", unit="window"):
                there = piece._replace(row=piece.row + window.row, col=piece.col + window.col)
                pixels, present = _read(source, there, list(params.bands.values()), missing)
                out.write(pixels, piece)
                valid += int(present.sum())
            if not valid:
                raise PipelineError(
                    f"{params.path} holds no data in the chosen area: every pixel is nodata; "
                    "choose another bbox, or correct nodata"
                )
    log.info("%s: %d × %d pixels, %.1f %% of them data", params.path.name, grid.width, grid.height,
             100 * valid / (grid.width * grid.height))  # fmt: skip
    return grid


def _check(source: raster.Reader, params: LocalScene) -> None:
    path, grid = params.path, source.grid
    if not grid.is_metric:
        raise PipelineError(
            f"{path} is in {grid.crs.name}, but areas and distances need a projected CRS in metres; "
            "warp it, for example with gdalwarp -t_srs EPSG:326xx (its UTM zone)"
        )
    if grid.transform.b or grid.transform.d or grid.transform.a <= 0 or grid.transform.e >= 0:
        raise PipelineError(f"{path} is rotated or flipped; make it north-up with gdalwarp")
    if source.info.dtype not in DTYPES:
        raise PipelineError(
            f"{path} holds {source.info.dtype} values; convert it with gdal_translate -ot to one of "
            f"{', '.join(DTYPES)}"
        )
    for name, band in params.bands.items():
        if band > source.info.count:
            raise PipelineError(
                f"{path} has {source.info.count} bands, but bands.{name} asks for band {band}; "
                "correct the number"
            )


def _missing(source: raster.Reader, params: LocalScene) -> Missing:
    """How this file says what is missing; see the module."""
    dtype = np.dtype(source.info.dtype)
    if params.nodata is not None:
        if dtype.kind != "f" and not _fits(params.nodata, dtype):
            raise PipelineError(
                f"nodata {params.nodata:g} is no {dtype} value, which {params.path} holds; correct nodata"
            )
        return Missing(params.nodata, masked=False)
    if source.info.nodata is not None:
        return Missing(source.info.nodata, masked=False)
    flags = [flag for band in source.dataset.mask_flag_enums for flag in band]
    masked = MaskFlags.per_dataset in flags or ColorInterp.alpha in source.dataset.colorinterp
    if dtype.kind == "f":
        return Missing(float("nan"), masked=masked)
    return Missing(0.0 if masked else None, masked=masked)


def _fits(value: float, dtype: np.dtype[Any]) -> bool:
    limits = np.iinfo(dtype)
    return value == int(value) and limits.min <= value <= limits.max


def _area(source: raster.Reader, params: LocalScene) -> Window:
    """The pixels that the area touches; all of them if there is no area."""
    grid = source.grid
    if params.bbox is None:
        return Window(0, 0, grid.height, grid.width)
    to_grid = Transformer.from_crs(4326, grid.crs, always_xy=True)
    left, bottom, right, top = to_grid.transform_bounds(*params.bbox, densify_pts=21)
    (col, row), (col_end, row_end) = (~grid.transform @ corner for corner in ((left, top), (right, bottom)))
    first_row, first_col = max(0, int(np.floor(row))), max(0, int(np.floor(col)))
    last_row, last_col = min(grid.height, int(np.ceil(row_end))), min(grid.width, int(np.ceil(col_end)))
    if first_row >= last_row or first_col >= last_col:
        west, south, east, north = Transformer.from_crs(grid.crs, 4326, always_xy=True).transform_bounds(
            *grid.bounds
        )
        raise PipelineError(
            f"bbox {', '.join(f'{edge:g}' for edge in params.bbox)} lies outside {params.path}, which covers "
            f"{west:.5g}, {south:.5g}, {east:.5g}, {north:.5g} (west, south, east, north); correct bbox"
        )
    return Window(first_row, first_col, last_row - first_row, last_col - first_col)


def _read(
    source: raster.Reader, window: Window, bands: list[int], missing: Missing
) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Pixels of a window with missing ones as `missing` says, and which are present."""
    pixels = source.read(window, bands)
    if missing.masked:
        present = source.valid(window)
        if pixels.dtype.kind != "f":
            pixels = np.maximum(pixels, 1)
        pixels[:, ~present] = missing.value
        return pixels, present
    if missing.value is None:
        return pixels, np.ones(pixels.shape[1:], bool)
    gone = np.isnan(pixels) if np.isnan(missing.value) else pixels == missing.value
    return pixels, np.asarray(~gone.any(axis=0))
