"""What people draw arrives where they drew it, with the class that the table gives."""

import base64
import io
import json
import logging
import math
import struct
import zipfile
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pyogrio
import pytest
import shapely
from affine import Affine
from PIL import Image
from pyproj import CRS

from urbanseg.config.labels import LabelParams, VectorLabels
from urbanseg.errors import PipelineError
from urbanseg.grid import Grid
from urbanseg.labels import read_vector
from urbanseg.osm import footprints

GRID = Grid(CRS.from_epsg(32635), Affine(10, 0, 385_000, 0, -10, 6_673_000), 60, 80)
LEFT, BOTTOM, RIGHT, TOP = GRID.bounds
PARAMS = LabelParams(
    supersample=5, priority=["road"], min_share={"road": 0.4}, line_width_m={}, default_line_width_m=6,
    lane_width_m=3.5, unmapped_cell_m=0, ignore_scl=[], cloud_dilation_m=0,
)  # fmt: skip


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


BOX = [[5, 5], [15, 5], [15, 9], [5, 9]]
NAN, INF = float("nan"), float("inf")


def shape(kind: str, points: Any, **more: Any) -> dict[str, Any]:
    return {"shapes": [{"label": "house", "points": points, "shape_type": kind, **more}]}


@pytest.mark.parametrize(
    "change",
    [
        *({"imageHeight": side} for side in (0, -60, NAN, INF, 60.5, 10**400, None, "tall")),
        *(shape("polygon", [[5, 5], [x, 5], [15, 9]]) for x in (NAN, INF, 1e300, 10**400, None)),
        *(shape(kind, [[5, 5], [NAN, 5]]) for kind in ("line", "circle", "rectangle", "mask")),
        *(shape("circle", [[5, 5]] * n) for n in (0, 1, 3)),
        shape("rectangle", []),
        shape("mask", [], mask=png(BLOB)),
        *(shape("mask", [[5, 5], [7, 6]], mask=text) for text in ("###", "YWJj", png(BLOB)[:60], 5, None)),
        shape("mask", [[5, 5], [7, 6]], mask=png(np.ones((61, 80), bool))),
        shape("polygon", [[1, 2, 3]] * 4),
        shape("spline", BOX),
        {"shapes": "abc"},
        {"shapes": [5]},
    ],
)
def test_a_broken_file_of_labelme_is_one_sentence(tmp_path: Path, change: dict[str, Any]) -> None:
    (tmp_path / "scene.json").write_text(json.dumps(LABELME | change))
    with pytest.raises(PipelineError, match=r"scene.json is not a JSON file as Labelme writes it") as stop:
        read(tmp_path / "scene.json", format="labelme", classes={"house": "building"})
    assert len(str(stop.value)) < 400
    assert "\n" not in str(stop.value)


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 50_000, "9" * 5000, "", "null", "[]"])
def test_json_that_is_no_annotation_is_one_sentence(tmp_path: Path, text: str) -> None:
    (tmp_path / "scene.json").write_text(text)
    with pytest.raises(PipelineError, match="not a JSON file as Labelme writes it"):
        read(tmp_path / "scene.json", format="labelme", classes={"house": "building"})


def rle(runs: str, width: object = 2, height: object = 2) -> str:
    return f'<mask label="house" rle="{runs}" left="1" top="1" width="{width}" height="{height}"/>'


@pytest.mark.parametrize(
    "body",
    [
        *(f'<polygon label="house" points="5,5;{x},5;15,9"/>' for x in ("nan", "inf", "1e300", "1e400", "")),
        *(f'<box label="house" xtl="{x}" ytl="2" xbr="5" ybr="6"/>' for x in ("nan", "inf", "1e300")),
        *(f'<ellipse label="house" cx="5" cy="5" rx="{x}" ry="6"/>' for x in ("nan", "inf", "1e300")),
        *(f'<box label="house" xtl="1" ytl="2" xbr="5" ybr="6" rotation="{x}"/>' for x in ("nan", "inf")),
        rle("0,30000000000", 200_000, 150_000),
        rle("0," + "9" * 30),
        rle("0,3"),
        rle("-1,5"),
        rle("0", 0, 0),
        rle("0,4", -2, -2),
        rle("0,162", 81, 2),
        '<polygon label="house"/>',
        '<cuboid label="house" xtl1="1"/>',
    ],
)
def test_a_broken_shape_of_cvat_is_one_sentence(tmp_path: Path, body: str) -> None:
    text = f'<annotations><image name="a" width="80" height="60">{body}</image></annotations>'
    (tmp_path / "a.xml").write_text(text)
    with pytest.raises(PipelineError, match=r"a.xml is not an XML file as CVAT writes it"):
        read(tmp_path / "a.xml", format="cvat", classes={"house": "building"})


@pytest.mark.parametrize("width", ["0", "-80", "nan", "1e9", "9" * 5000])
def test_an_image_of_cvat_without_a_size_is_one_sentence(tmp_path: Path, width: str) -> None:
    (tmp_path / "a.xml").write_text(
        f'<annotations><image name="a" width="{width}" height="60"/></annotations>'
    )
    with pytest.raises(PipelineError, match=r"a.xml is not an XML file as CVAT writes it"):
        read(tmp_path / "a.xml", format="cvat", classes={"house": "building"})


def test_lines_in_collections_are_lines_of_their_own(tmp_path: Path) -> None:
    line = shapely.LineString([(LEFT + 100, TOP - 100), (LEFT + 300, TOP - 100)])
    inner = shapely.GeometryCollection([line, shapely.Point(LEFT + 5, TOP - 5)])
    frame = gpd.GeoDataFrame(
        {"kind": ["lane"], "breadth": ["10"]},
        geometry=[shapely.GeometryCollection([box(40, 40, 5, 5), inner])],
        crs=GRID.crs,
    )
    frame.to_file(tmp_path / "a.gpkg")
    made = read(tmp_path / "a.gpkg", attribute="kind", classes={"lane": "road"}, width="breadth")
    assert sorted(made.geom_type) == ["LineString", "Polygon"]
    assert footprints.polygons(made, GRID.crs, PARAMS).area.sum() == pytest.approx(2500 + 2000 + 78, abs=5)


RING = struct.pack("<I12d", 4, LEFT, TOP, 0, LEFT + 90, TOP, 0, LEFT, TOP - 90, 5, LEFT, TOP, 0)


def write_wkb(path: Path, *shapes: bytes) -> Path:
    pyogrio.raw.write(
        path, np.array(shapes, object), [np.array(["a"] * len(shapes), object)], ["kind"],
        geometry_type="Unknown", crs="EPSG:32635", driver="GPKG",
    )  # fmt: skip
    return path


@pytest.mark.filterwarnings("ignore:Registering non-standard gpkg_geom")
@pytest.mark.parametrize(("surface", "part"), [(1015, 1003), (1016, 1017)])
def test_surfaces_of_triangles_are_one_sentence(tmp_path: Path, surface: int, part: int) -> None:
    header = struct.pack("<BII", 1, surface, 1) + struct.pack("<BII", 1, part, 1)
    path = write_wkb(tmp_path / "a.gpkg", header + RING)
    with pytest.raises(PipelineError, match=r"a.gpkg holds surfaces such as TIN .* -nlt MULTIPOLYGON"):
        read(path, classes="building")


@pytest.mark.filterwarnings("ignore:invalid value encountered")
@pytest.mark.parametrize("x", [NAN, INF, 1e300])
def test_shapes_with_impossible_coordinates_are_left_out_and_counted(
    tmp_path: Path, x: float, caplog: pytest.LogCaptureFixture
) -> None:
    line = shapely.LineString([(LEFT, TOP), (x, TOP), (LEFT, BOTTOM)])
    path = write_wkb(tmp_path / "a.gpkg", line.wkb, box(5, 5, 2, 2).wkb)
    with caplog.at_level(logging.INFO):
        assert areas(read(path, classes="building")) == [("building", 4.0)]
    if np.isfinite(x):  # GDAL's index does not find the others
        assert "1 with impossible coordinates" in caplog.text
    with pytest.raises(PipelineError, match="holds nothing in the scene"):
        read(write_wkb(tmp_path / "b.gpkg", line.wkb), classes="building")


@pytest.mark.parametrize("name", ["../../a.shp", "/a.shp", "..\\a.shp", "C:\\a.shp", "a/../b.shp"])
def test_an_archive_that_reaches_out_of_its_folder_is_one_sentence(tmp_path: Path, name: str) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("a.dbf", b"")
        archive.writestr(name, b"")
    with pytest.raises(PipelineError, match=r"a.zip holds .* outside of the archive's folder"):
        read(tmp_path / "a.zip", classes="building")


@pytest.mark.parametrize("names", [["a.shp", "a.shx"], ["a.shp", "a.shx", "a.dbf"]], ids=len)
def test_an_archive_without_a_layer_is_one_sentence(tmp_path: Path, names: list[str]) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for name in names:
            archive.writestr(name, bytes(500))
    with pytest.raises(PipelineError, match=r"a.zip holds no layer that GDAL can read"):
        read(tmp_path / "a.zip", classes="building")


@pytest.mark.parametrize("encoding", ["foo", "idna", "utf-7"])
def test_xml_in_an_unknown_encoding_is_one_sentence(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "a.kml").write_text(f'<?xml version="1.0" encoding="{encoding}"?><kml/>')
    with pytest.raises(PipelineError, match=r"a.kml is not a vector file"):
        read(tmp_path / "a.kml", classes="building")
