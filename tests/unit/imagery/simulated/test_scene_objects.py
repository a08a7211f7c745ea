"""Features become scene objects by what their tags say."""

import json

import geopandas as gpd
import numpy as np
import pytest
import shapely
from affine import Affine
from pyproj import CRS

from urbanseg.grid import Grid
from urbanseg.imagery.simulated.climates import CLIMATES, FALLEN, WATERS
from urbanseg.imagery.simulated.look import plain
from urbanseg.imagery.simulated.materials import MATERIALS, PATCH_SIZES_PX, SPECTRA
from urbanseg.imagery.simulated.scene_objects import SceneObjects, prepare
from urbanseg.imagery.simulated.surfaces import BACKGROUND, RULES, SURFACES

UTM = CRS.from_epsg(32632)
GRID = Grid(UTM, Affine(2, 0, 510_000, 0, -2, 5_400_400), 200, 300)


def prepared(
    *features: tuple[str, dict[str, str], shapely.Geometry], climate: str = "temperate"
) -> SceneObjects:
    names, tags, shapes = zip(*features, strict=True)
    frame = gpd.GeoDataFrame(
        {"class": list(names), "tags": [json.dumps(tag) for tag in tags]}, geometry=list(shapes), crs=UTM
    )
    return prepare(frame.to_crs(4326), GRID, plain(climate), 1)


def box(left: float, bottom: float, right: float, top: float) -> shapely.Polygon:
    return shapely.box(510_000 + left, 5_400_000 + bottom, 510_000 + right, 5_400_000 + top)


def street(**tags: str) -> tuple[str, dict[str, str], shapely.LineString]:
    line = shapely.LineString([(510_100, 5_400_200), (510_500, 5_400_200)])
    return "road", {"highway": "residential", **tags}, line


@pytest.mark.parametrize(
    ("tags", "width"),
    [
        ({"width": "12"}, 12),
        ({"width": "12.5 m"}, 12.5),
        ({"lanes": "4"}, 14),
        ({"width": "wide", "lanes": "2"}, 7),
        ({}, 8),
        ({"highway": "motorway"}, 24),
    ],
)
def test_a_road_is_as_wide_as_its_tags_say(tags: dict[str, str], width: float) -> None:
    objects = prepared(street(**tags))
    middle = objects.shapes[0].intersection(box(200, 0, 300, 400))
    assert middle.area == pytest.approx(100 * width, rel=0.01)


@pytest.mark.parametrize(
    ("tags", "height"),
    [
        ({"building": "yes", "height": "21"}, 21),
        ({"building": "yes", "building:levels": "5"}, 17.5),
        ({"building": "house"}, 7.9),
        ({"building": "yes", "height": "tall"}, 11.1),
    ],
)
def test_a_building_is_as_high_as_its_tags_say(tags: dict[str, str], height: float) -> None:
    assert prepared(("building", tags, box(0, 0, 50, 50))).height[1] == pytest.approx(height)


def test_what_lies_above_is_drawn_above_whatever_the_order_of_the_features() -> None:
    place = (100, 100, 160, 160)
    layers = [
        ("residential ground", {"landuse": "residential"}, box(0, 0, 600, 400)),
        ("park", {"leisure": "park"}, box(50, 50, 300, 300)),
        ("garden", {"leisure": "garden"}, box(60, 60, 290, 290)),
        ("water", {"natural": "water"}, box(80, 80, 250, 250)),
        (
            "road",
            {"highway": "primary", "width": "40"},
            shapely.LineString([(510_000, 5_400_130), (510_600, 5_400_130)]),
        ),
        ("building", {"building": "yes"}, box(*place)),
    ]
    for order in (layers, layers[::-1]):
        objects = prepared(*order)
        ids = objects.ids(GRID, shapely.STRtree(objects.shapes))
        x = np.array([20, 55, 70, 90, 240, 130]) / 2
        y = np.array([20, 55, 70, 90, 130, 155]) / 2
        assert list(ids[(200 - y).astype(int), x.astype(int)]) == [1, 2, 3, 4, 5, 6]


def test_unmapped_ground_is_number_zero() -> None:
    objects = prepared(("building", {"building": "yes"}, box(0, 0, 50, 50)))
    ids = objects.ids(GRID, shapely.STRtree(objects.shapes))
    assert (ids == 1).sum() == 25 * 25
    assert (ids == 0).sum() == ids.size - 25 * 25


def test_a_feature_that_names_its_material_gets_it_and_the_climate_decides_the_rest() -> None:
    def share_of_main(objects: SceneObjects, material: str) -> float:
        """How well the object's first spectrum fits the material's, shade aside."""
        return float(np.corrcoef(objects.main[1], SPECTRA[MATERIALS[material].main])[0, 1])

    conifers = prepared(("forest", {"landuse": "forest", "leaf_type": "needleleaved"}, box(0, 0, 50, 50)))
    palms = prepared(("forest", {"landuse": "forest"}, box(0, 0, 50, 50)), climate="arid")
    assert conifers.crown[1] == MATERIALS["coniferous wood"].crown
    assert palms.crown[1] == MATERIALS["palm grove"].crown
    sand = prepared(("sand", {"natural": "sand"}, box(0, 0, 50, 50)))
    assert share_of_main(sand, "sand") > 0.98


def weights_of_materials() -> list[dict[str, float]]:
    """All tables of weights of materials: of surfaces, and of climates."""
    tables = [table for s in SURFACES.values() for table in (s.materials, s.arid or {}, *s.tagged.values())]
    for climate in CLIMATES.values():
        tables += [climate.pitched, climate.flat, *climate.crops.values(), *climate.materials.values()]
    backgrounds = dict.fromkeys([*BACKGROUND.values(), *(c.background for c in CLIMATES.values())], 1.0)
    return [dict(table) for table in (*tables, *WATERS.values(), backgrounds)]


def test_every_surface_is_made_of_materials_that_exist() -> None:
    assert set().union(*weights_of_materials()) <= set(MATERIALS)
    assert {kind.patch_size for kind in MATERIALS.values()} <= set(PATCH_SIZES_PX)
    assert {spectrum for kind in MATERIALS.values() for spectrum in (kind.main, kind.other)} <= set(SPECTRA)
    assert set(RULES) == {name for name, surface in SURFACES.items() if surface.rules}
    assert all(0 < value < 1 for spectrum in SPECTRA.values() for value in spectrum)
    for climate in CLIMATES.values():
        assert {*climate.land, *climate.materials} <= set(SURFACES)
        assert set(climate.soils) <= set(SPECTRA)


def test_no_material_is_dead_weight() -> None:
    assert set().union(*weights_of_materials()) == set(MATERIALS)
    soils = {soil for climate in CLIMATES.values() for soil in climate.soils}
    mixed = {name for kind in MATERIALS.values() for name in (kind.main, kind.other)}
    assert mixed | soils | set(FALLEN) == set(SPECTRA)
