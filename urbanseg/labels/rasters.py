"""Labels from a classified raster: brought onto the scene's grid, its values to our classes."""

import logging
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
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

log = logging.getLogger(__name__)

PREVIEW_PX = 512
"""Largest side at which a raster is looked at as a whole."""
NAMED = 8
"""Number of values that are named, those with the largest shares."""
TOLERANCE_PX = 0.001
"""Largest error of the coordinates in the warp; GDAL accepts no 0."""


@contextmanager
def classified(
    source: Reader, grid: Grid, table: Mapping[int, str], classes: ClassTable, tally: "Tally | None" = None
) -> Iterator[Labeller]:
    """The function that labels a window from a classified raster in any CRS and resolution.

    Each pixel of the scene gets the class of the raster's pixel in which its centre lies;
    outside the raster it is ignored.

    Args:
        source: the raster; its first band counts.
        grid: the scene's grid.
        table: class name, or ``ignore``, of each value; see `remap`.
        classes: the class table.
        tally: counts the values that `table` lacks.

    Yields:
        The function that labels a window.

    Raises:
        PipelineError: if raster and scene don't overlap, or the raster is a picture.
    """
    _require_overlap(source, grid)
    _require_classes(source)
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
            if tally is not None:
                tally.add(values[(covered != 0) & ~_is_nodata(values, source.info.nodata)], source.path)
            result = remap(values, table, classes)
            result[covered == 0] = IGNORE
            return result

        yield label


def _require_overlap(source: Reader, grid: Grid) -> None:
    to_source = Transformer.from_crs(grid.crs, source.grid.crs, always_xy=True)
    left, bottom, right, top = to_source.transform_bounds(*grid.bounds)
    bounds = source.grid.bounds
    # across the antimeridian, the scene is on both sides of the map
    beside = (
        left >= bounds[2] or right <= bounds[0] if left <= right else left >= bounds[2] and right <= bounds[0]
    )
    if beside or bottom >= bounds[3] or top <= bounds[1]:
        raise PipelineError(
            f"{source.path} lies elsewhere: it covers {_text(bounds)} (left, bottom, right, top), the scene "
            f"{_text((left, bottom, right, top))} in the same CRS; take the part that covers the city"
        )


def _is_nodata(values: NDArray[Any], nodata: float | None) -> NDArray[np.bool_]:
    missing = np.zeros(values.shape, bool) if nodata is None else values == nodata
    return np.asarray(missing | (values != values))  # noqa: PLR0124, NaN


def _require_classes(source: Reader) -> None:
    """Refuse a picture, whose first band is how red it is."""
    dataset = source.dataset
    if dataset.colorinterp[:3] == (ColorInterp.red, ColorInterp.green, ColorInterp.blue):
        shape = 3, min(dataset.height, PREVIEW_PX), min(dataset.width, PREVIEW_PX)
        red, green, blue = dataset.read([1, 2, 3], out_shape=shape)
        if (red != green).any() or (red != blue).any():
            raise PipelineError(
                f"{source.path} is a picture in red, green and blue, where labels.path expects one band of "
                "class values; convert it, for example with gdal's rgb2pct.py, and give remap those values"
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


class Tally:
    """Counts the pixels of label files whose values a table lacks.

    Args:
        table: class name of each pixel value.
        form: writes a value for the user.
    """

    def __init__(self, table: Mapping[int, str], form: Callable[[Any], str] = "{:g}".format) -> None:
        self.keys, self.form = list(table), form
        self.unknown: Counter[Any] = Counter()
        self.pixels = 0
        self.first: Path | None = None

    def add(self, values: NDArray[Any], path: Path) -> None:
        """Count the pixels of a file, or of a part of it."""
        lacking = values[~np.isin(values, self.keys)]
        self.pixels += values.size
        if lacking.size:
            self.first = self.first or path
            found, counts = np.unique(lacking, return_counts=True)
            self.unknown.update(dict(zip(found.tolist(), counts.tolist(), strict=True)))

    def check(self, max_share: float, advice: str = "") -> None:
        """Name the values that the table lacks, with their shares.

        Raises:
            PipelineError: if more than `max_share` of the pixels have such values, or all of them.
        """
        count = self.unknown.total()
        if not count:
            return
        named = ", ".join(
            f"{self.form(v)} ({n / self.pixels:.2%})" for v, n in self.unknown.most_common(NAMED)
        )
        more = f" and {len(self.unknown) - NAMED} more" if len(self.unknown) > NAMED else ""
        share = f"{count / self.pixels:.2%}"
        text = f"{self.first}: {share} of the label pixels have values that remap lacks: {named}{more}"
        if count > max_share * self.pixels or count == self.pixels:
            raise PipelineError(
                f"{text}; add them to remap (ignore is a class there){advice}, or raise max_unknown_share"
            )
        log.warning("%s; they are ignored", text)
