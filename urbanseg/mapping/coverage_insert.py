"""Shapes put into a coverage in place of its polygons, without a gap or an overlap.

The sides of polygons near a shape are cut where they cross it; of the faces that all sides
enclose, those inside a shape are its own, those that it leaves go to a neighbour, and the
others stay with their owner. Shapes that would break a polygon in pieces or cover it whole
are left out. Nothing moves that no shape touches.
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
class Rules:
    """What shapes must respect, by polygon, ``(n,)`` each, and how exactly."""

    kin: Flags  # of the kind that has shapes: none is made smaller by the shape of another, nor larger
    fixed: Flags  # must not change
    least: NDArray[np.float64]  # smaller pieces cut off a polygon go to a neighbour
    same: float  # places no further apart than this become one; far below the distance of vertices


def inserted(polygons: Geometries, shapes: Geometries, rules: Rules, frame: shapely.Polygon) -> Geometries:
    """The coverage with shapes in place of some of its polygons.

    A shape is left out if it or its polygon touches the frame or a fixed polygon, if it touches
    a shape before it or one of the kin that stays as it is, or if it would cover a polygon or
    break it into pieces that are not small. What a shape leaves, and small pieces, go to the
    neighbour with the longest border that is no kin.

    Args:
        polygons: ``(n,)`` Polygons that share every vertex with their neighbours and fill the frame.
        shapes: ``(n,)`` Polygons, or None for polygons that stay.
        rules: see there.
        frame: outline of the whole coverage.

    Returns:
        ``(n,)`` Polygons that share every vertex with their neighbours.
    """
    chosen = _compatible(polygons, shapes, rules, frame)
    while len(chosen):
        result, spoilt = _overlaid(polygons, shapes, rules, chosen)
        if not len(spoilt):
            return result
        chosen = np.setdiff1d(chosen, spoilt)
    return polygons


def _compatible(polygons: Geometries, shapes: Geometries, rules: Rules, frame: shapely.Polygon) -> Indices:
    """Polygons whose shape is clear of the frame, of what is fixed, of other shapes and of kin that stays."""
    close: dict[str, Any] = {"predicate": "dwithin", "distance": rules.same}
    ok = ~shapely.is_missing(shapes)
    shapely.prepare(frame)
    ok[ok] = shapely.contains_properly(frame, shapes[ok])
    candidates = np.flatnonzero(ok)
    barred = np.array([*polygons[rules.fixed], shapely.boundary(frame)], dtype=object)
    for geometries in (polygons, shapes):
        ok[candidates[shapely.STRtree(geometries[candidates]).query(barred, **close)[1]]] = False

    candidates = np.flatnonzero(ok)
    tree = shapely.STRtree(shapes[candidates])
    first, second = candidates[tree.query(shapes[candidates], **close)]
    before = first < second
    order = np.lexsort((first[before], second[before]))
    for i, j in zip(first[before][order], second[before][order], strict=True):
        ok[j] &= not ok[i]

    relatives = np.flatnonzero(rules.kin)
    which, place = tree.query(polygons[relatives], **close)
    other, mine = relatives[which], candidates[place]
    while (crowded := ok[mine] & ~ok[other]).any():
        ok[mine[crowded]] = False
    return np.flatnonzero(ok)


def _overlaid(
    polygons: Geometries, shapes: Geometries, rules: Rules, chosen: Indices
) -> tuple[Geometries, Indices]:
    """The coverage with the chosen shapes, and those of the chosen whose shape can't be had so.

    If there are any of the latter, the coverage is as it was.
    """
    zone = shapely.STRtree(np.concatenate([polygons[chosen], shapes[chosen]]))

    def near(geometries: Geometries) -> Indices:
        """The chosen whose polygon or shape is nearest to one of the geometries.

        After rounding, not all that touch have a point in common.
        """
        return np.asarray(chosen[np.unique(zone.query_nearest(geometries)[1] % len(chosen))])

    changed = np.unique(zone.query(polygons, predicate="dwithin", distance=rules.same)[0])
    before, after = polygons[changed], shapes[chosen]
    faces = _faces(before, after, rules.same)
    owner, heir = _owners(faces, polygons, changed), _owners(faces, shapes, chosen)
    known = owner >= 0  # the others are unchanged polygons in holes of these
    faces, owner, heir = faces[known], owner[known], heir[known]
    stays = (heir < 0) & ~np.isin(owner, chosen)
    parts, of = _settled(faces, np.where(stays, owner, heir), rules)
    if (orphans := of < 0).any():
        return polygons, near(parts[orphans])
    if len(pieces := _repeated(of)):
        bites = np.flatnonzero((heir >= 0) & (heir != owner))
        cuts = bites[_cutting(faces[bites], owner[bites], parts, of)]
        return polygons, np.unique(heir[cuts]) if len(cuts) else near(parts[pieces])
    if len(covered := np.setdiff1d(changed, of)):
        return polygons, near(polygons[covered])
    made = _without_needless(parts, np.concatenate([before, after]))
    strays = np.abs(shapely.area(made[np.isin(changed, chosen)]) - shapely.area(after))
    if (bent := strays > rules.same * shapely.length(after)).any():
        return polygons, chosen[bent]
    if len(torn := np.concatenate([_torn(before, made), made[~shapely.is_valid(made)]])):
        return polygons, near(torn)
    result = polygons.copy()
    result[changed] = shapely.orient_polygons(made)
    return result, chosen[:0]


def _settled(faces: Geometries, heir: Indices, rules: Rules) -> tuple[Geometries, Indices]:
    """Polygons of all heirs, when those are found for faces without one (-1) and for small pieces.

    If none is found for some of them, these are still among the polygons, with -1.
    """
    for is_last in (False, True):
        heir = _adopted(faces, heir, rules.kin)
        if (heir < 0).any():
            break
        faces, heir = _dissolved(faces, heir)
        if not is_last:
            pieces = _repeated(heir)
            heir[pieces[shapely.area(faces[pieces]) < rules.least[heir[pieces]]]] = -1
    return faces, heir


def _owners(faces: Geometries, polygons: Geometries, chosen: Indices) -> Indices:
    """In which of the chosen polygons each face lies, -1 for none."""
    owner = np.full(len(faces), -1)
    points = shapely.STRtree(shapely.point_on_surface(faces))
    which, face = points.query(polygons[chosen], predicate="contains")
    owner[face] = chosen[which]
    return owner


def _dissolved(faces: Geometries, owner: Indices) -> tuple[Geometries, Indices]:
    """The faces of each owner as one polygon, or several: owners ascending, their largest first."""
    order = np.argsort(owner, kind="stable")
    names, group = np.unique(owner[order], return_inverse=True)
    grouped = np.asarray(shapely.multipolygons(faces[order], indices=group))
    parts, of = shapely.get_parts(
        shapely.coverage_union_all(grouped[:, np.newaxis], axis=1), return_index=True
    )
    order = np.lexsort((-shapely.area(parts), of))
    return parts[order], names[of[order]]


def _repeated(ascending: Indices) -> Indices:
    """Where a value is that of the place before."""
    return np.flatnonzero(np.diff(ascending, prepend=-1) == 0)


def _cutting(bites: Geometries, bitten: Indices, parts: Geometries, owner: Indices) -> Flags:
    """Which bites out of polygons touch several parts of what is left of them."""
    bite, part = shapely.STRtree(parts).query(bites, predicate="intersects")
    own = bitten[bite] == owner[part]
    return np.asarray(np.bincount(bite[own], minlength=len(bites)) > 1)


def _adopted(faces: Geometries, heir: Indices, kin: Flags) -> Indices:
    """Heirs of all faces: where there is none (-1), the one with the longest border that is no kin.

    Faces that touch only such faces wait until those have one; -1 remains where none comes.
    """
    face, start, end = _sides(faces)
    order, first = _alike(start, end)
    second = order[np.flatnonzero(~first)]
    first_of = order[np.flatnonzero(~first) - 1]
    left, right = face[np.concatenate([first_of, second])], face[np.concatenate([second, first_of])]
    length = np.tile(np.abs(end - start)[second], 2)
    heir = heir.copy()
    while True:
        fit = (heir[left] < 0) & (heir[right] >= 0)
        fit[fit] = ~kin[heir[right[fit]]]
        if not fit.any():
            return heir
        pairs, number = np.unique(np.stack([left[fit], heir[right[fit]]]), axis=1, return_inverse=True)
        borders = np.bincount(number, length[fit])
        best = np.lexsort((-borders, pairs[0]))
        best = best[np.diff(pairs[0, best], prepend=-1) > 0]
        heir[pairs[0, best]] = pairs[1, best]


def _faces(polygons: Geometries, shapes: Geometries, same: float) -> Geometries:
    """What the sides of a coverage's polygons and of disjoint shapes enclose together.

    Only sides that touch a shape are cut, so that the others stay to the bit. Where a shape
    nearly passes through a vertex it does, since rounding would leave gaps there.
    """
    sides = _lines(*_distinct(*_sides(polygons)[1:]))
    outlines = shapely.boundary(shapes)
    shape, side = shapely.STRtree(sides).query(outlines, predicate="dwithin", distance=same)
    met, place = np.unique(side, return_inverse=True)
    count = len(shapes)
    number, group = components(shape, count + place, count + len(met))
    tangled = _collected(outlines, group[:count], number)
    tangles = _collected(sides[met], group[count:], number)
    tangled = shapely.snap(tangled, tangles, same)
    tangles = shapely.snap(tangles, tangled, same)
    cut = _links(np.asarray(shapely.union_all(np.stack([tangled, tangles]), axis=0)))
    untouched = np.ones(len(sides), dtype=bool)
    untouched[met] = False
    faces = shapely.polygonize(np.concatenate([sides[untouched], _lines(*_distinct(*cut))]))
    return np.asarray(shapely.get_parts(faces))


def _collected(geometries: Geometries, group: NDArray[np.integer], number: int) -> Geometries:
    """The geometries of each of a number of groups."""
    collections = np.full(number, shapely.GeometryCollection(), dtype=object)
    order = np.argsort(group, kind="stable")
    shapely.geometrycollections(geometries[order], indices=group[order], out=collections)
    return collections


def _without_needless(polygons: Geometries, known: Geometries) -> Geometries:
    """Polygons of a coverage without vertices that are none of `known` and where only two sides meet."""
    start, end = _distinct(*_sides(polygons)[1:])
    places, sides = np.unique(np.concatenate([start, end]), return_counts=True)
    needless = places[(sides == 2) & ~np.isin(places, _places(shapely.get_coordinates(known)))]

    _, points, (rings, firsts) = shapely.to_ragged_array(polygons)
    kept = ~np.isin(_places(points), needless)
    kept[rings[1:] - 1] = False
    lengths = np.add.reduceat(kept.astype(np.int64), rings[:-1]) + 1
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    closed = np.empty((offsets[-1], 2))
    is_last = np.zeros(len(closed), dtype=bool)
    is_last[offsets[1:] - 1] = True
    closed[~is_last] = points[kept]
    closed[is_last] = closed[offsets[:-1]]
    return np.asarray(shapely.from_ragged_array(shapely.GeometryType.POLYGON, closed, (offsets, firsts)))


def _torn(before: Geometries, after: Geometries) -> Geometries:
    """Sides with a polygon on one side alone, either before or after: none if the coverage is whole."""
    single = [_unshared(*_sides(polygons)[1:]) for polygons in (before, after)]
    return _lines(*_unshared(*(np.concatenate(ends) for ends in zip(*single, strict=True))))


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


def _alike(start: Complexes, end: Complexes) -> tuple[Indices, Flags]:
    """An order in which equal sides follow each other, and which of them are the first of their kind."""
    order = np.lexsort((end, start))
    first = np.ones(len(order), dtype=bool)
    first[1:] = (np.diff(start[order]) != 0) | (np.diff(end[order]) != 0)
    return order, first


def _distinct(start: Complexes, end: Complexes) -> tuple[Complexes, Complexes]:
    """Sides, each once, in ascending order."""
    order, first = _alike(start, end)
    return start[order[first]], end[order[first]]


def _unshared(start: Complexes, end: Complexes) -> tuple[Complexes, Complexes]:
    """Sides that occur once."""
    order, first = _alike(start, end)
    alone = order[first & np.append(first[1:], True)]
    return start[alone], end[alone]


def _lines(start: Complexes, end: Complexes) -> Geometries:
    """Lines from start to end."""
    ends = np.stack([start, end], axis=1)
    return np.asarray(shapely.linestrings(np.stack([ends.real, ends.imag], axis=2)))


def _places(points: NDArray[np.float64]) -> Complexes:
    """``(n, 2)`` coordinates as complex numbers, which can be compared and sorted."""
    return np.asarray(points[:, 0] + 1j * points[:, 1])
