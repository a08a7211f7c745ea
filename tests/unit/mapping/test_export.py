import json
import resource
import sqlite3
import zipfile

import numpy as np
import pyogrio
import pytest
from affine import Affine
from pyproj import CRS
from scipy import ndimage

from urbanseg.classes import IGNORE, ClassTable, LandClass
from urbanseg.errors import of_system
from urbanseg.grid import Grid
from urbanseg.mapping.export import map_files, write_map
from urbanseg.mapping.polygons import polygonise
from urbanseg.mapping.roads import road_layers
from urbanseg.mapping.styles import layer_styles
from urbanseg.paths import MAP_ENDINGS
from urbanseg.roads.skeleton import road_graph

TABLE = ClassTable(
    (LandClass(0, "other", "#bdc3c7"), LandClass(1, "Gebäude", "#c0392b"), LandClass(2, "road", "#7f8c8d"))
)
GRID = Grid(CRS.from_epsg(32632), Affine(10, 0, 512_340, 0, -10, 5_403_210), 240, 320)


def layers(with_roads=True):
    rng = np.random.default_rng(5)
    smooth = ndimage.gaussian_filter(rng.random(GRID.shape), 3)
    classes = np.digitize(smooth, [0.49, 0.51] if with_roads else [0.5, 9]).astype(np.uint8)
    classes[:10, :10] = IGNORE
    confidence = rng.integers(0, 255, GRID.shape, dtype=np.uint8)
    edges, nodes = road_layers(
        road_graph(classes == 2, GRID.transform), lambda window: classes[window.slices] == 2, GRID
    )
    return {
        "land_cover": polygonise(classes, confidence, GRID, TABLE),
        "road_edges": edges,
        "road_nodes": nodes,
    }


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("map") / "town"
    write_map(folder, "town", layers(), layer_styles(TABLE), MAP_ENDINGS)
    return folder


def read_all(folder):
    return {
        "GeoPackage": pyogrio.read_dataframe(folder / "town.gpkg", layer="land_cover"),
        "GeoJSON": pyogrio.read_dataframe(folder / "town.geojson"),
        "Shapefile": pyogrio.read_dataframe(f"/vsizip/{folder / 'town_shapefile.zip'}"),
    }


def test_the_three_formats_agree_on_features_and_area_per_class(written):
    expected = layers()["land_cover"]
    for table in read_all(written).values():
        assert len(table) == len(expected)
        assert table["class_name"].tolist() == expected["class_name"].tolist()
        assert table["class_id"].tolist() == expected["class_id"].tolist()
        assert np.allclose(table["area_m2"], expected["area_m2"], rtol=1e-12)
        assert np.allclose(table["confidence"], expected["confidence"], rtol=1e-9)
        assert table.geometry.is_valid.all()
        metric = table.to_crs(GRID.crs)
        areas = metric.area.groupby(metric["class_id"]).sum()
        assert areas.to_numpy() == pytest.approx(
            expected["area_m2"].groupby(expected["class_id"]).sum().to_numpy(), rel=1e-6
        )


def test_the_geopackage_holds_all_layers_with_spatial_indexes(written):
    path = written / "town.gpkg"
    kinds = dict(pyogrio.list_layers(path))
    assert kinds["land_cover"] == "Polygon"
    assert kinds["road_edges"] == "LineString"
    assert kinds["road_nodes"] == "Point"
    with sqlite3.connect(path) as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        indexed = database.execute(
            "SELECT table_name FROM gpkg_extensions WHERE extension_name = 'gpkg_rtree_index'"
        ).fetchall()
    assert {name for (name,) in indexed} == {"land_cover", "road_edges", "road_nodes"}


def test_the_geopackage_carries_a_default_style_for_each_layer_as_qgis_expects(written):
    query = (
        "SELECT s.f_table_name, s.styleQML FROM layer_styles s JOIN gpkg_geometry_columns g "
        "ON g.table_name = s.f_table_name AND g.column_name = s.f_geometry_column "
        "WHERE s.useAsDefault = 1 AND s.f_table_schema = '' AND s.f_table_catalog = ''"
    )
    with sqlite3.connect(written / "town.gpkg") as database:
        styles = dict(database.execute(query).fetchall())
        [(kind,)] = database.execute("SELECT data_type FROM gpkg_contents WHERE table_name = 'layer_styles'")
    assert kind == "attributes"
    expected = layer_styles(TABLE).set_index("f_table_name")["styleQML"].to_dict()
    assert styles == expected


def test_the_geojson_keeps_to_rfc_7946(written):
    collection = json.loads((written / "town.geojson").read_text(encoding="utf-8"))
    assert "crs" not in collection
    west, south, east, north = collection["bbox"]
    assert -180 <= west < east <= 180
    assert -90 <= south < north <= 90
    for feature in collection["features"]:
        shell, *holes = feature["geometry"]["coordinates"]
        for ring, sign in [(shell, 1), *((hole, -1) for hole in holes)]:
            x, y = (np.array(ring) - [west, south]).T
            assert sign * np.sum(x[:-1] * y[1:] - x[1:] * y[:-1]) > 0
            assert np.allclose(np.round(ring, 8), ring, rtol=0, atol=1e-12)
            assert ring[0] == ring[-1]


def test_the_shapefile_has_all_its_parts_and_short_field_names(written):
    with zipfile.ZipFile(written / "town_shapefile.zip") as archive:
        names = sorted(archive.namelist())
        assert names == [f"land_cover.{suffix}" for suffix in ("cpg", "dbf", "prj", "shp", "shx")]
        assert archive.read("land_cover.cpg") == b"UTF-8"
        assert CRS.from_wkt(archive.read("land_cover.prj").decode()).to_epsg(min_confidence=20) == 32632
        assert archive.read("land_cover.dbf")[1:4] == bytes([100, 1, 1])
        assert {entry.date_time for entry in archive.infolist()} == {(2000, 1, 1, 0, 0, 0)}
    info = pyogrio.read_info(f"/vsizip/{written / 'town_shapefile.zip'}")
    assert list(info["fields"]) == ["class_id", "class_name", "area_m2", "confidence"]


def test_writing_twice_gives_the_same_bytes(written, tmp_path):
    folder = tmp_path / "elsewhere" / "town"
    write_map(folder, "town", layers(), layer_styles(TABLE), MAP_ENDINGS)
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == {
        p.name: p.read_bytes() for p in written.iterdir()
    }
    assert [p.name for p in folder.parent.iterdir()] == ["town"]


def test_a_map_without_roads_has_empty_road_layers(tmp_path):
    write_map(tmp_path / "town", "town", layers(with_roads=False), layer_styles(TABLE))
    for layer in ("road_edges", "road_nodes"):
        assert len(pyogrio.read_dataframe(tmp_path / "town" / "town.gpkg", layer=layer)) == 0
    assert all(len(table) for table in read_all(tmp_path / "town").values())


def test_a_write_that_fails_says_so_and_leaves_the_old_map(tmp_path):
    folder = tmp_path / "town"
    folder.mkdir()
    (folder / "town.gpkg").touch()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(OSError, match="File too large") as caught:
            write_map(folder, "town", layers(), layer_styles(TABLE))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert "town cannot be written: the disk is full" in str(of_system(caught.value))
    assert [p.name for p in tmp_path.iterdir()] == ["town"]
    assert [p.name for p in folder.iterdir()] == ["town.gpkg"]


def test_flatgeobuf_holds_the_same_polygons_in_the_order_of_its_index(written):
    made = pyogrio.read_dataframe(written / "town.fgb")
    expected = layers()["land_cover"]
    assert pyogrio.read_info(written / "town.fgb")["capabilities"]["fast_spatial_filter"]
    assert list(made.columns) == list(expected.columns)
    assert sorted(zip(made["class_name"], made.geometry.to_wkb(), strict=True)) == sorted(
        zip(expected["class_name"], expected.geometry.to_wkb(), strict=True)
    )


def test_vector_tiles_know_the_classes_where_they_lie(written):
    tiles = pyogrio.read_dataframe(written / "town.pmtiles", layer="land_cover").to_crs(GRID.crs)
    land = layers()["land_cover"]
    largest = land.loc[land["area_m2"].idxmax()]
    inside = tiles[tiles.contains(largest.geometry.representative_point())]
    assert inside["class_name"].tolist() == [largest["class_name"]]
    areas = tiles.area.groupby(tiles["class_name"]).sum().to_dict()
    assert areas == pytest.approx(land["area_m2"].groupby(land["class_name"]).sum().to_dict(), rel=0.1)


def test_only_the_formats_asked_for_are_written(tmp_path):
    write_map(tmp_path / "town", "town", layers(), layer_styles(TABLE), ["fgb"])
    assert list((tmp_path / "town").iterdir()) == [map_files(tmp_path / "town", "town")["fgb"]]
