"""The Item of a map is valid STAC, and says what its files are."""

import hashlib
import json
import re

import pytest
from affine import Affine
from pyproj import CRS
from pystac.validation import validate_dict

from urbanseg.classes import ClassTable, LandClass
from urbanseg.grid import Grid
from urbanseg.mapping import stac_item
from urbanseg.mapping.stac_item import map_item

TABLE = ClassTable((LandClass(0, "other", "#abcdef"), LandClass(1, "bare_soil", "#ffeedd", "Bare soil")))
UTM = Grid(CRS.from_epsg(32632), Affine(10, 0, 500_000, 0, -10, 5_400_000), 60, 80)
NO_CODE = CRS.from_proj4("+proj=tmerc +lat_0=0 +lon_0=9 +k=0.9996 +x_0=500001 +ellps=GRS80")


def made(folder, crs=UTM.crs, properties=()):
    for name in ("classes.tif", "map.gpkg", "map.qml", "report.html"):
        (folder / name).write_text(name)
    item = map_item("town", UTM, crs, TABLE, dict(properties), sorted(folder.iterdir()))
    assert validate_dict(item | {"stac_extensions": []})  # the schemas of extensions are on the internet
    return json.loads(json.dumps(item, allow_nan=False))


@pytest.mark.parametrize("crs", [UTM.crs, NO_CODE, None], ids=["code", "no code", "nowhere"])
def test_it_is_valid_wherever_the_map_lies(tmp_path, crs):
    item = made(tmp_path, crs)
    declared = {url for url in item["stac_extensions"] if "projection" in url}
    used = {key for key in item["properties"] if key.startswith("proj:")}
    assert bool(declared) == bool(used) == (crs is not None) == ("bbox" in item)
    if crs is not None:
        west, south, east, north = item["bbox"]
        assert (west, north) == pytest.approx((9, 48.75), abs=0.01)
        assert east > west
        assert north > south
        assert ("proj:wkt2" in used) == (crs == NO_CODE)


@pytest.mark.parametrize(
    ("properties", "files", "prefixes"),
    [
        ({}, ["classes.tif"], {"classification", "file", "proj"}),
        ({}, ["map.gpkg"], {"file", "proj"}),
        (
            {"eo:cloud_cover": 3.0, "processing:lineage": "-", "source:file": "a"},
            [],
            {"eo", "processing", "proj"},
        ),
    ],
)
def test_it_declares_the_extensions_that_it_uses_and_no_other(tmp_path, properties, files, prefixes):
    for name in files:
        (tmp_path / name).touch()
    item = map_item("town", UTM, UTM.crs, TABLE, properties, sorted(tmp_path.iterdir()))
    assert item["stac_extensions"] == [stac_item.EXTENSIONS[prefix] for prefix in sorted(prefixes)]


@pytest.mark.parametrize("known", [{}, {"license": "CC0-1.0", "attribution": "somebody"}])
def test_it_says_on_what_terms_it_may_be_used(known):
    terms = {"rel": "license", "href": "https://example.org/terms"}
    item = map_item("town", UTM, UTM.crs, TABLE, known, [], [terms] if known else [])
    assert item["properties"]["license"] == known.get("license", "other")
    assert item["properties"].get("attribution") == known.get("attribution")
    assert item["links"] == ([terms] if known else [])


def test_a_known_date_is_the_only_one(tmp_path):
    item = made(tmp_path, properties={"datetime": "2023-06-14T10:26:00Z"})
    assert "start_datetime" not in item["properties"]


def test_assets_are_the_files_that_people_use_with_size_and_digest(tmp_path):
    assets = made(tmp_path)["assets"]
    assert set(assets) == {"classes.tif", "map.gpkg", "report.html"}
    assert assets["map.gpkg"]["file:size"] == 8
    assert assets["map.gpkg"]["file:checksum"] == "1220" + hashlib.sha256(b"map.gpkg").hexdigest()
    assert all(asset["type"] and asset["roles"] for asset in assets.values())


def test_classes_are_described_as_the_extension_wants(tmp_path):
    classes = made(tmp_path)["assets"]["classes.tif"]["classification:classes"]
    assert [each["value"] for each in classes] == [0, 1, 255]
    for each in classes:
        assert re.fullmatch(r"[0-9A-Za-z_-]+", each["name"])
        assert isinstance(each["description"], str)
        assert re.fullmatch(r"[0-9A-F]{6}", each.get("color_hint", "000000"))
