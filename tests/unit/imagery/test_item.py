"""A scene's Item is valid STAC and says the same thing every time."""

import json
from pathlib import Path

import pystac
import pytest
from affine import Affine
from pyproj import CRS

from urbanseg.grid import Grid
from urbanseg.imagery import item

GRID = Grid(CRS.from_epsg(32632), Affine(10, 0, 510_000, 0, -10, 5_400_400), 200, 300)
BANDS = ("B02", "B03")
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
    }
    assert assets["scene.tif"]["bands"] == [{"name": "B02"}, {"name": "B03"}]
    assert "bands" not in assets["scl.tif"]


def test_a_scene_of_unknown_date_says_a_range_instead() -> None:
    properties = described(None)["properties"]
    assert properties["datetime"] is None
    assert properties["start_datetime"] < properties["end_datetime"]


def test_a_source_is_its_name_and_fingerprint_and_no_path(tmp_path: Path) -> None:
    (tmp_path / "a.tif").write_bytes(b"abc")
    assert item.source(tmp_path / "a.tif") == {
        "source:file": "a.tif",
        "source:sha256": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
    }
