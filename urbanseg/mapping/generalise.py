"""Smoother and simpler outlines, without a gap or an overlap: neighbours keep sharing every vertex.

Smoothing cuts corners (Chaikin 1974, "An algorithm for high-speed curve generation") before
anything else moves, where corners are known to be a pixel apart; simplification is GEOS'
for coverages (Visvalingam and Whyatt 1993), which keeps the topology.
"""

import numpy as np
import shapely
from numpy.typing import NDArray

from urbanseg.mapping.outlines import Rings
from urbanseg.mapping.partition import LOWER_LEFT, LOWER_RIGHT, UPPER_LEFT, UPPER_RIGHT, Partition

CUTS = (0.5, 0.25)
"""Share of a side that is cut off at its ends, in one round after the other."""
REACH = 0.5
"""At most so many pixels are cut off; so cuts at different corners never meet another outline."""


def smooth(rings: Rings, partition: Partition, soft: NDArray[np.bool_]) -> Rings:
    """Round the outlines between regions that are both `soft`.

    Where three or more regions meet, or a region that is not soft is near, all stays. Both
    neighbours compute the same points from the same corners, so they stay equal to the bit.

    Args:
        rings: as `urbanseg.mapping.outlines.trace` makes them of `partition`.
        partition: the regions.
        soft: ``(regions,)`` bool.

    Returns:
        The rings with cut corners; none of the new vertices is a corner of the partition.
    """
    upper_left, upper_right, lower_left, lower_right = (
        partition.around[:, pixel] for pixel in (UPPER_LEFT, UPPER_RIGHT, LOWER_LEFT, LOWER_RIGHT)
    )
    borders = (
        (upper_left != upper_right).astype(np.int8)
        + (lower_left != lower_right)
        + (upper_left != lower_left)
        + (upper_right != lower_right)
    )
    movable = ((borders == 2) & soft[partition.around].all(axis=1))[rings.corner]
    for share in CUTS:
        rings, movable = _cut(rings, movable, share)
    return rings


def simplify(polygons: NDArray[np.object_], tolerance: float) -> NDArray[np.object_]:
    """Drop vertices of a coverage whose triangle with their neighbours is below ``tolerance²``.

    The edge of the whole coverage stays as it is.

    Args:
        polygons: ``(n,)`` shapely Polygons that share every vertex with their neighbours.
        tolerance: in units of the CRS.
    """
    simpler = shapely.coverage_simplify(polygons, tolerance, simplify_boundary=False)
    return np.asarray(shapely.orient_polygons(simpler))  # GEOS turns rings that have no node


def _cut(rings: Rings, movable: NDArray[np.bool_], share: float) -> tuple[Rings, NDArray[np.bool_]]:
    """Replace each movable vertex by two on its sides; return which of the new ones are movable."""
    count = len(movable)
    vertex = np.repeat(np.arange(count), 1 + movable)
    is_second = np.zeros(len(vertex), dtype=bool)
    is_second[1:] = vertex[1:] == vertex[:-1]
    towards = np.where(is_second, rings.following()[vertex], rings.preceding()[vertex])
    points, step = rings.points[vertex], rings.points[towards] - rings.points[vertex]
    part = np.minimum(share, REACH / np.hypot(*step.T))
    points = points + np.where(movable[vertex], part, 0)[:, np.newaxis] * step

    lengths = np.add.reduceat(1 + movable.astype(np.int64), rings.offsets[:-1])
    cut = rings.with_points(points, lengths)
    moved = np.any(points != points[cut.preceding()], axis=1)  # two cuts may meet in the middle
    lengths = np.add.reduceat(moved.astype(np.int64), cut.offsets[:-1])
    return cut.with_points(points[moved], lengths), movable[vertex][moved]
