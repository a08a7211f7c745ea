from xml.etree import ElementTree as ET

import pytest

from urbanseg.classes import ClassTable, LandClass
from urbanseg.mapping.styles import features_qml, layer_styles

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


def test_roads_are_as_wide_as_they_are_and_their_casing_keeps_them_apart_from_any_ground():
    renderer = qml("road_edges").find("renderer-v2")
    assert renderer.get("symbollevels") == "1"
    [symbol] = renderer.iter("symbol")
    casing, inner = symbol.findall("layer")
    assert (casing.get("pass"), inner.get("pass")) == ("0", "1")
    options = [{o.get("name"): o.get("value") for o in layer.iter("Option")} for layer in (casing, inner)]
    assert options[0]["line_color"] != options[1]["line_color"]
    shares = [float(each["expression"].removeprefix('"width_m" * ')) for each in options]
    assert 1 > shares[0] > shares[1] > 0


def test_features_have_a_rule_for_each_class_and_geometry_that_there_are():
    table = ClassTable((LandClass(0, "other", "#bdc3c7"), LandClass(1, "water", "#3165a2", "Water")))
    found = [("water", "Line"), ("water", "Polygon"), ("water", "Polygon"), ("gone", "Polygon")]
    renderer = ET.fromstring(features_qml(table, found)).find("renderer-v2")  # noqa: S314 - our own text
    rules = {rule.get("filter"): (rule.get("label"), rule.get("symbol")) for rule in renderer.iter("rule")}
    assert list(rules) == [
        f"\"class\" = 'water' AND geometry_type($geometry) = '{kind}'" for kind in ("Line", "Polygon")
    ]
    assert {label for label, _ in rules.values()} == {"Water"}
    [symbols] = renderer.findall("symbols")
    kinds = {symbol.get("name"): symbol.get("type") for symbol in symbols}
    assert [kinds[symbol] for _, symbol in rules.values()] == ["line", "fill"]


def test_each_layer_has_one_default_style():
    styles = layer_styles(TABLE)
    assert styles["f_table_name"].tolist() == ["land_cover", "road_edges", "road_nodes"]
    assert styles["useAsDefault"].all()
