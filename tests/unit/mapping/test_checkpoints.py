import sqlite3
from xml.etree import ElementTree as ET

import numpy as np
import pyogrio
import pytest
import shapely
from affine import Affine
from pyproj import CRS

from urbanseg.classes import ClassTable, LandClass
from urbanseg.errors import PipelineError
from urbanseg.grid import Grid
from urbanseg.io import cog
from urbanseg.mapping.checkpoints import points_qml, read_checkpoints, write_checkpoints

TABLE = ClassTable((LandClass(0, "other", "#bdc3c7"), LandClass(1, "road", "#E67E22")))
GRID = Grid(CRS.from_epsg(32632), Affine(10, 0, 500_000, 0, -10, 5_400_000), 60, 80)
PIXELS, MAPPED = np.array([[0, 0], [59, 79], [10, 20]]), np.array([0, 1, 1])
AREA_HA = np.array([30.0, 18.0])


@pytest.fixture
def sample(tmp_path):
    path = tmp_path / "sample.gpkg"
    write_checkpoints(path, PIXELS, MAPPED, AREA_HA, GRID, TABLE)
    return path


def fill(path, *reference):
    """What QGIS does when a person fills in the form."""
    with sqlite3.connect(path) as database:
        for trigger in database.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            database.execute(f"DROP TRIGGER {trigger[0]}")
        for point, value in enumerate(reference, start=1):
            database.execute("UPDATE points SET reference = ? WHERE point = ?", (value, point))
    database.close()


def test_points_lie_in_the_centres_of_their_pixels(sample):
    points = pyogrio.read_dataframe(sample, layer="points")
    assert points.crs == GRID.crs
    assert shapely.get_coordinates(points.geometry).tolist() == [
        [500_005, 5_399_995],
        [500_795, 5_399_405],
        [500_205, 5_399_895],
    ]
    assert points["mapped"].tolist() == [0, 1, 1]
    assert points["reference"].isna().all()


def test_equal_samples_are_equal_bytes(sample, tmp_path):
    again = tmp_path / "again" / "sample.gpkg"
    write_checkpoints(again, PIXELS, MAPPED, AREA_HA, GRID, TABLE)
    assert again.read_bytes() == sample.read_bytes()


def test_the_form_offers_the_classes_and_hides_what_the_map_says(sample):
    styles = pyogrio.read_dataframe(sample, layer="layer_styles", read_geometry=False)
    assert styles["f_table_name"].tolist() == ["points"]
    form = ET.fromstring(styles["styleQML"][0])  # noqa: S314 - our own text
    widgets = {
        field.get("name"): field.find("editWidget").get("type") for field in form.iter("field") if len(field)
    }
    assert widgets == {"mapped": "Hidden", "note": "TextEdit", "reference": "ValueMap"}
    offered = form.findall(".//field[@name='reference']//Option[@name='map']/Option/Option")
    assert [(o.get("name"), o.get("value")) for o in offered] == [
        ("other", "0"),
        ("road", "1"),
        ("cannot tell", "255"),
    ]
    assert form.find("renderer-v2").get("attr") == "reference"
    assert points_qml(TABLE) == styles["styleQML"][0]


def test_the_attribute_table_hides_what_the_map_says(sample):
    form = ET.fromstring(points_qml(TABLE))  # noqa: S314 - our own text
    columns = {c.get("name"): c.get("hidden") for c in form.iter("column")}
    stored = pyogrio.read_info(sample, layer="points")
    assert list(columns) == [stored["fid_column"], *stored["fields"]]
    assert [name for name, hidden in columns.items() if hidden == "1"] == ["mapped"]
    assert "AttributeTable" in form.get("styleCategories")


def test_what_was_filled_in_is_counted_by_mapped_class(sample):
    fill(sample, 0, 0, 1)
    found = read_checkpoints(sample, TABLE)
    assert found.counts.tolist() == [[1, 0], [1, 1]]
    assert found.area_ha.tolist() == [30.0, 18.0]
    assert found.unknown == 0


def test_points_at_which_nobody_can_tell_are_left_out(sample):
    fill(sample, 0, 255, 1)
    found = read_checkpoints(sample, TABLE)
    assert found.counts.tolist() == [[1, 0], [0, 1]]
    assert found.unknown == 1


@pytest.mark.parametrize(
    ("reference", "sentence"),
    [
        ((0, None, None), "2 of 3 points have no reference class (point 2, 3); fill them in"),
        ((0, 1, 7), "7 is no class; the ids are 0 to 1"),
    ],
)
def test_a_sample_that_is_not_whole_is_refused(sample, reference, sentence):
    fill(sample, *reference)
    with pytest.raises(PipelineError) as refused:
        read_checkpoints(sample, TABLE)
    assert sentence in str(refused.value)


@pytest.mark.parametrize(
    ("statement", "sentence"),
    [
        ("UPDATE points SET mapped = 9", "mapped as no class"),
        ("UPDATE points SET mapped = -1", "mapped as no class"),
        ("UPDATE points SET mapped = NULL", "mapped as no class"),
        ("ALTER TABLE points RENAME COLUMN mapped TO was", "is no sample"),
        ("ALTER TABLE strata RENAME COLUMN area_ha TO ha", "is no sample"),
        ("UPDATE strata SET area_ha = 'much'", "areas of classes"),
        ("UPDATE strata SET area_ha = -1", "areas of classes"),
        ("UPDATE strata SET area_ha = NULL", "areas of classes"),
        ("UPDATE strata SET area_ha = 9e999", "areas of classes"),
        ("UPDATE strata SET area_ha = 0", "areas of classes"),
        ("UPDATE strata SET name = NULL", "was drawn for the classes"),
        ("DELETE FROM strata", "was drawn for the classes"),
    ],
)
def test_a_sample_that_somebody_has_changed_is_one_sentence(sample, statement, sentence):
    fill(sample, 0, 0, 1)
    with sqlite3.connect(sample) as database:
        database.execute(statement)
    database.close()
    with pytest.raises(PipelineError, match=sentence) as refused:
        read_checkpoints(sample, TABLE)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("ending", [".tif", ".json"])
def test_a_raster_or_a_layer_of_something_else_is_no_sample(tmp_path, ending):
    path = tmp_path / f"sample{ending}"
    if ending == ".tif":
        with cog.writing(path, GRID, dtype="uint8"):
            pass
    else:
        path.write_text('{"type": "FeatureCollection", "features": []}')
    with pytest.raises(PipelineError, match="is no sample"):
        read_checkpoints(path, TABLE)


def test_a_sample_of_other_classes_is_refused(sample):
    other = ClassTable((LandClass(0, "other", "#bdc3c7"), LandClass(1, "water", "#E67E22")))
    with pytest.raises(PipelineError, match=r"for the classes other, road; params\.yaml has other, water"):
        read_checkpoints(sample, other)


def test_what_is_no_sample_is_refused(tmp_path):
    path = tmp_path / "sample.gpkg"
    with pytest.raises(PipelineError, match="does not exist; draw a sample"):
        read_checkpoints(path, TABLE)
    path.write_text("points")
    with pytest.raises(PipelineError, match="is no sample"):
        read_checkpoints(path, TABLE)


def test_work_that_was_done_is_never_overwritten(sample):
    with pytest.raises(PipelineError, match="may be filled in already"):
        write_checkpoints(sample, PIXELS, MAPPED, AREA_HA, GRID, TABLE)
