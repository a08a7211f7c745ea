import os
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from pyproj import CRS
from rasterio.errors import NotGeoreferencedWarning

from urbanseg.classes import IGNORE, ClassTable, LandClass
from urbanseg.errors import PipelineError
from urbanseg.grid import Grid, Window, windows
from urbanseg.io import cog, raster

GRID = Grid(CRS(32632), Affine(10, 0, 500000, 0, -10, 5400000), 300, 520)
CLASSES = ClassTable((LandClass(0, "other", "#bdc3c7"), LandClass(1, "building", "#c0392b")))


def write(path, values, **options):
    with cog.writing(path, GRID, dtype=values.dtype, count=len(values), **options) as writer:
        for window in windows(GRID.shape, 256, 0):
            writer.write(values[:, *window.slices], window)


def test_what_is_written_by_windows_is_read_back_by_windows(tmp_path):
    values = np.random.default_rng(0).integers(0, 9000, (2, *GRID.shape), np.uint16)
    path = tmp_path / "a.tif"
    write(path, values, nodata=0, descriptions=["B02", "B03"])
    with raster.reading(path) as scene:
        assert scene.grid.same_as(GRID)
        assert scene.info.descriptions == ("B02", "B03")
        assert (scene.read() == values).all()
        window = Window(250, 500, 50, 20)
        assert (scene.read(window, [2])[0] == values[1][window.slices]).all()
        assert (scene.valid(window) == (values[:, *window.slices] > 0).all(0)).all()
    with rasterio.open(path) as dataset:
        assert dataset.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
    assert [p.name for p in tmp_path.iterdir()] == ["a.tif"]


def test_a_class_raster_carries_its_colours_and_names(tmp_path):
    path = tmp_path / "classes.tif"
    write(path, np.zeros((1, *GRID.shape), np.uint8), nodata=IGNORE, classes=CLASSES, resampling="mode")
    with rasterio.open(path) as dataset:
        colors = dataset.colormap(1)
        assert colors[1] == (0xC0, 0x39, 0x2B, 255)
    names = [e.text or "" for e in ET.parse(f"{path}.aux.xml").iter("Category")]  # noqa: S314, our own file
    assert names[:2] == ["other", "building"]
    assert names[IGNORE] == "ignore"


def test_gdal_and_arcgis_read_names_colours_and_pixels_of_the_classes_alone(tmp_path):
    path = tmp_path / "classes.tif"
    pixels = np.random.default_rng(0).choice(np.array([0, 1, 1, IGNORE], np.uint8), GRID.shape)
    write(path, pixels[None], nodata=IGNORE, classes=CLASSES, resampling="mode")
    table = ET.parse(f"{path}.aux.xml").find(".//GDALRasterAttributeTable")  # noqa: S314, our own file
    assert table.get("tableType") == "thematic"
    columns = {each.findtext("Name"): each.findtext("Usage") for each in table.iter("FieldDefn")}
    usages = {
        "Value": "5",
        "Count": "1",
        "Class_Name": "2",
        "Red": "6",
        "Green": "7",
        "Blue": "8",
        "Alpha": "9",
    }
    assert columns == usages
    rows = [[cell.text for cell in row] for row in table.iter("Row")]
    assert rows == [
        [str(each.id), str((pixels == each.id).sum()), each.label, *map(str, each.rgb), "255"]
        for each in CLASSES
    ]


@pytest.mark.parametrize("values", [[0, 1, 5], [3], [IGNORE, 2, 2, 4], [IGNORE]], ids=str)
def test_statistics_that_gdal_asks_for_are_there_already(tmp_path, values):
    path = tmp_path / "classes.tif"
    pixels = np.random.default_rng(0).choice(np.array(values, np.uint8), GRID.shape)
    write(path, pixels[None], nodata=IGNORE, classes=CLASSES, resampling="mode")
    sidecar = Path(f"{path}.aux.xml")
    ours = sidecar.read_bytes()
    with rasterio.open(path) as dataset:
        if values == [IGNORE]:
            assert b"STATISTICS" not in ours
            return
        found = dataset.statistics(1, approx=False, clear_cache=True)
    valid = pixels[pixels != IGNORE]
    assert found.mean == pytest.approx(valid.mean())
    assert sidecar.read_bytes() == ours
    counts = ET.parse(sidecar).findtext(".//HistCounts").split("|")  # noqa: S314, our own file
    assert [int(c) for c in counts] == np.bincount(valid, minlength=256).tolist()


def test_the_same_pixels_give_the_same_bytes(tmp_path):
    values = np.random.default_rng(1).integers(0, 6, (1, *GRID.shape), np.uint8)
    for name in ("a.tif", "b.tif"):
        write(tmp_path / name, values, nodata=IGNORE, classes=CLASSES)
    assert (tmp_path / "a.tif").read_bytes() == (tmp_path / "b.tif").read_bytes()


def test_a_failed_write_leaves_nothing(tmp_path):
    too_wide = np.zeros((1, 300, 1000), np.uint8)
    with (
        pytest.raises(ValueError, match="shape"),
        cog.writing(tmp_path / "a.tif", GRID, dtype="uint8") as writer,
    ):
        writer.write(too_wide)
    assert list(tmp_path.iterdir()) == []


def test_a_missing_file_is_named():
    with pytest.raises(PipelineError, match=r"nowhere\.tif does not exist"):
        raster.describe(raster.Path("nowhere.tif"))


def test_a_file_that_is_no_raster_is_named(tmp_path):
    path = tmp_path / "a.tif"
    path.write_text("no raster")
    with pytest.raises(PipelineError, match=r"a\.tif is not a raster"):
        raster.describe(path)


def test_a_truncated_raster_is_named(tmp_path):
    path = tmp_path / "a.tif"
    write(path, np.random.default_rng(0).integers(0, 9000, (2, *GRID.shape), np.uint16))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(PipelineError, match=r"a\.tif"), raster.reading(path) as scene:
        scene.read()


def test_a_raster_without_crs_is_named(tmp_path):
    path = tmp_path / "a.tif"
    with (
        pytest.warns(NotGeoreferencedWarning),
        rasterio.open(path, "w", driver="GTiff", width=4, height=4, count=1, dtype="uint8") as dataset,
    ):
        dataset.write(np.ones((1, 4, 4), np.uint8))
    with pytest.raises(PipelineError, match=r"a\.tif has no coordinate reference"):
        raster.describe(path)


def test_different_grids_are_told_apart_with_both_names():
    other = Grid(GRID.crs, GRID.transform, 300, 500)
    with pytest.raises(PipelineError, match=r"a\.tif and b\.tif lie on different grids.*520.*500"):
        raster.require_same_grid(raster.Path("a.tif"), GRID, raster.Path("b.tif"), other)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("pipe.tif", "pipe.tif is not a raster that GDAL can open: it is a pipe or a device"),
        (
            "folder.tif",
            "folder.tif is not a raster that GDAL can open but a folder: name a file in the folder",
        ),
        ("loop.tif", "loop.tif cannot be opened .*symbolic links"),
        ("x" * 300, "xx cannot be opened .*too long"),
        ("beside.tif", "beside.tif.aux.xml, beside .*beside.tif, is a pipe or a device; move it"),
        ("world.tif", "world.tfw, beside .*world.tif, is a pipe"),
        ("beside.tif/a.tif", "a.tif does not exist"),
        ("several.gpkg", r"several.gpkg is not .* no bands of its own \(rasters within: one, two\)"),
    ],
)
def test_what_is_no_file_of_one_raster_is_named_at_once(tmp_path, name, sentence):
    os.mkfifo(tmp_path / "pipe.tif")
    (tmp_path / "folder.tif").mkdir()
    (tmp_path / "loop.tif").symlink_to(tmp_path / "loop.tif")
    for beside in ("beside.tif.aux.xml", "world.tfw"):
        os.mkfifo(tmp_path / beside)
    for path in ("beside.tif", "world.tif"):
        (tmp_path / path).write_bytes(b"II")
    for table in ("one", "two"):
        options = {"RASTER_TABLE": table, "APPEND_SUBDATASET": "YES"}
        grid = {"crs": GRID.crs.to_wkt(), "transform": GRID.transform, "height": 20, "width": 20}
        with rasterio.open(
            tmp_path / "several.gpkg", "w", driver="GPKG", count=1, dtype="uint8", **grid, **options
        ) as file:
            file.write(np.ones((1, 20, 20), np.uint8))
    with pytest.raises(PipelineError, match=sentence):
        raster.describe(tmp_path / name)
