"""An image becomes the map that was painted into it, in all its files."""

import json

import geopandas as gpd
import networkx as nx
import numpy as np
import pyarrow.parquet as pq
import pyogrio
import pytest
import rasterio
import shapely
from affine import Affine
from PIL import Image
from pyproj import CRS
from pystac.validation import validate_dict

import urbanseg
from tests.unit.workflows.painted import CLASSES, HEIGHT, WIDTH, grid, painted, town, write_image
from urbanseg.errors import PipelineError

pytestmark = pytest.mark.usefixtures("elsewhere")

AREAS_PX = dict(zip(CLASSES, np.bincount(town().ravel()).tolist(), strict=True))


@pytest.fixture(scope="module")
def placed(model, tmp_path_factory):
    """The map of an image with a place, with zones and all formats."""
    folder = tmp_path_factory.mktemp("placed")
    where = grid()
    write_image(folder / "town.tif", where)
    left, bottom, right, top = where.bounds
    shapes = [
        shapely.box(left + 10.5, top - 40, left + 30, top - 5.25),
        shapely.box(right + 9, bottom, right + 99, top),
    ]
    zones = gpd.GeoDataFrame(
        {"district": ["Old Town", "Far"], "note": [1, 2]}, geometry=shapes, crs=where.crs
    )
    zones.to_crs(4326).to_file(folder / "zones.geojson")
    formats = ["gpkg", "parquet", "fgb", "geojson", "shapefile", "pmtiles"]
    return urbanseg.map_image(
        folder / "town.tif", folder / "out", model=model, zones=folder / "zones.geojson", formats=formats
    )


def test_arrays_areas_and_tables_are_the_town(placed):
    np.testing.assert_array_equal(placed.classes, town())
    assert placed.areas == pytest.approx({name: count / 1e4 for name, count in AREAS_PX.items()})
    assert placed.unit == "ha"
    assert placed.crs.to_epsg() == 32640
    assert placed.transform == grid().transform
    assert placed.confidence.min() > 127
    assert placed.polygons.area.sum() == pytest.approx(HEIGHT * WIDTH)
    assert set(placed.polygons["class_name"]) == set(CLASSES)
    assert placed.warnings == ["columns of the zones that are called note give way to those measured"]


def test_roads_make_a_graph(placed):
    graph = nx.from_pandas_edgelist(placed.roads, "u", "v", edge_attr=True)
    assert nx.is_connected(graph)
    assert set(graph) <= set(placed.road_nodes["node_id"])
    assert placed.roads["length_m"].sum() == pytest.approx(WIDTH, abs=8)
    assert placed.roads["width_m"].median() == pytest.approx(6, abs=0.5)


def test_all_files_are_there_and_vectors_agree(placed):
    assert {path.name for path in placed.folder.iterdir() if path.suffix != ".qml"} == {
        ".urbanseg.json", "classes.tif", "classes.tif.aux.xml", "confidence.tif", "item.json", "map.fgb",
        "map.geojson", "map.gpkg", "map.parquet", "map.pmtiles", "map.qgz", "map_shapefile.zip",
        "map_style.json", "report.html", "zones.csv",
    }  # fmt: skip
    layers = {name for name, _ in pyogrio.list_layers(placed.folder / "map.gpkg")}
    assert layers == {"land_cover", "road_edges", "road_nodes", "layer_styles", "zones"}
    for name in ("map.gpkg", "map.fgb", "map.parquet", "map_shapefile.zip"):
        path = placed.folder / name
        table = (
            gpd.read_parquet(path)
            if name.endswith("parquet")
            else pyogrio.read_dataframe(path, layer="land_cover" if name == "map.gpkg" else None)
        )
        assert len(table) == len(placed.polygons)
        assert table.crs.to_epsg() == 32640
    with rasterio.open(placed.folder / "classes.tif") as classes:
        assert classes.crs.to_epsg() == 32640
        assert classes.transform == grid().transform


def test_geoparquet_keeps_to_its_specification(placed):
    """Version 1.1.0, https://geoparquet.org/releases/v1.1.0: what its validators check."""
    file = pq.ParquetFile(placed.folder / "map.parquet")
    geo = json.loads(file.metadata.metadata[b"geo"])
    assert geo["version"] == "1.1.0"
    column = geo["columns"][geo["primary_column"]]
    assert column["encoding"] == "WKB"
    assert set(column["geometry_types"]) == {"Polygon"}
    assert CRS.from_json_dict(column["crs"]) == placed.crs
    covering = column["covering"]["bbox"]
    assert covering == {side: ["bbox", side] for side in ("xmin", "ymin", "xmax", "ymax")}
    assert file.schema_arrow.field("bbox").type.num_fields == 4
    rows = file.read().to_pylist()
    for row in rows:
        shape = shapely.from_wkb(row[geo["primary_column"]])
        assert tuple(row["bbox"].values()) == pytest.approx(shape.bounds)
    assert shapely.total_bounds([shapely.from_wkb(r["geometry"]) for r in rows]).tolist() == pytest.approx(
        column["bbox"]
    )


def test_zones_have_hectares_of_each_class_and_say_where_they_are_outside(placed):
    table = pyogrio.read_dataframe(placed.folder / "map.gpkg", layer="zones")
    old, far = table.to_dict("records")
    assert old["building_ha"] == pytest.approx(10 * 30 / 1e4, abs=1e-4)
    assert old["vegetation_ha"] == pytest.approx((19.5 * 34.75 - 300) / 1e4, abs=2e-4)
    assert old["note"] is None or old["note"] == ""
    assert far["note"] == "outside the image"
    text = (placed.folder / "zones.csv").read_text().splitlines()
    assert text[0].startswith("district,area_ha,building_ha")
    assert text[1].startswith("Old Town,")


def test_every_layer_of_the_geopackage_has_a_style_of_its_own(placed):
    """QGIS gives a layer without one that of the file beside, which is the land cover's."""
    path = placed.folder / "map.gpkg"
    styles = pyogrio.read_dataframe(path, layer="layer_styles")
    shapes = [name for name, kind in pyogrio.list_layers(path) if kind is not None]
    assert sorted(styles["f_table_name"]) == sorted(shapes)
    assert styles["useAsDefault"].all()
    assert styles["styleQML"].nunique() == len(shapes)


def test_the_item_is_valid_and_names_no_path(placed):
    text = (placed.folder / "item.json").read_text()
    item = json.loads(text)
    assert validate_dict(item | {"stac_extensions": []})
    assert {"classes.tif", "map.gpkg", "map.parquet", "report.html"} <= set(item["assets"])
    assert list(item["properties"]["source:sha256"]) == ["town.tif"]
    assert str(placed.folder.parent) not in text


def test_the_same_image_gives_the_same_bytes(model, tmp_path):
    write_image(tmp_path / "town.tif", grid())
    for name in ("a", "b"):
        urbanseg.map_image("town.tif", name, model=model)
    first, again = ({p.name: p.read_bytes() for p in (tmp_path / name).iterdir()} for name in ("a", "b"))
    assert {"classes.tif", "map.gpkg", "report.html"} <= set(first)
    assert first == again


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_a_photo_is_mapped_in_pixels_without_a_place(model, tmp_path):
    Image.fromarray(painted(town()).transpose(1, 2, 0)).save("photo.png")
    found = urbanseg.map_image("photo.png", "out", model=model, formats=["gpkg", "parquet", "geojson"])
    assert found.unit == "px"
    assert found.areas == AREAS_PX
    assert found.crs is None
    assert found.polygons.crs is None
    assert found.polygons.total_bounds.tolist() == [0, -HEIGHT, WIDTH, 0]
    assert {"area_px", "confidence"} <= set(found.polygons)
    assert not [name for name in [*found.polygons, *found.roads] if name.endswith(("_m", "_m2"))]
    assert [warning.partition(",")[0] for warning in found.warnings] == [
        "it does not say where it lies", "the size of its pixels is unknown", "it does not say where it lies",
    ]  # fmt: skip
    assert not (tmp_path / "out/map.geojson").exists()
    with rasterio.open("out/classes.tif") as classes:
        assert classes.crs is None
        assert classes.transform == Affine.identity()
    table = pyogrio.read_dataframe("out/map.gpkg", layer="land_cover")
    assert table.crs is None or not table.crs.is_projected
    assert gpd.read_parquet("out/map.parquet").crs is None
    assert validate_dict(json.loads((tmp_path / "out/item.json").read_text()) | {"stac_extensions": []})


def test_an_affine_without_a_crs_is_kept_in_rasters_and_vectors(model):
    place = Affine(2, 0, 500, 0, -2, 900)
    profile = {"count": 3, "height": HEIGHT, "width": WIDTH, "dtype": "uint8", "photometric": "RGB"}
    with rasterio.open("town.tif", "w", driver="GTiff", transform=place, **profile) as file:
        file.write(painted(town()))
    found = urbanseg.map_image("town.tif", model=model)
    assert found.transform == place
    assert found.polygons.total_bounds.tolist() == [500, 900 - 2 * HEIGHT, 500 + 2 * WIDTH, 900]
    assert found.unit == "px"


def test_an_image_in_degrees_has_hectares_on_the_ground(model, tmp_path):
    where = grid(1e-5, CRS.from_epsg(4326), (9.0, 48.0))
    write_image(tmp_path / "town.tif", where)
    found = urbanseg.map_image("town.tif", model=model)
    pixel_m2 = 1e-10 * 111_203 * 74_630  # metres of a degree of latitude and of longitude at 48 degrees north
    assert found.areas["water"] == pytest.approx(AREAS_PX["water"] * pixel_m2 / 1e4, rel=0.03)
    assert found.crs.to_epsg() == 4326
    assert found.polygons.crs.to_epsg() == 32632
    assert found.classes.shape == (HEIGHT, WIDTH)


def test_without_a_folder_nothing_is_written(model, tmp_path):
    write_image(tmp_path / "town.tif", grid())
    found = urbanseg.map_image("town.tif", model=model)
    assert found.folder is None
    assert [path.name for path in tmp_path.iterdir()] == ["town.tif"]
    np.testing.assert_array_equal(found.classes, town())


def test_unknown_pixels_are_counted_as_such(model):
    classes = town()
    pixels = painted(classes)
    pixels[:, :10] = 0
    with rasterio.open(
        "town.tif", "w", driver="GTiff", count=3, height=HEIGHT, width=WIDTH, dtype="uint8", nodata=0,
        crs="EPSG:32640", transform=grid().transform, photometric="RGB",
    ) as file:  # fmt: skip
        file.write(pixels)
    found = urbanseg.map_image("town.tif", model=model)
    assert (found.classes[:10] == 255).all()
    assert sum(found.areas.values()) == pytest.approx((HEIGHT - 10) * WIDTH / 1e4)


def refused(match, *words, **options):
    with pytest.raises(PipelineError, match=match):
        urbanseg.map_image(*words, **options)


def test_what_cannot_be_mapped_is_one_sentence_and_leaves_nothing(model, tmp_path):
    Image.fromarray(painted(town()).transpose(1, 2, 0)).save("photo.png")
    write_image(tmp_path / "town.tif", grid())
    (tmp_path / "broken.geojson").write_text("{")
    places = gpd.GeoDataFrame(geometry=[shapely.Point(55, 25)], crs=4326)
    places.to_file("points.gpkg")
    places.to_file("nowhere.shp")
    (tmp_path / "nowhere.prj").unlink()
    common = {"model": model}
    refused("absent.gpkg does not exist", "town.tif", "out", zones="absent.gpkg", **common)
    refused("broken.geojson is not a vector file", "town.tif", "out", zones="broken.geojson", **common)
    refused("points.gpkg holds no polygon", "town.tif", "out", zones="points.gpkg", **common)
    refused("nowhere.shp has no coordinate reference", "town.tif", "out", zones="nowhere.shp", **common)
    gpd.GeoDataFrame(geometry=[shapely.box(0, 0, 1, 1)], crs=4326).to_file("zones.gpkg")
    refused(
        "photo.png does not say where it lies, so no zones", "photo.png", "out", zones="zones.gpkg", **common
    )
    with rasterio.open("void.tif", "w", driver="GTiff", count=3, height=64, width=64, dtype="uint8", nodata=0,
                       crs="EPSG:32640", transform=grid().transform, photometric="RGB") as file:  # fmt: skip
        file.write(np.zeros((3, 64, 64), np.uint8))
    refused("void.tif holds no pixel that can be mapped", "void.tif", "out", **common)
    assert not (tmp_path / "out").exists()
