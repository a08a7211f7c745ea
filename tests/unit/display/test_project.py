import zipfile
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from pyproj import CRS

from urbanseg.display.project import Bookmark, ProjectLayer, write_project
from urbanseg.display.raster_styles import share_qml
from urbanseg.mapping.styles import road_edges_qml

UTM = CRS.from_epsg(32632)
BOUNDS = (500_000.0, 5_399_000.0, 501_000.0, 5_400_000.0)


def written(folder, base=None):
    layers = [
        ProjectLayer("Town: roads", folder / "map/town.gpkg", road_edges_qml(), UTM, "road_edges"),
        ProjectLayer("Town: confidence", folder / "confidence.tif", share_qml(), UTM, visible=False),
    ]
    path = folder / "project/town.qgz"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_project(path, 'Town "A" & <B>', UTM, BOUNDS, layers, [Bookmark("worst", BOUNDS, "Worst")], base)
    return path


def opened(path):
    with zipfile.ZipFile(path) as archive:
        [name] = archive.namelist()
        assert name == "town.qgs"
        return ET.fromstring(archive.read(name))  # noqa: S314, our own text


def test_layers_have_relative_paths_their_crs_and_style(tmp_path):
    root = opened(written(tmp_path))
    roads, confidence = root.iter("maplayer")
    assert roads.findtext("datasource") == "../map/town.gpkg|layername=road_edges"
    assert (roads.get("geometry"), roads.findtext("provider")) == ("Line", "ogr")
    assert (roads.get("hasScaleBasedVisibilityFlag"), roads.get("minScale")) == ("1", "50000")
    assert confidence.findtext("datasource") == "../confidence.tif"
    assert confidence.findtext("srs/spatialrefsys/authid") == "EPSG:32632"
    assert confidence.find("pipe/rasterrenderer").get("type") == "singlebandpseudocolor"
    assert str(tmp_path) not in ET.tostring(root, encoding="unicode")


def test_the_tree_names_the_layers_by_ids_that_qgis_keeps(tmp_path):
    root = opened(written(tmp_path))
    tree = root.findall("layer-tree-group/layer-tree-layer")
    ids = [layer.findtext("id") for layer in root.iter("maplayer")]
    assert [node.get("id") for node in tree] == ids == [node.get("id") for node in root.iter("layer")][-2:]
    assert all(len(each) > 10 for each in ids)
    assert [node.get("checked") for node in tree] == ["Qt::Checked", "Qt::Unchecked"]
    assert root.findtext("title") == 'Town "A" & <B>'


def test_a_project_that_will_lie_elsewhere_points_from_there(tmp_path):
    root = opened(written(tmp_path, base=tmp_path / "a/b/c"))
    assert root.findtext(".//datasource") == "../../../map/town.gpkg|layername=road_edges"


def test_equal_projects_are_equal_bytes(tmp_path):
    first = written(tmp_path).read_bytes()
    assert written(tmp_path).read_bytes() == first


def test_bookmarks_say_where(tmp_path):
    [bookmark] = opened(written(tmp_path)).iter("Bookmark")
    assert (bookmark.get("name"), bookmark.get("group")) == ("worst", "Worst")
    assert bookmark.get("extent").startswith("Polygon ((500000 5399000, 501000 5399000")


@pytest.mark.parametrize("name", ["map"])
def test_a_layer_beside_the_project_is_named_as_such(tmp_path, name):
    write_project(
        tmp_path / "town.qgz",
        "T",
        UTM,
        BOUNDS,
        [ProjectLayer("a", tmp_path / f"{name}.tif", share_qml(), UTM)],
    )
    assert opened(tmp_path / "town.qgz").findtext(".//datasource") == f"./{name}.tif"
    assert Path(tmp_path / "town.qgz").exists()
