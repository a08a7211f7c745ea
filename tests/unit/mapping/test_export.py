import json
import resource
import sqlite3
import zipfile
from functools import cache

import geopandas as gpd
import numpy as np
import pyarrow.parquet as pq
import pyogrio
import pytest
import shapely
from affine import Affine
from pyproj import CRS
from scipy import ndimage

from urbanseg.classes import IGNORE, ClassTable, LandClass
from urbanseg.errors import of_system
from urbanseg.grid import Grid
from urbanseg.mapping.export import About, write_map
from urbanseg.mapping.polygons import polygonise
from urbanseg.mapping.roads import road_layers
from urbanseg.mapping.styles import layer_styles
from urbanseg.mapping.vector_layers import rounded, write_layer
from urbanseg.paths import MAP_ENDINGS
from urbanseg.roads.skeleton import road_graph

TABLE = ClassTable(
    (LandClass(0, "other", "#bdc3c7"), LandClass(1, "Gebäude", "#c0392b"), LandClass(2, "road", "#7f8c8d"))
)
GRID = Grid(CRS.from_epsg(32632), Affine(10, 0, 512_340, 0, -10, 5_403_210), 240, 320)


def layers(with_roads=True):
    return {name: table.copy() for name, table in made_layers(with_roads).items()}


@cache
def made_layers(with_roads):
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


def write_town(folder):
    about = About("Town", "© somebody")
    write_map(folder, "town", layers(), layer_styles(TABLE), MAP_ENDINGS, 10, about, TABLE)
    return folder


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("map") / "town"
    return write_town(folder)


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
        assert names == [f"land_cover.{suffix}" for suffix in ("cpg", "dbf", "prj", "qml", "shp", "shx")]
        assert archive.read("land_cover.cpg") == b"UTF-8"
        assert CRS.from_wkt(archive.read("land_cover.prj").decode()).to_epsg(min_confidence=20) == 32632
        assert archive.read("land_cover.dbf")[1:4] == bytes([100, 1, 1])
        assert {entry.date_time for entry in archive.infolist()} == {(2000, 1, 1, 0, 0, 0)}
    info = pyogrio.read_info(f"/vsizip/{written / 'town_shapefile.zip'}")
    assert list(info["fields"]) == ["class_id", "class_name", "area_m2", "confidence"]


def test_writing_twice_gives_the_same_bytes(written, tmp_path):
    folder = tmp_path / "elsewhere" / "town"
    write_town(folder)
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


def test_vector_tiles_hold_the_roads_and_say_whose_they_are(written):
    path = written / "town.pmtiles"
    roads = pyogrio.read_dataframe(path, layer="roads").to_crs(GRID.crs)
    assert roads.length.sum() == pytest.approx(layers()["road_edges"].length.sum(), rel=0.05)
    assert sorted(dict(pyogrio.list_layers(path))) == ["land_cover", "roads"]
    assert pyogrio.read_info(path, layer="roads")["dataset_metadata"]["attribution"] == "© somebody"


def test_vector_tiles_of_a_map_without_roads_hold_the_land_cover(tmp_path):
    town = layers(with_roads=False)
    write_map(tmp_path / "town", "town", town, layer_styles(TABLE), ["pmtiles"])
    assert list(dict(pyogrio.list_layers(tmp_path / "town/town.pmtiles"))) == ["land_cover"]


def test_the_web_style_draws_the_layers_of_the_tiles_in_the_colours_of_the_classes(written):
    style = json.loads((written / "town_style.json").read_text(encoding="utf-8"))
    assert style["version"] == 8
    [(name, source)] = style["sources"].items()
    assert source["url"] == "pmtiles://town.pmtiles"
    assert source["attribution"] == "© somebody"
    tiles = {layer for layer, _ in pyogrio.list_layers(written / "town.pmtiles")}
    assert {layer["source-layer"] for layer in style["layers"]} == tiles
    assert {layer["source"] for layer in style["layers"]} == {name}
    fill = style["layers"][0]["paint"]["fill-color"]
    assert dict(zip(fill[2:-1:2], fill[3:-1:2], strict=True)) == {c.id: c.color for c in TABLE}


def test_geoparquet_is_of_version_1_1_with_a_covering_that_holds_each_polygon(written):
    path = written / "town.parquet"
    geo = json.loads(pq.read_metadata(path).metadata[b"geo"])
    column = geo["columns"][geo["primary_column"]]
    assert geo["version"] == "1.1.0"
    assert (column["encoding"], column["geometry_types"]) == ("WKB", ["Polygon"])
    assert CRS.from_json_dict(column["crs"]).to_epsg() == 32632
    edges = "xmin", "ymin", "xmax", "ymax"
    assert column["covering"] == {"bbox": {edge: ["bbox", edge] for edge in edges}}
    made = gpd.read_parquet(path)
    boxes = pq.read_table(path, columns=["bbox"])["bbox"].to_pylist()
    assert [tuple(box[edge] for edge in edges) for box in boxes] == made.bounds.apply(tuple, 1).tolist()
    expected = layers()["land_cover"]
    assert sorted(made.geometry.to_wkb()) == sorted(expected.geometry.to_wkb())


def test_geoparquet_comes_in_row_groups_of_neighbours(tmp_path, monkeypatch):
    monkeypatch.setattr("urbanseg.io.geoparquet.ROW_GROUP", 100)
    cover = layers()["land_cover"]
    write_layer(cover, tmp_path / "town.parquet", "land_cover")
    file = pq.ParquetFile(tmp_path / "town.parquet")
    assert file.num_row_groups == -(-len(cover) // 100) > 2
    wide = [np.ptp([box["xmin"].as_py() for box in file.read_row_group(i, ["bbox"])["bbox"]])
            * np.ptp([box["ymin"].as_py() for box in file.read_row_group(i, ["bbox"])["bbox"]])
            for i in range(file.num_row_groups)]  # fmt: skip
    assert np.mean(wide) < 0.6 * GRID.height * GRID.width * 100


@pytest.mark.parametrize("form", ["fgb", "geojson", "gpkg", "parquet", "shapefile"])
@pytest.mark.parametrize("pixel_m", [10, 0.3])
def test_coordinates_have_the_decimals_of_a_thousandth_of_a_pixel_in_every_format(form, pixel_m, tmp_path):
    town = layers()
    turn = Affine(pixel_m / 10, 0.0001 / 3, 512_340 / 7, 0.0002 / 3, pixel_m / 10, 0).to_shapely()
    town = {name: layer.set_geometry(layer.affine_transform(turn)) for name, layer in town.items()}
    write_map(tmp_path / "town", "town", town, layer_styles(TABLE), [form], pixel_m)
    path = tmp_path / f"town/town{MAP_ENDINGS[form]}"
    if form == "parquet":
        made = gpd.read_parquet(path)
    else:
        made = gpd.read_file(f"/vsizip/{path}" if form == "shapefile" else path, layer="land_cover")
    places = shapely.get_coordinates(made.geometry)
    decimals = {10: 8, 0.3: 9} if form == "geojson" else {10: 2, 0.3: 4}
    assert np.array_equal(np.round(places, decimals[pixel_m]), places)
    metric = made.to_crs(GRID.crs)
    before = town["land_cover"]
    assert np.hypot(*(metric.total_bounds - before.total_bounds).reshape(2, 2)).max() < pixel_m / 500
    assert shapely.coverage_is_valid(made.geometry.to_numpy())
    if form != "geojson":
        assert made["area_m2"].to_numpy() == pytest.approx(
            made.area.to_numpy(), abs=10.0 ** -decimals[pixel_m]
        )


def test_a_shape_that_rounding_would_break_is_rounded_less():
    thin = shapely.Polygon([(0, 0), (100, 0), (100, 0.001)])
    made = rounded(gpd.GeoDataFrame({"area_m2": [1.0]}, geometry=[thin], crs=32632), 10)
    assert made.is_valid.all()
    assert made.area[0] == pytest.approx(0.05)


@pytest.mark.parametrize(
    ("form", "key"), [("fgb", "TITLE"), ("gpkg", "IDENTIFIER"), ("geojson", "DESCRIPTION")]
)
def test_layers_have_the_name_of_what_they_show_and_a_title_with_the_city(form, key, written):
    info = pyogrio.read_info(written / f"town.{form}", layer="land_cover")
    assert info["layer_metadata"][key] == "Town: land cover"


@pytest.mark.parametrize("name", ["town.qml", "town_shapefile.qml"])
def test_the_styles_beside_the_files_are_those_of_the_land_cover(name, written):
    expected = layer_styles(TABLE)["styleQML"][0]
    assert (written / name).read_text(encoding="utf-8") == expected
    with zipfile.ZipFile(written / "town_shapefile.zip") as archive:
        assert archive.read("land_cover.qml").decode() == expected


def test_only_the_formats_asked_for_are_written(tmp_path):
    write_map(tmp_path / "town", "town", layers(), layer_styles(TABLE), ["fgb"])
    assert sorted(p.name for p in (tmp_path / "town").iterdir()) == ["town.fgb", "town.qml"]
