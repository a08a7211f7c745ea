"""Vertices that only the cut at the side of a cell made, which leave when the parts are merged.

A vertex on a seam goes if the outline runs straight through it: along the seam, or from one side to the other
within `TOLERANCE_M`, as it was rounded when it was cut. Both neighbours of an outline decide alike.
"""

import numpy as np
import shapely
from numpy.typing import NDArray

from urbanseg.region.dataset import Geometries

TOLERANCE_M = 0.002
"""Distance of a vertex on a seam from the line between its neighbours, in metres, that rounding explains."""

Floats = NDArray[np.float64]


def without_seams(polygons: Geometries, vertical: Floats, horizontal: Floats) -> Geometries:
    """Polygons without the vertices that cuts made, in a normal form that only the shape decides.

    Args:
        polygons: ``(n,)`` Polygons or MultiPolygons.
        vertical: x of the sides of cells, ascending.
        horizontal: y of the sides of cells, ascending.

    Returns:
        ``(n,)``, shells counter-clockwise.
    """
    parts, owner = shapely.get_parts(polygons, return_index=True)
    rings, part = shapely.get_rings(parts, return_index=True)
    points, ring = shapely.get_coordinates(rings, return_index=True)
    last = np.append(ring[1:] != ring[:-1], True)[: len(points)]
    points, ring = points[~last], ring[~last]  # a ring ends where it begins
    first = np.flatnonzero(np.diff(ring, prepend=-1))
    end = np.append(first[1:], len(ring)) - 1
    before, after = np.arange(-1, len(ring) - 1), np.arange(1, len(ring) + 1)
    before[first], after[end] = end, first
    kept = ~straight(points[before], points, points[after], (vertical, horizontal))
    few = np.bincount(ring[kept], minlength=len(rings)) < 3
    kept |= few[ring]
    made = shapely.polygons(shapely.linearrings(points[kept], indices=ring[kept]), indices=part)
    whole = made if len(made) == len(polygons) else _gathered(made, owner)
    return np.asarray(shapely.orient_polygons(shapely.normalize(whole)), dtype=object)


def _gathered(parts: Geometries, owner: NDArray[np.int64]) -> Geometries:
    """Polygons by owner: alone as they are, several as a MultiPolygon."""
    starts = np.flatnonzero(np.diff(owner, prepend=-1))
    groups = np.split(parts, starts[1:])
    found = np.empty(len(groups), object)
    found[:] = [group[0] if len(group) == 1 else shapely.multipolygons(group) for group in groups]
    return found


def straight(before: Floats, at: Floats, after: Floats, lines: tuple[Floats, Floats]) -> NDArray[np.bool_]:
    """Whether a line runs straight on through a vertex on the side of a cell.

    Args:
        before: ``(n, 2)`` the vertices before.
        at: the vertices.
        after: the vertices after.
        lines: x of vertical sides of cells and y of horizontal ones, ascending.
    """
    flip = (before[:, 0] > after[:, 0]) | ((before[:, 0] == after[:, 0]) & (before[:, 1] > after[:, 1]))
    low = np.where(flip[:, None], after, before)  # the same figures for whoever goes the other way
    high = np.where(flip[:, None], before, after)
    span, away = high - low, at - low
    length = np.hypot(*span.T)
    off = np.abs(span[:, 0] * away[:, 1] - span[:, 1] * away[:, 0])
    close = (length > 0) & (off <= TOLERANCE_M * length)
    found = np.zeros(len(at), bool)
    for axis, sides in enumerate(lines):
        place = at[:, axis]
        on = np.isin(place, sides)
        crosses = np.sign(before[:, axis] - place) * np.sign(after[:, axis] - place) < 0
        other = 1 - axis
        ahead = np.sign(before[:, other] - at[:, other]) * np.sign(after[:, other] - at[:, other]) < 0
        along = (before[:, axis] == place) & (after[:, axis] == place) & ahead
        found |= on & ((crosses & close) | along)
    return found
