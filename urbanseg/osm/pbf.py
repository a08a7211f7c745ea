"""Reading OpenStreetMap extracts: .osm.pbf, and .osm or .osm.bz2 in XML.

The file is streamed through libosmium, which keeps the node locations and lets only
objects with a tag key of the rules reach Python. Closed ways become polygons here, so
that a self-crossing one can be repaired; multipolygon relations are assembled by
libosmium (https://osmcode.org/osmium-concepts/#areas). What cannot be used is dropped,
counted and said in the log.
"""

import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import geopandas as gpd
import osmium
import shapely
from shapely.geometry.base import BaseGeometry

from urbanseg.errors import PipelineError
from urbanseg.osm.features import Bounds, Row, table
from urbanseg.osm.rules import Rules, Shape, Tags, TagSet, classify, keys, matches, tags_as_json
from urbanseg.params import TagRule

log = logging.getLogger(__name__)

UNCLOSED = "unclosed or self-crossing ring"
INCOMPLETE = "nodes or members outside the extract"
COLLAPSED = "no extent"
Position = tuple[float, float]
"""Longitude and latitude in degrees."""
AREA_RELATIONS = ("multipolygon", "boundary")


def read_features(
    path: Path,
    rules: Rules,
    *,
    skip: Sequence[TagSet] = (),
    keep_tags: Sequence[str] = (),
    bbox: Bounds | None = None,
) -> gpd.GeoDataFrame:
    """Read the features of an OpenStreetMap file that belong to a class.

    Area rules match closed ways and multipolygon or boundary relations; line rules match
    ways. A closed way fits line rules (a roundabout) unless it says ``area=yes``, which
    relations say implicitly. A feature yields one row for each class it matches.

    Args:
        path: the extract; memory grows with its number of nodes, so cut a country to the
            city's region first (``osmium extract``).
        rules: rules of each class; the first that matches within a class counts.
        skip: tag sets; a feature that matches any of them is left out.
        keep_tags: keys kept in `tags` beside those of the rule.
        bbox: west, south, east, north in degrees; features that don't meet it are left
            out, those that do are not cut.

    Returns:
        In EPSG:4326, sorted by class, type and id: `class` (str), `osm_type`
        (``way`` or ``relation``), `osm_id` (int64), `tags` (JSON object, keys sorted) and
        `geometry` (polygons of area rules, lines of line rules). ``attrs`` holds the
        `snapshot` date and the `extent` of the extract, where its header says them.

    Raises:
        PipelineError: if the file is missing or damaged, or holds no feature of any
            class inside `bbox`.
    """
    if not path.exists():
        raise PipelineError(f"{path} does not exist; check the path of the OpenStreetMap extract")
    gathering = _Gathering(rules, skip, keep_tags, bbox)
    for thing in _objects(path, rules):
        gathering.take(thing)
    features = table(gathering.rows)
    features.attrs = _header(path)
    log.info("%s: %s", path.name, gathering.summary(features["class"].value_counts().to_dict()))
    if features.empty:
        raise PipelineError(_nothing(path, rules, bbox, features.attrs.get("extent")))
    return features


class _Gathering:
    """The rows gathered so far, and what became of the rest."""

    def __init__(
        self, rules: Rules, skip: Sequence[TagSet], keep_tags: Sequence[str], bbox: Bounds | None
    ) -> None:
        self.rules, self.skip, self.keep_tags = rules, skip, keep_tags
        self.box = None if bbox is None else shapely.box(*bbox)
        self.rows: list[Row] = []
        self.dropped: Counter[str] = Counter()
        self.repaired = self.cut = 0
        self.wanted: set[int] = set()
        self.assembled: set[int] = set()
        self.wkb = osmium.geom.WKBFactory()
        if self.box is not None:
            shapely.prepare(self.box)

    def take(self, thing: Any) -> None:
        """Turn a way or an assembled area into rows; note relations of which an area is due."""
        tags = dict(thing.tags)
        if any(matches(tags, unwanted) for unwanted in self.skip):
            return
        if thing.is_way():
            self._take_way(thing, tags)
        elif thing.is_area():
            self._take_area(thing, tags)
        elif tags.get("type") in AREA_RELATIONS and classify(_as_area(tags), ["area"], self.rules):
            self.wanted.add(thing.id)

    def summary(self, counts: dict[str, int]) -> str:
        """What was read, in one line."""
        dropped = self.dropped + Counter({INCOMPLETE: len(self.wanted - self.assembled)})
        kept = ", ".join(f"{counts.get(name, 0)} {name}" for name in self.rules)
        why = ", ".join(f"{count} {reason}" for reason, count in sorted(dropped.items()))
        return (
            f"{kept}; repaired {self.repaired}, shortened {self.cut} lines, "
            f"dropped {dropped.total()}{f' ({why})' if why else ''}"
        )

    def _take_way(self, way: Any, tags: Tags) -> None:
        runs = _runs(way)
        whole = len(runs) == 1 and len(runs[0]) == len(way.nodes)
        closed = len(way.nodes) > 0 and (way.is_closed() or (whole and runs[0][0] == runs[0][-1]))
        shapes = _shapes(closed, tags)
        found = classify(tags, shapes, self.rules)
        lines = {name: rule for name, rule in found.items() if rule.geometry == "line"}
        areas = {name: rule for name, rule in found.items() if rule.geometry == "area"}
        if lines and (whole or any(len(run) > 1 for run in runs)):
            self.cut += not whole
            self._add("way", way.id, tags, lines, _line(runs))
        elif lines:
            self.dropped[INCOMPLETE] += 1
        if areas and whole:
            self._add("way", way.id, tags, areas, self._valid(_polygon(runs[0])))
        elif areas:
            self.dropped[INCOMPLETE] += 1
        if not closed:
            self.dropped[UNCLOSED] += bool(classify(tags, ["area"], self.rules).keys() - found)

    def _take_area(self, area: Any, tags: Tags) -> None:
        if area.from_way():
            return
        self.assembled.add(area.orig_id())
        found = classify(_as_area(tags), ["area"], self.rules)
        if found and area.num_rings()[0] == 0:
            self.dropped[UNCLOSED] += 1
        elif found:
            shape = shapely.from_wkb(self.wkb.create_multipolygon(area))
            self._add("relation", area.orig_id(), tags, found, self._valid(shape))

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
    """The valid polygon or multipolygon that the broken `shape` stands for.

    Rings that cross themselves become the parts they enclose; what has no area is left
    out, so the result may be empty.
    """
    return shapely.make_valid(shape, method="structure", keep_collapsed=False)


def _line(runs: list[list[Position]]) -> BaseGeometry:
    """The stretches that have a length: a line if there is one, else a multiline."""
    parts = [shapely.LineString(run) for run in runs if len(set(run)) > 1]
    return parts[0] if len(parts) == 1 else shapely.MultiLineString(parts)


def _polygon(ring: list[Position]) -> BaseGeometry:
    return shapely.Polygon(ring if len(set(ring)) > 2 else None)


def _runs(way: Any) -> list[list[Position]]:
    """Coordinates of the way's nodes, split where nodes are missing in the extract."""
    runs: list[list[Position]] = [[]]
    for node in way.nodes:
        if node.location.valid():
            runs[-1].append((node.lon, node.lat))
        elif runs[-1]:
            runs.append([])
    return [run for run in runs if run]


def _shapes(closed: bool, tags: Tags) -> list[Shape]:
    """What a way may be drawn as: https://wiki.openstreetmap.org/wiki/Key:area."""
    if not closed or tags.get("area") == "no":
        return ["line"]
    return ["area"] if tags.get("area") == "yes" else ["line", "area"]


def _as_area(tags: Tags) -> Tags:
    """Tags of a multipolygon with the ``area=yes`` that its type implies."""
    return {**tags, "area": "yes"}


def _objects(path: Path, rules: Rules) -> Iterator[Any]:
    """Ways, assembled areas and relations that may match a rule."""
    if not keys(rules):
        return
    wanted = osmium.osm.WAY | osmium.osm.AREA | osmium.osm.RELATION
    processor = osmium.FileProcessor(path)
    if area_keys := keys(rules, ["area"]):
        processor = processor.with_areas(osmium.filter.KeyFilter(*area_keys))
    processor = (
        processor.with_locations()
        .with_filter(osmium.filter.EntityFilter(wanted))
        .with_filter(osmium.filter.KeyFilter(*keys(rules)))
    )
    try:
        yield from processor
    except RuntimeError as error:
        raise PipelineError(
            f"{path} is not an OpenStreetMap file or is damaged ({error}); download or make it again"
        ) from error


def _header(path: Path) -> dict[str, Any]:
    """Snapshot date and extent of the extract, as far as its header says them."""
    with osmium.io.Reader(path, osmium.osm.NOTHING) as reader:
        header = reader.header()
    about: dict[str, Any] = {}
    if snapshot := header.get("osmosis_replication_timestamp"):
        about["snapshot"] = snapshot
    if (box := header.box()).valid():
        about["extent"] = [box.bottom_left.lon, box.bottom_left.lat, box.top_right.lon, box.top_right.lat]
    return about


def _nothing(path: Path, rules: Rules, bbox: Bounds | None, extent: Bounds | None) -> str:
    classes = ", ".join(rules)
    if bbox is None:
        return f"{path} holds no feature of the classes {classes}; check osm.rules, or take another extract"
    covers = f", the extract covers {_say(extent)}" if extent else ""
    return (
        f"{path} holds no feature of the classes {classes} inside the area of interest "
        f"({_say(bbox)}{covers}; west, south, east, north); take an extract that covers it"
    )


def _say(box: Sequence[float]) -> str:
    return ", ".join(f"{degrees:.4f}" for degrees in box)
