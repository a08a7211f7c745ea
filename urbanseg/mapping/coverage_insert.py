"""Insertion of shapes into a coverage in place of its polygons, without a gap or an overlap.

The sides of polygons near a shape are cut where they cross it. Of the faces that all sides
enclose, those inside a shape belong to it, those that its polygon covered and the shape does
not go to a neighbour, and the others stay with their owner. Shapes that would break a
polygon in pieces or cover it whole are left out. No vertex moves that no shape touches.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from urbanseg.mapping.partition import components

Indices = NDArray[np.int64]
Flags = NDArray[np.bool_]
Geometries = NDArray[np.object_]
Complexes = NDArray[np.complex128]


@dataclass(frozen=True)
class InsertRules:
    """Constraints of the insertion: ``(n,)`` by polygon, and the tolerance."""

    same_kind: Flags  # of the kind that has shapes: none is made smaller by the shape of another, nor larger
    fixed: Flags  # must not change
    min_area: NDArray[np.float64]  # smaller pieces cut off a polygon go to a neighbour
    tolerance: float  # points no further apart than this become one; far below the distance of vertices


def insert_shapes(
    polygons: Geometries, shapes: Geometries, rules: InsertRules, frame: shapely.Polygon
) -> Geometries:
    """The coverage with shapes in place of some of its polygons.

    A shape is left out if it or its polygon touches the frame or a fixed polygon, if it touches
    a shape before it or a polygon of the same kind that stays as it is, or if it would cover a
    polygon or break it into pieces that are not small. What a shape leaves uncovered, and small
    pieces, go to the neighbour of another kind with the longest border.

    Args:
        polygons: ``(n,)`` Polygons that share every vertex with their neighbours and fill the frame.
        shapes: ``(n,)`` Polygons, or None for polygons that stay.
        rules: see there.
        frame: outline of the whole coverage.

    Returns:
        ``(n,)`` Polygons that share every vertex with their neighbours.
    """
    chosen = _select_compatible(polygons, shapes, rules, frame)
    while len(chosen):
        result, rejected = _overlay(polygons, shapes, rules, chosen)
        if not len(rejected):
            return result
        chosen = np.setdiff1d(chosen, rejected)
    return polygons


def _select_compatible(
    polygons: Geometries, shapes: Geometries, rules: InsertRules, frame: shapely.Polygon
) -> Indices:
    """Polygons whose shape may be inserted; see `insert_shapes`."""
    close: dict[str, Any] = {"predicate": "dwithin", "distance": rules.tolerance}
    ok = ~shapely.is_missing(shapes)
    shapely.prepare(frame)
    ok[ok] = shapely.contains_properly(frame, shapes[ok])
    candidates = np.flatnonzero(ok)
    excluded = np.array([*polygons[rules.fixed], shapely.boundary(frame)], dtype=object)
    for geometries in (polygons, shapes):
        ok[candidates[shapely.STRtree(geometries[candidates]).query(excluded, **close)[1]]] = False

    candidates = np.flatnonzero(ok)
    tree = shapely.STRtree(shapes[candidates])
    first, second = candidates[tree.query(shapes[candidates], **close)]
    before = first < second
    order = np.lexsort((first[before], second[before]))
    for i, j in zip(first[before][order], second[before][order], strict=True):
        ok[j] &= not ok[i]

    relatives = np.flatnonzero(rules.same_kind)
    which, place = tree.query(polygons[relatives], **close)
    other, mine = relatives[which], candidates[place]
    while (crowded := ok[mine] & ~ok[other]).any():
        ok[mine[crowded]] = False
    return np.flatnonzero(ok)


def _overlay(
    polygons: Geometries, shapes: Geometries, rules: InsertRules, chosen: Indices
) -> tuple[Geometries, Indices]:
    """The coverage with the chosen shapes, and those of the chosen whose shape cannot be inserted.

    If there are any of the latter, the coverage is unchanged.
    """
    zone = shapely.STRtree(np.concatenate([polygons[chosen], shapes[chosen]]))

    def near(geometries: Geometries) -> Indices:
        """The chosen whose polygon or shape is nearest to one of the geometries.

        After rounding, not all that touch have a point in common.
        """
        return np.asarray(chosen[np.unique(zone.query_nearest(geometries)[1] % len(chosen))])

    changed = np.unique(zone.query(polygons, predicate="dwithin", distance=rules.tolerance)[0])
    before, after = polygons[changed], shapes[chosen]
    faces = _faces(before, after, rules.tolerance)
    owner, new_owner = _owners(faces, polygons, changed), _owners(faces, shapes, chosen)
    known = owner >= 0  # the others are unchanged polygons in holes of these
    faces, owner, new_owner = faces[known], owner[known], new_owner[known]
    stays = (new_owner < 0) & ~np.isin(owner, chosen)
    parts, of = _assign_faces(faces, np.where(stays, owner, new_owner), rules)
    if (ownerless := of < 0).any():
        return polygons, near(parts[ownerless])
    if len(pieces := _find_repeated(of)):
        cut_off = np.flatnonzero((new_owner >= 0) & (new_owner != owner))
        cuts = cut_off[_find_cutting(faces[cut_off], owner[cut_off], parts, of)]
        return polygons, np.unique(new_owner[cuts]) if len(cuts) else near(parts[pieces])
    if len(covered := np.setdiff1d(changed, of)):
        return polygons, near(polygons[covered])
    made = _drop_vertices(parts, np.concatenate([before, after]))
    strays = np.abs(shapely.area(made[np.isin(changed, chosen)]) - shapely.area(after))
    if (bent := strays > rules.tolerance * shapely.length(after)).any():
        return polygons, chosen[bent]
    if len(broken := np.concatenate([_find_gaps(before, made), made[~shapely.is_valid(made)]])):
        return polygons, near(broken)
    result = polygons.copy()
    result[changed] = shapely.orient_polygons(made)
    return result, chosen[:0]


def _assign_faces(faces: Geometries, new_owner: Indices, rules: InsertRules) -> tuple[Geometries, Indices]:
    """Faces dissolved by owner, after faces without one (-1) and small pieces were given to neighbours.

    Faces for which no owner is found are still among the polygons, with -1.
    """
    for is_last in (False, True):
        new_owner = _assign_neighbours(faces, new_owner, rules.same_kind)
        if (new_owner < 0).any():
            break
        faces, new_owner = _dissolve(faces, new_owner)
        if not is_last:
            pieces = _find_repeated(new_owner)
            new_owner[pieces[shapely.area(faces[pieces]) < rules.min_area[new_owner[pieces]]]] = -1
    return faces, new_owner


def _owners(faces: Geometries, polygons: Geometries, chosen: Indices) -> Indices:
    """In which of the chosen polygons each face lies, -1 for none."""
    owner = np.full(len(faces), -1)
    points = shapely.STRtree(shapely.point_on_surface(faces))
    which, face = points.query(polygons[chosen], predicate="contains")
    owner[face] = chosen[which]
    return owner


def _dissolve(faces: Geometries, owner: Indices) -> tuple[Geometries, Indices]:
    """The faces of each owner as one polygon, or several: owners ascending, their largest first."""
    order = np.argsort(owner, kind="stable")
    names, group = np.unique(owner[order], return_inverse=True)
    grouped = np.asarray(shapely.multipolygons(faces[order], indices=group))
    parts, of = shapely.get_parts(
        shapely.coverage_union_all(grouped[:, np.newaxis], axis=1), return_index=True
    )
    order = np.lexsort((-shapely.area(parts), of))
    return parts[order], names[of[order]]


def _find_repeated(ascending: Indices) -> Indices:
    """Where a value is that of the place before."""
    return np.flatnonzero(np.diff(ascending, prepend=-1) == 0)


def _find_cutting(cut_off: Geometries, former_owner: Indices, parts: Geometries, owner: Indices) -> Flags:
    """Which faces cut off a polygon touch several parts of what is left of it."""
    face, part = shapely.STRtree(parts).query(cut_off, predicate="intersects")
    own = former_owner[face] == owner[part]
    return np.asarray(np.bincount(face[own], minlength=len(cut_off)) > 1)


def _assign_neighbours(faces: Geometries, new_owner: Indices, same_kind: Flags) -> Indices:
    """Owners of all faces: where there is none (-1), the neighbour of another kind with the longest border.

    Faces that touch only faces without an owner follow in a later round; -1 remains where no
    neighbour qualifies.
    """
    one, other, length = shared_sides(faces)
    left, right, length = np.concatenate([one, other]), np.concatenate([other, one]), np.tile(length, 2)
    new_owner = new_owner.copy()
    while True:
        fit = (new_owner[left] < 0) & (new_owner[right] >= 0)
        fit[fit] = ~same_kind[new_owner[right[fit]]]
        if not fit.any():
            return new_owner
        pairs, number = np.unique(np.stack([left[fit], new_owner[right[fit]]]), axis=1, return_inverse=True)
        borders = np.bincount(number, length[fit])
        best = np.lexsort((-borders, pairs[0]))
        best = best[np.diff(pairs[0, best], prepend=-1) > 0]
        new_owner[pairs[0, best]] = pairs[1, best]


def _faces(polygons: Geometries, shapes: Geometries, tolerance: float) -> Geometries:
    """The faces that the sides of a coverage's polygons and of disjoint shapes enclose together.

    Only sides that touch a shape are cut, so that the others stay bit-identical. Where a shape
    nearly passes through a vertex it does, since rounding would leave gaps there.
    """
    sides = _lines(*_distinct(*_sides(polygons)[1:]))
    outlines = shapely.boundary(shapes)
    shape, side = shapely.STRtree(sides).query(outlines, predicate="dwithin", distance=tolerance)
    met, place = np.unique(side, return_inverse=True)
    count = len(shapes)
    number, group = components(shape, count + place, count + len(met))
    met_shapes = _collect(outlines, group[:count], number)
    met_sides = _collect(sides[met], group[count:], number)
    met_shapes = shapely.snap(met_shapes, met_sides, tolerance)
    met_sides = shapely.snap(met_sides, met_shapes, tolerance)
    cut = _links(np.asarray(shapely.union_all(np.stack([met_shapes, met_sides]), axis=0)))
    untouched = np.ones(len(sides), dtype=bool)
    untouched[met] = False
    faces = shapely.polygonize(np.concatenate([sides[untouched], _lines(*_distinct(*cut))]))
    return np.asarray(shapely.get_parts(faces))


def _collect(geometries: Geometries, group: NDArray[np.integer], number: int) -> Geometries:
    """The geometries of each of a number of groups."""
    collections = np.full(number, shapely.GeometryCollection(), dtype=object)
    order = np.argsort(group, kind="stable")
    shapely.geometrycollections(geometries[order], indices=group[order], out=collections)
    return collections


def _drop_vertices(polygons: Geometries, known: Geometries) -> Geometries:
    """Polygons of a coverage without vertices that are not in `known` and where only two sides meet."""
    start, end = _distinct(*_sides(polygons)[1:])
    places, sides = np.unique(np.concatenate([start, end]), return_counts=True)
    redundant = places[(sides == 2) & ~np.isin(places, _places(shapely.get_coordinates(known)))]

    _, points, (rings, firsts) = shapely.to_ragged_array(polygons)
    kept = ~np.isin(_places(points), redundant)
    kept[rings[1:] - 1] = False
    lengths = np.add.reduceat(kept.astype(np.int64), rings[:-1]) + 1
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    closed = np.empty((offsets[-1], 2))
    is_last = np.zeros(len(closed), dtype=bool)
    is_last[offsets[1:] - 1] = True
    closed[~is_last] = points[kept]
    closed[is_last] = closed[offsets[:-1]]
    return np.asarray(shapely.from_ragged_array(shapely.GeometryType.POLYGON, closed, (offsets, firsts)))


def _find_gaps(before: Geometries, after: Geometries) -> Geometries:
    """Sides with a polygon on one side alone, either before or after: none if the coverage is whole."""
    single = [_unshared(*_sides(polygons)[1:]) for polygons in (before, after)]
    return _lines(*_unshared(*(np.concatenate(ends) for ends in zip(*single, strict=True))))


def shared_sides(polygons: Geometries) -> tuple[Indices, Indices, NDArray[np.float64]]:
    """Sides that two polygons of a coverage share: the one, the other, and the side's length."""
    of, start, end = _sides(polygons)
    order, first = _group_equal(start, end)
    second = order[np.flatnonzero(~first)]
    first_of = order[np.flatnonzero(~first) - 1]
    return of[first_of], of[second], np.abs(end - start)[second]


def _sides(polygons: Geometries) -> tuple[Indices, Complexes, Complexes]:
    """Sides of polygons: which one they belong to, and their ends in ascending order."""
    _, points, (rings, firsts) = shapely.to_ragged_array(polygons)
    of = np.repeat(np.arange(len(polygons)), np.diff(np.asarray(rings, dtype=np.int64)[firsts]))
    ends = _places(points)
    begins = np.ones(len(ends), dtype=bool)
    begins[rings[1:] - 1] = False
    at = np.flatnonzero(begins)
    return of[at], np.minimum(ends[at], ends[at + 1]), np.maximum(ends[at], ends[at + 1])


def _links(lines: Geometries) -> tuple[Complexes, Complexes]:
    """Ends, in ascending order, of each straight piece of lines."""
    parts = shapely.get_parts(lines)
    points, of = shapely.get_coordinates(parts, return_index=True)
    ends = _places(points)
    at = np.flatnonzero(of[1:] == of[:-1])
    return np.minimum(ends[at], ends[at + 1]), np.maximum(ends[at], ends[at + 1])


def _group_equal(start: Complexes, end: Complexes) -> tuple[Indices, Flags]:
    """An order in which equal sides follow each other, and which of them are the first of their kind."""
    order = np.lexsort((end, start))
    first = np.ones(len(order), dtype=bool)
    first[1:] = (np.diff(start[order]) != 0) | (np.diff(end[order]) != 0)
    return order, first


def _distinct(start: Complexes, end: Complexes) -> tuple[Complexes, Complexes]:
    """Sides, each once, in ascending order."""
    order, first = _group_equal(start, end)
    return start[order[first]], end[order[first]]


def _unshared(start: Complexes, end: Complexes) -> tuple[Complexes, Complexes]:
    """Sides that occur once."""
    order, first = _group_equal(start, end)
    alone = order[first & np.append(first[1:], True)]
    return start[alone], end[alone]


def _lines(start: Complexes, end: Complexes) -> Geometries:
    """Lines from start to end."""
    ends = np.stack([start, end], axis=1)
    return np.asarray(shapely.linestrings(np.stack([ends.real, ends.imag], axis=2)))


def _places(points: NDArray[np.float64]) -> Complexes:
    """``(n, 2)`` coordinates as complex numbers, which can be compared and sorted."""
    return np.asarray(points[:, 0] + 1j * points[:, 1])
