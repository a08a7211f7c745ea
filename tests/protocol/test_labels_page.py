"""Each snippet of docs/labels.md runs as it stands, on small files that lie where it says."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import osmium
import pandas as pd
import pytest
import shapely
import yaml
from affine import Affine
from PIL import Image
from pyproj import CRS

import stages.labels
import stages.osm
import stages.scene
import stages.tiles
from tests.conftest import ROOT, whole_params
from tests.protocol.overpass import serving
from tests.protocol.test_overpass import town
from urbanseg import osm, paths
from urbanseg.classes import IGNORE
from urbanseg.grid import SPLITS, Grid, utm_grid
from urbanseg.io import cog, raster

PAGE = (ROOT / "docs/labels.md").read_text()
SNIPPETS = {
    next(iter(parsed["cities"])): parsed
    for text in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    if "cities" in (parsed := yaml.safe_load(text))
}
GRID = utm_grid(10.03, 50.02, 3840, 3840, 10)  # over the loopback town
OTHER, BUILDING, ROAD, VEGETATION, WATER, BARE_SOIL = range(6)
LEFT, BOTTOM, RIGHT, TOP = GRID.bounds


def write(path: Path, values: np.ndarray, grid: Grid = GRID) -> None:
    with cog.writing(path, grid, dtype=values.dtype, count=len(np.atleast_3d(values.T).T)) as file:
        file.write(values)


def box(col: int, row: int, width: int, height: int) -> shapely.Polygon:
    left, top = GRID.transform @ (col, row)
    return shapely.box(left, top - 10 * height, left + 10 * width, top)


def extract(path: Path) -> None:
    """A house, a road along the top, and a wood, as an OpenStreetMap file."""
    outlines = [
        ({"building": "yes"}, box(100, 100, 40, 40).exterior),
        ({"highway": "primary", "width": "60"}, shapely.LineString([(LEFT, TOP - 500), (RIGHT, TOP - 500)])),
        ({"natural": "wood"}, box(200, 200, 100, 100).exterior),
    ]
    lines = gpd.GeoSeries([line for _, line in outlines], crs=GRID.crs).to_crs(4326)
    with osmium.SimpleWriter(path) as writer:
        number = 0
        ways = []
        for (tags, _), line in zip(outlines, lines, strict=True):
            refs = []
            corners = list(line.coords)
            for lon, lat in corners[:-1] if line.is_closed else corners:
                number += 1
                refs.append(number)
                writer.add_node(osmium.osm.mutable.Node(id=number, version=1, location=(lon, lat)))
            ways.append((tags, [*refs, refs[0]] if line.is_closed else refs))
        for i, (tags, refs) in enumerate(ways, start=1):
            writer.add_way(osmium.osm.mutable.Way(id=i, version=1, nodes=refs, tags=tags))


def parcels(path: Path, layer: str, kinds: dict[str, shapely.Geometry]) -> None:
    frame = gpd.GeoDataFrame(
        {"kind": list(kinds), "breadth": 60.0}, geometry=list(kinds.values()), crs=GRID.crs
    )
    frame.to_crs(4326).to_file(path, layer=layer)


def worldcover(path: Path) -> None:
    """Trees in the north and permanent water in the south, in degrees."""
    west, south, east, north = (
        gpd.GeoSeries([shapely.box(*GRID.bounds)], crs=GRID.crs).to_crs(4326).total_bounds
    )
    grid = Grid(
        CRS.from_epsg(4326), Affine((east - west) / 90, 0, west, 0, -(north - south) / 90, north), 92, 92
    )
    write(path, np.repeat(np.where(np.arange(92) < 45, 10, 80).astype(np.uint8), 92).reshape(92, 92), grid)


def images(root: Path, image: str, mask: str, names: list[str], mask_value: Any) -> None:
    """Noise as images, and masks whose left half has one value and whose right half another."""
    rng = np.random.default_rng(0)
    for name in names:
        for pattern, pixels in ((image, rng.integers(0, 256, (70, 90, 3))), (mask, mask_value)):
            path = root / pattern.format(*name.split("/"))
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.asarray(pixels).astype(np.uint8)).save(path)


def halves(left: Any, right: Any) -> np.ndarray:
    made = np.zeros((70, 90, *np.shape(left)))
    made[:, :45], made[:, 45:] = left, right
    return made


def house_and_meadow() -> dict[str, Any]:
    corners = [[100, 100], [140, 100], [140, 140], [100, 140]]
    return {
        "shapes": [
            {"label": "house", "points": corners, "shape_type": "polygon"},
            {"label": "meadow", "points": [[200, 200], [300, 300]], "shape_type": "rectangle"},
        ],
        "imageWidth": GRID.width,
        "imageHeight": GRID.height,
    }


def make_served(folder: Path) -> None:
    """Nothing: the server has it."""


def make_extracted(folder: Path) -> None:
    extract(folder / "region.osm.pbf")


def make_worldcover(folder: Path) -> None:
    worldcover(folder / "ESA_WorldCover_10m_2021_v200_N60E024_Map.tif")


def make_surveyed(folder: Path) -> None:
    write(folder / "classes.tif", np.repeat(np.arange(1, 9, dtype=np.uint8), 48)[:, None].repeat(384, 1))


def make_drawn(folder: Path) -> None:
    lane = shapely.LineString([(LEFT, TOP - 500), (RIGHT, TOP - 500)])
    shapes = {
        "house": box(100, 100, 40, 40),
        "lane": lane,
        "9": box(300, 300, 20, 20),
        "tree": box(0, 0, 5, 5),
    }
    parcels(folder / "annotation.gpkg", "parcels", shapes)


def make_labelme(folder: Path) -> None:
    (folder / "scene.json").write_text(json.dumps(house_and_meadow()))


def make_cvat(folder: Path) -> None:
    (folder / "annotations.xml").write_text(
        f'<annotations><image id="0" name="scene.png" width="{GRID.width}" height="{GRID.height}">'
        '<polygon label="house" points="100,100;140,100;140,140;100,140"/>'
        '<box label="meadow" xtl="200" ytl="200" xbr="300" ybr="300"/></image></annotations>'
    )


def make_layered(folder: Path) -> None:
    extract(folder / "region.osm.pbf")
    worldcover(folder / "worldcover.tif")
    parcels(folder / "corrections.gpkg", "x", {"house": box(0, 0, 30, 30), "wrong": box(120, 100, 20, 40)})


def make_landcover_ai(folder: Path) -> None:
    images(folder, "output/{}.jpg", "output/{}_m.png", ["N-34_0", "N-34_1", "N-34_2", "N-34_3"], halves(1, 4))
    for split, names in {"train": "N-34_0\nN-34_3\n", "val": "N-34_1\n", "test": "N-34_2\n"}.items():
        (folder / f"{split}.txt").write_text(names)


def make_deepglobe(folder: Path) -> None:
    mask = halves((0, 0, 255), (255, 255, 255))
    images(folder, "train/{}_sat.jpg", "train/{}_mask.png", ["119", "2334", "6399"], mask)


def make_dubai_tiles(folder: Path) -> None:
    names = [f"tile{tile}/image_part_00{part}" for tile in (1, 2, 4, 5) for part in (1, 2)]
    mask = halves((0x3C, 0x10, 0x98), (0x9B, 0x9B, 0x9B))
    images(folder, "{}/images/{}.jpg", "{}/masks/{}.png", names, mask)


def make_sketched(folder: Path) -> None:
    images(folder, "{}.png", "masks/{}.png", ["1", "2", "3"], halves(0, 0))
    house = {"label": "house", "shape_type": "rectangle", "points": [[0, 0], [45, 70]]}
    for number in (1, 2, 3):
        drawn = {"shapes": [house], "imageWidth": 90, "imageHeight": 70}
        (folder / f"{number}.json").write_text(json.dumps(drawn))


def make_cloudy(folder: Path) -> None:
    clear = np.array([1200, 900, 600, 900, 2800, 3000, 700, 15, 1800, 1000], np.uint16)
    cloud = np.array([6500, 6400, 6500, 6600, 6900, 7000, 2500, 300, 4200, 3300], np.uint16)
    pixels = np.broadcast_to(clear[:, None, None], (10, 96, 96)).copy()
    pixels[:, 40:60, 40:60] = cloud[:, None, None]
    small = Grid(GRID.crs, GRID.transform, 96, 96)
    write(folder / "scene.tif", pixels, small)
    worldcover(folder / "worldcover.tif")


def check_served(labels: np.ndarray) -> None:
    assert (labels == BUILDING).sum() > 1000
    assert (labels == ROAD).sum() > 300
    assert osm.load_features(paths.osm("served")).attrs["snapshot"] == "2019-06-14T10:26:00Z"


def check_extracted(labels: np.ndarray) -> None:
    assert (labels[101:139, 101:139] == BUILDING).all()
    assert (labels[48:52] == ROAD).all()
    assert (labels[205:295, 205:295] == VEGETATION).all()
    assert labels[300, 20] == OTHER
    assert osm.load_features(paths.osm("extracted")).attrs["snapshot"] == "2019-06-01T00:00:00Z"


def check_worldcover(labels: np.ndarray) -> None:
    assert (labels[:170] == VEGETATION).all()
    assert (labels[215:] == WATER).all()


def check_surveyed(labels: np.ndarray) -> None:
    wanted = [BUILDING, ROAD, VEGETATION, WATER, BARE_SOIL, OTHER, IGNORE, IGNORE]
    np.testing.assert_array_equal(labels, np.repeat(wanted, 48)[:, None].repeat(384, 1))


def check_drawn(labels: np.ndarray) -> None:
    counts = dict(zip(*(values.tolist() for values in np.unique(labels, return_counts=True)), strict=True))
    assert counts == {OTHER: 384**2 - 1600 - 400 - 6 * 384, BUILDING: 1600, ROAD: 6 * 384, IGNORE: 400}


def check_labelme(labels: np.ndarray) -> None:
    expected = np.full(GRID.shape, IGNORE)
    expected[100:140, 100:140], expected[200:300, 200:300] = BUILDING, VEGETATION
    np.testing.assert_array_equal(labels, expected)


check_cvat = check_labelme


def check_layered(labels: np.ndarray) -> None:
    assert (labels[:30, :30] == BUILDING).all()  # drawn, over the wood of WorldCover
    assert (labels[101:139, 101:119] == BUILDING).all()  # of OpenStreetMap
    assert (labels[101:139, 121:139] == IGNORE).all()  # drawn as wrong, over OpenStreetMap's building
    assert (labels[48:52, 40:] == ROAD).all()
    assert (labels[205:295, 205:295] == VEGETATION).all()
    assert (labels[310:, :] == WATER).all()  # of WorldCover, where OpenStreetMap has nothing


def check_folder(city: str, values: tuple[int, int]) -> Callable[[np.ndarray], None]:
    def check(labels: np.ndarray) -> None:
        for place in pd.read_parquet(paths.image_sheet(city)).itertuples():
            inside = labels[place.row : place.row + place.height, place.col : place.col + place.width]
            assert (inside[:, :45] == values[0]).all()
            assert (inside[:, 45:] == values[1]).all()
        tiles = pd.read_parquet(paths.tiles(city))
        assert set(tiles["split"]) == set(SPLITS)

    return check


check_landcover_ai = check_folder("landcover_ai", (BUILDING, ROAD))
check_deepglobe = check_folder("deepglobe", (WATER, BARE_SOIL))
check_dubai_tiles = check_folder("dubai_tiles", (BUILDING, IGNORE))
check_sketched = check_folder("sketched", (BUILDING, IGNORE))


def check_cloudy(labels: np.ndarray) -> None:
    assert (labels[42:58, 42:58] == IGNORE).all()
    assert (labels[:30] == VEGETATION).all()


def make_worldcover_classes(folder: Path) -> None:
    write(
        folder / "worldcover.tif", np.repeat(np.uint8([10, 30, 50, 60, 80, 20]), 64)[:, None].repeat(384, 1)
    )


def check_worldcover_classes(labels: np.ndarray) -> None:
    values, counts = np.unique(labels, return_counts=True)
    assert values.tolist() == [10, 30, 50, 60, 80, IGNORE]
    assert counts.tolist() == [64 * 384] * 6


@pytest.mark.parametrize("city", SNIPPETS)
def test_the_snippet_runs_as_it_stands(city: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["stage", city])
    snippet = SNIPPETS[city]
    params = whole_params()
    params["cities"] = snippet["cities"]
    params["labels"] |= snippet.get("labels", {})
    params["classes"] = snippet.get("classes", params["classes"])
    source = params["cities"][city]
    folder = tmp_path / source["inputs"]
    folder.mkdir(parents=True)
    if source["scene"]["provider"] == "local":
        write(folder / "scene.tif", np.full(GRID.shape, 500, np.uint16))
    globals()[f"make_{city}"](folder)
    with serving(town()) as server:
        if source["osm"]["provider"] == "overpass":
            source["osm"]["address"] = server.address
        (tmp_path / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
        for stage in (stages.scene, stages.osm, stages.labels, stages.tiles):
            stage.main()
    with raster.reading(paths.labels(city)) as file:
        globals()[f"check_{city}"](file.read_band())
    assert len(pd.read_parquet(paths.tiles(city))) > 0
    assert not list(tmp_path.rglob("*.part*"))


def test_every_source_of_the_table_has_a_snippet_and_every_snippet_a_check() -> None:
    assert set(SNIPPETS) == {
        name.removeprefix("check_") for name in globals() if name.startswith("check_")
    } - {"folder"}
    used = json.dumps(SNIPPETS, default=str)
    for word in re.findall(r"`([a-z_0-9]+)`", PAGE[PAGE.index("| source") : PAGE.index("The files that")]):
        assert word in used or word in {"nlcd", "urban_atlas", "any"}, word
