"""A rendered scene is what the map, the sun and the sky make of it, however it is cut."""

import json
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pytest
import shapely

from urbanseg.config.scene import SimulatedScene
from urbanseg.errors import PipelineError
from urbanseg.grid import Grid
from urbanseg.imagery.simulated import landscape, rendering, world
from urbanseg.io import raster
from urbanseg.osm.simulated import lay_out

LAYOUT = {"seed": 4, "style": "river", "longitude": 9.2, "latitude": 48.8, "width_m": 1200, "height_m": 1000}
CLEAR = {
    "provider": "simulated",
    "layout": LAYOUT,
    "datetime": "2023-06-14T10:26:00Z",
    "sun_azimuth": 158,
    "sun_elevation": 62,
    "noise": 0.004,
    "haze": 0.02,
    "cloud_share": 0.0,
}


def scene(**changes: Any) -> SimulatedScene:
    return SimulatedScene.model_validate(CLEAR | changes)


def features(grid: Grid, style: str = "river") -> gpd.GeoDataFrame:
    """A small city with the surfaces that its tags mean, without the way over a file."""
    surfaces = {"building": "building", "highway": "road", "natural": "water", "leisure": "park"}
    rows = []
    for shape, tags in lay_out(style, 4, grid.bounds):
        name = next((surface for key, surface in surfaces.items() if key in tags), None)
        if name and (name == "road") == (shape.geom_type == "LineString"):
            rows.append((name, json.dumps(tags), shape))
    names, texts, shapes = zip(*rows, strict=True)
    return gpd.GeoDataFrame({"class": names, "tags": texts}, geometry=list(shapes), crs=grid.crs).to_crs(4326)


def rendered(folder: Path, **changes: Any) -> tuple[np.ndarray, np.ndarray, dict[str, Any]]:
    params = scene(**changes)
    grid = rendering.area(params)
    drawn = world.of_scene(params, grid)
    shown = landscape.seen(features(grid), grid, drawn) if params.world else features(grid)
    about = rendering.render(shown, grid, params, drawn, folder / "scene.tif", folder / "scl.tif")
    with raster.reading(folder / "scene.tif") as bands, raster.reading(folder / "scl.tif") as codes:
        assert bands.grid.same_as(codes.grid)
        return bands.read(), codes.read_band(), about


def test_a_scene_has_four_named_bands_in_utm_and_no_missing_pixel(tmp_path: Path) -> None:
    bands, codes, about = rendered(tmp_path)
    info = raster.describe(tmp_path / "scene.tif")
    assert info.descriptions == ("B02", "B03", "B04", "B08")
    assert (info.dtype, info.nodata) == ("uint16", 0)
    assert info.grid.crs.to_epsg() == 32632
    assert (info.grid.shape, info.grid.resolution) == ((100, 120), 10.0)
    assert all(edge % 10 == 0 for edge in info.grid.bounds)
    assert bands.min() >= 1
    assert {4, 5, 6} <= set(np.unique(codes))
    assert about["simulated"] is True
    assert about["eo:cloud_cover"] == 0


def test_the_same_parameters_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        rendered(tmp_path / name, cloud_share=0.1)
    for file in ("scene.tif", "scl.tif"):
        assert (tmp_path / "first" / file).read_bytes() == (tmp_path / "second" / file).read_bytes()


@pytest.mark.parametrize(
    ("changes", "sums"),
    [
        ({}, [12_293_590, 15_245_999, 16_511_368, 31_101_144]),
        (
            {"climate": "arid", "cloud_share": 0.1, "sun_elevation": 30},
            [18_067_645, 20_752_549, 22_647_582, 31_081_900],
        ),
    ],
)
def test_a_scene_without_a_world_is_what_it_was_before_there_were_worlds(
    tmp_path: Path, changes: dict[str, Any], sums: list[int]
) -> None:
    bands, _, _ = rendered(tmp_path, **changes)
    assert bands.sum(axis=(1, 2), dtype=int).tolist() == pytest.approx(sums, rel=1e-7)


def test_a_scene_does_not_depend_on_its_strips(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bands, codes, _ = rendered(tmp_path, cloud_share=0.1, sun_elevation=30)
    monkeypatch.setattr(rendering, "STRIP", 17)
    again, codes_again, _ = rendered(tmp_path, cloud_share=0.1, sun_elevation=30)
    # Shapes that touch a fine pixel's centre exactly may fall either way; nothing else may differ.
    assert (bands != again).any(axis=0).mean() < 1e-3
    assert (codes != codes_again).mean() < 1e-3


def test_water_is_dark_and_parks_are_green_where_the_map_has_them(tmp_path: Path) -> None:
    bands, _, _ = rendered(tmp_path)
    red, nir = bands[2:].astype(float)
    ndvi = (nir - red) / (nir + red)
    grid = rendering.area(scene())
    shapes = features(grid).to_crs(grid.crs)
    means = {}
    for name in ("water", "park", "building"):
        inner = shapely.union_all(shapes[shapes["class"] == name].geometry).buffer(-12)
        centres = np.argwhere(mask(inner, grid))
        means[name] = (ndvi[tuple(centres.T)].mean(), nir[tuple(centres.T)].mean())
    assert means["park"][0] > means["building"][0] + 0.2
    assert means["water"][1] < 0.6 * means["park"][1]


def mask(shape: shapely.Geometry, grid: Grid) -> np.ndarray:
    x = grid.transform.c + 10 * (np.arange(grid.width) + 0.5)
    y = grid.transform.f - 10 * (np.arange(grid.height) + 0.5)
    return shapely.contains_xy(shape, *np.meshgrid(x, y))


def test_a_lower_sun_makes_a_darker_city(tmp_path: Path) -> None:
    high, _, _ = rendered(tmp_path, sun_elevation=70)
    low, _, _ = rendered(tmp_path, sun_elevation=20)
    assert low.mean() < 0.97 * high.mean()


def test_a_wholly_clouded_scene_is_one_clear_sentence_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match=r"wholly under cloud.*lower cloud_share"):
        rendered(tmp_path, cloud_share=1.0)
    assert not list(tmp_path.iterdir())


def test_without_a_layout_the_area_is_that_of_the_extract() -> None:
    params = scene(layout=None, osm_path="town.osm.pbf")
    town = gpd.GeoDataFrame(geometry=[shapely.box(24.93, 60.16, 24.95, 60.18)], crs=4326)
    assert rendering.area(params, town).crs.to_epsg() == 32635
    town.attrs["extent"] = [24.90, 60.16, 24.95, 60.18]
    wider = rendering.area(params, town)
    left, bottom, right, top = wider.bounds
    assert right - left == pytest.approx(0.05 * 111_320 * np.cos(np.radians(60.17)), rel=0.04)
    assert top - bottom == pytest.approx(0.02 * 111_410, rel=0.06)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"osm_path": "town.osm.pbf"}, "exactly one of layout"),
        ({"layout": None}, "exactly one of layout"),
        ({"render_m": 3.0}, "whole multiple of render_m"),
        ({"datetime": "yesterday"}, "a date and time with its offset"),
        ({"datetime": "2023-06-14T10:26:00"}, "a date and time with its offset"),
    ],
)
def test_impossible_parameters_are_refused(changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        scene(**changes)
