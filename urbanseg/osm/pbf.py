"""Reading OpenStreetMap extracts: .osm.pbf, and .osm or .osm.bz2 in XML.

The file is streamed through libosmium, which keeps the node locations and lets only
objects with a tag key of the rules reach Python. Multipolygon relations are assembled by
libosmium (https://osmcode.org/osmium-concepts/#areas); `urbanseg.osm.collect` makes
features of ways and areas.
"""

import logging
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import osmium
import shapely

from urbanseg.config.labels import IGNORE_NAME
from urbanseg.errors import PipelineError
from urbanseg.osm import extents, files, multipolygons
from urbanseg.osm.collect import AREA_RELATIONS, COAST_REACH_DEGREES, INCOMPLETE, FeatureCollector, Position
from urbanseg.osm.features import Bounds, table
from urbanseg.osm.multipolygons import Members, Relations
from urbanseg.osm.rules import Rules, TagSet, keys
from urbanseg.osm.sea import Line
from urbanseg.redact import excerpt

log = logging.getLogger(__name__)

INDEXES = ("sparse_mmap_array", "sparse_mem_array")
"""Kinds of index of node locations, best first: 16 bytes a node, and the first grows without a copy."""
COORDINATE = 10**7
"""Units of libosmium's coordinates per degree."""
UNDEFINED = 2**31 - 1
"""Coordinate in libosmium of a node that the file lacks."""


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
        path: the extract; memory grows by 16 bytes a node, see ``bench/extract.py``.
        rules: rules of each class; the first that matches within a class counts.
        skip: tag sets; a feature that matches any of them is left out.
        keep_tags: keys kept in `tags` besides those of the rule.
        bbox: west, south, east, north in degrees; features that don't meet it are left
            out, those that do are not cut.

    Returns:
        In EPSG:4326, sorted by class, type and id: `class` (str; ``ignore`` where something
        may be of which the extract holds parts), `osm_type` (``way``, ``relation``, and for
        what is no object ``coastline`` or ``partial``), `osm_id` (int64), `tags` (JSON object,
        keys sorted) and
        `geometry` (polygons of area rules, lines of line rules). ``attrs`` holds the
        `snapshot` date and the `extent` of the extract, where its header says them.

    Raises:
        PipelineError: if the file is missing or damaged, or holds no feature of any
            class inside `bbox`.
    """
    if not path.exists():
        raise PipelineError(f"{path} does not exist; check the path of the OpenStreetMap extract")
    with _reading(path):
        covered = extents.boxes(path)
        source = _header(path)
        if bbox is not None:
            covered = extents.near(covered, bbox)
        collector = FeatureCollector(rules, skip, keep_tags, bbox)
        lacks_nodes = collect(path, collector)
        features = collector.features(extents.overlaps(covered, bbox))
        if lacks_nodes and not files.is_ordered(path):
            log.info("%s is not ordered by type with ids above 0, so it is put in order first", path.name)
            collector = FeatureCollector(rules, skip, keep_tags, bbox)
            with files.ordered(path) as copy:
                collect(copy, collector)
            features = restored(collector.features(extents.overlaps(covered, bbox)))
    if covered:
        source["extent"] = [list(box) for box in covered] if len(covered) > 1 else list(covered[0])
    features.attrs = source
    log.info("%s: %s", path.name, collector.summary(features))
    if (features["class"] == IGNORE_NAME).all():
        raise PipelineError(_no_features(path, collector, covered))
    return features


def restored(features: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """Features of an ordered copy with the ids of the original, sorted by them."""
    ids = features["osm_id"].map(files.original_id)
    return table(features.assign(osm_id=ids).itertuples(index=False, name=None))


def collect(path: Path, collector: FeatureCollector) -> int:
    """Add the ways and assembled areas of a file to a collector; count incomplete areas.

    Returns:
        The number of ways that lack nodes.

    Raises:
        RuntimeError: if the file is damaged.
        PipelineError: if a node lies nowhere on Earth.
    """
    relations = Relations(multipolygons.old_style(path) if keys(collector.rules, ["area"]) else {})
    wkb = osmium.geom.WKBFactory()
    beyond, far = _Beyond(collector.bbox, 0), _Beyond(collector.bbox, COAST_REACH_DEGREES)
    lacking = 0
    for element in _objects(path, collector.rules):
        if not element.visible:
            continue
        if element.is_way() and beyond(element) and (not collector.is_coast(element.tags) or far(element)):
            continue
        tags = dict(element.tags)
        if collector.is_unwanted(tags):
            continue
        if element.is_way():
            lacking += _add_way(path, element, tags, collector, relations)
        elif element.is_area():
            if not element.from_way():
                relations.assembled.add(element.orig_id())
                is_open = element.num_rings()[0] == 0
                shape = None if is_open else shapely.from_wkb(wkb.create_multipolygon(element))
                collector.relation(element.orig_id(), tags, collector.placed(shape))
                if is_open:
                    relations.unclosed.add(element.orig_id())
        elif tags.get("type") in AREA_RELATIONS and collector.is_area(tags):
            relations.expected[element.id] = tags, Members.of(element)
    _add_from_members(path, collector, relations)
    return lacking


def _add_way(
    path: Path, way: Any, tags: dict[str, str], collector: FeatureCollector, relations: Relations
) -> bool:
    """Add a way; returns whether it lacks nodes."""
    runs = _runs(path, way, collector.bbox)
    whole = len(runs) == 1 and len(runs[0]) == len(way.nodes)
    closed = len(way.nodes) > 0 and (way.is_closed() or (whole and runs[0][0] == runs[0][-1]))
    names = collector.area_classes(tags) if way.id in relations.outer_of else ()
    for relation in relations.outer_of[way.id] if names else ():
        relations.tagged.setdefault(relation, {}).setdefault(names, {})[way.id] = tags
    collector.way(way.id, tags, runs, closed=closed, whole=whole, is_member=bool(names))
    return not whole


def _add_from_members(path: Path, collector: FeatureCollector, relations: Relations) -> None:
    """Add the areas of old-style multipolygons, and where those may lie that cannot be assembled."""
    lost = relations.expected.keys() - relations.assembled
    collector.dropped[INCOMPLETE] += len(lost)
    broken = lost | (relations.unclosed & relations.expected.keys())
    known = {number: relations.expected[number][1] for number in broken} | {
        number: relations.bare[number] for number in relations.tagged
    }
    runs = _member_runs(path, {way for members in known.values() for way in members.ways}, collector.bbox)
    for number in sorted(broken):
        tags, members = relations.expected[number]
        outer, inner = (
            [run for way in ways for run in runs.get(way, [])] for ways in (members.outer, members.inner)
        )
        collector.partly_known("relation", number, tags, outer, inner)
    for number, groups in sorted(relations.tagged.items()):
        members = relations.bare[number]
        for tags_of in groups.values():
            collector.old_style(number, next(iter(tags_of.values())), members, list(tags_of), runs)


class _Beyond:
    """Tests whether a way lies wholly beyond one side of a box that is grown by some degrees.

    Most ways of a country do; they are skipped before they are converted.
    """

    def __init__(self, bbox: Bounds | None, degrees: float) -> None:
        self.sides = None
        if bbox is not None:
            west, south, east, north = (round(edge * COORDINATE) for edge in bbox)
            reach = round(degrees * COORDINATE)
            self.sides = west - reach, south - reach, east + reach, north + reach
        self.crosses = extents.crosses(bbox)

    def __call__(self, way: Any) -> bool:
        if self.sides is None:
            return False
        west, south, east, north = self.sides
        places = [location for node in way.nodes if (location := node.location).valid()]
        if not places:
            return False
        x, y = places[0].x, places[0].y
        if not self.crosses:
            if x < west:
                return all(place.x < west for place in places)
            if x > east:
                return all(place.x > east for place in places)
        if y < south:
            return all(place.y < south for place in places)
        return y > north and all(place.y > north for place in places)


def _runs(path: Path, way: Any, bbox: Bounds | None) -> list[list[Position]]:
    """Coordinates of the way's nodes, split where nodes are missing in the extract."""
    runs: list[list[Position]] = [[]]
    for node in way.nodes:
        if node.location.valid():
            runs[-1].append((node.lon, node.lat))
        elif node.location.x != UNDEFINED:
            x, y = node.location.x / COORDINATE, node.location.y / COORDINATE
            raise PipelineError(
                f"{path} has node {node.ref} of way {way.id} at latitude {y:g}, longitude {x:g}, which is "
                "nowhere on Earth; correct it, or download the extract again"
            )
        elif runs[-1]:
            runs.append([])
    if bbox is not None and extents.crosses(bbox):
        runs = [[(extents.turned(x, bbox), y) for x, y in run] for run in runs]
    return [run for run in runs if run]


def _member_runs(path: Path, ways: Collection[int], bbox: Bounds | None) -> dict[int, list[Line]]:
    """The known stretches of ways, by their ids."""
    if not ways:
        return {}
    found = osmium.FileProcessor(path, osmium.osm.NODE | osmium.osm.WAY).with_locations(_index())
    found = found.with_filter(osmium.filter.EntityFilter(osmium.osm.WAY))
    found = found.with_filter(osmium.filter.IdFilter(way for way in ways if way > 0))
    return {way.id: [np.array(run) for run in _runs(path, way, bbox)] for way in found}


def _index() -> str:
    return next(name for name in INDEXES if name in osmium.index.map_types())


def _objects(path: Path, rules: Rules) -> Iterator[Any]:
    """Ways, assembled areas and relations that may match a rule."""
    if not keys(rules):
        return
    wanted = osmium.osm.WAY | osmium.osm.AREA | osmium.osm.RELATION
    processor = osmium.FileProcessor(path).with_locations(_index())
    if area_keys := keys(rules, ["area"]):
        processor = processor.with_areas(osmium.filter.KeyFilter(*area_keys))
    processor = processor.with_filter(osmium.filter.EntityFilter(wanted)).with_filter(
        osmium.filter.KeyFilter(*keys(rules))
    )
    yield from processor


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Turn errors of libosmium into a PipelineError."""
    try:
        yield
    except (RuntimeError, ValueError, osmium.InvalidLocationError) as error:
        said = excerpt(str(error))
        raise PipelineError(
            f"{path} is not an OpenStreetMap file or is damaged ({said}); download or make it again"
        ) from error


def _header(path: Path) -> dict[str, Any]:
    """Snapshot date of the extract, if its header says it."""
    with osmium.io.Reader(path, osmium.osm.NOTHING) as reader:
        snapshot = reader.header().get("osmosis_replication_timestamp")
    return {"snapshot": snapshot} if snapshot else {}


def _no_features(path: Path, collector: FeatureCollector, covered: Sequence[Bounds]) -> str:
    """Why an extract gives no feature, and what to do."""
    found = f"{path} holds no feature of the classes {', '.join(collector.rules)}"
    bbox = collector.bbox
    if bbox is not None:
        covers = ", the extract covers " + " and ".join(map(_format_bounds, covered)) if covered else ""
        found += f" inside the area of interest ({_format_bounds(bbox)}{covers}; west, south, east, north)"
        if covered and not _meet(covered, bbox):
            return f"{found}; take an extract that covers it"
    if why := collector.reasons():
        return f"{found}: {why}; take an extract with all nodes and members of what it holds"
    where = (
        "that the extract covers the area, and osm.rules" if bbox else "osm.rules, or take another extract"
    )
    return f"{found}; check {where}"


def _meet(covered: Sequence[Bounds], bbox: Bounds) -> bool:
    return any(shapely.box(*box).intersects(shapely.box(*bbox)) for box in covered)


def _format_bounds(box: Sequence[float]) -> str:
    return ", ".join(f"{degrees:.4f}" for degrees in box)
