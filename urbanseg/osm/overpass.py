"""Features from an Overpass server.

The area is queried in tiles, so that no response is large; each response becomes a small
OpenStreetMap file, which is read like any extract. So both sources give the same features.
"""

import json
import logging
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import geopandas as gpd
import osmium
from tqdm import tqdm

from urbanseg.config.labels import OverpassOsm
from urbanseg.errors import PipelineError
from urbanseg.io.files import atomic, remove
from urbanseg.osm.collect import COAST_REACH_DEGREES, FeatureCollector
from urbanseg.osm.extents import halves
from urbanseg.osm.features import Bounds
from urbanseg.osm.files import writing
from urbanseg.osm.overpass_client import connected
from urbanseg.osm.pbf import collect
from urbanseg.osm.rules import Rules, Shape, TagSet

log = logging.getLogger(__name__)

DEGREE_KM = 111.32


def fetch_features(
    server: OverpassOsm,
    rules: Rules,
    bbox: Bounds,
    cache: Path,
    *,
    moment: str | None = None,
    skip: Sequence[TagSet] = (),
    keep_tags: Sequence[str] = (),
) -> gpd.GeoDataFrame:
    """Fetch the features of an area that belong to a class.

    Args:
        server: address, limits, time-out and number of attempts.
        rules: rules of each class; the first that matches within a class counts.
        bbox: west, south, east, north in degrees; features that meet it are not cut.
        cache: folder of responses. Without `moment` it is emptied in the end, because the
            next run queries another state.
        moment: date of the state to query, as ``YYYY-MM-DDTHH:MM:SSZ``; None for that of today.
        skip: tag sets; a feature that matches any of them is left out.
        keep_tags: keys kept in `tags` beside those of the rule.

    Returns:
        As `urbanseg.osm.read_features` does; ``attrs`` holds the `snapshot` date.

    Raises:
        PipelineError: if the server refuses or gives no complete response in
            `server.attempts` attempts, or has no feature of any class in the area.
    """
    collector = FeatureCollector(rules, skip, keep_tags, bbox)
    with connected(server, moment, cache) as client:
        wanted = [half for tile in tiles(bbox, server.max_query_km2) for half in halves(tile)]
        progress = tqdm(wanted, desc="Overpass", unit="query")
        states = [_add_response(client.query(tile, _query(rules)), collector) for tile in progress]
        coasts = _query(rules, ["coast"])
        if coasts and not collector.coasts:
            for half in halves(_grown(bbox, COAST_REACH_DEGREES)):
                _add_response(client.query(half, coasts), collector)
    features = collector.features([bbox])
    features.attrs = {"snapshot": moment or min(states)}
    log.info("%s: %s", server.address, collector.summary(features))
    if features.empty:
        raise PipelineError(
            f"{server.address} knows no feature of the classes {', '.join(rules)} in the area of interest "
            f"({', '.join(f'{edge:.4f}' for edge in bbox)}; west, south, east, north); "
            "check the area, osm.rules and the date"
        )
    if moment is None:
        remove(cache)
    return features


def tiles(bbox: Bounds, max_km2: float) -> list[Bounds]:
    """Boxes of at most `max_km2` that partition a box, row by row from the south west."""
    west, south, east, north = bbox
    side = math.sqrt(max_km2)
    widest = min(abs(south), abs(north)) if south * north > 0 else 0
    rows = math.ceil((north - south) * DEGREE_KM / side)
    cols = math.ceil((east - west) * DEGREE_KM * math.cos(math.radians(widest)) / side)
    ys = [south + (north - south) * row / rows for row in range(rows)] + [north]
    xs = [west + (east - west) * col / cols for col in range(cols)] + [east]
    return [(xs[c], ys[r], xs[c + 1], ys[r + 1]) for r in range(rows) for c in range(cols)]


def _add_response(response: Path, collector: FeatureCollector) -> str:
    """Add the elements of a response; returns the date of its state."""
    content = json.loads(response.read_text(encoding="utf-8"))
    with atomic(response.with_suffix(".osm.pbf")) as extract:
        _write(content["elements"], extract)
        collect(extract, collector)
    remove(response.with_suffix(".osm.pbf"))
    return str(content["osm3s"]["timestamp_osm_base"])


def _write(elements: Sequence[dict[str, Any]], extract: Path) -> None:
    """Write the elements of a response as an OpenStreetMap file, ordered: nodes, ways, relations."""
    kinds = {"node": 0, "way": 1, "relation": 2}
    with writing(extract) as writer:
        for element in sorted(elements, key=lambda element: (kinds[element["type"]], element["id"])):
            about = {"id": element["id"], "version": 1, "tags": element.get("tags", {})}
            if element["type"] == "node":
                writer.add_node(osmium.osm.mutable.Node(**about, location=(element["lon"], element["lat"])))
            elif element["type"] == "way":
                writer.add_way(osmium.osm.mutable.Way(**about, nodes=element["nodes"]))
            else:
                members = [
                    (member["type"][0], member["ref"], member["role"]) for member in element["members"]
                ]
                writer.add_relation(osmium.osm.mutable.Relation(**about, members=members))


def _query(rules: Rules, shapes: Sequence[Shape] = ("area", "line", "coast")) -> dict[str, Any]:
    """Tags in the form of osmnx: one tag of each rule, since all of a rule's tags must match."""
    asked: dict[str, Any] = {}
    for rule in (rule for some in rules.values() for rule in some if rule.geometry in shapes):
        key, values = next(iter(rule.tags.items()))
        if values == "*" or asked.get(key) is True:
            asked[key] = True
        else:
            asked[key] = sorted({*asked.get(key, []), *values})
    return dict(sorted(asked.items()))


def _grown(box: Bounds, degrees: float) -> Bounds:
    west, south, east, north = box
    return west - degrees, south - degrees, east + degrees, north + degrees
