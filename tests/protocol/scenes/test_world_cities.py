"""The 30 cities of params/models/world.yaml are real places; two of them are fetched on loopback."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import yaml

import stages.labels
import stages.osm
import stages.scene
from tests.conftest import ROOT
from tests.protocol.overpass import Database, serving
from tests.protocol.scenes.conftest import PRODUCTS
from tests.protocol.scenes.world import EPSG
from urbanseg import osm, paths
from urbanseg.config.overlay import overlaid
from urbanseg.config.params import parse
from urbanseg.config.scene import StacScene

MERGED = overlaid((ROOT / "params.yaml").read_text(), (ROOT / "params/models/world.yaml").read_text())
CITIES = parse(MERGED, "world.yaml").cities
HERE = [9.001, 48.725, 9.02, 48.735]
"""Where the ground on loopback is."""
EDITED = np.datetime64("2019-01-01").astype(object)


def places() -> np.ndarray:
    """West, south, east, north of each city."""
    scenes = [city.scene for city in CITIES.values() if isinstance(city.scene, StacScene)]
    return np.array([scene.area.bbox for scene in scenes])


def test_there_are_thirty_cities_of_ten_kilometres_on_all_continents() -> None:
    west, south, east, north = places().T
    assert len(west) == 30
    assert (north - south) * 111.32 == pytest.approx(10, rel=0.01)
    assert (east - west) * 111.32 * np.cos(np.radians((north + south) / 2)) == pytest.approx(10, rel=0.01)
    apart = np.hypot(np.subtract.outer(west, west), np.subtract.outer(south, south)) + 1e3 * np.eye(30)
    assert apart.min() > 1
    regions = [
        (-170, 7, -50, 75), (-85, -56, -34, 13), (-11, 36, 40, 71), (-18, -35, 52, 36), (40, 5, 150, 75),
        (110, -48, 180, -10),
    ]  # fmt: skip
    for region in regions:
        inside = (west > region[0]) & (south > region[1]) & (east < region[2]) & (north < region[3])
        assert inside.sum() >= 2
    assert sum(city.role == "holdout" for city in CITIES.values()) == 6


def town() -> Database:
    """Houses along a street."""
    elements: list[dict[str, Any]] = []

    def way(tags: dict[str, str], corners: list[tuple[float, float]]) -> None:
        first = len(elements) + 1
        for lon, lat in corners:
            elements.append({"type": "node", "id": len(elements) + 1, "tags": {}, "edited": EDITED,
                             "lon": lon, "lat": lat})  # fmt: skip
        nodes = list(range(first, first + len(corners)))
        nodes = [*nodes, first] if "building" in tags else nodes
        number = len(elements) + 1
        elements.append({"type": "way", "id": number, "tags": tags, "edited": EDITED, "nodes": nodes})

    way({"highway": "primary"}, [(9.0, 48.73), (9.03, 48.73)])
    for k in range(10):
        x, y = 9.003 + 0.0015 * k, 48.7305
        way({"building": "yes"}, [(x, y), (x + 0.001, y), (x + 0.001, y + 0.0006), (x, y + 0.0006)])
    return Database(elements)


@pytest.mark.parametrize("city", ["vienna", "christchurch"])
def test_a_city_of_the_list_is_fetched_and_labelled(
    city: str, loopback: tuple[Any, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive, url = loopback
    archive.reset(PRODUCTS)
    monkeypatch.chdir(tmp_path)
    params = yaml.safe_load(MERGED)
    entry = params["cities"][city]
    params["cities"] = {city: entry}
    with serving(town()) as overpass:
        entry["scene"] |= {"url": f"{url}/stac/earth_search", "area": {"bbox": HERE}, "min_clear": 0.5}
        entry["scene"]["dates"] = "2023-05-01/2023-07-31"
        entry["osm"] |= {"address": overpass.address}
        Path("params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
        for stage in (stages.scene, stages.osm, stages.labels):
            monkeypatch.setattr("sys.argv", [stage.__name__, city])
            stage.main()
        assert '[date:"2023-06-14' in overpass.queries[0]
    assert set(osm.load_features(paths.osm(city))["class"]) == {"building", "road"}
    with rasterio.open(paths.scene(city)) as scene, rasterio.open(paths.labels(city)) as labels:
        assert scene.crs.to_epsg() == EPSG
        assert scene.shape == labels.shape
        assert {1, 2, 255} <= set(np.unique(labels.read(1)))
