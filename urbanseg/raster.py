"""Reading rasters by window and writing cloud-optimised GeoTIFFs, a window at a time.

A reader turns GDAL's complaints into sentences that name the file. A writer fills a
plain tiled GeoTIFF under a temporary name and converts it to a COG when it is complete,
so memory is bounded by the window and a half-written raster never appears.
"""

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import numpy as np
import rasterio
import rasterio.shutil
from affine import Affine
from numpy.typing import DTypeLike, NDArray
from pyproj import CRS
from rasterio.enums import Resampling
from rasterio.errors import NotGeoreferencedWarning, RasterioError, RasterioIOError
from rasterio.io import DatasetReader
from rasterio.windows import Window as RasterioWindow

from urbanseg.classes import IGNORE, ClassTable
from urbanseg.errors import PipelineError
from urbanseg.files import atomic, remove
from urbanseg.grid import Grid, Window

BLOCK = 256
"""Side of a tile inside a GeoTIFF, in pixels."""

CACHE_BYTES = 64 << 20
"""GDAL's cache under `small_cache`: a row of blocks of several rasters, 50,000 pixels wide."""


@dataclass(frozen=True)
class RasterInfo:
    """What a raster says of itself."""

    grid: Grid
    count: int
    dtype: str
    nodata: float | None
    descriptions: tuple[str, ...]


class Reader:
    """An open raster that is read by `Window`."""

    def __init__(self, path: Path, dataset: DatasetReader, elsewhere: CRS | None = None) -> None:
        self.path = path
        self.dataset = dataset
        self.info = _info(path, dataset, elsewhere)

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
        masks = self._read(self.dataset.read_masks, window, list(range(1, self.info.count + 1)))
        return np.asarray((masks > 0).all(axis=0))

    def decimated(
        self, max_side: int, bands: Sequence[int] | None = None, resampling: str = "nearest"
    ) -> np.ma.MaskedArray[Any, Any]:
        """The whole raster on ``grid.shrunk(max_side)``, as ``(bands, height, width)``, nodata masked.

        GDAL reads the nearest overview and a strip at a time, so memory is bounded by the
        result. `resampling` is ``nearest``, ``average`` or ``mode``.

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
        area = None if window is None else _rasterio_window(window)
        return np.asarray(self._attempt(lambda: method(bands, window=area)))

    def _attempt(self, read: Callable[[], Any]) -> Any:
        try:
            return read()
        except RasterioIOError as error:
            raise PipelineError(
                f"{self.path} cannot be read to its end: the file is truncated or damaged; "
                "fetch or copy it again"
            ) from error


@contextmanager
def reading(path: Path, elsewhere: CRS | None = None) -> Iterator[Reader]:
    """Open a raster. One without a CRS is taken for `elsewhere`, a pixel a metre, if that is given.

    Raises:
        PipelineError: if the file is missing, is no raster, or has no CRS.
    """
    if not path.exists():
        raise PipelineError(f"{path} does not exist; check the path, or run the stage that makes it")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            dataset = rasterio.open(path)
    except RasterioIOError as error:
        raise PipelineError(f"{path} is not a raster that GDAL can open; it may be damaged") from error
    with dataset:
        yield Reader(path, dataset, elsewhere)


def describe(path: Path) -> RasterInfo:
    """What the raster at `path` says of itself; raises as `reading` does."""
    with reading(path) as raster:
        return raster.info


def require_same_grid(path: Path, grid: Grid, other_path: Path, other: Grid) -> None:
    """Check that two rasters lie on the same grid.

    Raises:
        PipelineError: with both files and what differs.
    """
    if not grid.same_as(other):
        raise PipelineError(
            f"{path} and {other_path} lie on different grids ({_say(grid)} against {_say(other)}); "
            "warp one onto the other, for example with gdalwarp -tr -te -t_srs"
        )


class Writer:
    """A raster being written by `Window`."""

    def __init__(self, dataset: Any) -> None:
        self.dataset = dataset
        self.shape: tuple[int, int] = dataset.shape

    def write(self, values: NDArray[Any], window: Window | None = None) -> None:
        """Write ``(bands, height, width)`` or ``(height, width)`` into `window` (all, if None).

        Raises:
            ValueError: if the values have another shape than the window; GDAL would
                resample them in silence.
        """
        if values.ndim == 2:
            values = values[np.newaxis]
        shape = self.shape if window is None else (window.height, window.width)
        if values.shape[1:] != shape:
            raise ValueError(f"values have the shape {values.shape[1:]}, the window has {shape}")
        self.dataset.write(values, window=None if window is None else _rasterio_window(window))


@contextmanager
def small_cache() -> Iterator[None]:
    """Bound GDAL's cache of blocks; left alone, it takes 5 % of the machine's memory as a scene goes by."""
    with rasterio.Env(GDAL_CACHEMAX=CACHE_BYTES):
        yield


@contextmanager
def writing(
    path: Path,
    grid: Grid,
    *,
    dtype: DTypeLike,
    count: int = 1,
    nodata: float | None = None,
    descriptions: Sequence[str] = (),
    classes: ClassTable | None = None,
    resampling: str = "nearest",
) -> Iterator[Writer]:
    """Write a cloud-optimised GeoTIFF by windows; it appears at `path` when it is complete.

    With `classes`, it carries their colour table, and their names in a ``.aux.xml``
    file beside it, where GDAL and QGIS look for them. `resampling` is the rule for
    overviews (``nearest``, ``average``, ``mode``).

    Raises:
        PipelineError: if the disk is full or GDAL cannot write.
    """
    profile = {
        "driver": "GTiff",
        "dtype": np.dtype(dtype).name,
        "count": count,
        "height": grid.height,
        "width": grid.width,
        "crs": grid.crs.to_wkt(),
        "transform": grid.transform,
        "nodata": nodata,
        "tiled": True,
        "blockxsize": BLOCK,
        "blockysize": BLOCK,
        "compress": "lzw",
        "bigtiff": "if_safer",
        "interleave": "pixel",
    }
    if count > 1:
        # Otherwise GDAL takes the fourth band of an 8-bit raster for alpha.
        profile["photometric"] = "minisblack"
    try:
        with atomic(path) as temporary:
            draft = temporary.with_name(f"{path.stem}.draft.part.tif")
            try:
                with rasterio.open(draft, "w", **profile) as dataset:
                    for index, text in enumerate(descriptions, start=1):
                        dataset.set_band_description(index, text)
                    if classes is not None:
                        dataset.write_colormap(1, classes.colormap())
                    yield Writer(dataset)
                _to_cog(draft, temporary, resampling)
            finally:
                remove(draft)
        if classes is not None:
            _write_category_names(path, classes)
    except (RasterioError, rasterio._err.CPLE_BaseError) as error:  # noqa: SLF001, GDAL's own errors
        raise PipelineError(f"{path} cannot be written ({error}); is the disk full?") from error


def _to_cog(source: Path, target: Path, resampling: str) -> None:
    rasterio.shutil.copy(
        source,
        target,
        driver="COG",
        compress="deflate",
        predictor="yes",
        blocksize=BLOCK,
        overview_resampling=resampling,
        bigtiff="if_safer",
        num_threads="all_cpus",  # the bytes are the same for any number
    )


def _write_category_names(path: Path, classes: ClassTable) -> None:
    names = [*classes.names, *[""] * (IGNORE - len(classes)), "ignore"]
    items = "".join(f"      <Category>{escape(name)}</Category>\n" for name in names)
    text = (
        '<PAMDataset>\n  <PAMRasterBand band="1">\n    <CategoryNames>\n'
        f"{items}    </CategoryNames>\n  </PAMRasterBand>\n</PAMDataset>\n"
    )
    sidecar = path.with_name(f"{path.name}.aux.xml")
    with atomic(sidecar) as temporary:
        temporary.write_text(text)


def _info(path: Path, dataset: DatasetReader, elsewhere: CRS | None) -> RasterInfo:
    if dataset.crs is not None:
        grid = Grid(CRS.from_wkt(dataset.crs.to_wkt()), dataset.transform, dataset.height, dataset.width)
    elif elsewhere is not None:
        grid = Grid(elsewhere, Affine(1, 0, 0, 0, -1, dataset.height), dataset.height, dataset.width)
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


def _rasterio_window(window: Window) -> RasterioWindow:
    return RasterioWindow(window.col, window.row, window.width, window.height)


def _say(grid: Grid) -> str:
    left, _, _, top = grid.bounds
    code = grid.crs.to_authority()
    name = ":".join(code) if code else grid.crs.name
    return f"{name}, {grid.width} × {grid.height} pixels of {grid.resolution:g} from ({left:g}, {top:g})"
