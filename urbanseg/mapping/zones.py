"""Areas by class in the polygons of another layer, such as districts.

A pixel on the outline of a zone counts by the share of it that lies inside, computed exactly: as font
renderers do, the edges of a polygon are cut at the sides of pixels, and each piece says what area lies to
its right in its own pixel (https://nothings.org/gamedev/rasterize/). Zones may overlap.
"""

from collections.abc import Callable, Sequence
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray

from urbanseg.classes import IGNORE, ClassTable
from urbanseg.grid import Grid, Window, strips

ROWS = 512
"""Rows of a zone that are in memory at once."""

HECTARE_M2 = 10_000.0
OUTSIDE = "outside the image"
"""The note of a zone that lies outside the map."""
ROUNDING = 1e-6
"""Share of a zone that counts as nothing."""

_Floats = NDArray[np.float64]


def areas_in_zones(
    zones: gpd.GeoDataFrame, read: Callable[[Window], NDArray[np.uint8]], grid: Grid, table: ClassTable
) -> pd.DataFrame:
    """Hectares of each class in each zone.

    Args:
        zones: valid polygons in the CRS of `grid`.
        read: class ids of a window, ``(height, width)`` uint8, `IGNORE` where unknown.
        grid: of the classes; in metres.
        table: the classes.

    Returns:
        A row for each zone, in order: ``area_ha``, ``<class>_ha`` for each class, ``unknown_ha`` (in the
        map, but of no known class), ``outside_ha``, and ``note``, which says where a zone is not in the map.
    """
    pixel_ha = abs(grid.transform.determinant) / HECTARE_M2
    rows = []
    for zone, pixels in zip(zones.geometry, pixels_in_zones(zones.geometry, read, grid), strict=True):
        counts = pixels * pixel_ha
        rows.append([shapely.area(zone) / HECTARE_M2, *counts[table.ids], counts[IGNORE]])
    columns = ["area_ha", *(f"{name}_ha" for name in table.names), "unknown_ha"]
    found = pd.DataFrame(rows, columns=columns, index=zones.index, dtype=float)
    found["outside_ha"] = (found["area_ha"] - found[columns[1:]].sum(axis=1)).clip(lower=0)
    share = found["outside_ha"] / found["area_ha"]
    found["note"] = np.select(
        [share > 1 - ROUNDING, share > ROUNDING],
        [OUTSIDE, [f"{100 * part:.1f} % {OUTSIDE}" for part in share]],
        default="",
    )
    return found


def pixels_in_zones(
    zones: Sequence[Any], read: Callable[[Window], NDArray[np.uint8]], grid: Grid
) -> NDArray[np.float64]:
    """Pixels of each value in each zone; of a pixel on an outline, the share that lies inside.

    Args:
        zones: valid polygons in the CRS of `grid`.
        read: values of a window, ``(height, width)`` uint8.
        grid: of the values.

    Returns:
        ``(zones, 256)`` float64.
    """
    to_pixels = ~grid.transform
    placed = [shapely.transform(zone, lambda xy: np.column_stack(to_pixels @ xy.T)) for zone in zones]
    return np.array([_counts(zone, read, grid.shape) for zone in placed]).reshape(-1, 256)


def _counts(zone: Any, read: Callable[[Window], NDArray[np.uint8]], shape: tuple[int, int]) -> _Floats:
    """Pixels of each value, 0 to 255, in a zone in pixel coordinates; shares of pixels count as such."""
    counts = np.zeros(256)
    left, top, right, bottom = (float(edge) for edge in shapely.bounds(zone))
    first_col, last_col = max(0, int(np.floor(left))), min(shape[1], int(np.ceil(right)))
    first_row, last_row = max(0, int(np.floor(top))), min(shape[0], int(np.ceil(bottom)))
    if first_col >= last_col or first_row >= last_row:
        return counts
    for strip in strips((last_row - first_row, last_col - first_col), ROWS):
        window = Window(first_row + strip.row, first_col, strip.height, strip.width)
        shares = coverage(zone, window)
        counts += np.bincount(read(window).ravel(), shares.ravel(), 256)
    return counts


def coverage(polygon: Any, window: Window) -> _Floats:
    """Share of each pixel of a window that lies in a polygon.

    Args:
        polygon: valid polygon or polygons, in pixel coordinates: columns and rows.
        window: the pixels.

    Returns:
        ``(height, width)`` float64, 0–1, exact but for rounding.
    """
    start, end = _edges(polygon, window)
    start, end = _cut(start, end, window.height, window.width)
    middle = (start + end) / 2
    row = np.floor(middle[:, 1]).astype(np.int64)
    col = np.floor(middle[:, 0]).astype(np.int64)
    kept = (row >= 0) & (row < window.height) & (col < window.width)
    row, col, drop, across = row[kept], col[kept], (end - start)[kept, 1], middle[kept, 0]
    inside = np.where(col < 0, 1.0, 1 - (across - col))  # share of the pixel's width to the right of the edge
    col = np.maximum(col, 0)
    shape = window.height, window.width + 1
    flat = row * shape[1] + col
    size = shape[0] * shape[1]
    own = np.bincount(flat, drop * inside, size).astype(float)
    later = np.bincount(flat + 1, drop * (1 - inside), size)
    return np.clip(np.cumsum((own + later).reshape(shape), axis=1)[:, :-1], 0, 1)


def _edges(polygon: Any, window: Window) -> tuple[_Floats, _Floats]:
    """Ends of all edges, relative to the window, ``(n, 2)`` each; shells run downwards on their left."""
    rings = shapely.get_rings(shapely.get_parts(shapely.orient_polygons(polygon, exterior_cw=True)))
    points, ring = shapely.get_coordinates(rings, return_index=True)
    points = points - (window.col, window.row)
    same = ring[1:] == ring[:-1]
    return points[:-1][same], points[1:][same]


def _cut(start: _Floats, end: _Floats, height: int, width: int) -> tuple[_Floats, _Floats]:
    """The edges that touch the rows of a window, cut at the sides of its pixels."""
    touching = (np.minimum(start, end)[:, 1] < height) & (np.maximum(start, end)[:, 1] > 0)
    start, end = start[touching], end[touching]
    edges = np.arange(len(start))
    found = [(edges, np.zeros(len(start))), (edges, np.ones(len(start)))]
    found += [_crossings(start[:, axis], end[:, axis], most) for axis, most in ((0, width), (1, height))]
    edge, along = (np.concatenate(parts) for parts in zip(*found, strict=True))
    order = np.lexsort((along, edge))
    edge, along = edge[order], along[order, np.newaxis]
    points = start[edge] * (1 - along) + end[edge] * along
    same = edge[1:] == edge[:-1]
    return points[:-1][same], points[1:][same]


def _crossings(start: _Floats, end: _Floats, most: int) -> tuple[NDArray[np.int64], _Floats]:
    """Where edges cross the whole numbers from 0 to `most` along an axis: edge, and share of its length."""
    low, high = np.minimum(start, end), np.maximum(start, end)
    first = np.clip(np.floor(low).astype(np.int64) + 1, 0, most + 1)
    count = np.maximum(0, np.clip(np.ceil(high).astype(np.int64) - 1, -1, most) - first + 1)
    edge = np.repeat(np.arange(len(start)), count)
    step = np.arange(len(edge)) - np.repeat(np.cumsum(count) - count, count)
    return edge, (first[edge] + step - start[edge]) / (end[edge] - start[edge])
