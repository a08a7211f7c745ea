"""Reading rasters by window; errors of GDAL become messages that name the file. `cog` writes them."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from affine import Affine
from numpy.typing import NDArray
from pyproj import CRS
from rasterio.enums import MaskFlags, Resampling
from rasterio.errors import RasterioIOError
from rasterio.io import DatasetReader
from rasterio.windows import Window as RasterioWindow

from urbanseg.config.addresses import address
from urbanseg.errors import PipelineError, require_readable
from urbanseg.grid import Grid, Window
from urbanseg.io import gdal_access

CACHE_BYTES = 64 << 20
"""GDAL's cache under `small_cache`: a row of blocks of several rasters, 50,000 pixels wide."""


@dataclass(frozen=True)
class RasterInfo:
    """Metadata of a raster."""

    grid: Grid
    count: int
    dtype: str
    nodata: float | None
    descriptions: tuple[str, ...]


class Reader:
    """An open raster that is read by `Window`."""

    def __init__(self, path: Path, dataset: DatasetReader, fallback_crs: CRS | None = None) -> None:
        self.path = path
        self.dataset = dataset
        self.info = _info(path, dataset, fallback_crs)

    @property
    def grid(self) -> Grid:
        """The raster's grid."""
        return self.info.grid

    def read(self, window: Window | None = None, bands: Sequence[int] | None = None) -> NDArray[Any]:
        """Pixels of `window` (all, if None) as ``(bands, height, width)``, in the file's dtype.

        The window must lie inside the raster; `bands` are 1-based.

        Raises:
            PipelineError: if the file is truncated or damaged.
        """
        return self._read(self.dataset.read, window, list(bands) if bands else None)

    def read_band(self, window: Window | None = None, band: int = 1) -> NDArray[Any]:
        """Pixels of one band as ``(height, width)``; see `read`."""
        return self._read(self.dataset.read, window, band)

    def valid(self, window: Window | None = None) -> NDArray[np.bool_]:
        """Which pixels hold data in every band, by nodata value or alpha: ``(height, width)``."""
        if all(MaskFlags.all_valid in flags for flags in self.dataset.mask_flag_enums):
            shape = self.grid.shape if window is None else (window.height, window.width)
            return np.ones(shape, bool)
        masks = self._read(self.dataset.read_masks, window, list(range(1, self.info.count + 1)))
        return np.asarray((masks > 0).all(axis=0))

    def decimated(
        self, max_side: int, bands: Sequence[int] | None = None, resampling: str = "nearest"
    ) -> np.ma.MaskedArray[Any, Any]:
        """The whole raster on ``grid.shrunk(max_side)``.

        GDAL reads the nearest overview and a strip at a time, so memory is bounded by the
        result.

        Args:
            max_side: longest side of the result in pixels.
            bands: numbers of the bands, from 1; all if None.
            resampling: ``nearest``, ``average`` or ``mode``.

        Returns:
            ``(bands, height, width)``, nodata masked.

        Raises:
            PipelineError: if the file is truncated or damaged.
        """
        shape = self.grid.shrunk(max_side).shape
        wanted = list(bands) if bands else list(range(1, self.info.count + 1))
        values: np.ma.MaskedArray[Any, Any] = self._attempt(
            lambda: self.dataset.read(
                wanted, out_shape=(len(wanted), *shape), resampling=Resampling[resampling], masked=True
            )
        )
        return values

    def _read(self, method: Any, window: Window | None, bands: Any) -> NDArray[Any]:
        area = None if window is None else rasterio_window(window)
        return np.asarray(self._attempt(lambda: method(bands, window=area)))

    def _attempt(self, read: Callable[[], Any]) -> Any:
        try:
            return read()
        except RasterioIOError as error:
            if address(self.path) is None:
                require_readable(self.path)
            raise PipelineError(
                f"{self.path} cannot be read to its end: the file is truncated or damaged; "
                "fetch or copy it again"
            ) from error


@contextmanager
def reading(path: Path, fallback_crs: CRS | None = None, trusted: Sequence[Path] = ()) -> Iterator[Reader]:
    """Open a raster.

    Args:
        path: a file, or an address of http or https.
        fallback_crs: CRS of a raster without one, with pixels of 1 m; None if that is an error.
        trusted: files and folders that the raster may name, besides its own folder.

    Yields:
        The open raster.

    Raises:
        PipelineError: if it is missing, is no raster, has no CRS, or names files outside `trusted`.
    """
    with gdal_access.opened(path, trusted) as dataset:
        yield Reader(path, dataset, fallback_crs)


def describe(path: Path, trusted: Sequence[Path] = ()) -> RasterInfo:
    """Metadata of the raster at `path`; raises as `reading` does."""
    with reading(path, trusted=trusted) as raster:
        return raster.info


def require_same_grid(path: Path, grid: Grid, other_path: Path, other: Grid) -> None:
    """Check that two rasters are on the same grid.

    Args:
        path: of the one raster, for the message.
        grid: of the one raster.
        other_path: of the other raster, for the message.
        other: grid of the other raster.

    Raises:
        PipelineError: if the grids differ, with both files and both grids.
    """
    if not grid.same_as(other):
        raise PipelineError(
            f"{path} and {other_path} lie on different grids ({_format(grid)} against {_format(other)}); "
            "warp one onto the other, for example with gdalwarp -tr -te -t_srs"
        )


@contextmanager
def small_cache() -> Iterator[None]:
    """Bound GDAL's cache of blocks; left alone, it takes 5 % of the machine's memory as a scene goes by."""
    with rasterio.Env(GDAL_CACHEMAX=CACHE_BYTES):
        yield


def _info(path: Path, dataset: DatasetReader, fallback_crs: CRS | None) -> RasterInfo:
    if dataset.crs is not None:
        grid = Grid(CRS.from_wkt(dataset.crs.to_wkt()), dataset.transform, dataset.height, dataset.width)
    elif fallback_crs is not None:
        grid = Grid(fallback_crs, Affine(1, 0, 0, 0, -1, dataset.height), dataset.height, dataset.width)
    else:
        raise PipelineError(
            f"{path} has no coordinate reference system; assign one, "
            f"for example with gdal_edit.py -a_srs EPSG:32640 {path}"
        )
    return RasterInfo(
        grid=grid,
        count=dataset.count,
        dtype=dataset.dtypes[0],
        nodata=dataset.nodata,
        descriptions=tuple(text or "" for text in dataset.descriptions),
    )


def rasterio_window(window: Window) -> RasterioWindow:
    """A window as rasterio has it."""
    return RasterioWindow(window.col, window.row, window.width, window.height)


def _format(grid: Grid) -> str:
    left, _, _, top = grid.bounds
    code = grid.crs.to_authority()
    name = ":".join(code) if code else grid.crs.name
    return f"{name}, {grid.width} × {grid.height} pixels of {grid.resolution:g} from ({left:g}, {top:g})"
