"""What of a map lies in a cell of a region: polygons and roads cut at its edges, ready to be joined again.

A map is drawn with context around the cell and then cut, so that neighbours draw the same where they meet.
Each then computes where an outline crosses the edge between them, from the same numbers but perhaps in
another order; so a point on an edge gets the edge's own coordinate, and is rounded along it.
"""

import geopandas as gpd
import numpy as np
import shapely
from numpy.typing import NDArray

Bounds = tuple[float, float, float, float]
"""Left, bottom, right and top."""

STEP_M = 2.0**-10
"""To which points on an edge are rounded along it: about a millimetre."""

ON_EDGE_M = 1e-6
"""Points nearer to an edge lie on it."""

LEAST_M2 = 1e-3
"""Smaller pieces are what rounding leaves."""


def polygon_pieces(polygons: gpd.GeoDataFrame, bounds: Bounds) -> gpd.GeoDataFrame:
    """The parts of polygons in a rectangle, a row each; `area_m2` is that of the part.

    Args:
        polygons: as `urbanseg.mapping.polygons.land_cover` makes them.
        bounds: of the rectangle, in their CRS.
    """
    return _cut(polygons, bounds, dimensions=2, measure="area_m2")


def road_pieces(edges: gpd.GeoDataFrame, bounds: Bounds) -> gpd.GeoDataFrame:
    """The parts of roads in a rectangle, a row each, with `length_m` and `width_m`.

    What runs along an edge belongs to the cell whose left or bottom edge that is.

    Args:
        edges: as `urbanseg.mapping.roads.road_layers` makes them.
        bounds: of the rectangle, in their CRS.
    """
    pieces = _cut(edges[["length_m", "width_m", "geometry"]], bounds, dimensions=1, measure="length_m")
    boxes = shapely.bounds(pieces.geometry.to_numpy())
    beyond = (boxes[:, 0] == bounds[2]) | (boxes[:, 1] == bounds[3])
    return pieces[~beyond].reset_index(drop=True)


def _cut(table: gpd.GeoDataFrame, bounds: Bounds, *, dimensions: int, measure: str) -> gpd.GeoDataFrame:
    """The rows that reach into a rectangle, cut into single parts of as many dimensions."""
    shapes, box = table.geometry.to_numpy(), shapely.box(*bounds)
    left, bottom, right, top = bounds
    extent = shapely.bounds(shapes).reshape(-1, 4)
    meets = (extent[:, 0] < right) & (extent[:, 2] > left) & (extent[:, 1] < top) & (extent[:, 3] > bottom)
    inside = (
        (extent[:, 0] >= left) & (extent[:, 2] <= right) & (extent[:, 1] >= bottom) & (extent[:, 3] <= top)
    )
    crossing = np.flatnonzero(meets & ~inside)
    cut, owner = shapely.get_parts(shapely.intersection(shapes[crossing], box), return_index=True)
    cut = np.asarray(shapely.transform(cut, lambda points: _on_edges(points, bounds)), dtype=object)
    cut, again = _sound(cut, dimensions)
    rows = np.concatenate([np.flatnonzero(inside), crossing[owner[again]]]).astype(np.int64)
    whole = np.asarray(shapely.transform(shapes[inside], lambda points: _on_edges(points, bounds)))
    parts = np.concatenate([whole, cut])
    size = shapely.area(parts) if dimensions == 2 else shapely.length(parts)
    kept = np.flatnonzero(size > (LEAST_M2 if dimensions == 2 else STEP_M))
    order = kept[np.lexsort((kept, rows[kept]))]
    pieces = table.iloc[rows[order]].reset_index(drop=True)
    pieces[measure] = size[order]
    return pieces.set_geometry(gpd.GeoSeries(parts[order], crs=table.crs))


def _sound(parts: NDArray[np.object_], dimensions: int) -> tuple[NDArray[np.object_], NDArray[np.int64]]:
    """Valid parts of as many dimensions, without points that stand twice; and which part each is of."""
    parts = shapely.remove_repeated_points(parts)
    broken = ~shapely.is_valid(parts)
    parts[broken] = shapely.make_valid(parts[broken])
    single, owner = shapely.get_parts(parts, return_index=True)
    kept = (shapely.get_dimensions(single) == dimensions) & ~shapely.is_empty(single)
    if dimensions == 2:
        single = np.asarray(shapely.orient_polygons(single))
    return single[kept], owner[kept]


def _on_edges(points: NDArray[np.float64], bounds: Bounds) -> NDArray[np.float64]:
    """Points ``(n, 2)``, of which those on an edge lie just there, and at a multiple of `STEP_M` along it."""
    left, bottom, right, top = bounds
    placed = points.copy()
    for axis, edges in ((0, (left, right)), (1, (bottom, top))):
        for edge in edges:
            on = np.abs(points[:, axis] - edge) < ON_EDGE_M
            placed[on, 1 - axis] = np.round(placed[on, 1 - axis] / STEP_M) * STEP_M
    for axis, edges in ((0, (left, right)), (1, (bottom, top))):
        for edge in edges:
            placed[np.abs(points[:, axis] - edge) < ON_EDGE_M, axis] = edge
    return placed
