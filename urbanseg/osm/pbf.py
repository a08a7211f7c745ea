"""Reading OpenStreetMap extracts: .osm.pbf, and .osm or .osm.bz2 in XML.

The file is streamed through libosmium, which keeps the node locations and lets only
objects with a tag key of the rules reach Python. Multipolygon relations are assembled by
libosmium (https://osmcode.org/osmium-concepts/#areas); `urbanseg.osm.collect` makes
features of ways and areas.
"""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import geopandas as gpd
import osmium
import shapely

from urbanseg.errors import PipelineError
from urbanseg.osm.collect import AREA_RELATIONS, COAST_REACH_DEGREES, INCOMPLETE, FeatureCollector, Position
from urbanseg.osm.features import Bounds
from urbanseg.osm.rules import Rules, TagSet, keys

log = logging.getLogger(__name__)

INDEXES = ("sparse_mmap_array", "sparse_mem_array")
"""Kinds of index of node locations, best first: 16 bytes a node, and the first grows without a copy."""
COORDINATE = 10**7
"""Units of libosmium's coordinates per degree."""


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
    collector = FeatureCollector(rules, skip, keep_tags, bbox)
    with _reading(path):
        source = _header(path)
        collect(path, collector)
    features = collector.features(_overlap(bbox, source.get("extent")))
    features.attrs = source
    log.info("%s: %s", path.name, collector.summary(features))
    if features.empty:
        raise PipelineError(_no_features(path, rules, bbox, source.get("extent")))
    return features


def collect(path: Path, collector: FeatureCollector) -> None:
    """Add the ways and assembled areas of a file to a collector; count incomplete areas.

    Raises:
        RuntimeError: if the file is damaged.
    """
    expected: set[int] = set()
    assembled: set[int] = set()
    wkb = osmium.geom.WKBFactory()
    beyond, far = _Beyond(collector.bbox, 0), _Beyond(collector.bbox, COAST_REACH_DEGREES)
    for element in _objects(path, collector.rules):
        if element.is_way() and beyond(element) and (not collector.is_coast(element.tags) or far(element)):
            continue
        tags = dict(element.tags)
        if collector.is_unwanted(tags):
            continue
        if element.is_way():
            runs = _runs(element)
            whole = len(runs) == 1 and len(runs[0]) == len(element.nodes)
            closed = len(element.nodes) > 0 and (element.is_closed() or (whole and runs[0][0] == runs[0][-1]))
            collector.way(element.id, tags, runs, closed=closed, whole=whole)
        elif element.is_area():
            if not element.from_way():
                assembled.add(element.orig_id())
                is_open = element.num_rings()[0] == 0
                shape = None if is_open else shapely.from_wkb(wkb.create_multipolygon(element))
                collector.relation(element.orig_id(), tags, shape)
        elif tags.get("type") in AREA_RELATIONS and collector.is_area(tags):
            expected.add(element.id)
    collector.dropped[INCOMPLETE] += len(expected - assembled)


def _overlap(bbox: Bounds | None, extent: Sequence[float] | None) -> Bounds | None:
    """Intersection of `bbox` and `extent`; either may be unknown."""
    if bbox is None or extent is None:
        return bbox or (None if extent is None else (extent[0], extent[1], extent[2], extent[3]))
    west, south = max(bbox[0], extent[0]), max(bbox[1], extent[1])
    east, north = min(bbox[2], extent[2]), min(bbox[3], extent[3])
    return (west, south, east, north) if west < east and south < north else bbox


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

    def __call__(self, way: Any) -> bool:
        if self.sides is None:
            return False
        west, south, east, north = self.sides
        places = [location for node in way.nodes if (location := node.location).valid()]
        if not places:
            return False
        x, y = places[0].x, places[0].y
        if x < west:
            return all(place.x < west for place in places)
        if x > east:
            return all(place.x > east for place in places)
        if y < south:
            return all(place.y < south for place in places)
        return y > north and all(place.y > north for place in places)


def _runs(way: Any) -> list[list[Position]]:
    """Coordinates of the way's nodes, split where nodes are missing in the extract."""
    runs: list[list[Position]] = [[]]
    for node in way.nodes:
        if node.location.valid():
            runs[-1].append((node.lon, node.lat))
        elif runs[-1]:
            runs.append([])
    return [run for run in runs if run]


def _objects(path: Path, rules: Rules) -> Iterator[Any]:
    """Ways, assembled areas and relations that may match a rule."""
    if not keys(rules):
        return
    wanted = osmium.osm.WAY | osmium.osm.AREA | osmium.osm.RELATION
    index = next(name for name in INDEXES if name in osmium.index.map_types())
    processor = osmium.FileProcessor(path).with_locations(index)
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


def _no_features(path: Path, rules: Rules, bbox: Bounds | None, extent: Bounds | None) -> str:
    classes = ", ".join(rules)
    if bbox is None:
        return f"{path} holds no feature of the classes {classes}; check osm.rules, or take another extract"
    covers = f", the extract covers {_format_bounds(extent)}" if extent else ""
    return (
        f"{path} holds no feature of the classes {classes} inside the area of interest "
        f"({_format_bounds(bbox)}{covers}; west, south, east, north); take an extract that covers it"
    )


def _format_bounds(box: Sequence[float]) -> str:
    return ", ".join(f"{degrees:.4f}" for degrees in box)
