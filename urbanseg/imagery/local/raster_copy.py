"""Any raster that GDAL opens as a scene: chosen bands, on a metric grid, with one rule for missing pixels.

The rule is that of `io.raster`, over the chosen bands: alpha or mask, the nodata value in all of
them, no number in one. The nodata value of the parameters replaces those of the file. Missing pixels
get one value in all bands: the nodata value, if the bands have but one, else 0 (whole numbers) or
NaN (floating point); where that value is new, valid pixels are moved off it, by 1.

A raster that must be warped is first copied in its own grid, in the type of the scene and with a
mask by this rule, because GDAL warps each band by a rule of its own.
"""

import logging
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from pyproj import Transformer
from rasterio.errors import RasterioError
from tqdm import tqdm

from urbanseg.config.scene import LocalScene
from urbanseg.errors import PipelineError
from urbanseg.grid import BLOCK_PX, Grid, Window, blocks
from urbanseg.imagery.local import masks, warping
from urbanseg.io import cog, files, georeference, raster

log = logging.getLogger(__name__)

WINDOW = 1024
"""Side of the windows that are copied at a time, in pixels."""

FLOATS = ("float32", "float64")
DTYPES = ("uint8", "uint16", "int16", "uint32", "int32", *FLOATS)


FLAT = {
    "photometric": "minisblack", "bigtiff": "if_safer", "tiled": True, "blockxsize": BLOCK_PX,
    "blockysize": BLOCK_PX, "compress": "zstd", "zstd_level": 1,
}  # fmt: skip
"""Of the GeoTIFF that is warped."""


@dataclass(frozen=True)
class _Source:
    """The chosen bands of a raster, the rule for missing pixels, and the value that they get."""

    image: raster.Reader
    bands: list[int]
    nodata: list[float | None]
    """Of each chosen band, in the raster."""
    value: float | None
    """Of missing pixels in the scene; None if there are none."""
    is_new: bool
    """Whether valid pixels may hold `value`, so that they are moved off it."""

    def read(self, window: Window) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """Pixels ``(bands, height, width)`` of a window of the raster, and which of them are valid."""
        pixels = self.image.read(window, self.bands)
        return pixels, raster.present(pixels, self.nodata) & self.image.unmasked(window, self.bands)


def copy(params: LocalScene, scene: Path, scl: Path, trusted: Sequence[Path] = ()) -> Grid:
    """Copy the chosen bands and area of a raster, window by window.

    The type is that which holds all chosen bands, unless `params.scale` or `params.offset` turn the
    numbers into reflectance × 10000 (uint16, nodata 0). The grid stays, unless another is asked for or
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
        opened = inputs.enter_context(raster.reading(params.path, trusted=trusted, gcps=True))
        draft = scene.with_name(f"{scene.name}.unwarped.tif")
        source = inputs.enter_context(_on_grid(_source(opened, params), params, draft))
        target = warping.target(source.image, params, trusted)
        window = _area(target or source.image.grid, params)
        grid = (target or source.image.grid).window(window)
        if target is not None:
            draft = draft.with_suffix(".2.tif")
            source = inputs.enter_context(_warped(source, grid, params, draft))
            window = Window(0, 0, *grid.shape)
        mask = inputs.enter_context(masks.opened(params.mask, grid, trusted)) if params.mask else None
        valid = mask if mask and mask.kind == "valid" else None
        if valid and source.value is None:
            source = replace(source, value=0.0, is_new=True)
        share = _write(source, window, valid, params, grid, scene)
        if mask and mask.kind != "valid":
            masks.write_classes(mask, grid, scl, WINDOW)
    log.info(
        "%s: %d × %d pixels, %.1f %% of them data", params.path.name, grid.width, grid.height, 100 * share
    )
    return grid


@contextmanager
def placed(image: raster.Reader, bands: list[int], draft: Path) -> Iterator[tuple[raster.Reader, list[int]]]:
    """An image on a grid: warped by its ground control points, if they place it, else as it is.

    Args:
        image: the open image.
        bands: 1-based numbers of the bands that are wanted.
        draft: where to keep them meanwhile.

    Yields:
        The image, and the numbers of the bands in it.
    """
    chosen = {str(position): number for position, number in enumerate(bands)}
    params = LocalScene(provider="local", path=image.path, bands=chosen)
    with _on_grid(_source(image, params), params, draft) as source:
        yield source.image, source.bands


@contextmanager
def _on_grid(source: _Source, params: LocalScene, draft: Path) -> Iterator[_Source]:
    """The source, warped by its ground control points if they place it."""
    image = source.image
    if not georeference.is_placed_by_gcps(image.dataset):
        yield source
        return
    grid = warping.gcp_grid(image)
    name, size = grid.crs.name, grid.resolution
    log.info("%s: warped by its ground control points to %s, %.3g m", image.path, name, size)
    resampling = warping.rule(params, image.grid, grid)
    whole = Window(0, 0, *image.grid.shape)
    with _flat(source, whole, draft) as flat, warping.warped_by_gcps(flat, grid, resampling) as view:
        yield _masked(source, view)


def _write(
    source: _Source, window: Window, mask: masks.Mask | None, params: LocalScene, grid: Grid, scene: Path
) -> float:
    """Write a window of the source as the scene; returns the share of its pixels that hold data."""
    scaled = params.scale is not None or params.offset is not None
    value = 0.0 if scaled else source.value
    valid = 0
    with cog.writing(
        scene,
        grid,
        dtype="uint16" if scaled else _dtype(source),
        count=len(source.bands),
        nodata=value,
        descriptions=list(params.bands),
        resampling="average",
    ) as out:
        for piece in tqdm(blocks(grid.shape, WINDOW), desc="copy", unit="window"):
            pixels, present = source.read(
                piece._replace(row=piece.row + window.row, col=piece.col + window.col)
            )
            if mask is not None:
                present &= mask.valid(piece)
            if scaled:
                pixels = _reflectance(pixels, params)
            elif source.is_new and value is not None:
                pixels[pixels == value] += 1 if raster.fits(value + 1, pixels.dtype.name) else -1
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


@contextmanager
def _warped(source: _Source, grid: Grid, params: LocalScene, draft: Path) -> Iterator[_Source]:
    """The source on another grid."""
    window = warping.needed(source.image.grid, grid)
    resampling = warping.rule(params, source.image.grid.window(window), grid)
    with _flat(source, window, draft) as flat, warping.warped(flat, grid, resampling, add_alpha=True) as view:
        yield _masked(source, view)


def _masked(source: _Source, image: raster.Reader) -> _Source:
    """A source that was warped: its missing pixels are by alpha, and interpolation may make any value."""
    value = (np.nan if _dtype(source) in FLOATS else 0.0) if source.value is None else source.value
    count = len(source.bands)
    return _Source(image, list(range(1, count + 1)), [None] * count, value, is_new=True)


@contextmanager
def _flat(source: _Source, window: Window, path: Path) -> Iterator[raster.Reader]:
    """A window of the source as a plain GeoTIFF with a mask, removed afterwards."""
    dataset, grid = source.image.dataset, source.image.grid.window(window)
    place = {"crs": grid.crs.to_wkt(), "transform": grid.transform}
    if georeference.is_placed_by_gcps(dataset):
        place = dict(zip(("gcps", "crs"), dataset.gcps, strict=True))
    size = {"count": len(source.bands), "height": grid.height, "width": grid.width, "dtype": _dtype(source)}
    try:
        try:
            with (
                rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True),
                rasterio.open(path, "w", driver="GTiff", **place, **size, **FLAT) as out,
            ):
                for piece in tqdm(blocks(grid.shape, WINDOW), desc="copy before warping", unit="window"):
                    there = piece._replace(row=piece.row + window.row, col=piece.col + window.col)
                    pixels, present = source.read(there)
                    pixels[:, ~present] = 0
                    out.write(pixels, window=raster.rasterio_window(piece))
                    out.write_mask(present, window=raster.rasterio_window(piece))
        except (RasterioError, rasterio._err.CPLE_BaseError) as error:  # noqa: SLF001, GDAL's own errors
            raise PipelineError(f"{path} cannot be written ({error}); is the disk full?") from error
        with raster.reading(path, gcps=True) as flat:
            yield flat
    finally:
        files.remove(path)


def _reflectance(pixels: NDArray[Any], params: LocalScene) -> NDArray[np.uint16]:
    """Numbers × scale + offset, rounded, 1–65535."""
    scale = 1.0 if params.scale is None else params.scale
    exact = np.nan_to_num(pixels.astype(np.float64) * scale + (params.offset or 0.0))
    return np.clip(np.round(exact), 1, 65535).astype(np.uint16)


def _dtype(source: _Source) -> str:
    """The type that holds the chosen bands."""
    return raster.common_dtype(source.image.info.dtypes[number - 1] for number in source.bands)


def _bands(source: raster.Reader, params: LocalScene) -> list[int]:
    """Numbers of the chosen bands."""
    info = source.info
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
        if (dtype := info.dtypes[number - 1]) not in DTYPES:
            raise PipelineError(
                f"{params.path} holds {dtype} values; convert it to one of {', '.join(DTYPES)} "
                "with gdal_translate -ot"
            )
        numbers.append(number)
    return numbers


def _source(image: raster.Reader, params: LocalScene) -> _Source:
    """The chosen bands of a raster with the rule for its missing pixels; see the module."""
    bands = _bands(image, params)
    source = _Source(image, bands, [image.info.nodatavals[number - 1] for number in bands], None, is_new=True)
    dtype = _dtype(source)
    if params.nodata is not None:
        if not raster.fits(params.nodata, dtype):
            raise PipelineError(
                f"nodata {params.nodata:g} is no {dtype} value, which {params.path} holds; correct nodata"
            )
        source = replace(source, nodata=[params.nodata] * len(bands))
    values = {value for value in source.nodata if value is not None and abs(value) < raster.NO_MEASUREMENT}
    if len(values) == 1:
        return replace(source, value=values.pop(), is_new=False)
    if dtype in FLOATS:
        return replace(source, value=np.nan)
    return replace(source, value=0.0) if values or image.has_mask(bands) else source


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
