"""Files and project as real QGIS opens and draws them: `make test-qgis`, which installs it by apt."""

import json
import os
import shutil
import subprocess
from functools import cache

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from tests.conftest import ROOT
from tests.qgis.town import CLOSE, GRID, ROAD_Y, TABLE, arrays, write_project, write_town
from urbanseg.classes import IGNORE
from urbanseg.display.stretch import stretch_of, stretched
from urbanseg.mapping.styles import ROAD_WIDTHS
from urbanseg.workflows.city_project import ERRORS, error_codes

SYSTEM_PYTHON = "/usr/bin/python3"


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
        "zoned/map.gpkg", "features.geojson",
    )  # fmt: skip
    left, bottom, right, top = GRID.bounds
    order = {
        "folder": str(folder),
        "files": [str(folder / name) for name in names],
        "project": str(folder / "town.qgz"),
        "crs": "EPSG:32632",
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
        ("map/town.geojson|land_cover", "classes"),
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
    across = picture(roads, close=True)[:, 80]
    metres = (CLOSE[3] - CLOSE[1]) / len(across)
    for color, share, _ in ROAD_WIDTHS:
        is_drawn = (across == tuple(bytes.fromhex(color[1:]))).all(axis=1)
        middle = np.abs(CLOSE[3] - (np.arange(len(across)) + 0.5) * metres - ROAD_Y) < 400 * 0.5 / 2
        drawn = np.flatnonzero(is_drawn & middle)
        assert np.ptp(drawn) * metres == pytest.approx(400 * share, abs=3 * metres), color
    assert (picture(nodes) == 255).all(), "nodes pepper the map"
    assert (picture(nodes, close=True) != 255).any()
    assert not nodes["visible"]
    files = opened["files"]
    assert (picture(files[str(opened["folder"] / "map/town.gpkg|road_nodes")]) == 255).all()


def test_zones_are_outlines_through_which_the_map_is_seen(opened):
    shown = picture(opened["files"][str(opened["folder"] / "zoned/map.gpkg|zones")])
    assert (shown[80, 40] == 255).all()
    assert (shown[80, 17:24] != 255).any(), "the outline is not drawn"


def test_features_have_the_colours_of_their_classes_the_small_ones_on_top(opened):
    name = str(opened["folder"] / "features.geojson|features")
    areas, lines = sorted(
        (opened["files"][name], opened["files"][f"{name}|lines"]), key=lambda e: -e["features"]
    )
    assert (areas["features"], lines["features"]) == (2, 1)
    shown = {kind: {*map(tuple, picture(of).reshape(-1, 3).tolist())} for kind, of in
             (("areas", areas), ("lines", lines))}  # fmt: skip
    assert shown["areas"] >= {TABLE.classes[1].rgb, TABLE.classes[3].rgb}
    assert TABLE.classes[2].rgb in shown["lines"]
    labels = {label for label, _ in areas["legend"]}
    assert {"building", "road", "Soil & sand"} <= labels


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
