"""Zones that cannot be measured as they are, are refused or told of; none is silently wrong."""

import geopandas as gpd
import pyogrio
import pytest
import shapely

import urbanseg
from tests.unit.workflows.painted import grid, write_image
from urbanseg.errors import PipelineError


@pytest.fixture(autouse=True)
def image(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_image(tmp_path / "town.tif", grid())


def mapped(model, zones, out=None):
    zones.to_file("zones.geojson")
    return urbanseg.map_image("town.tif", out, model=model, zones="zones.geojson")


def inside(**columns):
    left, bottom, *_ = grid().bounds
    shapes = [shapely.box(left, bottom, left + 9, bottom + 9)] * len(next(iter(columns.values())))
    return gpd.GeoDataFrame(columns, geometry=shapes, crs=grid().crs).to_crs(4326)


@pytest.mark.parametrize("box", [(-180, -90, 180, 90), (-60, -40, 120, 70), (0, 0, 89, 60)])
def test_a_zone_that_the_crs_of_the_map_cannot_hold_is_refused(model, box):
    zones = gpd.GeoDataFrame({"name": ["world"]}, geometry=[shapely.box(*box)], crs=4326)
    with pytest.raises(PipelineError, match=r"zone 1 is too large for .*; cut it to the surroundings"):
        mapped(model, zones)


def test_features_without_a_polygon_are_told_of(model):
    zones = inside(name=["a", "b", "c"])
    zones.geometry = [zones.geometry[0], shapely.Point(55, 25), None]
    found = mapped(model, zones)
    assert list(found.zones["name"]) == ["a"]
    assert any("2 of its 3 features have no polygon" in warning for warning in found.warnings)


def test_zones_that_are_all_elsewhere_are_told_of(model):
    zones = inside(name=["a"])
    assert "none of the zones lies in the image" not in mapped(model, zones).warnings
    zones.geometry = zones.translate(0.1)
    assert "none of the zones lies in the image" in mapped(model, zones).warnings


def test_columns_that_give_way_to_those_measured_are_told_of(model):
    found = mapped(model, inside(note=["mine"], Area_ha=[7]))
    assert found.zones.columns.is_unique
    assert "columns of the zones that are called note, Area_ha give way to those measured" in found.warnings


def test_columns_of_any_name_go_into_the_geopackage(model):
    zones = inside(fid=[7, 7], geom=["x", "y"], Name=["a", "b"], name=["c", "d"])
    mapped(model, zones, "out")
    table = pyogrio.read_dataframe("out/map.gpkg", layer="zones")
    assert list(table.iloc[:, :4].itertuples(index=False, name=None)) == [
        (7, "x", "a", "c"),
        (7, "y", "b", "d"),
    ]
