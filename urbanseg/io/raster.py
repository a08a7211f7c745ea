"""Reading rasters by window and writing cloud-optimised GeoTIFFs, a window at a time.

A reader turns errors of GDAL into messages that name the file. A writer fills a
plain tiled GeoTIFF under a temporary name and converts it to a COG when it is complete,
so memory is bounded by the window and a half-written raster never appears.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Required, TypedDict, Unpack
from xml.sax.saxutils import escape

import numpy as np
import rasterio
import rasterio.shutil
from affine import Affine
from numpy.typing import DTypeLike, NDArray
from pyproj import CRS
from rasterio.enums import MaskFlags, Resampling
from rasterio.errors import RasterioError, RasterioIOError
from rasterio.io import DatasetReader
from rasterio.windows import Window as RasterioWindow

from urbanseg.classes import IGNORE, ClassTable
from urbanseg.errors import PipelineError
from urbanseg.grid import BLOCK_PX, Grid, Window
from urbanseg.io import gdal_access
from urbanseg.io.files import atomic, remove

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


class RasterProfile(TypedDict, total=False):
    """Properties of a raster that is written."""

    dtype: Required[DTypeLike]
    count: int
    nodata: float | None
    descriptions: Sequence[str]
    classes: ClassTable
    """Their colour table goes into it, and their labels into a ``.aux.xml`` beside it, for GDAL and QGIS."""
    resampling: str
    """The rule for overviews: ``nearest``, ``average`` or ``mode``."""


@contextmanager
def writing(path: Path, grid: Grid, **profile: Unpack[RasterProfile]) -> Iterator[Writer]:
    """Write a cloud-optimised GeoTIFF by windows; it appears at `path` when it is complete.

    Args:
        path: where to write it.
        grid: of the raster.
        **profile: dtype, nodata and so on; see `RasterProfile`.

    Yields:
        The writer.

    Raises:
        PipelineError: if the disk is full or GDAL cannot write.
    """
    with writing_all(grid, {path: profile}) as writers:
        yield writers[path]


@contextmanager
def writing_all(grid: Grid, layers: Mapping[Path, RasterProfile]) -> Iterator[dict[Path, Writer]]:
    """Write several rasters by windows; when all are complete, they are converted at the same time.

    Raises:
        PipelineError: if the disk is full or GDAL cannot write.
    """
    try:
        with ExitStack() as stack:
            targets = [stack.enter_context(atomic(path)) for path in layers]
            drafts = [target.with_name(f"{target.name}.draft.tif") for target in targets]
            for draft in drafts:
                stack.callback(remove, draft)
            with ExitStack() as opened:
                files = [
                    opened.enter_context(_draft(*each, grid))
                    for each in zip(drafts, layers.values(), strict=True)
                ]
                yield dict(zip(layers, map(Writer, files), strict=True))
            rules = [layer.get("resampling", "nearest") for layer in layers.values()]
            with ThreadPoolExecutor(len(layers)) as pool:
                list(pool.map(_to_cog, drafts, targets, rules))
        for path, layer in layers.items():
            if "classes" in layer:
                _write_category_names(path, layer["classes"])
    except (RasterioError, rasterio._err.CPLE_BaseError) as error:  # noqa: SLF001, GDAL's own errors
        names = ", ".join(map(str, layers))
        raise PipelineError(f"{names} cannot be written ({error}); is the disk full?") from error


def _draft(path: Path, layer: RasterProfile, grid: Grid) -> Any:
    """A plain GeoTIFF to be filled in any order of windows."""
    count = layer.get("count", 1)
    profile = {
        "driver": "GTiff",
        "dtype": np.dtype(layer["dtype"]).name,
        "count": count,
        "height": grid.height,
        "width": grid.width,
        "crs": grid.crs.to_wkt(),
        "transform": grid.transform,
        "nodata": layer.get("nodata"),
        "tiled": True,
        "blockxsize": BLOCK_PX,
        "blockysize": BLOCK_PX,
        "compress": "zstd",  # at this level several times as fast as LZW, and read once
        "zstd_level": 1,
        "bigtiff": "if_safer",
        "interleave": "pixel",
    }
    if count > 1:
        # Otherwise GDAL takes the fourth band of an 8-bit raster for alpha.
        profile["photometric"] = "minisblack"
    dataset = rasterio.open(path, "w", **profile)
    for index, text in enumerate(layer.get("descriptions", ()), start=1):
        dataset.set_band_description(index, text)
    if "classes" in layer:
        dataset.write_colormap(1, layer["classes"].colormap())
    return dataset


def _to_cog(source: Path, target: Path, resampling: str) -> None:
    rasterio.shutil.copy(
        source,
        target,
        driver="COG",
        compress="deflate",
        predictor="yes",
        blocksize=BLOCK_PX,
        overview_resampling=resampling,
        bigtiff="if_safer",
        num_threads="all_cpus",  # the bytes are the same for any number
    )


def _write_category_names(path: Path, classes: ClassTable) -> None:
    names = [*classes.labels, *[""] * (IGNORE - len(classes)), "ignore"]
    items = "".join(f"      <Category>{escape(name)}</Category>\n" for name in names)
    text = (
        '<PAMDataset>\n  <PAMRasterBand band="1">\n    <CategoryNames>\n'
        f"{items}    </CategoryNames>\n  </PAMRasterBand>\n</PAMDataset>\n"
    )
    sidecar = path.with_name(f"{path.name}.aux.xml")
    with atomic(sidecar) as temporary:
        temporary.write_text(text, encoding="utf-8")


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


def _rasterio_window(window: Window) -> RasterioWindow:
    return RasterioWindow(window.col, window.row, window.width, window.height)


def _format(grid: Grid) -> str:
    left, _, _, top = grid.bounds
    code = grid.crs.to_authority()
    name = ":".join(code) if code else grid.crs.name
    return f"{name}, {grid.width} × {grid.height} pixels of {grid.resolution:g} from ({left:g}, {top:g})"
