"""The true clients fetch scenes from an archive on loopback; every pixel of them is known."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pystac.validation import validate_dict

from tests.protocol.scenes.conftest import PRODUCTS, Town
from tests.protocol.scenes.world import LEFT, TOP, Product, day
from urbanseg.imagery.sentinel2.acquisitions import UNCLEAR

PROVIDERS = ["cdse", "earth_search", "planetary_computer"]
BANDS = ("B02", "B03", "B04", "B08")

pytestmark = pytest.mark.parametrize("provider", PROVIDERS)


def item(town: Town) -> dict:
    """The delivered Item, valid by STAC's own schema (those of extensions are on the internet)."""
    described = json.loads((town.folder / "data/scene/town/item.json").read_text())
    assert validate_dict(described | {"stac_extensions": []})
    return described


def test_a_scene_is_that_of_the_clearest_date_pixel_by_pixel(town: Town, provider: str) -> None:
    town.run(provider)
    scene, scl = town.delivered()
    assert scene.shape == (4, 320, 320)
    assert (scene == town.expected(PRODUCTS[1])).all()
    assert (scl == PRODUCTS[1].codes(*town.window())).all()
    assert not Path("data/.fetch/town").exists()


def test_the_same_ground_gives_the_same_numbers_before_and_after_baseline_4(
    town: Town, provider: str
) -> None:
    town.side = 64
    bounds = (LEFT, TOP - 640, LEFT + 640, TOP)
    for month in (5, 6) if provider == "earth_search" else (5,):  # it applied the offset itself in even ones
        for baseline in ("02.14", "03.01", "04.00", "05.11"):
            product = Product(day(month, 3), 0.0, baseline, bounds=bounds)
            town.archive.reset([product])
            town.run(provider, bands=["B04", "B11"])
            scene, _ = town.delivered()
            assert (scene == town.expected(replace(product, baseline="05.09"), ("B04", "B11"))).all()
            assert (scene == 1).any()
            assert item(town)["properties"]["source:products"][0]["baseline"] == baseline


def test_bands_of_20_m_are_repeated_onto_10_m(town: Town, provider: str) -> None:
    town.run(provider, bands=["B12", "B02", "B8A"])
    scene, _ = town.delivered()
    assert (scene == town.expected(PRODUCTS[1], ("B12", "B02", "B8A"))).all()
    assert (scene[0, ::2, ::2] == scene[0, 1::2, 1::2]).all()


def test_a_median_takes_the_clear_observations_of_the_best_dates(town: Town, provider: str) -> None:
    town.run(provider, choose={"rule": "median", "dates": 3}, min_clear=0.95)
    scene, scl = town.delivered()
    chosen = [PRODUCTS[1], PRODUCTS[2], PRODUCTS[0]]
    codes = np.stack([product.codes(*town.window()) for product in chosen])
    clear = ~np.isin(codes, UNCLEAR)
    pixels = np.stack([town.expected(product) for product in chosen]).astype(float)
    seen = np.broadcast_to(clear[:, np.newaxis], pixels.shape)
    expected = np.floor(np.ma.median(np.ma.array(pixels, mask=~seen), axis=0))
    expected = np.where(clear.any(axis=0), expected.filled(0), pixels[0]).astype(np.uint16)
    assert (scene == expected).all()
    assert (np.isin(scl, UNCLEAR) == ~clear.any(axis=0)).all()
    properties = item(town)["properties"]
    assert properties["datetime"] is None
    assert properties["start_datetime"] == "2023-05-03T10:30:00Z"
    assert properties["end_datetime"] == "2023-06-19T10:30:00Z"
    assert len(properties["source:products"]) == 3


def test_granules_of_one_acquisition_are_one_scene(town: Town, provider: str) -> None:
    middle = LEFT + 1280
    west = Product(day(6, 14, 9), 0.1, "03.01", bounds=(LEFT - 640, TOP - 4480, middle, TOP + 640))
    east = Product(day(6, 14, 22), 0.1, "05.09", "32UPU", (middle, TOP - 4480, LEFT + 4480, TOP + 640))
    worse = Product(day(6, 19), 0.4)
    town.archive.reset([west, east, worse])
    town.run(provider)
    scene, _ = town.delivered()
    assert (scene == town.expected(west) + town.expected(east)).all()
    assert len(item(town)["properties"]["source:products"]) == 2


def test_where_no_product_reaches_there_is_nodata(town: Town, provider: str) -> None:
    partial = Product(day(6, 14), 0.0, bounds=(LEFT + 2000, TOP - 4480, LEFT + 4480, TOP + 640))
    town.archive.reset([partial])
    town.run(provider, min_clear=0.3)
    scene, scl = town.delivered()
    assert (scene[:, :, :200] == 0).all()
    assert (scl[:, :200] == 0).all()
    assert (scene == town.expected(partial)).all()


def test_an_area_is_a_bbox_in_its_own_utm_zone(town: Town, provider: str) -> None:
    town.run(provider, area={"bbox": [9.002, 48.725, 9.02, 48.735]}, crs=None)
    scene, _ = town.delivered()
    assert (scene == town.expected(PRODUCTS[1])).all()
    west, south, east, north = item(town)["bbox"]
    assert west <= 9.002
    assert south <= 48.725
    assert east >= 9.02
    assert north >= 48.735
    assert (east - west, north - south) == pytest.approx((0.018, 0.010), abs=4e-4)


@pytest.mark.parametrize("place", ["Freiburg im Breisgau", "Kiosk"])
def test_an_area_is_a_place_by_name(town: Town, provider: str, place: str) -> None:
    town.run(provider, area={"place": place, "geocoder": f"{town.url}/geocoder"}, crs=None)
    scene, _ = town.delivered()
    assert scene.shape[1:] == pytest.approx((60, 80), abs=2)
    assert (scene == town.expected(PRODUCTS[1])).all()


def test_an_unknown_place_is_one_sentence(town: Town, provider: str) -> None:
    sentence = town.refusal(provider, area={"place": "Atlantis", "geocoder": f"{town.url}/geocoder"})
    assert "/geocoder knows no place 'Atlantis'; correct area.place, or give a bbox" in sentence


def test_the_item_says_where_a_scene_comes_from(town: Town, provider: str) -> None:
    town.run(provider)
    properties = item(town)["properties"]
    assert properties["datetime"] == "2023-06-14T10:30:00Z"
    assert properties["source:products"][0]["id"].startswith(PRODUCTS[1].id)
    assert properties["source:archive"]["url"].startswith(town.url)
    _, scl = town.delivered()
    assert properties["eo:cloud_cover"] == pytest.approx(100 * (scl == 9).mean(), abs=0.01)


def test_the_same_request_gives_the_same_bytes_however_it_is_split(town: Town, provider: str) -> None:
    files = {}
    for size in (256, 1024):
        town.run(provider, request_px=size)
        folder = town.folder / "data/scene/town"
        files[size] = [(folder / name).read_bytes() for name in ("scene.tif", "scl.tif", "item.json")]
    assert files[256] == files[1024]


def test_an_empty_catalogue_is_one_sentence(town: Town, provider: str) -> None:
    town.archive.fail("/search", "empty")
    assert "has no Sentinel-2 product of town.geojson in 2023-05-01/2023-07-31; widen dates" in town.refusal(
        provider
    )


def test_too_many_clouds_are_one_sentence(town: Town, provider: str) -> None:
    sentence = town.refusal(provider, min_clear=0.99)
    assert "is seen clearly on 1 of 4 acquisitions (the best is 2023-06-14 10:30 UTC, 9" in sentence
    assert "less than min_clear 99 %" in sentence
