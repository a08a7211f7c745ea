from xml.etree import ElementTree as ET

import pytest

from urbanseg.classes import ClassTable, LandClass
from urbanseg.mapping.styles import layer_styles

TABLE = ClassTable((LandClass(0, "other", "#bdc3c7"), LandClass(1, 'sand & "mud" <wet>', "#E67E22")))


def qml(layer):
    styles = layer_styles(TABLE).set_index("f_table_name")
    return ET.fromstring(styles.loc[layer, "styleQML"])  # noqa: S314 - our own text


def test_each_class_has_a_category_with_its_name_and_colour():
    renderer = qml("land_cover").find("renderer-v2")
    assert (renderer.get("type"), renderer.get("attr")) == ("categorizedSymbol", "class_id")
    found = {}
    for category in renderer.iter("category"):
        symbol = renderer.find(f"symbols/symbol[@name='{category.get('symbol')}']")
        color = symbol.find("layer[@class='SimpleFill']/Option/Option[@name='color']").get("value")
        found[int(category.get("value"))] = category.get("label"), color
    assert found == {0: ("other", "189,195,199,255"), 1: ('sand & "mud" <wet>', "230,126,34,255")}


def test_roads_are_lines_and_dots():
    assert qml("road_edges").find(".//symbol").get("type") == "line"
    assert qml("road_nodes").find(".//symbol").get("type") == "marker"


@pytest.mark.parametrize(("layer", "scale"), [("road_edges", 50_000), ("road_nodes", 10_000)])
def test_roads_and_nodes_are_drawn_from_a_scale_on(layer, scale):
    root = qml(layer)
    assert root.get("hasScaleBasedVisibilityFlag") == "1"
    assert float(root.get("minScale")) == scale
    assert "Rendering" in root.get("styleCategories")


def test_roads_are_as_wide_as_they_are():
    properties = qml("road_edges").find(".//data_defined_properties")
    [expression] = [o.get("value") for o in properties.iter("Option") if o.get("name") == "expression"]
    assert "width_m" in expression


def test_each_layer_has_one_default_style():
    styles = layer_styles(TABLE)
    assert styles["f_table_name"].tolist() == ["land_cover", "road_edges", "road_nodes"]
    assert styles["useAsDefault"].all()
