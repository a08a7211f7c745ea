"""A tessellation of the ground into cells: the parcels of fields and the blocks of towns."""

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

Shapes = NDArray[np.object_]

JITTER = 0.24
"""How far a cell's centre lies off the regular grid, in sides of a cell."""
SNAP_M = 0.05
"""Corners are snapped to this grid, without which real outlines make overlays fail."""
MISSING = 0.55
"""Share of the centres that are left out at most, in some places; cells around them are larger."""
PLACES_SIDES = 9.0
"""Size of places of small or large cells, in sides of a cell."""


def voronoi(box: shapely.Polygon, side_m: float, rng: np.random.Generator) -> Shapes:
    """Voronoi cells of a jittered, turned grid, stretched as fields are.

    Args:
        box: that they cover.
        side_m: mean side of a cell in metres.
        rng: draws direction, stretch and jitter.

    Returns:
        ``(n,)`` polygons.
    """
    stretch, angle = rng.uniform(1, 1.9), rng.uniform(0, np.pi)
    step = np.array([side_m * np.sqrt(stretch), side_m / np.sqrt(stretch)])
    centre = np.array(box.centroid.coords[0])
    reach = np.hypot(*(np.array(box.bounds[2:]) - box.bounds[:2])) / 2
    across, up = (np.arange(-reach - 2 * s, reach + 2 * s, s) for s in step)
    grid = np.stack(np.meshgrid(across, up), axis=-1).reshape(-1, 2)
    grid += rng.uniform(-JITTER, JITTER, grid.shape) * step
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    points = grid @ turn + centre
    left, bottom, right, top = box.bounds
    wide = 2 * step.max()
    hubs = rng.uniform(
        points.min(axis=0), points.max(axis=0), (max(1, int(len(points) / PLACES_SIDES**2)), 2)
    )
    place = shapely.STRtree(np.asarray(shapely.points(hubs))).nearest(shapely.points(points))
    points = points[rng.random(len(points)) >= rng.uniform(0, MISSING, len(hubs))[place]]
    inside = ((points > [left - wide, bottom - wide]) & (points < [right + wide, top + wide])).all(axis=1)
    cells = shapely.get_parts(shapely.voronoi_polygons(shapely.multipoints(points[inside]), extend_to=box))
    return np.asarray(cells[shapely.intersects(cells, box)], dtype=object)


def clipped(cells: Shapes, area: BaseGeometry) -> Shapes:
    """The cells whose centres lie in an area, whole."""
    shapely.prepare(area)
    return cells[shapely.contains(area, shapely.centroid(cells))]


def outside(cells: Shapes, taken: Shapes) -> Shapes:
    """What of each cell lies outside all the areas that are taken; empty where nothing does.

    Args:
        cells: ``(n,)`` polygons.
        taken: ``(m,)`` polygons, which may overlap and be large.

    Returns:
        ``(n,)`` polygons.
    """
    parts = shapely.get_parts(shapely.make_valid(taken)) if len(taken) else taken
    parts = parts[shapely.get_dimensions(parts) == 2]
    if not len(parts):
        return cells.copy()
    cell, part = shapely.STRtree(parts).query(cells, predicate="intersects")
    boxes = shapely.box(*shapely.bounds(cells[cell]).T)
    pieces = shapely.intersection(parts[part], boxes, grid_size=SNAP_M)
    result = cells.copy()
    order = np.argsort(cell, kind="stable")
    pieces, cell = pieces[order], cell[order]
    starts = np.flatnonzero(np.diff(cell, prepend=-1)).tolist()
    for first, last in zip(starts, [*starts[1:], len(cell)][: len(starts)], strict=True):
        hole = polygonal(shapely.union_all(pieces[first:last], grid_size=SNAP_M))
        result[cell[first]] = shapely.difference(cells[cell[first]], hole, grid_size=SNAP_M)
    return np.array([polygonal(shape) for shape in result], dtype=object)


def polygonal(shape: BaseGeometry) -> BaseGeometry:
    """The polygons of a shape, without the points and lines that overlays leave."""
    if shape.geom_type in ("Polygon", "MultiPolygon"):
        return shape
    parts = [part for part in shapely.get_parts(shape) if part.geom_type == "Polygon"]
    return shapely.MultiPolygon(parts)
