"""Buildings one by one as polygons, of a raster in which each has a number; attached ones share walls."""

from collections.abc import Callable

import geopandas as gpd
import numpy as np
import shapely
from affine import Affine
from numpy.typing import NDArray
from rasterio import features

from urbanseg.classes import CONFIDENCE_SCALE, IGNORE
from urbanseg.grid import Grid, Window, blocks

WINDOW_PX = 1024


def polygons(
    numbers: Callable[[Window], NDArray[np.uint32]],
    confidence: Callable[[Window], NDArray[np.uint8]],
    cores: Callable[[Window], NDArray[np.uint8]],
    grid: Grid,
    simplify_m: float,
    window_px: int = WINDOW_PX,
) -> gpd.GeoDataFrame:
    """The buildings, by number; memory is bounded by the window and what is in the table.

    Args:
        numbers: reads the number of the building of each pixel, from 1; 0 for none.
        confidence: reads the probability of the class, 0–254 for 0–1, `IGNORE` where unknown.
        cores: reads that of the inside of a building, stored alike.
        grid: of all three.
        simplify_m: a vertex goes if its triangle with its neighbours is below the square of this; walls
            that are shared stay shared, and 0 keeps the sides of pixels.
        window_px: side of the windows.

    Returns:
        `geometry` in the grid's CRS, `building` (its number), `area_m2`, and `confidence`, 0–1: the mean
        probability of the class over its pixels times the highest probability of an inside in it.
    """
    shapes: list[NDArray[np.object_]] = []
    owners: list[NDArray[np.int64]] = []
    sums: dict[str, NDArray[np.float64]] = {name: np.zeros(1) for name in ("pixels", "confidence", "core")}
    for window in blocks(grid.shape, window_px):
        found = numbers(window)
        if not found.any():
            continue
        place = Affine.translation(window.col, window.row)
        traced = list(features.shapes(found.astype(np.int32), found > 0, 4, place))
        shapes.append(np.array([shapely.geometry.shape(each) for each, _ in traced], dtype=object))
        owners.append(np.array([round(value) for _, value in traced]))
        _add(sums, found, confidence(window), cores(window))

    def to_crs(places: NDArray[np.float64]) -> NDArray[np.float64]:
        cols, rows = places.T
        return np.column_stack(grid.transform @ (cols, rows))

    columns = {"building": np.array([], np.int64), "area_m2": np.array([]), "confidence": np.array([])}
    if not shapes:
        return gpd.GeoDataFrame(columns, geometry=[], crs=grid.crs)
    joined = gpd.GeoSeries(np.concatenate(shapes)).groupby(np.concatenate(owners)).agg(_joined)
    placed = shapely.transform(joined.to_numpy(), to_crs)
    placed = shapely.coverage_simplify(placed, simplify_m) if simplify_m else placed
    own = joined.index.to_numpy(np.int64)
    share = sums["confidence"][own] / sums["pixels"][own] * sums["core"][own] / CONFIDENCE_SCALE**2
    columns = {"building": own, "area_m2": shapely.area(placed), "confidence": share.round(3)}
    parts, owner = shapely.get_parts(placed, return_index=True)
    return gpd.GeoDataFrame(columns, geometry=shapely.multipolygons(parts, indices=owner), crs=grid.crs)


def _joined(parts: gpd.GeoSeries) -> shapely.Geometry:
    return shapely.coverage_union_all(parts.to_numpy())


def _add(
    sums: dict[str, NDArray[np.float64]],
    found: NDArray[np.uint32],
    confidence: NDArray[np.uint8],
    cores: NDArray[np.uint8],
) -> None:
    """Add a window: pixels and confidence of each building, and its highest probability of an inside."""
    last = int(found.max())
    for name, values in sums.items():
        sums[name] = np.pad(values, (0, max(0, last + 1 - len(values))))
    at = found > 0
    for name, weights in (("pixels", np.ones(found.shape)), ("confidence", confidence)):
        known = np.where(weights == IGNORE, 0, weights)
        sums[name][: last + 1] += np.bincount(found[at], known[at], last + 1)
    np.maximum.at(sums["core"], found[at], np.where(cores == IGNORE, 0, cores)[at])
