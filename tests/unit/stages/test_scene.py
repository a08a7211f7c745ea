"""The scene stage delivers a whole folder, or nothing and one sentence."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pystac
import pytest
import yaml
from affine import Affine
from pyproj import CRS

import stages.labels
import stages.osm
import stages.scene
from tests.conftest import ROOT, whole_params
from urbanseg import paths
from urbanseg.grid import Grid
from urbanseg.io import cog, raster

GRID = Grid(CRS.from_epsg(32632), Affine(10, 0, 510_000, 0, -10, 5_400_400), 40, 60)


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["scene", "town"])


def write_params(city: str = "demo", **scene: Any) -> None:
    """Parameters with one small town whose scene is that of `city`, changed."""
    params = whole_params()
    town = params["cities"][city]
    town["scene"] = scene if "provider" in scene else town["scene"] | scene
    if layout := town["scene"].get("layout"):
        layout |= {"width_m": 900, "height_m": 800}
    Path("params.yaml").write_text(yaml.safe_dump(params | {"cities": {"town": town}}, sort_keys=False))


@pytest.mark.parametrize("city", ["demo", "oasis"])
def test_a_simulated_scene_is_delivered_with_its_map_and_says_that_it_is_simulated(city: str) -> None:
    write_params(city)
    stages.scene.main()
    folder = paths.scene_dir("town")
    assert {path.name for path in folder.iterdir()} == {
        "city.osm.pbf", "scene.tif", "scene.qml", "scl.tif", "scl.qml", "item.json", "thumbnail.png",
    }  # fmt: skip
    assert raster.describe(paths.scene("town")).grid.shape == (80, 90)
    item = pystac.Item.from_dict(json.loads(paths.item("town").read_text()))
    assert item.properties["simulated"] is True
    assert item.properties["description"].startswith("Simulated: no satellite saw this scene")
    assert item.properties["source:file"] == "city.osm.pbf"


def test_a_world_is_labelled_by_what_stands_on_its_ground(monkeypatch: pytest.MonkeyPatch) -> None:
    write_params()
    params = yaml.safe_load(Path("params.yaml").read_text())
    shipped = yaml.safe_load((ROOT / "params/models/s2-urban.yaml").read_text())["cities"]["river_0"]
    town = params["cities"]["town"]
    layout = town["scene"]["layout"] | {"width_m": 1500, "height_m": 1500}
    town["scene"] = shipped["scene"] | {"layout": layout, "datetime": "2023-07-01T10:00:00Z"}
    town["scene"]["world"] = {"seed": 3, "climates": ["temperate"], "haze": [0, 0]}
    town |= {"osm": shipped["osm"], "labels": shipped["labels"] | {"path": str(paths.ground("town"))}}
    Path("params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
    for stage in (stages.scene, stages.osm, stages.labels):
        monkeypatch.setattr("sys.argv", [stage.__name__, "town"])
        stage.main()
    with raster.reading(paths.scene("town")) as scene, raster.reading(paths.labels("town")) as labels:
        _, _, red, nir = scene.read().astype(float)
        classes = labels.read_band()
    ndvi = (nir - red) / (nir + red)
    assert {0, 1, 2, 3, 4} <= set(np.unique(classes))
    assert np.median(ndvi[classes == 3]) > 0.5 > np.median(ndvi[classes == 1]) + 0.15
    assert np.median(ndvi[classes == 4]) < np.median(ndvi[classes == 1])


def test_two_runs_deliver_the_same_bytes() -> None:
    write_params()
    runs = []
    for _ in range(2):
        stages.scene.main()
        runs.append({path.name: path.read_bytes() for path in paths.scene_dir("town").iterdir()})
    assert runs[0] == runs[1]


def test_a_real_extract_can_be_rendered() -> None:
    write_params()
    stages.scene.main()
    paths.extract("town").rename("extract.osm.pbf")
    write_params(layout=None, osm_path="extract.osm.pbf")
    stages.scene.main()
    assert {path.name for path in paths.scene_dir("town").iterdir()} == {
        "scene.tif", "scene.qml", "scl.tif", "scl.qml", "item.json", "thumbnail.png",
    }  # fmt: skip
    assert json.loads(paths.item("town").read_text())["properties"]["source:file"] == "extract.osm.pbf"


def test_a_local_scene_is_delivered_without_a_scene_classification() -> None:
    with cog.writing(Path("in.tif"), GRID, dtype="uint8", count=2) as file:
        file.write(np.ones((2, *GRID.shape), np.uint8))
    write_params(provider="local", path="in.tif", bands={"red": 2})
    stages.scene.main()
    assert {path.name for path in paths.scene_dir("town").iterdir()} == {
        "scene.tif",
        "scene.qml",
        "item.json",
        "thumbnail.png",
    }
    item = paths.item("town").read_text()
    assert json.loads(item)["properties"]["simulated"] is False
    assert str(Path.cwd()) not in item


@pytest.mark.parametrize(
    ("scene", "sentence"),
    [
        ({"cloud_share": 1.0}, "wholly under cloud"),
        ({"provider": "local", "path": "absent.tif", "bands": {"red": 1}}, "absent.tif does not exist"),
        ({"layout": None, "osm_path": "absent.osm.pbf"}, "absent.osm.pbf does not exist"),
    ],
)
def test_what_goes_wrong_is_one_sentence_and_leaves_the_last_scene_whole(
    scene: dict[str, Any], sentence: str
) -> None:
    write_params()
    stages.scene.main()
    before = {path: path.read_bytes() for path in paths.scene_dir("town").iterdir()}
    write_params(**scene)
    with pytest.raises(SystemExit, match=sentence):
        stages.scene.main()
    assert {path: path.read_bytes() for path in paths.scene_dir("town").iterdir()} == before
    assert [path.name for path in paths.scene_dir("town").parent.iterdir()] == ["town"]
