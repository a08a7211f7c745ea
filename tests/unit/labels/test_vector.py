"""What people draw arrives where they drew it, with the class that the table gives."""

import base64
import io
import json
import logging
import math
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pytest
import shapely
from affine import Affine
from PIL import Image
from pyproj import CRS

from urbanseg.config.labels import VectorLabels
from urbanseg.errors import PipelineError
from urbanseg.grid import Grid
from urbanseg.labels import read_vector

GRID = Grid(CRS.from_epsg(32635), Affine(10, 0, 385_000, 0, -10, 6_673_000), 60, 80)
LEFT, BOTTOM, RIGHT, TOP = GRID.bounds


def read(path: Path, **about: Any) -> gpd.GeoDataFrame:
    return read_vector(VectorLabels(source="vector", path=path, **about), GRID)


def box(col: float, row: float, width: float, height: float) -> shapely.Polygon:
    """A rectangle given in pixels of the scene."""
    left, top = GRID.transform @ (col, row)
    return shapely.box(left, top - 10 * height, left + 10 * width, top)


def areas(frame: gpd.GeoDataFrame) -> list[tuple[str, float]]:
    """Class and area in pixels of each feature, in order."""
    return [
        (name, round(shape.area / 100, 1)) for name, shape in zip(frame["class"], frame.geometry, strict=True)
    ]


@pytest.fixture
def survey() -> gpd.GeoDataFrame:
    """Parcels in degrees, as people leave them: mixed types, a bow tie, a point, a null."""
    bow_tie = shapely.Polygon([(LEFT, TOP), (LEFT + 40, TOP - 40), (LEFT + 40, TOP), (LEFT, TOP - 40)])
    rows = [
        (1.0, 7.5, None, box(5, 5, 10, 4)),
        (1.0, None, None, bow_tie),
        (2.0, None, 2, shapely.LineString([(LEFT, BOTTOM), (RIGHT, TOP)])),
        (3.0, None, None, box(30, 30, 5, 5)),
        (99.0, None, None, box(40, 40, 5, 5)),
        (1.0, None, None, shapely.Point(LEFT + 50, TOP - 50)),
        (1.0, None, None, None),
        (1.0, None, None, shapely.box(RIGHT + 5000, TOP, RIGHT + 5100, TOP + 100)),
    ]
    frame = gpd.GeoDataFrame(rows, columns=["code", "breadth", "lanes", "geometry"], crs=GRID.crs)
    return frame.to_crs(4326)


TABLE = {1: "building", 2: "road", 3: "ignore"}


@pytest.mark.parametrize("suffix", ["gpkg", "geojson", "shp", "fgb"])
def test_any_vector_format_is_read_by_a_table_of_its_attribute(
    tmp_path: Path, survey: gpd.GeoDataFrame, suffix: str, caplog: pytest.LogCaptureFixture
) -> None:
    if suffix == "shp":
        survey = survey[survey.geometry.isna() | (survey.geom_type == "Polygon")]
    if suffix == "fgb":
        survey = survey[survey.geometry.notna()]
    path = tmp_path / f"survey.{suffix}"
    survey.to_file(path)
    with caplog.at_level(logging.INFO):
        made = read(path, attribute="code", classes=TABLE, width="breadth", lanes="lanes").to_crs(GRID.crs)
    expected = [("building", 8.0), ("building", 40.0), ("ignore", 25.0)]
    assert sorted(areas(made[made.geom_type != "LineString"])) == expected
    assert made.geometry.is_valid.all()
    tags = [json.loads(text) for text in made["tags"]]
    assert {"kind": "1", "width": "7.5"} in tags
    assert (suffix == "shp") or ({"kind": "2", "lanes": "2"} in tags)
    assert "without a class: 1 99" in caplog.text
    assert "repaired 1" in caplog.text


def test_a_file_of_one_class_needs_no_attribute(tmp_path: Path, survey: gpd.GeoDataFrame) -> None:
    survey.to_file(tmp_path / "survey.gpkg", layer="parcels")
    made = read(tmp_path / "survey.gpkg", layer="parcels", classes="building")
    assert set(made["class"]) == {"building"}
    assert len(made) == 5


@pytest.mark.parametrize(
    ("about", "sentence"),
    [
        (
            {"classes": {"1": "building"}, "attribute": "kind"},
            "has no attribute kind; it has code, breadth, lanes",
        ),
        ({"classes": "building", "layer": "houses"}, "has no layer houses; it has survey"),
        (
            {"classes": {"7": "building"}, "attribute": "code"},
            "holds nothing in the scene that classes gives a class",
        ),
    ],
)
def test_a_wrong_table_is_one_sentence(
    tmp_path: Path, survey: gpd.GeoDataFrame, about: dict[str, Any], sentence: str
) -> None:
    survey.to_file(tmp_path / "survey.gpkg")
    with pytest.raises(PipelineError, match=sentence):
        read(tmp_path / "survey.gpkg", **about)


def test_files_that_cannot_be_used_are_one_sentence(tmp_path: Path, survey: gpd.GeoDataFrame) -> None:
    with pytest.raises(PipelineError, match=r"survey.gpkg does not exist"):
        read(tmp_path / "survey.gpkg", classes="building")
    (tmp_path / "survey.gpkg").write_bytes(b"no map at all")
    with pytest.raises(PipelineError, match="not a vector file that GDAL can open"):
        read(tmp_path / "survey.gpkg", classes="building")
    survey[survey.geom_type == "Polygon"].to_file(tmp_path / "nowhere.shp")
    (tmp_path / "nowhere.prj").unlink()
    with pytest.raises(PipelineError, match="has no coordinate reference system"):
        read(tmp_path / "nowhere.shp", classes="building")


def png(pixels: np.ndarray) -> str:
    buffer = io.BytesIO()
    Image.fromarray(pixels.astype(np.uint8) * 255).save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()


BLOB = np.array([[1, 1, 0], [0, 1, 1]], bool)
LABELME = {
    "version": "5.4.1",
    "shapes": [
        {"label": "house", "points": [[5, 5], [15, 5], [15, 9], [5, 9]], "shape_type": "polygon"},
        {"label": "house", "points": [[40, 30], [30, 20]], "shape_type": "rectangle"},
        {"label": "pond", "points": [[50, 40], [53, 44]], "shape_type": "circle"},
        {"label": "motorway", "points": [[0, 0], [80, 60]], "shape_type": "line"},
        {"label": "pond", "points": [[60, 50], [62, 51]], "shape_type": "mask", "mask": png(BLOB)},
        {"label": "tree", "points": [[1, 1]], "shape_type": "point"},
    ],
    "imagePath": "scene.png",
    "imageHeight": 60,
    "imageWidth": 80,
}
CVAT = """<?xml version="1.0" encoding="utf-8"?>
<annotations><version>1.1</version>
  <image id="0" name="other.png" width="10" height="10"/>
  <image id="1" name="scene.png" width="80" height="60">
    <polygon label="house" points="5.00,5.00;15.00,5.00;15.00,9.00;5.00,9.00" z_order="0"/>
    <box label="house" xtl="30" ytl="20" xbr="40" ybr="30" rotation="45"/>
    <ellipse label="pond" cx="50" cy="40" rx="5" ry="3" rotation="90"/>
    <polyline label="motorway" points="0,0;80,60"/>
    <mask label="pond" left="60" top="50" width="3" height="2" rle="0, 2, 2, 2"/>
    <points label="tree" points="1,1"/>
  </image>
</annotations>"""
CLASSES = {"house": "building", "pond": "water", "motorway": "road", "tree": "vegetation"}


def check_drawings(made: gpd.GeoDataFrame, circle: float) -> None:
    assert made.crs == GRID.crs
    found = areas(made)
    assert found[:2] == [("building", 40.0), ("building", 100.0)]
    assert made.geometry.iloc[0].equals(box(5, 5, 10, 4))
    assert found[2][0] == "water"
    assert found[2][1] == pytest.approx(circle, rel=0.005)
    assert found[3] == ("road", 0.0)
    assert json.loads(made["tags"].iloc[3]) == {"kind": "motorway"}
    assert list(made.geometry.iloc[3].coords) == [(LEFT, TOP), (RIGHT, BOTTOM)]
    blob = shapely.union_all([box(60, 50, 2, 1), box(61, 51, 2, 1)])
    assert shapely.equals(made.geometry.iloc[4], blob)
    assert len(made) == 5


def test_labelme_drawings_lie_on_the_scene(tmp_path: Path) -> None:
    (tmp_path / "scene.json").write_text(json.dumps(LABELME))
    made = read(tmp_path / "scene.json", format="labelme", classes=CLASSES)
    check_drawings(made, math.pi * 25)
    assert made.geometry.iloc[1].equals(box(30, 20, 10, 10))


def test_cvat_drawings_lie_on_the_scene(tmp_path: Path) -> None:
    (tmp_path / "annotations.xml").write_text(CVAT)
    made = read(tmp_path / "annotations.xml", format="cvat", image="scene.png", classes=CLASSES)
    check_drawings(made, math.pi * 15)
    turned = made.geometry.iloc[1]
    assert turned.centroid.distance(box(30, 20, 10, 10).centroid) < 1e-6
    left, bottom, right, top = turned.bounds
    assert right - left == pytest.approx(100 * 2**0.5)
    assert top - bottom == pytest.approx(100 * 2**0.5)
    pond = made.geometry.iloc[2].bounds
    assert pond[3] - pond[1] == pytest.approx(100)  # the longer axis was turned upright
    assert pond[2] - pond[0] == pytest.approx(60)


def test_a_box_is_turned_clockwise(tmp_path: Path) -> None:
    (tmp_path / "a.xml").write_text(
        '<annotations><image name="a" width="80" height="60">'
        '<box label="house" xtl="20" ytl="30" xbr="40" ybr="32" rotation="30"/></image></annotations>'
    )
    bar = read(tmp_path / "a.xml", format="cvat", classes=CLASSES).geometry.item()
    along = bar.minimum_rotated_rectangle
    corners = shapely.get_coordinates(along)
    right_end = corners[corners[:, 0].argmax()]
    assert right_end[1] < bar.centroid.y  # its right end has sunk


def test_drawings_on_a_smaller_copy_of_the_scene_are_scaled(tmp_path: Path) -> None:
    half = LABELME | {"imageHeight": 30, "imageWidth": 40}
    (tmp_path / "scene.json").write_text(json.dumps(half))
    made = read(tmp_path / "scene.json", format="labelme", classes=CLASSES)
    assert made.geometry.iloc[0].equals(box(10, 10, 20, 8))
    (tmp_path / "scene.json").write_text(json.dumps(LABELME | {"imageHeight": 90}))
    with pytest.raises(
        PipelineError, match=r"drawn on an image of 80 × 90 pixels, but the scene has 80 × 60"
    ):
        read(tmp_path / "scene.json", format="labelme", classes=CLASSES)


@pytest.mark.parametrize(
    ("kind", "content", "sentence"),
    [
        ("labelme", "{}", "is not a JSON file as Labelme writes it"),
        ("labelme", '{"shapes": [{"label"', "is not a JSON file as Labelme writes it"),
        ("cvat", "<annotations><image", "is not an XML file as CVAT writes it"),
        ("cvat", CVAT, r"has 2 images \(other.png, scene.png\), none called None"),
        (
            "cvat",
            '<a><image name="a" width="8" height="6"><box label="x"/></image></a>',
            "is not an XML file as CVAT",
        ),
    ],
)
def test_damaged_annotation_is_one_sentence(tmp_path: Path, kind: Any, content: str, sentence: str) -> None:
    (tmp_path / "file").write_text(content)
    with pytest.raises(PipelineError, match=sentence):
        read(tmp_path / "file", format=kind, classes=CLASSES)
