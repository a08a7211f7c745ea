"""Collects ways and relations, from an extract or a server, as rows of the table of features.

Only this module decides whether a way is an area, a line or a coast, and to which classes
it belongs, so that an extract and an Overpass server give the same features. Unusable
objects are dropped and counted; coastlines become the sea when all of them are known.
"""

import logging
from collections import Counter
from collections.abc import Mapping, Sequence

import geopandas as gpd
import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from urbanseg.config.labels import IGNORE_NAME, TagRule
from urbanseg.osm.extents import crosses, turned
from urbanseg.osm.features import Bounds, Row, table
from urbanseg.osm.multipolygons import Members, assembled, possible_area
from urbanseg.osm.rules import Rules, Shape, Tags, TagSet, classify, matches, tags_as_json
from urbanseg.osm.sea import Line, sea

log = logging.getLogger(__name__)

UNCLOSED = "unclosed or self-crossing ring"
INCOMPLETE = "nodes or members outside the extract"
COLLAPSED = "no extent"
COASTLINE = "coastline"
"""`osm_type` of the sea, which is no object of OpenStreetMap; its `osm_id` counts from 1."""
PARTIAL = "partial"
"""`osm_type` of where an object may lie that is not wholly in the extract; `osm_id` counts from 1."""
COAST_REACH_DEGREES = 0.1
"""Coastlines this far outside the box are kept, to determine on which side of them it lies."""
AREA_RELATIONS = ("multipolygon", "boundary")
Position = tuple[float, float]
"""Longitude and latitude in degrees."""


class FeatureCollector:
    """Collects the rows of the table of features, and counts what is dropped.

    Args:
        rules: rules of each class; the first that matches within a class counts.
        skip: tag sets; a feature that matches any of them is left out.
        keep_tags: keys kept in `tags` beside those of the rule.
        bbox: west, south, east, north in degrees; features that don't meet it are left
            out, those that do are not cut.
    """

    def __init__(
        self, rules: Rules, skip: Sequence[TagSet], keep_tags: Sequence[str], bbox: Bounds | None
    ) -> None:
        self.rules, self.skip, self.keep_tags, self.bbox = rules, skip, keep_tags, bbox
        self.box = None if bbox is None else shapely.box(*bbox)
        self.rows: list[Row] = []
        self.dropped: Counter[str] = Counter()
        self.repaired = self.cut = 0
        self.seen: set[tuple[str, int]] = set()
        self.partial: dict[tuple[str, int], tuple[Tags, Sequence[Line], Sequence[Line]]] = {}
        self.coasts: dict[str, tuple[TagRule, list[Line]]] = {}
        if self.box is not None:
            shapely.prepare(self.box)

    def is_unwanted(self, tags: Tags) -> bool:
        """Whether a feature is to be left out by its tags."""
        return any(matches(tags, unwanted) for unwanted in self.skip)

    def is_coast(self, tags: Tags) -> bool:
        """Whether a way with these tags is a coastline, which counts from farther away."""
        return bool(classify(tags, ["coast"], self.rules))

    def way(
        self,
        osm_id: int,
        tags: Tags,
        runs: Sequence[Sequence[Position]],
        *,
        closed: bool,
        whole: bool = True,
        is_member: bool = False,
    ) -> None:
        """Add a way to the classes of its tags, unless it was added before.

        Args:
            osm_id: of the way.
            tags: of the way.
            runs: its positions, in stretches where nodes between them are not known.
            closed: whether it ends where it starts.
            whole: whether all its nodes are known.
            is_member: whether its tags are those of an area that it bounds with others; see `old_style`.
        """
        if not self._is_new("way", osm_id):
            return
        found = classify(tags, _shapes(tags, closed=closed), self.rules)
        by_geometry: dict[str, dict[str, TagRule]] = {"line": {}, "area": {}, "coast": {}}
        for name, rule in found.items():
            by_geometry[rule.geometry][name] = rule
        if lines := by_geometry["line"]:
            self._line(osm_id, tags, lines, runs, whole=whole)
        areas = {} if is_member else by_geometry["area"]
        if areas and whole:
            self._add("way", osm_id, tags, areas, self._valid(_polygon(runs[0])))
        elif areas:
            self.dropped[INCOMPLETE] += 1
            self.partly_known("way", osm_id, tags, [np.array(run) for run in runs])
        for name, rule in by_geometry["coast"].items():
            _, known = self.coasts.setdefault(name, (rule, []))
            known += [np.array(run) for run in runs if len(run) > 1]
        if not closed and not is_member:
            self.dropped[UNCLOSED] += bool(classify(tags, ["area"], self.rules).keys() - found)

    def is_area(self, tags: Tags) -> bool:
        """Whether a multipolygon or boundary relation with these tags belongs to a class."""
        return bool(classify(_as_area(tags), ["area"], self.rules))

    def area_classes(self, tags: Tags) -> tuple[str, ...]:
        """The classes to which an area with the tags of a way belongs."""
        return tuple(classify(tags, ["area"], self.rules))

    def relation(self, osm_id: int, tags: Tags, shape: BaseGeometry | None) -> None:
        """Add a relation, unless it was added before.

        Args:
            osm_id: of the relation.
            tags: of the relation.
            shape: its polygon; None if its rings don't close.
        """
        if not self._is_new("relation", osm_id):
            return
        found = classify(_as_area(tags), ["area"], self.rules)
        if found and shape is None:
            self.dropped[UNCLOSED] += 1
        elif found and shape is not None:
            self._add("relation", osm_id, tags, found, self._valid(shape))

    def old_style(
        self,
        osm_id: int,
        tags: Tags,
        members: Members,
        tagged: Sequence[int],
        runs: Mapping[int, Sequence[Line]],
    ) -> None:
        """Add the area of a relation that has its tags on outer ways, unless it was added before.

        Args:
            osm_id: of the relation.
            tags: of its outer ways.
            members: all its ways.
            tagged: the outer ways that have the tags; if they close, other outer ways bound another area.
            runs: the known stretches of ways.
        """
        names = self.area_classes(tags)
        if not self._is_new(f"relation {names}", osm_id):
            return
        inner = [run for way in members.inner for run in runs.get(way, [])]
        outers = [[run for way in ways for run in runs.get(way, [])] for ways in (tagged, members.outer)]
        shapes = (assembled(outer, inner) for outer in outers)
        shape = next((shape for shape in shapes if not shape.is_empty), None)
        missing = any(way not in runs for way in (*tagged, *members.inner))
        if shape is None or missing:
            self.dropped[INCOMPLETE if missing else UNCLOSED] += 1
            self.partly_known("relation", osm_id, tags, outers[1], inner)
        else:
            found = classify(tags, ["area"], self.rules)
            self._add("relation", osm_id, tags, found, self._valid(shape))

    def partly_known(
        self, osm_type: str, osm_id: int, tags: Tags, lines: Sequence[Line], holes: Sequence[Line] = ()
    ) -> None:
        """Keep the known parts of the border of an area: where it may lie is ignored.

        Args:
            osm_type: ``way`` or ``relation``.
            osm_id: of the object.
            tags: of the object.
            lines: the parts of its outer border; see `urbanseg.osm.multipolygons.possible_area`.
            holes: the parts of the border of its holes.
        """
        self.partial.setdefault((osm_type, osm_id), (dict(tags), lines, holes))

    def placed(self, shape: BaseGeometry | None) -> BaseGeometry | None:
        """A shape where the box is, if that crosses the antimeridian."""
        box = self.bbox
        if shape is None or box is None or not crosses(box):
            return shape
        turn = np.vectorize(lambda longitude: turned(longitude, box), otypes=[float])
        return shapely.transform(shape, lambda xy: np.column_stack([turn(xy[:, 0]), xy[:, 1]]))

    def features(self, boxes: Sequence[Bounds]) -> gpd.GeoDataFrame:
        """The table of all rows, with the sea, and what may lie there, inside `boxes`, which may overlap."""
        rows = list(self.rows)
        for name, (rule, lines) in self.coasts.items():
            rows += self._sea(name, rule, lines, boxes)
        return table(rows + self._possible(boxes))

    def summary(self, features: gpd.GeoDataFrame) -> str:
        """What was read, in one line."""
        counts = features["class"].value_counts()
        kept = ", ".join(f"{counts.get(name, 0)} {name}" for name in self.rules)
        why = self._dropped()
        return (
            f"{kept}; repaired {self.repaired}, shortened {self.cut} lines, "
            f"dropped {self.dropped.total()}{f' ({why})' if why else ''}"
        )

    def reasons(self) -> str:
        """Why objects with a class were dropped, in words; empty if none was."""
        return f"dropped {self.dropped.total()} ({self._dropped()})" if self.dropped.total() else ""

    def _dropped(self) -> str:
        return ", ".join(f"{count} {reason}" for reason, count in sorted(self.dropped.items()) if count)

    def _is_new(self, osm_type: str, osm_id: int) -> bool:
        """Whether an object is seen for the first time; responses for neighbouring tiles overlap."""
        known = len(self.seen)
        self.seen.add((osm_type, osm_id))
        return len(self.seen) > known

    def _line(
        self,
        osm_id: int,
        tags: Tags,
        found: dict[str, TagRule],
        runs: Sequence[Sequence[Position]],
        *,
        whole: bool,
    ) -> None:
        if whole or any(len(run) > 1 for run in runs):
            self.cut += not whole
            self._add("way", osm_id, tags, found, _line(runs))
        else:
            self.dropped[INCOMPLETE] += 1

    def _sea(self, name: str, rule: TagRule, lines: list[Line], boxes: Sequence[Bounds]) -> list[Row]:
        vertices = np.concatenate(lines)
        (west, south), (east, north) = vertices.min(axis=0), vertices.max(axis=0)
        found = [sea(lines, box) for box in boxes or [(west, south, east, north)]]
        unknown = [shape for each in found for shape in each.unknown]
        if unknown:
            loose = [place for each in found for place in each.loose][:3]
            at = "; ".join(f"{lat:.5f}, {lon:.5f}" for lon, lat in loose)
            log.warning(
                "the coastline is broken%s: whether %d parts of the area are land or sea is not known, "
                "and they are ignored where nothing else is mapped",
                f" (near latitude, longitude {at})" if at else "",
                len(unknown),
            )
        tags = tags_as_json(dict.fromkeys(rule.tags, COASTLINE), rule, [])
        return [
            (kind, COASTLINE, number, tags, shapely.segmentize(shape, COAST_REACH_DEGREES / 10))
            for kind, shapes in ((name, [s for each in found for s in each.water]), (IGNORE_NAME, unknown))
            for number, shape in enumerate(shapes, start=1)
        ]

    def _possible(self, boxes: Sequence[Bounds]) -> list[Row]:
        """Where areas may lie of whose border only parts are known."""
        rows: list[Row] = []
        whose = []
        around: Sequence[Bounds | None] = boxes or [None]
        for (osm_type, osm_id), (tags, lines, holes) in sorted(
            self.partial.items(), key=lambda item: item[0]
        ):
            found = classify(_as_area(tags), ["area"], self.rules)
            shape = shapely.union_all([possible_area(lines, holes, box) for box in around])
            if found and not shape.is_empty:
                name, rule = next(iter(found.items()))
                text = tags_as_json(tags, rule, self.keep_tags)
                rows.append((IGNORE_NAME, PARTIAL, len(rows) + 1, text, shapely.segmentize(shape, 0.01)))
                whose.append(f"{osm_type} {osm_id} ({name})")
        if rows:
            more = f" and {len(whose) - 3} more" if len(whose) > 3 else ""
            log.warning(
                "parts of %s%s are not in the extract: where it may lie is ignored unless something else is "
                "mapped; an extract with whole relations has it",
                ", ".join(whose[:3]),
                more,
            )
        return rows

    def _valid(self, area: BaseGeometry) -> BaseGeometry:
        if area.is_valid:
            return area
        self.repaired += 1
        return repair(area)

    def _add(
        self, osm_type: str, osm_id: int, tags: Tags, found: dict[str, TagRule], shape: BaseGeometry
    ) -> None:
        if shape.is_empty:
            self.dropped[COLLAPSED] += 1
        elif self.box is None or self.box.intersects(shape):
            for name, rule in found.items():
                text = tags_as_json(tags, rule, self.keep_tags)
                self.rows.append((name, osm_type, osm_id, text, shape))


def repair(shape: BaseGeometry) -> BaseGeometry:
    """A valid polygon or multipolygon for an invalid one.

    Rings that cross themselves become the parts they enclose; what has no area is left
    out, so the result may be empty.
    """
    return shapely.make_valid(shape, method="structure", keep_collapsed=False)


def _line(runs: Sequence[Sequence[Position]]) -> BaseGeometry:
    """The stretches that have a length: a line if there is one, else a multiline."""
    parts = [shapely.LineString(run) for run in runs if len(set(run)) > 1]
    return parts[0] if len(parts) == 1 else shapely.MultiLineString(parts)


def _polygon(ring: Sequence[Position]) -> BaseGeometry:
    return shapely.Polygon(ring if len(set(ring)) > 2 else None)


def _shapes(tags: Tags, *, closed: bool) -> list[Shape]:
    """Geometries that a way may have: https://wiki.openstreetmap.org/wiki/Key:area."""
    if not closed or tags.get("area") == "no":
        return ["line", "coast"]
    return ["area", "coast"] if tags.get("area") == "yes" else ["line", "area", "coast"]


def _as_area(tags: Tags) -> Tags:
    """Tags of a multipolygon with the ``area=yes`` that its type implies."""
    return {**tags, "area": "yes"}
