"""Labels from a classified raster: brought onto the scene's grid, its values to our classes."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pyproj import Transformer
from rasterio.enums import ColorInterp, Resampling
from rasterio.vrt import WarpedVRT

from urbanseg.classes import IGNORE, ClassTable
from urbanseg.errors import PipelineError
from urbanseg.grid import Grid
from urbanseg.io.raster import Reader
from urbanseg.labels.layers import LabelArray, Labeller

TOLERANCE_PX = 0.001
"""Largest error of the coordinates in the warp; GDAL accepts no 0."""


@contextmanager
def classified(
    source: Reader, grid: Grid, table: Mapping[int, str], classes: ClassTable
) -> Iterator[Labeller]:
    """The function that labels a window from a classified raster in any CRS and resolution.

    Each pixel of the scene gets the class of the raster's pixel in which its centre lies;
    outside the raster it is ignored.

    Args:
        source: the raster; its first band counts.
        grid: the scene's grid.
        table: class name, or ``ignore``, of each value; see `remap`.
        classes: the class table.

    Yields:
        The function that labels a window.

    Raises:
        PipelineError: if raster and scene don't overlap.
    """
    _require_overlap(source, grid)
    with WarpedVRT(
        source.dataset,
        crs=grid.crs.to_wkt(),
        transform=grid.transform,
        height=grid.height,
        width=grid.width,
        resampling=Resampling.nearest,
        src_nodata=None,  # the table gives the meaning of all values, also of the nodata value
        nodata=None,
        add_alpha=ColorInterp.alpha not in source.dataset.colorinterp,
        tolerance=TOLERANCE_PX,
    ) as warped:
        alpha = warped.count
        onto_grid = Reader(source.path, warped)

        def label(window: Any) -> LabelArray:
            values, covered = onto_grid.read(window, [1, alpha])
            result = remap(values, table, classes)
            result[covered == 0] = IGNORE
            return result

        yield label


def _require_overlap(source: Reader, grid: Grid) -> None:
    to_source = Transformer.from_crs(grid.crs, source.grid.crs, always_xy=True)
    left, bottom, right, top = to_source.transform_bounds(*grid.bounds)
    bounds = source.grid.bounds
    if left >= bounds[2] or right <= bounds[0] or bottom >= bounds[3] or top <= bounds[1]:
        raise PipelineError(
            f"{source.path} lies elsewhere: it covers {_text(bounds)} (left, bottom, right, top), the scene "
            f"{_text((left, bottom, right, top))} in the same CRS; take the part that covers the city"
        )


def _text(bounds: tuple[float, ...]) -> str:
    return ", ".join(f"{edge:g}" for edge in bounds)


def remap(values: NDArray[Any], table: Mapping[int, str], classes: ClassTable) -> LabelArray:
    """Class ids of a classified raster; values that `table` lacks or calls ``ignore`` are 255.

    Args:
        values: pixel values, any shape and dtype.
        table: class name of each pixel value.
        classes: the class table.

    Returns:
        Class ids in the shape of `values`, uint8.

    Raises:
        KeyError: if a name is neither ``ignore`` nor in `classes`.
    """
    result = np.full(values.shape, IGNORE, np.uint8)
    for value, name in table.items():
        result[values == value] = IGNORE if name == "ignore" else classes.id_of(name)
    return result
