"""Change between two dated maps of one place: where, from what, to what, and how much.

Comparing two classifications adds up the errors of both (Singh 1989, "Digital change
detection techniques using remotely-sensed data"), so a pixel counts as changed only if the
confidence of both dates is high enough, if the change is wider than outlines may be displaced, and if enough
pixels around it changed alike.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import geopandas as gpd
import numpy as np
import pandas as pd
import rasterio
import shapely
from numpy.typing import NDArray
from rasterio import features
from scipy import ndimage

from urbanseg.classes import CONFIDENCE_SCALE, IGNORE, ClassTable
from urbanseg.config.change import ChangeParams
from urbanseg.grid import Grid, Window
from urbanseg.io.raster import Reader

UNKNOWN = 65535
"""Code of pixels that are unknown at one of the dates; 0 is unchanged."""

Classes = NDArray[np.uint8]
Codes = NDArray[np.uint16]


@dataclass(frozen=True)
class DatedMap:
    """The open map of a date: classes, and confidence or None."""

    classes: Reader
    confidence: Reader | None

    def read(self, window: Window, least: float) -> tuple[Classes, NDArray[np.bool_]]:
        """Classes of a window, and which of them have at least the confidence `least`."""
        classes: Classes = self.classes.read_band(window)
        if self.confidence is None:
            return classes, np.ones(classes.shape, bool)
        return classes, self.confidence.read_band(window) >= least * CONFIDENCE_SCALE


def reach_px(rules: ChangeParams, grid: Grid) -> int:
    """Pixels around a window that its codes depend on."""
    return 2 * rules.shift_px + _least_pixels(rules, grid)


def change_codes(
    before: DatedMap, after: DatedMap, window: Window, rules: ChangeParams
) -> tuple[Classes, Codes]:
    """Classes of the first date, and from-to codes, of a window.

    Args:
        before: the open map of the first date.
        after: the open map of the second date, on the same grid.
        window: the pixels wanted; read with a halo, so that windows do not change the result.
        rules: what counts as a change.

    Returns:
        ``(height, width)`` uint8 classes of the first date, and uint16 codes ``256 * from + to``,
        0 where nothing changed, `UNKNOWN` where a date has no class.
    """
    grid = before.classes.grid
    grown, core = window.grown(reach_px(rules, grid), grid.shape)
    (first, sure_first), (second, sure_second) = (
        date.read(grown, rules.min_confidence) for date in (before, after)
    )
    codes = filter_changes(
        first, second, sure_first & sure_second, rules.shift_px, _least_pixels(rules, grid)
    )
    return first[core.slices], codes[core.slices]


def filter_changes(
    before: Classes, after: Classes, sure: NDArray[np.bool_], shift_px: int, least_pixels: int
) -> Codes:
    """From-to codes by the three rules.

    Args:
        before: ``(height, width)`` class ids, `IGNORE` where unknown.
        after: same.
        sure: same shape, where both dates have enough confidence.
        shift_px: a change must be wider than twice this.
        least_pixels: patches of one code with fewer pixels, 4-connected, are dropped.

    Returns:
        ``(height, width)`` uint16 codes; see `change_codes`.
    """
    raw = before.astype(np.uint16) * 256 + after
    raw[~sure | (before == after)] = 0
    unknown = (before == IGNORE) | (after == IGNORE)
    raw[unknown] = 0
    kept = np.zeros_like(raw)
    square = np.ones((2 * shift_px + 1,) * 2)
    for code in np.unique(raw[raw > 0]):
        patch = ndimage.binary_opening(raw == code, square)
        labels, _ = ndimage.label(patch)
        large = np.bincount(labels.ravel()) >= least_pixels
        large[0] = False
        kept[large[labels]] = code
    kept[unknown] = UNKNOWN
    return kept


def count_changes(before: Classes, codes: Codes, n: int) -> NDArray[np.int64]:
    """Pixels by class before and class after; unchanged pixels are on the diagonal.

    Args:
        before: ``(height, width)`` uint8 classes of the first date.
        codes: same shape, from `change_codes`.
        n: number of classes.

    Returns:
        ``(n, n)`` int64.
    """
    known = codes != UNKNOWN
    start = before[known].astype(np.int64)
    end = np.where(codes[known] > 0, codes[known] % 256, start)
    return np.bincount(start * n + end, minlength=n * n).reshape(n, n)


def matrix_ha(pixels: NDArray[np.int64], grid: Grid, table: ClassTable) -> pd.DataFrame:
    """From-to matrix in hectares.

    Args:
        pixels: ``(n, n)`` int64 from `count_changes`.
        grid: of the maps.
        table: the classes.

    Returns:
        Hectares, rows named by the classes before, columns by those after.
    """
    height_m, width_m = grid.pixel_m
    areas = pixels * height_m * width_m / 10_000
    return pd.DataFrame(areas, index=pd.Index(table.names, name="before"), columns=list(table.names))


def change_polygons(codes: Reader, table: ClassTable) -> gpd.GeoDataFrame:
    """Polygons of a raster of codes, read strip by strip: `before`, `after`, `area_ha`."""
    names: Mapping[int, str] = {c.id: c.name for c in table}
    rows = list(_shapes(codes))
    shapes = [shapely.geometry.shape(shape) for shape, _ in rows]
    return gpd.GeoDataFrame(
        {
            "before": pd.array([names[code // 256] for _, code in rows], "string"),
            "after": pd.array([names[code % 256] for _, code in rows], "string"),
            "area_ha": shapely.area(np.array(shapes, dtype=object)) / 10_000,
        },
        geometry=shapes,
        crs=codes.grid.crs,
    )


def _shapes(codes: Reader) -> Iterator[tuple[dict[str, object], int]]:
    band = rasterio.band(codes.dataset, 1)
    for shape, value in features.shapes(band, connectivity=4, transform=codes.grid.transform):
        if value not in {0, UNKNOWN}:
            yield shape, int(value)


def _least_pixels(rules: ChangeParams, grid: Grid) -> int:
    height_m, width_m = grid.pixel_m
    return max(1, int(np.ceil(rules.min_area_m2 / (height_m * width_m) - 1e-9)))
