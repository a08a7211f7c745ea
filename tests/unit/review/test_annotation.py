"""Corrections go to Labelme and CVAT and come back as they were."""

import json
import zipfile
from io import BytesIO

import pytest
import shapely
from affine import Affine
from pyproj import CRS

from urbanseg.grid import Grid
from urbanseg.review.annotation import archive, changes, cvat, labelme, parts_of, picture_size, reader_of
from urbanseg.review.corrections import Record
from urbanseg.review.refusals import RefusedError

GRID = Grid(CRS.from_epsg(32632), Affine(10, 0, 500_000, 0, -10, 5_400_000), 192, 256)
LARGE = Grid(CRS.from_epsg(32632), Affine(10, 0, 500_000, 0, -10, 5_400_000), 5000, 9000)
RING = shapely.box(500_100, 5_399_000, 500_500, 5_399_400) - shapely.box(
    500_200, 5_399_100, 500_300, 5_399_200
)
NAMES = ["other", "road", "water"]
SHAPE = {"label": "lava", "points": [[0, 0], [9, 0], [9, 9]]}
LAVA = json.dumps({"shapes": [SHAPE], "imageHeight": 192, "imageWidth": 256})
WRITERS = {"labelme": labelme, "cvat": cvat}


def record(name, class_name, shape):
    return Record(1, {"id": name, "class": class_name}, shapely.MultiPolygon([shape]))


STROKES = [
    record("a", "water", RING),
    record("b", "ignore", shapely.box(500_600, 5_398_600, 500_700.5, 5_398_700)),
]


@pytest.fixture(params=WRITERS)
def tool(request):
    return request.param


def back(tmp_path, text, grid=GRID, strokes=STROKES):
    file = tmp_path / "edited"
    file.write_text(text)
    return changes(file, reader_of(file), strokes, grid, NAMES)


@pytest.mark.parametrize("grid", [GRID, LARGE], ids=["small", "large"])
def test_a_file_that_comes_back_as_it_was_changes_nothing(tmp_path, tool, grid):
    assert back(tmp_path, WRITERS[tool](STROKES, grid, "demo.png"), grid) == []


def test_holes_are_cut_and_nothing_else():
    parts = parts_of(STROKES[0].shape, GRID)
    assert all(not part.interiors for part in parts)
    assert sum(part.area for part in parts) == pytest.approx(RING.area / 100)


def test_another_class_replaces_a_stroke_and_what_is_gone_is_undone(tmp_path):
    content = json.loads(labelme(STROKES, GRID, "demo.png"))
    content["shapes"] = [s | {"label": "road"} for s in content["shapes"] if s["label"] == "water"]
    found = back(tmp_path, json.dumps(content))
    assert {old for old, _, shape in found if shape is None} == {"a", "b"}
    drawn = [(name, shape) for _, name, shape in found if shape is not None]
    assert {name for name, _ in drawn} == {"road"}
    assert shapely.union_all([s for _, s in drawn]).symmetric_difference(RING).area < 1


def test_a_picture_of_a_large_scene_is_smaller():
    assert picture_size(GRID) == (192, 256)
    assert picture_size(LARGE) == (2276, 4096)


@pytest.mark.parametrize(
    "text",
    [
        '{"shapes": [], "imageHeight": 10, "imageWidth": 300}',
        LAVA,
        '{"shapes": 1}',
        "<svg/>",
        "<annotations></annotations>",
    ],
)
def test_what_is_no_annotation_of_the_scene_is_a_sentence(tmp_path, text):
    with pytest.raises(RefusedError):
        back(tmp_path, text)


def test_files_of_gis_programs_are_read_elsewhere(tmp_path):
    for name, text in (
        ("a.gpkg", "SQLite format 3"),
        ("a.json", '{"type": "FeatureCollection", "shapes": 1}'),
    ):
        (tmp_path / name).write_text(text)
    assert reader_of(tmp_path / "a.gpkg") is None
    assert reader_of(tmp_path / "a.json") is None


def test_equal_corrections_are_equal_bytes(tool):
    text = WRITERS[tool](STROKES, GRID, "demo.png").encode()
    made = archive({"demo": text})
    assert made == archive({"demo": text})
    assert zipfile.ZipFile(BytesIO(made)).read("demo") == text
