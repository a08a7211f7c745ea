"""Any raster that GDAL opens as a scene: chosen bands, on a metric grid, with one rule for missing pixels.

Nodata is defined by the first of: the nodata value of the parameters, that of the file,
the file's alpha band or mask; NaN is always nodata. Where only a mask defines it, nodata
becomes 0 and valid pixels at least 1 (whole numbers), or NaN (floating point). A pixel is
nodata if any chosen band is.
"""

import logging
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pyproj import Transformer
from rasterio.enums import ColorInterp, MaskFlags
from tqdm import tqdm

from urbanseg.config.scene import LocalScene
from urbanseg.errors import PipelineError
from urbanseg.grid import Grid, Window, blocks
from urbanseg.imagery.local import masks, warping
from urbanseg.io import cog, raster

log = logging.getLogger(__name__)

WINDOW = 1024
"""Side of the windows that are copied at a time, in pixels."""

DTYPES = ("uint8", "uint16", "int16", "uint32", "int32", "float32", "float64")


@dataclass(frozen=True)
class Missing:
    """The value of nodata pixels (None: there are none), and what defines them."""

    value: float | None
    by: Literal["value", "mask", "nothing"]


@dataclass(frozen=True)
class _Source:
    """A raster on the scene's grid: its bands, its nodata rule, its window, and a mask of valid pixels."""

    image: raster.Reader
    bands: list[int]
    missing: Missing
    window: Window
    valid: Callable[[Window], NDArray[np.bool_]] | None

    def read(self, piece: Window) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """Pixels ``(bands, height, width)`` of a window of the scene, and which of them are valid."""
        there = piece._replace(row=piece.row + self.window.row, col=piece.col + self.window.col)
        pixels = self.image.read(there, self.bands)
        present = np.ones(pixels.shape[1:], bool)
        if self.missing.by == "mask":
            present &= _unmasked(self.image, there)
        elif self.missing.by == "value":
            present &= ~(pixels == self.missing.value).any(axis=0)
        if pixels.dtype.kind == "f":
            present &= ~np.isnan(pixels).any(axis=0)
        if self.valid is not None:
            present &= self.valid(piece)
        return pixels, present


def copy(params: LocalScene, scene: Path, scl: Path, trusted: Sequence[Path] = ()) -> Grid:
    """Copy the chosen bands and area of a raster, window by window.

    The dtype stays, unless `params.scale` or `params.offset` turn the numbers into
    reflectance × 10000 (uint16, nodata 0). The grid stays, unless another is asked for or
    the raster's is not metric and north-up.

    Args:
        params: file, bands, grid, missing pixels, and area (west, south, east, north in
            degrees); the crop is by whole pixels, all that the area touches.
        scene: where to write the bands, described by their names.
        scl: where to write the scene classes, if the parameters name a mask of clouds.
        trusted: files and folders that the rasters may name, besides their own folders.

    Returns:
        The grid of the copy.

    Raises:
        PipelineError: if the file is missing, damaged or lacks a band, if it names files that
            it may not, if the area lies outside it, or if all of it is nodata.
    """
    with ExitStack() as inputs:
        opened = inputs.enter_context(raster.reading(params.path, trusted=trusted))
        bands = _bands(opened, params)
        missing = _missing(opened, params)
        image = inputs.enter_context(warping.onto_metric_grid(opened, params, trusted))
        if image is not opened and missing.by == "nothing":  # warping leaves corners without data
            missing = Missing(missing.value or 0.0, by="mask")
        window = _area(image.grid, params)
        grid = image.grid.window(window)
        mask = inputs.enter_context(masks.opened(params.mask, grid, trusted)) if params.mask else None
        if mask and mask.kind == "valid" and missing.value is None:
            missing = Missing(0.0, missing.by)
        source = _Source(image, bands, missing, window, mask.valid if mask and mask.kind == "valid" else None)
        share = _write(source, params, grid, scene)
        if mask and mask.kind != "valid":
            masks.write_classes(mask, grid, scl, WINDOW)
    log.info(
        "%s: %d × %d pixels, %.1f %% of them data", params.path.name, grid.width, grid.height, 100 * share
    )
    return grid


def _write(source: _Source, params: LocalScene, grid: Grid, scene: Path) -> float:
    """Write the scene; returns the share of its pixels that hold data."""
    scaled = params.scale is not None or params.offset is not None
    value = 0.0 if scaled else source.missing.value
    valid = 0
    with cog.writing(
        scene,
        grid,
        dtype="uint16" if scaled else source.image.info.dtype,
        count=len(source.bands),
        nodata=value,
        descriptions=list(params.bands),
        resampling="average",
    ) as out:
        for piece in tqdm(blocks(grid.shape, WINDOW), desc="copy", unit="window"):
            pixels, present = source.read(piece)
            if scaled:
                pixels = _reflectance(pixels, params)
            elif source.missing.by != "value" and value == 0 and pixels.dtype.kind != "f":
                pixels = np.maximum(pixels, 1)
            if value is not None:
                pixels[:, ~present] = value
            out.write(pixels, piece)
            valid += int(present.sum())
        if not valid:
            raise PipelineError(
                f"{params.path} holds no data in the chosen area: every pixel is nodata; "
                "choose another bbox, or correct nodata or mask"
            )
    return valid / (grid.width * grid.height)


def _reflectance(pixels: NDArray[Any], params: LocalScene) -> NDArray[np.uint16]:
    """Numbers × scale + offset, rounded, 1–65535."""
    scale = 1.0 if params.scale is None else params.scale
    exact = np.nan_to_num(pixels.astype(np.float64) * scale + (params.offset or 0.0))
    return np.clip(np.round(exact), 1, 65535).astype(np.uint16)


def _bands(source: raster.Reader, params: LocalScene) -> list[int]:
    """Numbers of the chosen bands."""
    info = source.info
    if info.dtype not in DTYPES:
        raise PipelineError(
            f"{params.path} holds {info.dtype} values; convert it to one of {', '.join(DTYPES)} "
            "with gdal_translate -ot"
        )
    known = {text.lower(): number for number, text in enumerate(info.descriptions, start=1) if text}
    numbers = []
    for name, band in params.bands.items():
        number = band if isinstance(band, int) else known.get(band.lower())
        if number is None:
            raise PipelineError(
                f"{params.path} has no band described as {band!r}, which bands.{name} asks for; its "
                f"descriptions are {', '.join(known) or 'empty, so give numbers'}"
            )
        if number > info.count:
            raise PipelineError(
                f"{params.path} has {info.count} bands, but bands.{name} asks for band {number}; "
                "correct the number"
            )
        numbers.append(number)
    return numbers


def _missing(source: raster.Reader, params: LocalScene) -> Missing:
    """The nodata rule of this file; see the module."""
    dtype = np.dtype(source.info.dtype)
    if params.nodata is not None:
        if dtype.kind != "f" and not _fits(params.nodata, dtype):
            raise PipelineError(
                f"nodata {params.nodata:g} is no {dtype} value, which {params.path} holds; correct nodata"
            )
        return Missing(params.nodata, by="value")
    if source.info.nodata is not None:
        return Missing(source.info.nodata, by="value")
    flags = [flag for band in source.dataset.mask_flag_enums for flag in band]
    masked = MaskFlags.per_dataset in flags or ColorInterp.alpha in source.dataset.colorinterp
    absent = float("nan") if dtype.kind == "f" else 0.0 if masked else None
    return Missing(absent, by="mask" if masked else "nothing")


def _unmasked(image: raster.Reader, window: Window) -> NDArray[np.bool_]:
    """Valid pixels by the alpha band or the mask; GDAL itself supports alpha of 8 and 16 bits only."""
    for number, meaning in enumerate(image.dataset.colorinterp, start=1):
        if meaning == ColorInterp.alpha:
            return np.asarray(image.read_band(window, number) > 0)
    return image.valid(window)


def _fits(value: float, dtype: np.dtype[Any]) -> bool:
    limits = np.iinfo(dtype)
    return value == int(value) and limits.min <= value <= limits.max


def _area(grid: Grid, params: LocalScene) -> Window:
    """The window of the pixels that the area touches; all of them if there is no area."""
    if params.bbox is None:
        return Window(0, 0, grid.height, grid.width)
    west, south, east, north = params.bbox
    to_grid = Transformer.from_crs(4326, grid.crs, always_xy=True)
    left, bottom, right, top = to_grid.transform_bounds(west, south, east, north, densify_pts=21)
    (col, row), (col_end, row_end) = (~grid.transform @ corner for corner in ((left, top), (right, bottom)))
    first_row, first_col = max(0, int(np.floor(row))), max(0, int(np.floor(col)))
    last_row, last_col = min(grid.height, int(np.ceil(row_end))), min(grid.width, int(np.ceil(col_end)))
    if first_row >= last_row or first_col >= last_col:
        covered = Transformer.from_crs(grid.crs, 4326, always_xy=True).transform_bounds(*grid.bounds)
        raise PipelineError(
            f"bbox {', '.join(f'{edge:g}' for edge in params.bbox)} lies outside {params.path}, which covers "
            f"{', '.join(f'{edge:.5g}' for edge in covered)} (west, south, east, north); correct bbox"
        )
    return Window(first_row, first_col, last_row - first_row, last_col - first_col)
