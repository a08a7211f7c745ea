"""Reading rasters by window; errors of GDAL become messages that name the file. `cog` writes them.

Here is the one rule for missing pixels, of scenes and of any image. A pixel is missing if

- the alpha band or the mask says so, or
- all bands that are read, of those with a nodata value, hold it: water that is 0 in one band is data, or
- a band holds no measurement: NaN, an infinity, or a number beyond `NO_MEASUREMENT`, which only
  stands for nodata.

Nodata values are compared within the rounding of six digits, as text keeps them.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from pyproj import CRS
from rasterio.enums import ColorInterp, MaskFlags, Resampling
from rasterio.errors import RasterioIOError
from rasterio.io import DatasetReader
from rasterio.windows import Window as RasterioWindow

from urbanseg.config.addresses import address
from urbanseg.errors import PipelineError, require_readable
from urbanseg.grid import Grid, Window
from urbanseg.io import gdal_access, georeference

CACHE_BYTES = 64 << 20
"""GDAL's cache under `small_cache`: a row of blocks of several rasters, 50,000 pixels wide."""

NO_MEASUREMENT = 1e30
"""Floating-point values of this size are nodata by themselves, such as the type's lowest."""

ROUNDING = 2e-6
"""Relative difference of a floating-point value and a nodata value that are the same."""


@dataclass(frozen=True)
class RasterInfo:
    """Metadata of a raster."""

    grid: Grid
    count: int
    dtypes: tuple[str, ...]
    """Of each band."""
    nodatavals: tuple[float | None, ...]
    """Nodata value of each band, if it has one and its type can hold it."""
    descriptions: tuple[str, ...]

    @property
    def dtype(self) -> str:
        """The type that holds all bands."""
        return common_dtype(self.dtypes)

    @property
    def nodata(self) -> float | None:
        """Nodata value of the first band."""
        return self.nodatavals[0]


class Reader:
    """An open raster that is read by `Window`."""

    def __init__(self, path: Path, dataset: DatasetReader, grid: Grid | None = None) -> None:
        self.path = path
        self.dataset = dataset
        self.info = _info(dataset, grid or georeference.find(path, dataset))
        colors = dataset.colorinterp
        self.alpha = colors.index(ColorInterp.alpha) + 1 if ColorInterp.alpha in colors else None
        """Number of the alpha band, if there is one."""

    @property
    def grid(self) -> Grid:
        """The raster's grid."""
        return self.info.grid

    def read(self, window: Window | None = None, bands: Sequence[int] | None = None) -> NDArray[Any]:
        """Pixels of `window` (all, if None) as ``(bands, height, width)``, in the type that holds them.

        The window must lie inside the raster; `bands` are 1-based.

        Raises:
            PipelineError: if the file is truncated or damaged.
        """
        numbers = list(bands) if bands else list(self.dataset.indexes)
        dtypes = {self.info.dtypes[number - 1] for number in numbers}
        if len(dtypes) == 1:
            return self._read(self.dataset.read, window, numbers)
        dtype = common_dtype(dtypes)  # rasterio reads no bands of different types at once
        return np.stack([self.read_band(window, number).astype(dtype) for number in numbers])

    def read_band(self, window: Window | None = None, band: int = 1) -> NDArray[Any]:
        """Pixels of one band as ``(height, width)``; see `read`."""
        return self._read(self.dataset.read, window, band)

    def valid(self, window: Window | None = None, bands: Sequence[int] | None = None) -> NDArray[np.bool_]:
        """Which pixels hold data, by the rule of this module: ``(height, width)``.

        Args:
            window: which must lie inside the raster; all of it if None.
            bands: 1-based numbers of the bands that count; all but alpha if None.
        """
        numbers = list(bands or [n for n in self.dataset.indexes if n != self.alpha])
        nodata = [self.info.nodatavals[number - 1] for number in numbers]
        kinds = {np.dtype(self.info.dtypes[number - 1]).kind for number in numbers}
        if kinds <= {"u", "i"} and set(nodata) == {None}:
            return self.unmasked(window, numbers)
        return present(self.read(window, numbers), nodata) & self.unmasked(window, numbers)

    def unmasked(self, window: Window | None, bands: Sequence[int]) -> NDArray[np.bool_]:
        """Which pixels the alpha band, of any depth, or the mask leaves; all if there is neither.

        Args:
            window: which must lie inside the raster; all of it if None.
            bands: that are read; an alpha band among them is data.

        Returns:
            ``(height, width)``.
        """
        if not self.has_mask(bands):
            return np.ones(self.grid.shape if window is None else (window.height, window.width), bool)
        if self.alpha is not None:  # GDAL's own mask is of alpha of 8 and 16 bits only
            return np.asarray(self.read_band(window, self.alpha) > 0)
        return np.asarray(self._read(self.dataset.read_masks, window, 1) > 0)

    def has_mask(self, bands: Sequence[int]) -> bool:
        """Whether a mask says what is missing, or an alpha band that is not among `bands`."""
        if self.alpha is not None:
            return self.alpha not in bands
        return MaskFlags.per_dataset in self.dataset.mask_flag_enums[0]

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
        options = {"out_shape": shape, "resampling": Resampling[resampling], "masked": True}
        numbers = list(bands or self.dataset.indexes)
        values: np.ma.MaskedArray[Any, Any] = self._attempt(
            lambda: np.ma.stack([self.dataset.read(number, **options) for number in numbers])
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
def reading(
    path: Path, fallback_crs: CRS | None = None, trusted: Sequence[Path] = (), *, gcps: bool = False
) -> Iterator[Reader]:
    """Open a raster.

    Args:
        path: a file, or an address of http or https.
        fallback_crs: of a raster that doesn't say where it lies; see `georeference.find`.
        trusted: files and folders that the raster may name, besides its own folder.
        gcps: whether the raster may be placed by ground control points; it is not warped here.

    Yields:
        The open raster.

    Raises:
        PipelineError: if it is missing, is no raster, doesn't say where it lies, or names files
            outside `trusted`.
    """
    with gdal_access.opened(path, trusted) as dataset:
        yield Reader(path, dataset, georeference.find(path, dataset, fallback_crs, gcps=gcps))


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


def common_dtype(dtypes: Iterable[str]) -> str:
    """The smallest type that holds all values of some types."""
    different = set(dtypes)
    if len(different) == 1:
        return different.pop()
    held = np.result_type(*different)
    return "float64" if held.kind in "ui" and held.itemsize > 4 else held.name


def present(pixels: NDArray[Any], nodata: Sequence[float | None]) -> NDArray[np.bool_]:
    """Which pixels hold data by their values; see the module.

    Args:
        pixels: ``(bands, height, width)`` of any real dtype.
        nodata: value of each band, None if it has none.

    Returns:
        ``(height, width)``.
    """
    held = np.ones(pixels.shape[1:], bool)
    with np.errstate(over="ignore", invalid="ignore"):
        marked = [
            _equal(band, value) for band, value in zip(pixels, nodata, strict=True) if value is not None
        ]
        if marked:
            held &= ~np.logical_and.reduce(marked)
        if pixels.dtype.kind == "f":
            held &= (np.abs(pixels) < NO_MEASUREMENT).all(axis=0)  # NaN is not
    return held


def fits(value: float, dtype: str) -> bool:
    """Whether a type can hold a nodata value."""
    kind = np.dtype(dtype)
    if kind.kind not in "ui":
        return bool(np.isnan(value) or abs(value) <= float(np.finfo(kind).max) * (1 + ROUNDING))
    limits = np.iinfo(kind)
    return limits.min <= value <= limits.max and value == int(value)


def _equal(band: NDArray[Any], value: float) -> NDArray[np.bool_]:
    if band.dtype.kind != "f":
        return np.asarray(band == value)
    return np.asarray(np.abs(band - band.dtype.type(value)) <= ROUNDING * abs(value))


def _info(dataset: DatasetReader, grid: Grid) -> RasterInfo:
    nodata = [
        value if value is not None and dtype in np.sctypeDict and fits(value, dtype) else None
        for value, dtype in zip(dataset.nodatavals, dataset.dtypes, strict=True)
    ]
    return RasterInfo(
        grid=grid,
        count=dataset.count,
        dtypes=tuple(dataset.dtypes),
        nodatavals=tuple(nodata),
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
