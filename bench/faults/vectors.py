"""Broken label and OpenStreetMap files."""

import json
from pathlib import Path
from random import Random
from typing import Any

from bench.faults.case import Case, Change, both, damages, flipped, put, replace, write

LABELS, OSM = ("labels", "town"), ("osm", "town")
TOWN = "cities.town.labels"
CRS84 = {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::32632"}}
SQUARE = [[500_100, 5_399_900], [500_400, 5_399_900], [500_400, 5_399_600], [500_100, 5_399_900]]


def geojson(geometry: Any, crs: Any = CRS84, kind: str = "road") -> Change:
    """Labels by a GeoJSON file with one geometry."""
    feature = {"type": "Feature", "properties": {"kind": kind}, "geometry": geometry}
    text = json.dumps({"type": "FeatureCollection", "crs": crs, "features": [feature]})
    return both(write("labels.geojson", text), _by("ogr", "labels.geojson"))


def _by(kind: str, path: str) -> Change:
    source = {"source": "vector", "path": path, "format": kind, "classes": {"road": "road"}}
    return put(TOWN, source | ({"attribute": "kind"} if kind == "ogr" else {}))


def polygon(*rings: Any) -> dict[str, Any]:
    """A geometry of GeoJSON."""
    return {"type": "Polygon", "coordinates": list(rings)}


GEOMETRIES: dict[str, tuple[Any, bool]] = {
    "no geometry": (None, False),
    "empty": (polygon(), False),
    "a point": ({"type": "Point", "coordinates": SQUARE[0]}, False),
    "NaN": (polygon([[float("nan"), 1], [2, 3], [4, 5], [float("nan"), 1]]), False),
    "infinite": (polygon([[float("inf"), 1], [2, 3], [4, 5], [float("inf"), 1]]), False),
    "huge": (polygon([[-1e300, -1e300], [1e300, -1e300], [1e300, 1e300], [-1e300, -1e300]]), False),
    "elsewhere": (polygon([[0, 0], [1, 0], [1, 1], [0, 0]]), False),
    "two corners": (polygon([SQUARE[0], SQUARE[1], SQUARE[0]]), False),
    "texts": (polygon([["a", "b"], ["c", "d"], ["e", "f"], ["a", "b"]]), False),
    "numbers alone": (polygon([1, 2, 3]), False),
    "no such type": ({"type": "Sphere", "coordinates": SQUARE}, False),
    "a bow tie": (polygon([SQUARE[0], SQUARE[2], SQUARE[1], [500_400, 5_399_950], SQUARE[0]]), True),
    "a collection": ({"type": "GeometryCollection", "geometries": [polygon(SQUARE)]}, True),
}
SYSTEMS: dict[str, Any] = {
    "no such code": {"type": "name", "properties": {"name": "EPSG:999999"}},
    "a link": {"type": "link", "properties": {"href": "http://127.0.0.1:9/crs"}},
    "a number": 7,
}


def labelme(**change: Any) -> Change:
    """Labels by a file of Labelme."""
    shape = {"label": "road", "shape_type": "polygon", "points": [[1, 1], [50, 1], [50, 50]]}
    content = {"imageHeight": 96, "imageWidth": 160, "shapes": [shape | change.pop("shape", {})]} | change
    return both(write("labels.json", json.dumps(content)), _by("labelme", "labels.json"))


LABELME: dict[str, tuple[Change, bool]] = {
    "zero height": (labelme(imageHeight=0), False),
    "NaN height": (labelme(imageHeight=float("nan")), False),
    "infinite width": (labelme(imageWidth=float("inf")), False),
    "negative width": (labelme(imageWidth=-160), False),
    "another shape": (labelme(imageHeight=960), False),
    "no shapes": (labelme(shapes=[]), False),
    "shapes of text": (labelme(shapes="x"), False),
    "shapes of null": (labelme(shapes=[None]), False),
    "NaN points": (labelme(shape={"points": [[float("nan"), 1], [2, 2], [3, 1]]}), False),
    "infinite points": (labelme(shape={"points": [[float("inf"), 1], [2, 2], [3, 1]]}), False),
    "no points": (labelme(shape={"points": []}), False),
    "one point": (labelme(shape={"points": [[1, 1]]}), False),
    "points of text": (labelme(shape={"points": [["a", "b"]]}), False),
    "a bad mask": (labelme(shape={"shape_type": "mask", "mask": "!!"}), False),
    "an unknown type": (labelme(shape={"shape_type": "blob"}), False),
    "unknown labels": (labelme(shape={"label": "hut"}), False),
    "deep": (both(write("labels.json", "[" * 100_000), _by("labelme", "labels.json")), False),
}


def cvat(body: str, size: str = 'width="160" height="96"') -> Change:
    """Labels by a file of CVAT."""
    text = f'<annotations><image id="0" name="a.png" {size}>{body}</image></annotations>'
    return whole(text)


def whole(text: str) -> Change:
    """Labels by the text of a CVAT file."""
    return both(write("labels.xml", text), _by("cvat", "labels.xml"))


ROAD = '<polygon label="road" points="1,1;50,1;50,50"/>'
MASK = '<mask label="road" rle="{}" left="0" top="0" width="{}" height="9"/>'
CVAT: dict[str, Change] = {
    "zero size": cvat(ROAD, 'width="0" height="0"'), "no size": cvat(ROAD, ""),
    "text as size": cvat(ROAD, 'width="a" height="b"'),
    "NaN points": cvat('<polygon label="road" points="nan,1;5,1;5,5"/>'),
    "no points": cvat('<polygon label="road" points=""/>'),
    "text as points": cvat('<polygon label="road" points="a;b"/>'),
    "no label": cvat('<polygon points="1,1;5,1;5,5"/>'), "nothing": cvat(""),
    "a huge run": cvat(MASK.format("30000000000", 9)), "a negative run": cvat(MASK.format("-5, 9", 9)),
    "a huge mask": cvat(MASK.format("1, 2", 10**9)), "text as runs": cvat(MASK.format("a, b", 9)),
    "a document type": whole('<!DOCTYPE a [<!ENTITY b "c">]><annotations/>'),
    "no XML": whole("<annotations"),
    "an unknown encoding": whole('<?xml version="1.0" encoding="x-99"?><annotations/>'),
}  # fmt: skip


def osm(body: str) -> Change:
    """An extract in OpenStreetMap's XML."""
    bounds = '<bounds minlat="48.7" minlon="8.9" maxlat="48.8" maxlon="9.1"/>'
    text = f'<?xml version="1.0"?><osm version="0.6">{bounds}{body}</osm>'
    return both(
        write("city.osm", text),
        put("cities.town.osm", {"provider": "pbf", "path": "city.osm"}),
        put(TOWN, {"source": "osm"}),
    )


NODES = "".join(
    f'<node id="{i}" version="1" lat="{48.74 + i / 1e4}" lon="{9 + i / 1e4}"/>' for i in range(1, 4)
)
WAY = (
    '<way id="1" version="1"><nd ref="1"/><nd ref="2"/><nd ref="3"/><tag k="highway" v="residential"/></way>'
)
EXTRACTS: dict[str, str] = {
    "nothing": "", "no such latitude": WAY.join(['<node id="1" version="1" lat="999" lon="9"/>', ""]),
    "NaN latitude": '<node id="1" version="1" lat="nan" lon="9"/>' + WAY,
    "a text as id": '<node id="x" lat="48" lon="9"/>',
    "a huge id": f'<node id="{10**30}" lat="48" lon="9"/>',
    "no nodes": WAY, "no closing tag": NODES + "<way>",
    "no class": NODES, "ways before nodes": WAY + NODES, "an unknown element": "<road/>",
    "a relation without members": '<relation id="1"><tag k="type" v="multipolygon"/></relation>',
}  # fmt: skip


def _random_text(folder: Path, random: Random) -> None:
    path = folder / "labels.geojson"
    text = list(path.read_text(encoding="utf-8"))
    for _ in range(6):
        text[random.randrange(len(text))] = random.choice('{}[],:"0ae. ')
    replace(path, "".join(text).encode())


def cases() -> list[Case]:
    """All cases of labels and extracts."""
    good = geojson(polygon(SQUARE))
    made = [
        Case(f"GeoJSON: {n}", geojson(g), LABELS, r"labels\.geojson", works)
        for n, (g, works) in GEOMETRIES.items()
    ]
    made += [
        Case(f"GeoJSON: CRS is {n}", geojson(polygon(SQUARE), crs), LABELS, r"labels\.geojson")
        for n, crs in SYSTEMS.items()
    ]
    made += [
        Case(f"GeoJSON: {n}", both(good, c), LABELS, r"labels\.geojson")
        for n, c in damages("labels.geojson").items()
    ]
    made += [
        Case(f"GeoJSON: other characters {i}", both(good, _random_text), LABELS, "", may_work=True)
        for i in range(20)
    ]
    made += [Case(f"Labelme: {n}", c, LABELS, r"labels\.json", works) for n, (c, works) in LABELME.items()]
    made += [Case(f"CVAT: {n}", c, LABELS, r"labels\.xml") for n, c in CVAT.items()]
    made += [
        Case(f"OSM: {n}", osm(text), OSM, r"city\.osm", n == "ways before nodes")
        for n, text in EXTRACTS.items()
    ]
    extract = both(osm(NODES + WAY))
    made += [Case(f"OSM: {n}", both(extract, c), OSM, r"city\.osm") for n, c in damages("city.osm").items()]
    made += [
        Case(f"OSM: flipped bytes {i}", both(extract, flipped("city.osm", 5)), OSM, "", may_work=True)
        for i in range(10)
    ]
    return made
