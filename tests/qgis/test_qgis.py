"""Files and project as real QGIS opens and draws them: `make test-qgis`, which installs it by apt."""

import json
import os
import shutil
import subprocess
from functools import cache

import geopandas as gpd
import numpy as np
import pytest
import shapely
from affine import Affine
from PIL import Image
from pyproj import CRS
from scipy import ndimage

from tests.conftest import ROOT
from urbanseg.classes import IGNORE, ClassTable, LandClass
from urbanseg.config.change import ChangeParams
from urbanseg.display.raster_styles import classes_qml, paletted_qml, share_qml
from urbanseg.display.stretch import stretch_of, stretched
from urbanseg.display.thumbnails import present_scene
from urbanseg.grid import Grid, Window
from urbanseg.io import cog
from urbanseg.mapping.checkpoints import write_checkpoints
from urbanseg.mapping.export import About, write_map
from urbanseg.mapping.polygons import polygonise
from urbanseg.mapping.styles import layer_styles
from urbanseg.metrics.block_counts import CountsByBlock
from urbanseg.workflows.change import compare_maps
from urbanseg.workflows.city_project import (
    ERRORS,
    ProjectFiles,
    error_codes,
    worst_blocks,
    write_city_project,
    write_errors,
)

SYSTEM_PYTHON = "/usr/bin/python3"
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


@cache
def has_qgis():
    environment = {"QT_QPA_PLATFORM": "offscreen", "PATH": os.environ["PATH"]}
    command = [SYSTEM_PYTHON, "-c", "import qgis.core"]
    return (
        shutil.which(SYSTEM_PYTHON)
        and not subprocess.run(
            command, env=environment, capture_output=True, check=False, timeout=60
        ).returncode
    )


pytestmark = pytest.mark.skipif(
    not has_qgis() and "URBANSEG_NEEDS_QGIS" not in os.environ,
    reason="QGIS is not installed (python3-qgis); make test-qgis installs it where apt is there",
)


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
    line, ends = shapely.LineString([(500_000, 5_393_800), (516_000, 5_393_800)]), [(505_400, 5_394_300)]
    layers = {
        "land_cover": polygonise(classes, confidence, GRID, TABLE),
        "road_edges": gpd.GeoDataFrame({"width_m": [400.0]}, geometry=[line], crs=GRID.crs),
        "road_nodes": gpd.GeoDataFrame({"degree": [1]}, geometry=shapely.points(ends), crs=GRID.crs),
    }
    formats = ["gpkg", "fgb", "geojson", "shapefile"]
    write_map(folder / "map", "town", layers, layer_styles(TABLE), formats, 100, About("Town"))
    pixels = np.array([[5, 20], [70, 80]])
    write_checkpoints(folder / "points.gpkg", pixels, np.array([0, 2]), np.ones(4), GRID, TABLE)
    later = folder / "later"
    later.mkdir()
    with cog.writing(later / "classes.tif", GRID, dtype="uint8", nodata=IGNORE, classes=TABLE) as file:
        file.write(labels)
    rules = ChangeParams(min_confidence=0, shift_px=0, min_area_m2=0)
    (folder / "change").mkdir()
    compare_maps(folder, later, folder / "change", TABLE, rules)


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


@pytest.fixture(scope="module")
def opened(tmp_path_factory):
    """What QGIS says of the files and of the project, which was moved as a whole after it was made."""
    made = tmp_path_factory.mktemp("made") / "town"
    made.mkdir()
    write_town(made)
    write_project(made)
    folder = made.rename(made.with_name("moved"))
    names = (
        "scene.tif", "classes.tif", "labels.tif", "confidence.tif", "change/change.tif", "change/change.gpkg",
        "map/town.gpkg", "map/town.fgb", "map/town.geojson", "map/town_shapefile.zip", "points.gpkg",
    )  # fmt: skip
    left, bottom, right, top = GRID.bounds
    order = {
        "folder": str(folder),
        "files": [str(folder / name) for name in names],
        "project": str(folder / "town.qgz"),
        "bounds": (left, bottom, right, top),
        "close": CLOSE,
        "size": (GRID.width, GRID.height),
    }
    environment = {"QT_QPA_PLATFORM": "offscreen", "PATH": os.environ["PATH"], "HOME": str(folder)}
    done = subprocess.run(
        [SYSTEM_PYTHON, ROOT / "tests/qgis/session.py", json.dumps(order)],
        env=environment, capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    answer = json.loads(done.stdout.strip().splitlines()[-1])
    answer["folder"] = folder
    return answer


def picture(entry, *, close=False):
    path = entry["picture"].replace(".png", "_close.png") if close else entry["picture"]
    return np.asarray(Image.open(path).convert("RGB"))


def colors(codes, entries):
    """Codes in their colours, white where there is none."""
    shown = np.full((*codes.shape, 3), 255, np.uint8)
    for value, color, _ in entries:
        shown[codes == value] = tuple(bytes.fromhex(color[1:]))
    return shown


CLASSES = [(each.id, each.color, each.label) for each in TABLE]


def expected(what):
    """Picture of a layer, and by how much a value may differ."""
    scene, classes, _, labels = arrays()
    if what == "scene":
        rgb, valid = scene[[2, 1, 0]], np.ones(GRID.shape, bool)
        return stretched(rgb, valid, stretch_of(rgb, valid)), 4
    if what == "errors":
        return colors(error_codes(labels, classes, np.full(GRID.shape, 2)), ERRORS), 0
    return colors(labels if what == "labels" else classes, CLASSES), 0


def inside():
    """Where no outline is near, which is drawn as a line."""
    classes, labels = (ndimage.maximum_filter(a, 5) == ndimage.minimum_filter(a, 5) for a in arrays()[1::2])
    return classes & labels


LAYERS = {
    "scene": "scene",
    "land cover, pixels": "classes",
    "land cover": "classes",
    "labels": "labels",
    "errors": "errors",
}


@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_of_the_project_is_drawn_in_the_expected_colours(opened, name):
    [layer] = [each for each in opened["project"] if each["name"] == f"Town: {name}"]
    assert layer["valid"]
    wanted, tolerance = expected(LAYERS[name])
    off = np.abs(picture(layer).astype(int) - wanted).max(axis=2) > tolerance
    assert not off[inside() if name == "land cover" else ...].any(), f"{off.sum()} pixels differ"


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("scene.tif|scene", "scene"),
        ("classes.tif|classes", "classes"),
        ("labels.tif|labels", "labels"),
        ("map/town.gpkg|land_cover", "classes"),
        ("map/town.fgb|land_cover", "classes"),
        ("map/town.geojson|land_cover", None),
        ("map/town_shapefile.zip|land_cover.shp", "classes"),
    ],
)
def test_a_file_opens_in_the_expected_colours_and_with_a_legend_of_its_classes_alone(opened, name, what):
    layer = opened["files"][str(opened["folder"] / name)]
    assert layer["valid"]
    if what != "scene":
        assert [entry for entry in layer["legend"] if entry[0]] == [
            [each.label, each.color] for each in TABLE
        ]
    if what:
        wanted, tolerance = expected(what)
        off = np.abs(picture(layer).astype(int) - wanted).max(axis=2) > tolerance
        assert not off[inside() if name.startswith("map") else ...].any()


def test_confidence_goes_from_violet_to_yellow(opened):
    for layer in (
        next(each for each in opened["project"] if each["name"] == "Town: confidence"),
        opened["files"][str(opened["folder"] / "confidence.tif|confidence")],
    ):
        row = picture(layer)[80].astype(int)
        assert np.abs(row[0] - (0x44, 0x01, 0x54)).max() <= 3
        assert np.abs(row[-1] - (0xFD, 0xE7, 0x25)).max() <= 3
        assert (picture(layer)[:10, :10] == 255).all()


def test_changes_have_the_colour_of_what_they_became(opened):
    folder = opened["folder"]
    for name in ("change/change.tif|change", "change/change.gpkg|change"):
        layer = opened["files"][str(folder / name)]
        labels = dict(layer["legend"])
        assert labels["other → building"] == labels["Soil & sand → building"] == TABLE.classes[1].color
        assert {each for each in labels if each} == {
            f"{a} → building" for a in ("other", "road", "Soil & sand")
        }
        _, classes, _, labels = arrays()
        is_changed = (classes != labels) & (classes != IGNORE) & (labels != IGNORE) & inside()
        assert (picture(layer)[is_changed] == TABLE.classes[1].rgb).all()
        assert (picture(layer)[(classes == labels) & inside()] == 255).all()


def test_roads_have_their_width_and_nodes_are_drawn_only_close_by(opened):
    by_name = {each["name"]: each for each in opened["project"]}
    roads, nodes = by_name["Town: roads"], by_name["Town: road nodes"]
    assert (picture(roads) == 255).all(), "roads are drawn from afar"
    assert (picture(nodes) == 255).all(), "nodes pepper the map"
    assert (picture(nodes, close=True) != 255).any()
    assert not nodes["visible"]
    files = opened["files"]
    assert (picture(files[str(opened["folder"] / "map/town.gpkg|road_nodes")]) == 255).all()


def test_the_project_opens_whole_wherever_it_was_moved_to(opened):
    assert opened["read"]
    assert (opened["title"], opened["crs"]) == ("Town", "EPSG:32632")
    assert all(layer["valid"] and layer["crs"] == "EPSG:32632" for layer in opened["project"])
    visible = [layer["name"] for layer in opened["project"] if layer["visible"]]
    assert visible == ["Town: roads", "Town: land cover", "Town: scene"]
    assert opened["bookmarks"] == ["1. 80% right"]


def test_whoever_interprets_points_does_not_see_the_map(opened):
    points = opened["files"][str(opened["folder"] / "points.gpkg|points")]
    assert points["hidden"] == ["mapped"]
    assert [color for label, color in points["legend"] if label == "not filled in"] == ["#ffee00"]
