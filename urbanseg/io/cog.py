"""Writing cloud-optimised GeoTIFFs, a window at a time.

A writer fills a plain tiled GeoTIFF under a temporary name and converts it to a COG when it
is complete, so memory is bounded by the window and a half-written raster never appears.
"""

import warnings
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Required, TypedDict, Unpack

import numpy as np
import rasterio
import rasterio.shutil
from numpy.typing import DTypeLike, NDArray
from rasterio.errors import NotGeoreferencedWarning, RasterioError

from urbanseg.classes import ClassTable
from urbanseg.errors import PipelineError
from urbanseg.grid import BLOCK_PX, Grid, Window
from urbanseg.io.attribute_table import class_sidecar
from urbanseg.io.files import atomic, remove, require_space, write_text
from urbanseg.io.georeference import IN_PIXELS, UNKNOWN_CRS
from urbanseg.io.raster import rasterio_window


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
        self.dataset.write(values, window=None if window is None else rasterio_window(window))


class RasterProfile(TypedDict, total=False):
    """Properties of a raster that is written."""

    dtype: Required[DTypeLike]
    count: int
    nodata: float | None
    descriptions: Sequence[str]
    classes: ClassTable
    """Their colour table goes into it; their labels, colours and pixels into a ``.aux.xml`` beside it, as
    raster attribute table for GDAL and ArcGIS."""
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
        OSError: naming a raster, if the disk is full.
        PipelineError: if GDAL cannot write for another reason.
    """
    with writing_all(grid, {path: profile}) as writers:
        yield writers[path]


@contextmanager
def writing_all(grid: Grid, layers: Mapping[Path, RasterProfile]) -> Iterator[dict[Path, Writer]]:
    """Write several rasters by windows; when all are complete, they are converted at the same time.

    Raises:
        OSError: naming a raster, if the disk is full.
        PipelineError: if GDAL cannot write for another reason.
    """
    with ExitStack() as stack:
        targets = [stack.enter_context(atomic(path)) for path in layers]
        drafts = [target.with_name(f"{target.name}.draft.tif") for target in targets]
        for draft in drafts:
            stack.callback(remove, draft)
        stack.enter_context(_failures_named(list(layers)))  # ends while the drafts still fill the disk
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
            write_text(path.with_name(f"{path.name}.aux.xml"), class_sidecar(path, layer["classes"]))


@contextmanager
def _failures_named(paths: Sequence[Path]) -> Iterator[None]:
    """Raise errors of GDAL in writing rasters as what the system says, or else as a sentence."""
    try:
        yield
    except (RasterioError, rasterio._err.CPLE_BaseError) as error:  # noqa: SLF001, GDAL's own errors
        require_space(paths[0])
        names = ", ".join(map(str, paths))
        raise PipelineError(
            f"{names} cannot be written ({error}); check the disk and its permissions"
        ) from error


def _draft(path: Path, layer: RasterProfile, grid: Grid) -> Any:
    """A plain GeoTIFF to be filled in any order of windows."""
    count = layer.get("count", 1)
    profile = {
        "driver": "GTiff",
        "dtype": np.dtype(layer["dtype"]).name,
        "count": count,
        "height": grid.height,
        "width": grid.width,
        "crs": None if grid.crs == UNKNOWN_CRS else grid.crs.to_wkt(),
        "transform": None if grid.crs == UNKNOWN_CRS and grid.transform == IN_PIXELS else grid.transform,
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
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
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
