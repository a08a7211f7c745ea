"""The QGIS project of an image's map shows what was written, and the image, from where it lies."""

import zipfile
from xml.etree import ElementTree as ET

import pytest
from PIL import Image
from pyproj import CRS

from tests.unit.cli.test_map import write_bands
from tests.unit.workflows.painted import grid, painted, town, write_image
from urbanseg.cli.main import execute

pytestmark = pytest.mark.usefixtures("elsewhere")


def project(model, *words):
    """Names without that of the map, sources and EPSG codes of the layers of the project of a map."""
    execute(["map", *map(str, words), "--model", str(model)])
    with zipfile.ZipFile(f"{words[-1]}/map.qgz") as archive:
        root = ET.fromstring(archive.read("map.qgs"))  # noqa: S314, our own text
    return {
        layer.findtext("layername").partition(": ")[2]: (
            layer.findtext("datasource"), layer.findtext("srs/spatialrefsys/authid")
        )
        for layer in root.iter("maplayer")
    }  # fmt: skip


def test_layers_are_found_from_the_folder_of_the_map(model, tmp_path):
    (tmp_path / "images").mkdir()
    write_image(tmp_path / "images/town.tif", grid())
    found = project(model, "images/town.tif", "maps/out")
    assert list(found) == [
        "road nodes", "roads", "confidence", "land cover", "land cover, pixels", "scene",
    ]  # fmt: skip
    assert found["scene"] == ("../../images/town.tif", "EPSG:32640")
    assert found["roads"] == ("./map.gpkg|layername=road_edges", "EPSG:32640")
    assert found["land cover, pixels"] == ("./classes.tif", "EPSG:32640")
    assert "move them together" in (tmp_path / "maps/out/report.html").read_text()
    first = (tmp_path / "maps/out/map.qgz").read_bytes()
    (tmp_path / "maps/out/mine.txt").write_text("mine")
    project(model, "images/town.tif", "--overwrite", "maps/out")
    assert (tmp_path / "maps/out/map.qgz").read_bytes() == first


def test_vectors_of_an_image_in_degrees_have_their_own_crs(model, tmp_path):
    write_image(tmp_path / "town.tif", grid(1e-5, CRS.from_epsg(4326), (9.0, 48.0)))
    found = project(model, "town.tif", "out")
    assert found["scene"][1] == found["confidence"][1] == "EPSG:4326"
    assert found["land cover"][1] == found["roads"][1] == "EPSG:32632"


def test_an_image_without_a_place_is_shown_in_pixels_as_its_map_is(model):
    Image.fromarray(painted(town()).transpose(1, 2, 0)).save("photo.png")
    found = project(model, "photo.png", "out")
    assert found["scene"] == ("../photo.png", None)
    assert "scene" not in project(model, "photo.png", "--pixel-m", "0.5", "scaled")


def test_bands_in_a_file_each_are_left_out_and_so_is_what_was_not_written(model, tmp_path):
    for name, band in zip(("B04", "B03", "B02"), painted(town()), strict=True):
        write_bands(tmp_path / f"scene_{name}.tif", band)
    files = sorted(tmp_path.glob("*.tif"))
    assert list(project(model, *files, "--only", "project,classes", "out")) == ["land cover, pixels"]
