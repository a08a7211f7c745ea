"""A scene's Item is valid STAC and says the same thing every time."""

import json
import re
import tempfile
import urllib.request
from pathlib import Path

import jsonschema
import pystac
import pytest
from affine import Affine
from pyproj import CRS

from urbanseg.classes import ClassTable, LandClass
from urbanseg.grid import Grid
from urbanseg.imagery import item

GRID = Grid(CRS.from_epsg(32632), Affine(10, 0, 510_000, 0, -10, 5_400_400), 200, 300)
BANDS = ("B02", "B03")
CLASSES = ClassTable((LandClass(0, "other", "#bdc3c7"), LandClass(1, "bare_soil", "#E67E22", "Soil")))
FILES = [Path("folder/scene.tif"), Path("folder/scl.tif")]


def described(moment: str | None = "2023-06-14T10:26:00Z") -> dict:
    return item.describe("town", GRID, BANDS, moment, {"simulated": True, "eo:cloud_cover": 1.5}, FILES)


def test_an_item_survives_json_and_pystac() -> None:
    plain = json.loads(json.dumps(described()))
    read = pystac.Item.from_dict(plain)
    assert json.loads(json.dumps(read.to_dict(include_self_link=False))) == plain
    assert read.properties["datetime"] == "2023-06-14T10:26:00Z"
    assert read.properties["simulated"] is True
    assert read.properties["proj:code"] == "EPSG:32632"
    assert read.properties["proj:shape"] == [200, 300]


def test_an_item_lies_where_its_scene_lies() -> None:
    west, south, east, north = described()["bbox"]
    assert (west, south) == pytest.approx((9.136, 48.737), abs=0.01)
    assert (east - west, north - south) == pytest.approx((0.0409, 0.0181), abs=0.002)


def test_assets_are_beside_the_item_and_name_their_bands() -> None:
    assets = described()["assets"]
    assert {name: asset["href"] for name, asset in assets.items()} == {
        "scene.tif": "./scene.tif",
        "scl.tif": "./scl.tif",
        "thumbnail": "./thumbnail.png",
    }
    assert assets["thumbnail"]["roles"] == ["thumbnail"]
    assert assets["scene.tif"]["bands"] == [
        {"name": "B02", "eo:common_name": "blue"},
        {"name": "B03", "eo:common_name": "green"},
    ]
    assert "bands" not in assets["scl.tif"]


def test_a_scene_of_unknown_date_says_a_range_instead() -> None:
    properties = described(None)["properties"]
    assert properties["datetime"] is None
    assert properties["start_datetime"] < properties["end_datetime"]


@pytest.mark.parametrize(
    ("band", "common"),
    [("B8A", "nir08"), ("B12", "swir22"), ("Red", "red"), ("nir", "nir"), ("slope", None)],
)
def test_bands_have_the_common_name_that_the_extension_knows(band: str, common: str | None) -> None:
    made = item.describe("town", GRID, [band], None, {}, FILES[:1])
    assert made["assets"]["scene.tif"]["bands"][0].get("eo:common_name") == common


@pytest.mark.parametrize(
    ("rights", "license_name", "link"),
    [
        (item.COPERNICUS, "other", True),
        (item.OPENSTREETMAP, "ODbL-1.0", True),
        (item.UNKNOWN, "other", False),
    ],
)
def test_an_item_says_on_what_terms_it_may_be_used(
    rights: item.Rights, license_name: str, link: bool
) -> None:
    made = item.describe("town", GRID, BANDS, None, {}, FILES, rights)
    assert made["properties"]["license"] == license_name
    assert made["properties"].get("attribution") == rights.attribution
    assert [found["href"] for found in made["links"] if found["rel"] == "license"] == [rights.link] * link


PROPERTIES: dict[str, dict] = {
    "none": {},
    "simulated": {"view:sun_azimuth": 158.0, "view:sun_elevation": 62.0, "eo:cloud_cover": 3.0},
    "satellite": {
        "raster:scale": 0.0001,
        "raster:offset": 0,
        "processing:level": "L2A",
        "eo:cloud_cover": 0.1,
    },
}


def items(kind: str) -> list[dict]:
    """The Item of a scene and that of its map."""
    scene = item.describe(
        "town", GRID, BANDS, "2023-06-14T10:26:00Z", PROPERTIES[kind], FILES, item.COPERNICUS
    )
    return [scene, item.describe_map(scene, CLASSES, [Path("classes.tif"), Path("confidence.tif")])]


@pytest.mark.parametrize("kind", PROPERTIES)
def test_an_item_declares_the_extensions_that_it_uses_and_no_other(kind: str) -> None:
    for made in items(kind):
        text = json.dumps([made["properties"], made["assets"]])
        used = {prefix for prefix in item.EXTENSIONS if f'"{prefix}:' in text}
        assert made["stac_extensions"] == [item.EXTENSIONS[prefix] for prefix in sorted(used)]


@pytest.mark.parametrize("kind", PROPERTIES)
@pytest.mark.parametrize("which", [0, 1])
def test_items_are_valid_by_the_schemas_of_their_extensions(kind: str, which: int) -> None:
    """The schemas are fetched once; where they cannot be, this is skipped, and those that follow are not."""
    made = items(kind)[which]
    pystac.Item.from_dict({**made, "stac_extensions": []}).validate()  # STAC's own, which pystac brings
    for address in made["stac_extensions"]:
        jsonschema.validate(made, schema(address))


def schema(address: str) -> dict:
    prefix, version = address.split("/")[3:5]
    known = Path(tempfile.gettempdir()) / f"urbanseg-stac-schemas/{prefix}-{version}.json"
    if not known.exists():
        try:
            with urllib.request.urlopen(address, timeout=5) as answer:  # noqa: S310, an address of ours
                text = answer.read()
        except OSError:
            pytest.skip(f"{address} cannot be fetched here")
        known.parent.mkdir(exist_ok=True)
        known.write_bytes(text)
    return json.loads(known.read_text())


@pytest.mark.parametrize("kind", PROPERTIES)
def test_fields_are_what_the_extensions_demand(kind: str) -> None:
    """What the schemas say of the fields that are used here, where they cannot be had."""
    scene, land = items(kind)
    properties = scene["properties"]
    assert 0 <= properties.get("view:sun_azimuth", 0) <= 360
    assert -90 <= properties.get("view:sun_elevation", 0) <= 90
    assert 0 <= properties.get("eo:cloud_cover", 0) <= 100
    for made in (scene, land):
        assert re.fullmatch(r"[A-Z]+:\d+", made["properties"]["proj:code"])
        for asset in made["assets"].values():
            for each in asset.get("classification:classes", []):
                assert re.fullmatch(r"[0-9A-Za-z_-]+", each["name"])
                assert re.fullmatch(r"[0-9A-F]{6}", each["color_hint"])
                assert isinstance(each["value"], int)
                assert each["description"]


def test_the_item_of_a_map_says_what_its_values_mean_and_which_scene_it_is_of() -> None:
    scene, land = items("simulated")
    classes = land["assets"]["classes.tif"]
    assert [(c["value"], c["name"], c["color_hint"]) for c in classes["classification:classes"]] == [
        (0, "other", "BDC3C7"), (1, "bare_soil", "E67E22"),
    ]  # fmt: skip
    assert land["assets"]["confidence.tif"]["raster:scale"] == pytest.approx(1 / 254)
    assert {link["rel"]: link["href"] for link in land["links"]} == {
        "derived_from": "../../scene/town/item.json", "license": item.SENTINEL,
    }  # fmt: skip
    assert (land["geometry"], land["properties"]["datetime"]) == (scene["geometry"], "2023-06-14T10:26:00Z")
    assert land["id"] != scene["id"]


def test_a_source_is_its_name_and_fingerprint_and_no_path(tmp_path: Path) -> None:
    (tmp_path / "a.tif").write_bytes(b"abc")
    assert item.source(tmp_path / "a.tif") == {
        "source:file": "a.tif",
        "source:sha256": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
    }
