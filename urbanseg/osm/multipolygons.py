"""Multipolygon relations that libosmium does not assemble: of the old style, and incomplete ones.

In the old style the tags are on the outer ways, and the relation has none:
https://wiki.openstreetmap.org/wiki/Old_style_multipolygons. Of an incomplete one, some
member ways are not in the extract; its area is bounded by those that are.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import osmium
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from urbanseg.osm.features import Bounds
from urbanseg.osm.sea import Line, clip, extended, faces

DESCRIPTIVE = frozenset({"type", "source", "created_by", "note", "fixme", "name", "description", "wikidata"})
"""Keys that do not say what a relation is."""
ENCLOSING = 0.7
"""Lines enclose an area if they are at least this share of the length of the hull around them."""

CLEARLY = 1 / 3
"""Share of a box up to which the smaller part of it is taken to be the inside of what divides it."""


@dataclass(frozen=True)
class Members:
    """The member ways of a relation, by their ids."""

    outer: tuple[int, ...]
    inner: tuple[int, ...]

    @property
    def ways(self) -> tuple[int, ...]:
        """All of them."""
        return self.outer + self.inner

    @classmethod
    def of(cls, relation: Any) -> "Members":
        """The ways of a relation; those without a role count as outer ones."""
        ways = [(member.ref, member.role) for member in relation.members if member.type == "w"]
        return cls(
            tuple(ref for ref, role in ways if role != "inner"),
            tuple(ref for ref, role in ways if role == "inner"),
        )


@dataclass
class Relations:
    """The relations of a file that libosmium does not assemble to an area.

    Attributes:
        bare: multipolygons without tags, by id.
        outer_of: the relations of `bare` of which a way is an outer one.
        tagged: of the relations of `bare`, the classes and the tags of their outer ways.
        expected: tags and members of the relations with a class.
        assembled: ids of those that became areas.
        unclosed: ids of those whose rings don't close.
    """

    bare: dict[int, Members]
    outer_of: dict[int, list[int]] = field(default_factory=dict)
    tagged: dict[int, dict[tuple[str, ...], dict[int, dict[str, str]]]] = field(default_factory=dict)
    expected: dict[int, tuple[dict[str, str], Members]] = field(default_factory=dict)
    assembled: set[int] = field(default_factory=set)
    unclosed: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        for relation, members in self.bare.items():
            for way in members.outer:
                self.outer_of.setdefault(way, []).append(relation)


def old_style(path: Path) -> dict[int, Members]:
    """The ways of multipolygons without tags of their own, by the id of the relation.

    Raises:
        RuntimeError: if the file is damaged.
    """
    relations = osmium.FileProcessor(path, osmium.osm.RELATION).with_filter(
        osmium.filter.TagFilter(("type", "multipolygon"))
    )
    return {relation.id: Members.of(relation) for relation in relations if _is_bare(relation.tags)}


def _is_bare(tags: Iterable[Any]) -> bool:
    return all(tag.k in DESCRIPTIVE or tag.k.startswith(("source:", "name:")) for tag in tags)


def assembled(outer: Sequence[Line], inner: Sequence[Line]) -> BaseGeometry:
    """The polygon or multipolygon of member ways; empty if the outer ones do not close.

    What lies in an odd number of rings is inside, so that an island in a hole counts again.

    Args:
        outer: lines that together are the outer rings.
        inner: lines that together are the rings of holes, also of other areas.
    """
    rings = _polygons(outer)
    reach = shapely.union_all(rings)
    holes = [ring for ring in _polygons(inner) if reach.contains(ring.representative_point())]
    area: BaseGeometry = shapely.Polygon()
    for ring in [*rings, *holes]:
        area = shapely.symmetric_difference(area, ring)
    return area


def _polygons(lines: Sequence[Line]) -> list[BaseGeometry]:
    """The rings that lines form, each filled."""
    whole = [shapely.LineString(line) for line in lines if len(line) > 1]
    return [shapely.Polygon(face.exterior) for face in shapely.get_parts(shapely.polygonize(whole))]


def possible_area(lines: Sequence[Line], holes: Sequence[Line], box: Bounds | None) -> BaseGeometry:
    """Where, inside a box, an area may lie of which only parts of the border are known.

    If the border is known wherever it is in the box, it divides the box into what is inside
    and what is outside. The holes tell which is which; without them the inside is the part
    that is clearly smaller, or may be either. If border is missing in the box itself, see
    `_beside`.

    Args:
        lines: the known parts of the outer border, ``(n, 2)`` longitude and latitude in degrees.
        holes: the known parts of the border of holes.
        box: west, south, east, north in degrees; None for no limit.

    Returns:
        A polygon or multipolygon; empty if no part of it is in the box.
    """
    if box is not None and (inside := _divided([*lines, *holes], holes, box)) is not None:
        return inside
    chains = _merged([*lines, *holes])
    is_ring = shapely.is_closed(chains)
    rings = shapely.get_parts(shapely.polygonize(chains[is_ring]))
    possible = shapely.union_all([*rings, _beside(shapely.union_all(chains[~is_ring]))])
    return possible if box is None else possible.intersection(shapely.box(*box))


def _divided(border: Sequence[Line], holes: Sequence[Line], box: Bounds) -> BaseGeometry | None:
    """The inside of a border that is whole in a box; None if it is not."""
    clipped = [chain for line in border for chain in clip(line, box)]
    if not clipped:
        return shapely.Polygon()
    chains, loose = extended(list(map(shapely.get_coordinates, _merged(clipped))), box)
    if loose:
        return None
    found, _ = faces(chains, box)
    is_odd = _sides(found)
    parts = [shapely.union_all(np.array(found, dtype=object)[is_odd == odd]) for odd in (False, True)]
    islands = [ring for ring in _polygons(holes) if ring.within(shapely.box(*box))]
    if islands:
        place = islands[0].representative_point()
        return parts[1] if parts[0].contains(place) else parts[0]
    small, large = sorted(parts, key=lambda part: part.area)
    return small if small.area <= CLEARLY * (small.area + large.area) else shapely.box(*box)


def _sides(found: Sequence[shapely.Polygon]) -> NDArray[np.bool_]:
    """On which side of the border each face is: faces that have an edge in common are on different ones."""
    is_odd = np.zeros(len(found), bool)
    tree, reached, waiting = shapely.STRtree(found), {0}, [0]
    while waiting:
        here = waiting.pop()
        for there in set(tree.query(found[here], predicate="intersects").tolist()) - reached:
            if shapely.intersection(found[here], found[there]).length > 0:
                is_odd[there] = not is_odd[here]
                reached.add(there)
                waiting.append(there)
    return is_odd


def _merged(lines: Sequence[Line]) -> NDArray[np.object_]:
    """Lines as chains that are as long as possible, whatever their directions."""
    known = [shapely.LineString(line) for line in lines if len(line) > 1]
    return np.array(shapely.get_parts(shapely.line_merge(shapely.union_all(known))), dtype=object)


def _beside(border: BaseGeometry) -> BaseGeometry:
    """Where an area may lie whose border are lines, in degrees, that do not close.

    If they run around most of their hull, the area lies in that; else it may be on either
    side of them, taken to be no wider than they are long.
    """
    if border.is_empty:
        return shapely.Polygon()
    # lengths on the ground, but for a factor
    shrink = np.array([np.cos(np.radians(border.centroid.y)), 1.0])
    ground = shapely.transform(border, lambda xy: xy * shrink)
    hull = shapely.convex_hull(ground)
    if hull.area == 0 or ground.length < ENCLOSING * hull.length:
        west, south, east, north = ground.bounds
        hull = hull.buffer(np.hypot(east - west, north - south))
    return shapely.transform(hull, lambda xy: xy / shrink)
