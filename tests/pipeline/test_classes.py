"""Any table of classes, from labels to the page: every stage in its order, by hand, on small images."""

import importlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pytest
import rasterio
import yaml
from PIL import Image
from rasterio import features

from tests.pipeline.project import small_params
from urbanseg import paths
from urbanseg.classes import IGNORE

STAGES = (
    "scene", "osm", "labels", "tiles", "dataset", "train", "export", "predict", "vectorize", "evaluate",
    "project", "overall", "report",
)  # fmt: skip
OF_ALL = {"dataset", "train", "export", "overall", "report"}
SIDE = 64
WORLD = {
    "water": {"id": 80, "color": "#0064c8"},
    "tree_cover": {"id": 10, "color": "#006400", "kind": "vegetation"},
    "street": {"id": 51, "color": "#505050", "kind": "road"},
    "built_up": {"id": 50, "color": "#fa0000", "title": "Built-up", "kind": "building"},
    "snow": {"id": 252, "color": "#f0f0f0"},
}


def write_images(folder: Path, classes: dict[str, Any]) -> None:
    """Images whose classes have a colour each, in stripes; one mask value for each class, from 1."""
    rng = np.random.default_rng(5)
    palette = rng.integers(30, 225, (len(classes), 3))
    for number in range(6):
        rows = np.roll(np.arange(SIDE) * len(classes) // SIDE, 11 * number)
        mask = np.repeat(rows[:, None], SIDE, axis=1)
        image = palette[mask] + rng.integers(-9, 9, (SIDE, SIDE, 3))
        folder.mkdir(exist_ok=True)
        Image.fromarray(image.astype(np.uint8)).save(folder / f"{number}.png")
        Image.fromarray((mask + 1).astype(np.uint8)).save(folder / f"{number}_mask.png")


def parameters(classes: dict[str, Any]) -> dict[str, Any]:
    params = small_params()
    params["classes"] = classes
    params["cities"] = {
        "town": {
            "title": "Town",
            "role": "train",
            "inputs": "pictures",
            "scene": {
                "provider": "folder",
                "images": "pictures/{number}.png",
                "bands": {"red": 1, "green": 2, "blue": 3},
                "resolution_m": 0.5,
                "splits": {"train": ["0", "1", "2", "3"], "val": ["4"], "test": ["5"]},
            },
            "osm": {"provider": "none"},
            "labels": {
                "source": "masks",
                "masks": "pictures/{number}_mask.png",
                "remap": dict(enumerate(classes, start=1)),
            },
        }
    }
    params["train"] |= {"encoder": "resnet18", "epochs": 2, "steps_per_epoch": 6}
    params["evaluate"] |= {"boundary_tolerance_m": 2, "boundary_tolerances_m": [1], "workers": 1}
    params["evaluate"]["bootstrap"] |= {"cell_m": 8, "samples": 100}
    return params


def run_stages(monkeypatch: pytest.MonkeyPatch, city: str, names: Iterable[str]) -> None:
    """Run some stages in this process."""
    for name in names:
        monkeypatch.setattr("sys.argv", ["stage", *([] if name in OF_ALL else [city])])
        importlib.import_module(f"stages.{name}").main()


def run_pipeline(monkeypatch: pytest.MonkeyPatch, city: str = "town") -> None:
    """Run all stages in this process."""
    run_stages(monkeypatch, city, STAGES)


def values_in(path: Path) -> set[int]:
    with rasterio.open(path) as raster:
        return set(np.unique(raster.read(1)).tolist())


@pytest.mark.slow
def test_ids_with_gaps_are_the_pixel_values_and_ids_of_all_outputs(tmp_path, monkeypatch, caplog):
    monkeypatch.chdir(tmp_path)
    write_images(Path("pictures"), WORLD)
    Path("params.yaml").write_text(yaml.safe_dump(parameters(WORLD), sort_keys=False))
    run_pipeline(monkeypatch)
    ids = {each["id"]: name for name, each in WORLD.items()}
    assert values_in(paths.labels("town")) == {*ids, IGNORE}
    assert values_in(paths.prediction("town")) <= {*ids, IGNORE}
    assert json.loads(paths.DATASET_SUMMARY.read_text())["ids"] == sorted(ids)
    with rasterio.open(paths.prediction("town")) as raster:
        assert raster.colormap(1)[80][:3] == (0, 0x64, 0xC8)
    cover = gpd.read_file(paths.geopackage("town"), layer="land_cover")
    assert all(ids[row.class_id] == row.class_name for row in cover.itertuples())
    scores = json.loads(paths.metrics("town").read_text())
    assert set(scores["classes"]) == set(WORLD)
    assert scores["roads"]["reference"]["length_km"] > 0
    assert scores["buildings"]["reference"] > 0
    assert "evaluate.targets: road" not in caplog.text
    style = paths.labels("town").with_suffix(".qml").read_text()
    assert 'value="252"' in style
    assert "Built-up" in paths.REPORT.read_text()


def test_what_is_drawn_on_the_images_makes_the_labels_that_masks_make(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_images(Path("pictures"), WORLD)
    made = []
    for source in ("masks", "polygons"):
        params = parameters(WORLD)
        if source == "polygons":
            draw_on_images(Path("pictures"))
            params["cities"]["town"]["labels"] = {
                "source": "polygons",
                "format": "labelme",
                "files": "pictures/{number}.json",
                "classes": {str(value): name for value, name in enumerate(WORLD, start=1)},
            }
        Path("params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
        run_stages(monkeypatch, "town", ("scene", "osm", "labels"))
        with rasterio.open(paths.labels("town")) as raster:
            made.append(raster.read(1))
    assert (made[0] == made[1]).all()


def draw_on_images(folder: Path) -> None:
    """A file of Labelme beside each mask, with the outline of each of its stripes."""
    for path in folder.glob("*_mask.png"):
        mask = np.array(Image.open(path))
        shapes = [
            {"label": str(int(value)), "shape_type": "polygon", "points": part["coordinates"][0]}
            for part, value in features.shapes(mask)
        ]
        content = {"imageHeight": SIDE, "imageWidth": SIDE, "shapes": shapes}
        (folder / f"{path.stem.removesuffix('_mask')}.json").write_text(json.dumps(content, default=int))


@pytest.mark.slow
@pytest.mark.parametrize("count", [2, 3, 7, 11, 24])
def test_tables_without_roads_buildings_or_a_rest_run_to_the_page(count, tmp_path, monkeypatch, caplog):
    monkeypatch.chdir(tmp_path)
    classes = {f"c{i}": {"id": 3 * i, "color": f"#{10 * i:02x}{250 - 9 * i:02x}80"} for i in range(count)}
    write_images(Path("pictures"), classes)
    Path("params.yaml").write_text(yaml.safe_dump(parameters(classes), sort_keys=False))
    with caplog.at_level("INFO"):
        run_pipeline(monkeypatch)
    scores = json.loads(paths.metrics("town").read_text())
    assert set(scores["classes"]) == set(classes)
    assert scores["building_f1"] is scores["road_apls"] is None
    assert "no class is of the kind road" in caplog.text
    assert "No class is of the kind road" in paths.REPORT.read_text()
    assert len(gpd.read_file(paths.geopackage("town"), layer="road_edges")) == 0
