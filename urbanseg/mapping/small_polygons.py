"""Limits of area in a coverage whose outlines have moved: small polygons are merged, small holes filled.

`urbanseg.mapping.regions` does the same to pixels. But smoothing, simplification and
regularization make some polygons smaller, and what is delivered must keep to the limits. Polygons
that are joined share sides, so there is no gap and no overlap afterwards.
"""

from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray

from urbanseg.classes import IGNORE
from urbanseg.mapping.coverage_insert import shared_sides
from urbanseg.mapping.partition import components
from urbanseg.mapping.regions import Limits, Regions, merge_regions

ROUNDING = 1 - 1e-9
"""Areas that are below a limit by less are not below it."""


@dataclass(frozen=True)
class Cover:
    """A coverage: polygons that share every vertex with their neighbours, and what they were made of."""

    polygons: NDArray[np.object_]  # (n,)
    ids: NDArray[np.uint8]  # (n,) class of each; `IGNORE` where unknown
    moved: NDArray[np.int64]  # (before,): the polygon that each one before has become part of

    @classmethod
    def of(cls, polygons: NDArray[np.object_], ids: NDArray[np.uint8]) -> "Cover":
        """The cover of polygons as they are."""
        return cls(polygons, ids, np.arange(len(ids)))

    def merged(self, moved: NDArray[np.integer], ids: NDArray[np.uint8]) -> "Cover":
        """Each polygon `p` becomes part of polygon ``moved[p]`` of class ``ids[moved[p]]``.

        Polygons are renumbered by the first of those that they were.
        """
        first = np.unique(moved, return_index=True)[1]
        number = np.empty(len(first), dtype=np.int64)
        number[np.argsort(first)] = np.arange(len(first))
        now = number[moved]
        polygons = self.polygons[np.sort(first)]
        joined = np.flatnonzero(np.bincount(now) > 1)
        for target, members in zip(joined, _members(now, joined), strict=True):
            union = shapely.coverage_union_all(self.polygons[members])
            polygons[target] = shapely.orient_polygons(union)
        return Cover(polygons, ids[np.argsort(first)], now[self.moved])


def keep_limits(cover: Cover, min_area: Limits, min_hole: Limits, exact: NDArray[np.object_]) -> Cover:
    """The coverage with no polygon below the limit of its class, and no hole below that of the class around.

    A polygon that is too small goes to the neighbour it shares most border with, the smallest first,
    until none is left but those that touch only unknown ones. These get the outline back that they had
    before it was moved, if that does not overlap another polygon.

    Args:
        cover: of polygons before any were merged.
        min_area: areas by class, in the square of the unit of the coordinates.
        min_hole: areas by class; a hole in which something is unknown stays.
        exact: ``(n,)`` Polygons, the outlines of `cover` before they were moved.

    Returns:
        A coverage, in which polygons are ordered by the first of those they were made of.
    """
    cover = _fill_holes(_merge_small(cover, min_area * ROUNDING), min_hole * ROUNDING)
    least = min_area[cover.ids] * ROUNDING
    small = np.flatnonzero(shapely.area(cover.polygons) < least)
    if not len(small):
        return cover
    polygons = cover.polygons.copy()
    known = np.flatnonzero(cover.ids != IGNORE)
    tree = shapely.STRtree(polygons[known])
    for target, members in zip(small, _members(cover.moved, small), strict=True):
        former = shapely.orient_polygons(shapely.coverage_union_all(exact[members]))
        near = known[tree.query(former, predicate="intersects")]
        overlaps = shapely.relate_pattern(former, polygons[near[near != target]], "T********").any()
        if former.area >= least[target] and not overlaps:
            polygons[target] = former
    return Cover(polygons, cover.ids, cover.moved)


def _merge_small(cover: Cover, min_area: Limits) -> Cover:
    """Merge polygons that are too small into neighbours; see `regions.merge_slivers`."""
    areas = shapely.area(cover.polygons)
    if (areas >= min_area[cover.ids]).all():
        return cover
    one, other, length = shared_sides(cover.polygons)
    known = (cover.ids[one] != IGNORE) & (cover.ids[other] != IGNORE)
    regions = Regions.of(cover.ids, areas, one[known], other[known], length[known])
    return cover.merged(*merge_regions(regions, min_area))


def _fill_holes(cover: Cover, min_hole: Limits) -> Cover:
    """Merge what lies in too small holes into the polygon around."""
    rings, owner = shapely.get_rings(cover.polygons, return_index=True)
    is_hole = np.diff(owner, prepend=-1) == 0  # the shell comes first
    holes, owner = np.asarray(shapely.polygons(rings[is_hole])), owner[is_hole]
    small = shapely.area(holes) < min_hole[cover.ids[owner]]
    owner, holes = owner[small], holes[small]
    inside = shapely.STRtree(shapely.point_on_surface(cover.polygons))
    hole, within = inside.query(holes, predicate="contains")
    is_open = np.zeros(len(holes), dtype=bool)
    is_open[hole[cover.ids[within] == IGNORE]] = True
    hole, within = hole[~is_open[hole]], within[~is_open[hole]]
    if not len(hole):
        return cover
    count, moved = components(owner[hole], within, len(cover.ids))
    swallowed = np.zeros(len(cover.ids), dtype=bool)
    swallowed[within] = True
    ids = np.zeros(count, dtype=np.uint8)
    ids[moved[~swallowed]] = cover.ids[~swallowed]
    return cover.merged(moved, ids)


def _members(moved: NDArray[np.int64], targets: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Which have become part of each of the ascending targets."""
    order = np.argsort(moved, kind="stable")
    first, last = (np.searchsorted(moved[order], targets, side) for side in ("left", "right"))
    return [order[a:b] for a, b in zip(first, last, strict=True)]
