"""From the grid of an image to that of its pixels for a model, in windows.

A model works on a range of pixel sizes. An image within it, on a metric north-up grid or nowhere, keeps
its own grid; others are averaged down or interpolated bilinearly as they are read.
"""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.enums import Resampling
from rasterio.errors import RasterioError
from rasterio.warp import reproject

from urbanseg.config.scene import LocalScene
from urbanseg.errors import PipelineError
from urbanseg.grid import Grid, Window, blocks
from urbanseg.imagery.local import warping
from urbanseg.io.georeference import gdal_systems
from urbanseg.io.raster import Reader
from urbanseg.model.spec import S2_NAME, Spec
from urbanseg.workflows.model_input.layers import Mask, PixelSource

SENTINEL2_M = 10.0
"""Pixels of models of Sentinel-2's bands that do not note them, in metres."""

MOST_UPSAMPLING = 4.0
"""Pixels that are so many times as large as those of the training do not show what the model looks for."""

MUCH_DOWNSAMPLING = 4.0
"""From here on, it is said that a model for smaller pixels would see more."""

LEAST_PX = 8
"""Fewer pixels along a side, of the training's size, show nothing."""

SOURCE_PX = 1 << 22
"""Pixels of the source that are held at once for a block of the result, about."""


@dataclass(frozen=True)
class Plan:
    """The grid for a model, and why it is another than the image's."""

    grid: Grid
    sentence: str = ""
    warning: str = ""


def resolution(spec: Spec) -> float | None:
    """Side in metres of the pixels that a model was trained on; None if it cannot be told."""
    if spec.resolution_m is None and all(map(S2_NAME.fullmatch, spec.bands)):
        return SENTINEL2_M
    return spec.resolution_m


def plan(image: Reader, grid: Grid, spec: Spec, *, is_placed: bool, force: bool = False) -> Plan:
    """The grid on which a model sees an image.

    Args:
        image: the open image, of which GDAL suggests grids.
        grid: of its pixels: that of `image`, or with another pixel size where it is nowhere.
        spec: of the model.
        is_placed: whether the grid is somewhere on Earth.
        force: warn of what would be refused.

    Returns:
        The image's own grid, if that will do.

    Raises:
        PipelineError: if pixels are too large for the model, or too few, or the image is nowhere on Earth.
    """
    trained = resolution(spec)
    pixel = math.sqrt(math.prod(grid.pixel_m))
    wanted, warning = None, ""
    if trained is not None:
        within = spec.resolution_factor * 1.001
        wanted = None if 1 / within <= pixel / trained <= within else trained
        warning = _judged(image, grid, pixel, trained, force=force)
    if not is_placed:
        target = grid if wanted is None else _scaled_to(grid, wanted)
    else:
        params = LocalScene(provider="local", path=image.path, bands={"x": 1}, resolution_m=wanted)
        target = warping.target(image, params) or grid
    if target.same_as(grid):
        return Plan(grid, warning=warning)
    size = math.sqrt(math.prod(target.pixel_m))
    if wanted:
        sentence = (
            f"resampled from {pixel:.3g} m to {size:.3g} m, as the model was trained on {trained:.3g} m"
        )
    else:
        sentence = f"warped to {target.crs.name}, {size:.3g} m, as a model sees square pixels in metres"
    return Plan(target, sentence, warning)


def _judged(image: Reader, grid: Grid, pixel: float, trained: float, *, force: bool) -> str:
    """A warning about an image's pixel size, or none.

    Raises:
        PipelineError: if the size is hopeless, unless `force`.
    """
    ratio = pixel / trained
    if ratio > MOST_UPSAMPLING:
        problem = (
            f"{image.path} has pixels of {pixel:.3g} m, but the model was trained on {trained:.3g} m "
            f"and looks for what pixels {ratio:.3g} times as large do not show; name one for such pixels "
            "with --model"
        )
    elif min(grid.shape) * ratio < LEAST_PX:
        across = " × ".join(f"{side * pixel:.3g}" for side in grid.shape)
        problem = (
            f"{image.path} covers {across} m, which are fewer than {LEAST_PX} of the model's pixels of "
            f"{trained:.3g} m along a side; name a model for smaller pixels with --model, or a larger image"
        )
    elif ratio < 1 / MUCH_DOWNSAMPLING:
        return (
            f"{image.path}: pixels of {pixel:.3g} m are averaged to {trained:.3g} m; a model that was "
            "trained on smaller pixels would see more of it"
        )
    else:
        return ""
    if not force:
        raise PipelineError(f"{problem}, or add --force to map it nevertheless")
    return problem


def _scaled_to(grid: Grid, pixel: float) -> Grid:
    """About the same area in pixels of another size, for images that are nowhere."""
    height, width = (
        max(1, round(n * side / pixel)) for n, side in zip(grid.shape, grid.pixel_m, strict=True)
    )
    return Grid(
        grid.crs,
        grid.transform @ grid.transform.scale(grid.width / width, grid.height / height),
        height,
        width,
    )


class Resampled:
    """A source on another grid. Pixels are float32; those that are missing are 0."""

    def __init__(self, source: PixelSource, grid: Grid) -> None:
        """Resample by the average to larger pixels, else bilinearly."""
        self.source, self._grid = source, grid
        params = LocalScene(provider="local", path=Path(), bands={"x": 1})
        self.rule: Resampling = warping.rule(params, source.grid, grid)
        ratio = math.prod(grid.pixel_m) / math.prod(source.grid.pixel_m)
        self.side = int(np.clip(math.sqrt(SOURCE_PX / ratio), 16, 1024))
        self.last: tuple[Window, NDArray[np.float32], Mask] | None = None

    @property
    def grid(self) -> Grid:
        """The other grid."""
        return self._grid

    def read(self, window: Window) -> NDArray[np.float32]:
        """Pixels of a window, ``(bands, height, width)``."""
        return self._at(window)[1]

    def valid(self, window: Window) -> Mask:
        """Which pixels of a window are made of pixels that hold data, ``(height, width)``."""
        return self._at(window)[2]

    def decimated(self, max_side: int) -> np.ma.MaskedArray[Any, Any]:
        """All of the source, on its own grid, with no side above `max_side`."""
        return self.source.decimated(max_side)

    def _at(self, window: Window) -> tuple[Window, NDArray[np.float32], Mask]:
        if self.last is None or self.last[0] != window:
            parts = [(piece, self._block(window, piece)) for piece in self._pieces(window)]
            pixels = np.empty((len(parts[0][1]), window.height, window.width), np.float32)
            for piece, values in parts:
                pixels[:, *piece.slices] = values
            valid: Mask = np.asarray(np.isfinite(pixels).all(axis=0))
            pixels[:, ~valid] = 0
            self.last = window, pixels, valid
        return self.last

    def _pieces(self, window: Window) -> list[Window]:
        return blocks((window.height, window.width), self.side)

    def _block(self, window: Window, piece: Window) -> NDArray[np.float32]:
        """A block of a window, NaN where it is missing."""
        grid = self._grid.window(piece._replace(row=piece.row + window.row, col=piece.col + window.col))
        there = warping.needed(self.source.grid, grid)
        pixels = self.source.read(there).astype(np.float32)
        pixels[:, ~self.source.valid(there)] = np.nan
        return warped(pixels, self.source.grid.window(there), grid, self.rule)


def warped(
    pixels: NDArray[np.float32], source: Grid, grid: Grid, resampling: Resampling
) -> NDArray[np.float32]:
    """Pixels on another grid.

    Args:
        pixels: ``(bands, height, width)``, NaN where they are missing.
        source: their grid.
        grid: the other grid.
        resampling: rule for the values.

    Returns:
        ``(bands, height, width)``, NaN where nothing is known.

    Raises:
        PipelineError: if GDAL cannot warp there.
    """
    result = np.full((len(pixels), *grid.shape), np.nan, np.float32)
    systems = gdal_systems(source, grid)
    try:
        reproject(
            pixels,
            result,
            src_transform=source.transform,
            src_crs=systems[0],
            dst_transform=grid.transform,
            dst_crs=systems[1],
            src_nodata=np.nan,
            dst_nodata=np.nan,
            resampling=resampling,
            **warping.kernel_scales(source, grid),
        )
    except (RasterioError, rasterio._err.CPLE_BaseError) as error:  # noqa: SLF001, GDAL's own errors
        raise PipelineError(
            f"the image cannot be warped to {grid.crs.name} ({error}); cut the part out that is on Earth"
        ) from error
    return result
