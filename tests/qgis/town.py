"""A small town for tests in QGIS: one of each file that the project writes, and the project itself."""

import geopandas as gpd
import numpy as np
import shapely
from affine import Affine
from pyproj import CRS

from urbanseg.classes import IGNORE, ClassTable, LandClass
from urbanseg.config.change import ChangeParams
from urbanseg.display.raster_styles import classes_qml, paletted_qml, share_qml
from urbanseg.display.thumbnails import present_scene
from urbanseg.grid import Grid, Window
from urbanseg.io import cog
from urbanseg.mapping.checkpoints import write_checkpoints
from urbanseg.mapping.export import About, write_map
from urbanseg.mapping.polygons import polygonise
from urbanseg.mapping.styles import features_qml, layer_styles
from urbanseg.metrics.block_counts import CountsByBlock
from urbanseg.workflows.change import compare_maps
from urbanseg.workflows.city_project import (
    ERRORS,
    ProjectFiles,
    worst_blocks,
    write_city_project,
    write_errors,
)
from urbanseg.workflows.map_files import write_zones

TABLE = ClassTable(
    (
        LandClass(0, "other", "#bdc3c7"),
        LandClass(1, "building", "#c0392b"),
        LandClass(2, "road", "#7f8c8d"),
        LandClass(3, "bare_soil", "#e67e22", "Soil & sand"),
    )
)
GRID = Grid(CRS.from_epsg(32632), Affine(100, 0, 500_000, 0, -100, 5_400_000), 120, 160)
BANDS = ("B02", "B03", "B04", "B08")
CLOSE = (505_200.0, 5_394_150.0, 505_600.0, 5_394_450.0)
"""Bounds of a part in the middle, seen at a large scale."""

ROAD_Y = 5_394_300
"""Of a road of 400 m from west to east, through the middle of what is seen close by."""


def arrays():
    rng = np.random.default_rng(3)
    classes = np.kron(rng.integers(0, 4, (12, 16)), np.ones((10, 10))).astype(np.uint8)
    classes[60:64] = 2
    labels = classes.copy()
    labels[:, 30:40] = 1
    classes[:10, :10] = labels[100:, 150:] = IGNORE
    confidence = np.where(classes == IGNORE, IGNORE, np.linspace(0, 254, 160).astype(np.uint8))
    scene = np.array([300, 500, 700, 2000])[:, None, None] + classes * np.array([2, 4, 8, 1])[:, None, None]
    return scene.astype(np.uint16), classes, confidence.astype(np.uint8), labels


def write_town(folder):
    scene, classes, confidence, labels = arrays()
    for name, values, profile in (
        ("scene", scene, {"dtype": "uint16", "nodata": 0, "count": 4, "descriptions": BANDS}),
        ("classes", classes, {"dtype": "uint8", "nodata": IGNORE, "classes": TABLE}),
        ("confidence", confidence, {"dtype": "uint8", "nodata": IGNORE}),
        ("labels", labels, {"dtype": "uint8", "nodata": IGNORE, "classes": TABLE}),
        ("split", np.full(GRID.shape, 2), {"dtype": "uint8"}),
    ):  # fmt: skip
        with cog.writing(folder / f"{name}.tif", GRID, **profile) as file:
            file.write(values)
    present_scene(folder)
    (folder / "classes.qml").write_text(classes_qml(TABLE))
    (folder / "labels.qml").write_text(classes_qml(TABLE))
    (folder / "confidence.qml").write_text(share_qml())
    (folder / "errors.qml").write_text(paletted_qml(ERRORS))
    write_errors(folder / "errors.tif", folder / "labels.tif", folder / "classes.tif", folder / "split.tif")
    line, ends = shapely.LineString([(500_000, ROAD_Y), (516_000, ROAD_Y)]), [(505_400, ROAD_Y)]
    layers = {
        "land_cover": polygonise(classes, confidence, GRID, TABLE),
        "road_edges": gpd.GeoDataFrame({"width_m": [400.0]}, geometry=[line], crs=GRID.crs),
        "road_nodes": gpd.GeoDataFrame({"degree": [1]}, geometry=shapely.points(ends), crs=GRID.crs),
    }
    formats = ["gpkg", "fgb", "geojson", "shapefile"]
    write_map(folder / "map", "town", layers, layer_styles(TABLE), formats, 100, About("Town"))
    write_map(folder / "zoned", "map", layers, layer_styles(TABLE), ["gpkg", "geojson"], 100, About("Town"))
    zone = shapely.MultiPolygon([shapely.box(502_000, 5_390_000, 506_000, 5_398_000)])
    write_zones(folder / "zoned", gpd.GeoDataFrame({"name": ["West"]}, geometry=[zone], crs=GRID.crs))
    write_features(folder)
    pixels = np.array([[5, 20], [70, 80]])
    write_checkpoints(folder / "points.gpkg", pixels, np.array([0, 2]), np.ones(4), GRID, TABLE)
    later = folder / "later"
    later.mkdir()
    with cog.writing(later / "classes.tif", GRID, dtype="uint8", nodata=IGNORE, classes=TABLE) as file:
        file.write(labels)
    rules = ChangeParams(min_confidence=0, shift_px=0, min_area_m2=0)
    (folder / "change").mkdir()
    compare_maps(folder, later, folder / "change", TABLE, rules)


def write_features(folder):
    """A house, the ground around it, and a road, as the osm stage keeps them: areas and lines in one file."""
    house, ground = shapely.box(9.05, 48.65, 9.1, 48.7), shapely.box(9.0, 48.6, 9.2, 48.75)
    road = shapely.LineString([(9.0, 48.72), (9.2, 48.72)])
    names = ["building", "bare_soil", "road"]  # the ground after the house that stands on it
    features = gpd.GeoDataFrame({"class": names}, geometry=[house, ground, road], crs=4326)
    features.to_file(folder / "features.geojson")
    kinds = ["Polygon", "Polygon", "Line"]
    (folder / "features.qml").write_text(features_qml(TABLE, zip(features["class"], kinds, strict=True)))


def write_project(folder):
    counts = np.zeros((2, 4, 4), np.int64)
    counts[:, 0, 0], counts[1, 0, 1] = 400, 100
    empty = np.zeros((0,))
    cells = [Window(0, 0, 20, 20), Window(20, 40, 25, 20)]
    found = CountsByBlock(tuple(TABLE.names), cells, counts, empty, empty, [], empty)
    files = ProjectFiles(
        folder / "scene.tif",
        folder / "map/town.gpkg",
        *(folder / f"{name}.tif" for name in ("classes", "confidence", "labels", "errors")),
    )
    write_city_project(folder / "town.qgz", "Town", files, TABLE, worst_blocks(found, GRID))
