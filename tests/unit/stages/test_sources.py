"""The real data: each folder becomes labels, and where it makes sense tiles, by parameters alone."""

import json
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import rasterio
import yaml
from PIL import Image

import stages.dataset
import stages.labels
import stages.osm
import stages.scene
import stages.tiles
from tests.conftest import whole_params
from urbanseg import paths
from urbanseg.classes import IGNORE
from urbanseg.grid import SPLITS
from urbanseg.io import cog, image_sheet, raster

COLORS = {
    "#3C1098": "building",
    "#6EC1E4": "road",
    "#FEDD3A": "vegetation",
    "#E2A929": "water",
    "#8429F6": "bare_soil",
    "#9B9B9B": "ignore",
}
NAMES = ["other", "building", "road", "vegetation", "water", "bare_soil"]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["stage", "town"])


def write_params(town: dict[str, Any], **sections: Any) -> None:
    params = whole_params()
    params["tiles"]["block"] = 512
    whole = {"title": "Town", "role": "train", "inputs": ".", "osm": {"provider": "none"}} | town
    for name, values in sections.items():
        params[name] |= values
    Path("params.yaml").write_text(yaml.safe_dump(params | {"cities": {"town": whole}}, sort_keys=False))


def run(*names: str) -> None:
    for name in names:
        getattr(stages, name).main()


def read(path: Path) -> np.ndarray:
    with raster.reading(path) as file:
        return file.read_band()


@pytest.mark.slow
def test_dubai_is_a_folder_of_images_with_colour_masks_and_splits_of_its_own(shared: Path) -> None:
    dubai = Path("dubai")
    dubai.mkdir()
    for tile in ("tile1", "tile2", "tile3"):
        (dubai / tile).symlink_to((shared / "dubai" / tile).resolve())
    Path("test.txt").write_text("tile2\n\ntile3/image_part_001\n")
    write_params(
        {
            "scene": {
                "provider": "folder",
                "images": f"{dubai}/{{tile}}/images/{{part}}.jpg",
                "bands": {"red": 1, "green": 2, "blue": 3},
                "resolution_m": 0.5,
                "splits": {"val": ["tile3/image_part_008", "tile3/image_part_009"], "test": "test.txt"},
            },
            "labels": {"source": "masks", "masks": f"{dubai}/{{tile}}/masks/{{part}}.png", "remap": COLORS},
        }
    )
    run("scene", "osm", "labels", "tiles", "dataset")

    places = pd.read_parquet(paths.image_sheet("town")).set_index("name")
    assert places["split"].value_counts().to_dict() == {"train": 15, "val": 2, "test": 10}
    labels, split = read(paths.labels("town")), read(paths.split("town"))
    with raster.reading(paths.scene("town")) as scene:
        assert scene.info.descriptions == ("red", "green", "blue")
        assert scene.grid.shape == labels.shape
        for name in ("tile1/image_part_001", "tile2/image_part_005", "tile3/image_part_001"):
            tile, part = name.split("/")
            at = places.loc[name]
            rows, cols = slice(at.row, at.row + at.height), slice(at.col, at.col + at.width)
            with image_sheet.opened(dubai / tile / "images" / f"{part}.jpg") as file:
                image = file.read()
            mask = np.asarray(Image.open(dubai / tile / "masks" / f"{part}.png").convert("RGB"))
            np.testing.assert_array_equal(scene.read()[:, rows, cols], np.maximum(image, 1))
            expected = np.full(mask.shape[:2], IGNORE)
            for color, label in COLORS.items():
                is_color = (mask == list(bytes.fromhex(color[1:]))).all(axis=2)
                expected[is_color] = IGNORE if label == "ignore" else NAMES.index(label)
            np.testing.assert_array_equal(labels[rows, cols], expected)
            assert (split[rows, cols] == SPLITS.index(at.split)).all()

    covered = np.zeros(labels.shape, bool)
    for at in places.itertuples():
        covered[at.row : at.row + at.height, at.col : at.col + at.width] = True
    assert (labels[~covered] == IGNORE).all()

    tiles = pd.read_parquet(paths.tiles("town"))
    for tile in tiles.itertuples():  # each lies in one picture, and in its split
        inside = places[
            (places.row <= tile.row)
            & (places.col <= tile.col)
            & (places.row + places.height >= tile.row + tile.height)
            & (places.col + places.width >= tile.col + tile.width)
        ]
        assert inside["split"].tolist() == [tile.split]
    assert set(tiles["split"]) == set(SPLITS)
    summary = json.loads(paths.DATASET_SUMMARY.read_text())
    assert summary["tiles"]["train"] > 150
    assert all(share > 0 for name, share in summary["class_shares"]["train"].items() if name != "other")


def test_dubai_scene_is_a_scene_with_a_raster_of_labels(shared: Path) -> None:
    small = shared / "dubai_scene_small"
    write_params(
        {
            "scene": {
                "provider": "local",
                "path": f"{small}/scene.tif",
                "bands": {"red": 1, "green": 2, "blue": 3},
            },
            "labels": {
                "source": "raster",
                "path": f"{small}/labels.tif",
                "remap": dict(enumerate(NAMES)) | {255: "ignore"},
            },
        }
    )
    run("scene", "osm", "labels", "tiles")
    with rasterio.open(small / "labels.tif") as source:
        expected = source.read(1)
    np.testing.assert_array_equal(read(paths.labels("town")), expected)
    assert set(pd.read_parquet(paths.tiles("town"))["split"]) == set(SPLITS)


def local_scene(source: Path, bands: list[int]) -> None:
    """The scene as the scene stage would deliver it, in the CRS that it has."""
    with (
        raster.reading(source) as file,
        cog.writing(paths.scene("town"), file.grid, dtype=file.info.dtype, count=len(bands), nodata=0) as out,
    ):
        pixels = np.maximum(file.read(bands=bands), 1)
        pixels[:, ~file.valid()] = 0
        out.write(pixels)


def test_vegas_has_roads_as_lines_in_a_geographic_crs(shared: Path) -> None:
    vegas = shared / "vegas"
    write_params(
        {
            "scene": {"provider": "local", "path": "unused.tif", "bands": {"red": 1}},
            "labels": {
                "source": "vector",
                "path": f"{vegas}/roads_img0.geojson",
                "classes": "road",
                "lanes": "lane_number",
                "background": "other",
            },
        }
    )
    local_scene(vegas / "RGB-PanSharpen_AOI_2_Vegas_img0.tif", [1, 2, 3])
    run("labels", "tiles")

    labels = read(paths.labels("town"))
    with raster.reading(paths.scene("town")) as scene:
        assert not scene.grid.is_metric
        height, width = scene.grid.pixel_m
        missing = ~scene.valid()
    np.testing.assert_array_equal(labels == IGNORE, missing)
    roads = gpd.read_file(vegas / "roads_img0.geojson")
    metric = roads.to_crs(roads.estimate_utm_crs())
    widths = np.maximum(1, roads["lane_number"].astype(float)) * 3.5
    ground = metric.buffer(widths / 2).union_all().area
    # buffers end at the scene's border, and junctions count once
    assert (labels == 2).sum() * height * width == pytest.approx(ground, rel=0.06)
    row_of = {"train", "val", "test"}
    assert set(pd.read_parquet(paths.tiles("town"))["split"]) <= row_of


def test_atlanta_has_one_band_and_building_footprints(shared: Path) -> None:
    atlanta = shared / "atlanta"
    write_params(
        {
            "scene": {"provider": "local", "path": f"{atlanta}/sample_geotiff.tif", "bands": {"pan": 1}},
            "labels": {
                "source": "vector",
                "path": f"{atlanta}/buildings.geojson",
                "classes": "building",
                "background": "other",
            },
        }
    )
    run("scene", "osm", "labels", "tiles")
    labels = read(paths.labels("town"))
    with raster.reading(paths.scene("town")) as scene:
        footprints = gpd.read_file(atlanta / "buildings.geojson").to_crs(scene.grid.crs)
        ground = footprints.clip(scene.grid.bounds).union_all().area
        known = scene.valid()
    assert (labels[known] != IGNORE).all()
    assert (labels == 1).sum() * 0.25 == pytest.approx(ground, rel=0.03)
    assert set(pd.read_parquet(paths.tiles("town"))["split"]) == set(SPLITS)


def test_naip_is_labelled_by_a_raster_whose_grid_is_a_metre_off(shared: Path) -> None:
    older, newer = sorted((shared / "naip").glob("*.tif"))
    with raster.reading(older) as first, raster.reading(newer) as second:
        ndvi = first.read().astype(float)
        green = np.where(ndvi[3] > ndvi[0] * 1.1, 1, 0).astype(np.uint8)
        with cog.writing(Path("old.tif"), first.grid, dtype="uint8") as out:
            out.write(green)
        assert not first.grid.same_as(second.grid)
        shift = ~first.grid.transform @ second.grid.transform @ (0.5, 0.5)
    write_params(
        {
            "scene": {"provider": "local", "path": str(newer), "bands": {"red": 1, "nir": 4}},
            "labels": {"source": "raster", "path": "old.tif", "remap": {0: "other", 1: "vegetation"}},
        }
    )
    run("scene", "osm", "labels", "tiles")
    labels = read(paths.labels("town"))
    col, row = (int(np.floor(s)) for s in shift)
    rows = slice(max(0, -row), min(labels.shape[0], green.shape[0] - row))
    cols = slice(max(0, -col), min(labels.shape[1], green.shape[1] - col))
    source = green[rows.start + row : rows.stop + row, cols.start + col : cols.stop + col]
    known = labels[rows, cols] != IGNORE
    np.testing.assert_array_equal(labels[rows, cols][known], np.where(source, 3, 0)[known])
    assert known.mean() > 0.9
