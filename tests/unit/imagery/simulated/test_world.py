"""A world is what its seed draws: the same wherever it is drawn, its ground known to the last hedge."""

import json
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pytest
import shapely

from tests.unit.imagery.simulated.test_rendering import CLEAR, LAYOUT, features, rendered
from urbanseg.config.scene import SimulatedScene
from urbanseg.config.world import CLIMATES
from urbanseg.grid import Window
from urbanseg.imagery.simulated import landscape, rendering, shores, world
from urbanseg.imagery.simulated.cells import outside, voronoi
from urbanseg.imagery.simulated.illumination import Sun
from urbanseg.imagery.simulated.relief import Relief
from urbanseg.imagery.simulated.surfaces import SURFACES

DRAWN = {name: CLEAR[name] for name in ("provider", "layout", "datetime", "cloud_share")}
LIGHT = dict.fromkeys(("sun_azimuth", "sun_elevation", "noise", "haze"))
BOX = shapely.box(500_000, 5_400_000, 501_000, 5_401_000)


def params(seed: int = 1, **changes: Any) -> SimulatedScene:
    return SimulatedScene.model_validate(DRAWN | {"world": {"seed": seed} | changes})


def drawn(
    seed: int = 1, *, date: str = CLEAR["datetime"], latitude: float = 48.8, **changes: Any
) -> world.World:
    scene = params(seed, **changes).model_copy(update={"datetime": date})
    return world.of_scene(
        scene,
        rendering.area(SimulatedScene.model_validate(CLEAR | {"layout": LAYOUT | {"latitude": latitude}})),
    )


def test_the_same_seed_gives_the_same_bytes_and_another_another_world(tmp_path: Path) -> None:
    pictures = []
    for name, seed in (("first", 1), ("again", 1), ("other", 2)):
        (tmp_path / name).mkdir()
        rendered(tmp_path / name, **LIGHT, world={"seed": seed})
        pictures.append((tmp_path / name / "scene.tif").read_bytes())
    assert pictures[0] == pictures[1] != pictures[2]


def test_a_world_does_not_depend_on_its_strips(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hilly = {"seed": 5, "slope": [0.3, 0.3], "sun_elevation": [25, 30]}
    bands, _, _ = rendered(tmp_path, **LIGHT, world=hilly)
    monkeypatch.setattr(rendering, "STRIP", 17)
    again, _, _ = rendered(tmp_path, **LIGHT, world=hilly)
    assert (bands != again).any(axis=0).mean() < 1e-3


def test_what_is_drawn_lies_within_its_ranges_and_all_climates_come() -> None:
    worlds = [drawn(seed, sun_elevation=[30, 40], haze=[0.01, 0.02], gain=0.1) for seed in range(40)]
    assert {each.climate for each in worlds} == set(CLIMATES)
    assert all(30 <= each.sun.elevation <= 40 and 0.01 <= each.haze <= 0.02 for each in worlds)
    assert all(0.9 <= gain <= 1.1 for each in worlds for gain in each.gains)
    assert {drawn(seed, climates=["boreal"]).climate for seed in range(5)} == {"boreal"}


@pytest.mark.parametrize(
    ("date", "latitude", "bare"),
    [("2023-01-20T10:00:00Z", 48.8, True), ("2023-07-20T10:00:00Z", 48.8, False),
     ("2023-07-20T10:00:00Z", -48.8, True), ("2023-01-20T10:00:00Z", -48.8, False)],
)  # fmt: skip
def test_trees_are_bare_in_the_winter_of_their_hemisphere(date: str, latitude: float, bare: bool) -> None:
    _, _, red, nir = drawn(3, date=date, latitude=latitude, climates=["temperate"]).look.spectra["broadleaf"]
    assert (nir < 4 * red) == bare
    assert drawn(3, date=date, climates=["tropical"]).look.spectra["broadleaf"][3] > 4 * red or not bare


def test_unmapped_ground_is_parcels_hedges_yards_and_farms_that_leave_mapped_areas_alone() -> None:
    scene = params(2, climates=["temperate"], shift_m=0, vanished=0)
    grid = rendering.area(scene)
    mapped = features(grid)
    ground = landscape.seen(mapped, grid, world.of_scene(scene, grid))
    assert ground.crs == grid.crs
    assert set(ground["class"]) <= set(SURFACES)
    assert {"plot", "hedge", "tree", "town block"} <= set(ground["class"])
    assert shapely.is_valid(ground.geometry.to_numpy()[ground["class"].isin(["farmland", "forest"])]).all()
    wet = shapely.union_all(mapped.to_crs(grid.crs)[mapped["class"] == "water"].geometry.to_numpy())
    fields = shapely.union_all(
        ground[ground["class"].isin(["farmland", "orchard", "scrub"])].geometry.to_numpy()
    )
    assert fields.area > 1e5
    assert fields.intersection(wet).area < 1e-3 * wet.area


def test_buildings_vanish_and_shift_by_what_the_world_says() -> None:
    scene = params(2, shift_m=8, vanished=0.5, unmapped=0)
    grid = rendering.area(scene)
    here = world.of_scene(scene, grid)
    assert 0 < np.hypot(*here.shift) <= 8
    mapped = features(grid).to_crs(grid.crs)
    shown = landscape._shifted(landscape._near(mapped, grid, BOX.buffer(1e6)), here, np.random.default_rng(0))
    assert (shown["class"] == "building").sum() == pytest.approx(
        0.5 * (mapped["class"] == "building").sum(), rel=0.2
    )
    water, moved = (frame[frame["class"] == "water"].geometry.iloc[0] for frame in (mapped, shown))
    assert moved.centroid.x - water.centroid.x == pytest.approx(here.shift[0], abs=0.01)


def test_houses_are_added_along_streets_that_lack_them_and_off_what_is_there() -> None:
    street = shapely.LineString([(0, 0), (600, 0)]).buffer(4, cap_style="flat")
    park = shapely.box(300, 4, 600, 100)
    tags = [json.dumps({"highway": "residential"}), "{}"]
    mapped = gpd.GeoDataFrame({"class": ["road", "park"], "tags": tags}, geometry=[street, park], crs=32632)
    rng = np.random.default_rng(0)
    houses = landscape.along_streets(mapped, 1.0, rng)
    assert len(houses) > 20
    assert not shapely.intersects(houses, street).any()
    assert not shapely.intersects(houses, park).any()
    assert not len(landscape.along_streets(mapped, 0.0, rng))


def test_a_shore_has_shallows_on_the_water_and_sand_on_land() -> None:
    sea = gpd.GeoDataFrame({"class": ["sea"], "tags": ["{}"]}, geometry=[BOX], crs=32632)
    strips = [shores.along(sea, np.random.default_rng(seed)) for seed in range(6)]
    water = [shape for each in strips for name in ("shoal", "surf", "tidal flat") for shape in each[name]]
    assert shapely.area(shapely.intersection(water, BOX)) == pytest.approx(shapely.area(water))
    sand = [shape for each in strips for shape in each["sand"]]
    assert sand
    assert not shapely.intersects(shapely.buffer(sand, -1), BOX).any()


def test_cells_cover_their_box_and_what_is_taken_is_cut_out() -> None:
    cells = voronoi(BOX, 120, np.random.default_rng(1))
    assert shapely.union_all(cells).buffer(0.01).contains(BOX)
    assert shapely.area(cells).sum() == pytest.approx(shapely.union_all(cells).area, rel=1e-6)
    bow_tie = shapely.Polygon(
        [(500_100, 5_400_100), (500_400, 5_400_400), (500_400, 5_400_100), (500_100, 5_400_400)]
    )
    taken = np.array([BOX.centroid.buffer(200), bow_tie], dtype=object)
    rest = outside(cells, taken)
    assert shapely.area(shapely.intersection(rest, taken[0])).sum() < 10  # corners snap
    lost = shapely.area(cells).sum() - shapely.area(rest).sum()
    assert lost == pytest.approx(shapely.union_all([taken[0], shapely.make_valid(bow_tie)]).area, rel=1e-3)


def test_slopes_towards_the_sun_are_bright_and_level_ground_is_unchanged() -> None:
    window = Window(0, 0, 200, 200)
    assert Relief(1e-6, Sun(150, 40), 10, 1).at(window) == pytest.approx(1, abs=1e-3)
    south, north = (Relief(0.3, Sun(azimuth, 30), 10, 1).at(window) for azimuth in (180, 0))
    assert south.min() < 0.9
    assert 1.1 < south.max() <= 1.7
    assert np.corrcoef(south.ravel(), north.ravel())[0, 1] < -0.5


def test_the_ground_is_written_for_labels(tmp_path: Path) -> None:
    scene = params(2)
    grid = rendering.area(scene)
    landscape.write(
        tmp_path / "ground.fgb", landscape.seen(features(grid), grid, world.of_scene(scene, grid))
    )
    read = gpd.read_file(tmp_path / "ground.fgb")
    assert {"building", "road", "plot"} <= set(read["surface"])
    assert "tree" not in set(read["surface"])
    assert read.crs == grid.crs


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"sun_elevation": 40}, "sun_elevation is drawn by world; remove it"),
        ({"climate": "arid"}, "list it in world.climates"),
        ({"world": None}, "sun_azimuth is missing; give it, or a world"),
        ({"world": {"seed": 1, "haze": [0.1, 0.01]}}, "a lowest and a highest value.*got 0.1 and 0.01"),
        ({"world": {"seed": 1, "climates": []}}, "at least 1 item"),
        ({"bbox": [9, 48, 9.1, 48.1]}, "bbox is a part of an extract"),
    ],
)
def test_worlds_that_cannot_be_meant_are_refused(changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        SimulatedScene.model_validate(DRAWN | {"world": {"seed": 1}} | changes)


def test_a_shore_that_touches_itself_is_laid_out() -> None:
    """Snapped to a grid, what a strip and a water share may be polygons and a line."""
    rng = np.random.default_rng(1)
    for _ in range(208):
        angle, radius = np.sort(rng.uniform(0, 2 * np.pi, 40)), rng.uniform(230, 700, 40)
    ring = np.column_stack([radius * np.cos(angle), radius * np.sin(angle)])
    lake = shapely.make_valid(shapely.Polygon(ring))
    frame = gpd.GeoDataFrame({"class": ["water"]}, geometry=[lake], crs=32632)
    strips = shores.along(frame, np.random.default_rng(207))
    assert len(strips["surf"])
    assert all(shape.geom_type == "Polygon" for each in strips.values() for shape in each)
