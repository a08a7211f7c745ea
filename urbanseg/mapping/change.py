"""Change between two dated maps of one place: where, from what, to what, and how much.

Comparing two classifications adds up the errors of both (Singh 1989, "Digital change
detection techniques using remotely-sensed data"), so a pixel counts as changed only if the
confidence of both dates is high enough, if the change is wider than outlines may be displaced, and if enough
pixels around it changed alike.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import geopandas as gpd
import numpy as np
import pandas as pd
import rasterio
import shapely
from numpy.typing import NDArray
from rasterio import features
from scipy import ndimage
from skimage import measure

from urbanseg.classes import CONFIDENCE_SCALE, IGNORE, ClassTable, position_lut
from urbanseg.config.change import ChangeParams
from urbanseg.grid import Grid, Window
from urbanseg.io.class_raster import read_classes
from urbanseg.io.raster import Reader
from urbanseg.mapping.partition import components

UNKNOWN = 65535
"""Code of pixels that are unknown at one of the dates; 0 is unchanged."""

Classes = NDArray[np.uint8]
Codes = NDArray[np.uint16]
Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class DatedMap:
    """The open map of a date: classes, their pixel values `ids` in order, and what else there is, or None."""

    classes: Reader
    confidence: Reader | None
    ids: Sequence[int]
    road_probability: Reader | None = None

    def read(self, window: Window, least: float) -> tuple[Classes, Flags]:
        """Classes of a window, and which of them have at least the confidence `least`."""
        classes = read_classes(self.classes, self.ids, window)
        if self.confidence is None:
            return classes, np.ones(classes.shape, bool)
        confidence = self.confidence.read_band(window)
        return classes, (confidence >= least * CONFIDENCE_SCALE) & (confidence != IGNORE)


def change_codes(
    before: DatedMap, after: DatedMap, window: Window, rules: ChangeParams
) -> tuple[Classes, Codes]:
    """Classes of the first date, and from-to codes, of a window; patches of any size.

    Args:
        before: the open map of the first date.
        after: the open map of the second date, on the same grid.
        window: the pixels wanted; read with a halo, so that windows do not change the result.
        rules: what counts as a change.

    Returns:
        ``(height, width)`` uint8 classes of the first date, and uint16 codes ``256 * from + to``,
        0 where nothing changed, `UNKNOWN` where a date has no class.
    """
    grown, core = window.grown(2 * rules.shift_px, before.classes.grid.shape)
    (first, sure_first), (second, sure_second) = (
        date.read(grown, rules.min_confidence) for date in (before, after)
    )
    codes = wide_changes(first, second, sure_first & sure_second, rules.shift_px)
    return first[core.slices], codes[core.slices]


def wide_changes(before: Classes, after: Classes, sure: Flags, shift_px: int) -> Codes:
    """From-to codes of what is sure and wide enough.

    Args:
        before: ``(height, width)`` class ids, `IGNORE` where unknown.
        after: same.
        sure: same shape, where both dates have enough confidence.
        shift_px: a change must be wider than twice this.

    Returns:
        ``(height, width)`` uint16 codes; see `change_codes`.
    """
    raw = before.astype(np.uint16) * 256 + after
    raw[~sure | (before == after)] = 0
    unknown = (before == IGNORE) | (after == IGNORE)
    raw[unknown] = 0
    kept = np.zeros_like(raw)
    side = 2 * shift_px + 1
    for code in np.unique(raw[raw > 0]):
        inner = ndimage.minimum_filter((raw == code).view(np.uint8), side, mode="constant")
        kept[ndimage.maximum_filter(inner, side, mode="constant") > 0] = code
    kept[unknown] = UNKNOWN
    return kept


def large_patches(strips: Iterable[Codes], least_pixels: int) -> list[Flags]:
    """Which patches are large enough, by strip and by number in `label_patches`.

    A patch is a 4-connected region of one code. Those that strips have cut are joined by connected
    components, so the result does not depend on the height of the strips, and only one of them is
    in memory at a time.

    Args:
        strips: ``(height, width)`` uint16 codes, from top to bottom.
        least_pixels: patches with fewer pixels are too small.

    Returns:
        Bool arrays, a value for each patch; number 0, which is no patch, is False.
    """
    sizes: list[NDArray[np.int64]] = []
    links: list[NDArray[np.int64]] = [np.empty((2, 0), np.int64)]
    first = 0
    above: tuple[Codes, NDArray[np.int64]] | None = None
    for codes in strips:
        labels = label_patches(codes)
        sizes.append(np.bincount(labels.ravel()))
        if above is not None:
            same = (labels[0] > 0) & (codes[0] == above[0])
            links.append(np.unique(np.stack([above[1][same], labels[0][same] + first]), axis=1))
        above = codes[-1].copy(), labels[-1].astype(np.int64) + first
        first += len(sizes[-1])
    start, end = np.concatenate(links, axis=1)
    _, patch = components(start, end, first)
    large = np.bincount(patch, np.concatenate([[0], *sizes])[1:])[patch] >= least_pixels
    ends = np.cumsum([0, *map(len, sizes)])
    large[ends[:-1]] = False
    return np.split(large, ends[1:-1])


def label_patches(codes: Codes) -> NDArray[np.int64]:
    """Number of the patch that each pixel is of, from 1 row by row; 0 where nothing is known to change."""
    changed = np.where(codes == UNKNOWN, 0, codes)
    return np.asarray(measure.label(changed, connectivity=1))  # type: ignore[no-untyped-call]


def keep_patches(codes: Codes, large: Flags) -> Codes:
    """Codes of the `large` patches alone, by number in `label_patches`, and `UNKNOWN`."""
    return np.where(large[label_patches(codes)] | (codes == UNKNOWN), codes, np.uint16(0))


def count_changes(before: Classes, codes: Codes, ids: Sequence[int]) -> NDArray[np.int64]:
    """Pixels by class before and class after; unchanged pixels are on the diagonal.

    Args:
        before: ``(height, width)`` uint8 classes of the first date.
        codes: same shape, from `change_codes`.
        ids: pixel values of the `n` classes, in order.

    Returns:
        ``(n, n)`` int64.
    """
    known = codes != UNKNOWN
    start = before[known]
    end = np.where(codes[known] > 0, codes[known] % 256, start)
    lut, n = position_lut(ids).astype(np.int64), len(ids)
    return np.bincount(lut[start] * n + lut[end], minlength=n * n).reshape(n, n)


def matrix_ha(pixels: NDArray[np.int64], grid: Grid, table: ClassTable) -> pd.DataFrame:
    """From-to matrix in hectares.

    Args:
        pixels: ``(n, n)`` int64 from `count_changes`.
        grid: of the maps, in metres on the ground.
        table: the classes.

    Returns:
        Hectares, rows named by the classes before, columns by those after.
    """
    areas = pixels * pixel_area(grid) / 10_000
    return pd.DataFrame(areas, index=pd.Index(table.names, name="before"), columns=list(table.names))


def change_polygons(codes: Reader, table: ClassTable) -> gpd.GeoDataFrame:
    """Polygons of a raster of codes, read strip by strip: `before`, `after`, `area_ha`.

    The raster's grid must be in metres on the ground.
    """
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


def least_pixels(rules: ChangeParams, grid: Grid) -> int:
    """How many pixels a patch of change has at least, on a grid in metres on the ground."""
    return max(1, int(np.ceil(rules.min_area_m2 / pixel_area(grid) - 1e-9)))


def pixel_area(grid: Grid) -> float:
    """Area of a pixel in m², of a grid in metres on the ground; polygons of pixels have the same."""
    return abs(float(grid.transform.determinant))
