"""QGIS styles of the map's layers, and the table in which a GeoPackage carries them.

QGIS looks for a table `layer_styles` when it opens a GeoPackage and takes the default
style it finds there, so the map opens coloured.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from xml.etree import ElementTree as ET

import pandas as pd

from urbanseg.classes import ClassTable
from urbanseg.display.qml import (
    ROAD_COLOR,
    categories,
    data_defined,
    document,
    dot,
    fill,
    qml_text,
    rgba,
    symbols,
    visible_from,
)
from urbanseg.mapping.vector_layers import GEOMETRY

ROAD_FILL = "#ffffff"

ROADS_FROM, NODES_FROM = 50_000, 10_000
"""Scales, as 1 : n, from which roads and their nodes are drawn."""

ROAD_WIDTHS = ((ROAD_COLOR, 0.5, 0.4), (ROAD_FILL, 0.35, 0.2))
"""Colour, share of the road's width, and least width in mm, of the casing of a road and of what lies in it.

The line is narrower than the road, so that what it lies on is seen, too; a casing keeps it apart from
light and dark ground alike.
"""


def layer_styles(class_table: ClassTable, *, with_buildings: bool = False) -> pd.DataFrame:
    """Rows of the table `layer_styles`: the default style of each layer.

    That of buildings one by one is left out unless the map has them. The time of update is fixed, so that
    equal maps are equal files.
    """
    return style_table(
        {
            "land_cover": land_cover_qml(class_table),
            "road_edges": road_edges_qml(),
            "road_nodes": road_nodes_qml(),
        }
        | ({"buildings": outlines_qml()} if with_buildings else {})
    )


def style_table(styles: Mapping[str, str]) -> pd.DataFrame:
    """The table `layer_styles` from the QML of each layer."""
    return pd.DataFrame(
        {
            "f_table_catalog": "",
            "f_table_schema": "",
            "f_table_name": list(styles),
            "f_geometry_column": GEOMETRY,
            "styleName": list(styles),
            "styleQML": list(styles.values()),
            "styleSLD": "",
            "useAsDefault": True,
            "description": "urbanseg",
            "owner": "",
            "ui": "",
            "update_time": pd.Timestamp(datetime(2000, 1, 1, tzinfo=UTC)).as_unit("ms"),
        }
    )


def land_cover_qml(class_table: ClassTable) -> str:
    """Fills by `class_id`."""
    root, renderer = document("categorizedSymbol", attr="class_id")
    categories(renderer, [(str(c.id), str(c.id), c.label) for c in class_table])
    symbols(renderer, "fill", "SimpleFill", [(str(c.id), fill(c.color)) for c in class_table])
    return qml_text(root)


def change_qml(class_table: ClassTable, pairs: Iterable[tuple[int, int]]) -> str:
    """Fills of change by what it became.

    Args:
        class_table: the classes of both dates.
        pairs: positions of the class before and the class after of each change that there is.
    """
    table = list(class_table)
    found = [(table[before], table[after]) for before, after in pairs]
    root, renderer = document("categorizedSymbol", attr='"before" || \' → \' || "after"')
    rows = [(f"{a.name} → {b.name}", f"{a.id}-{b.id}", f"{a.label} → {b.label}") for a, b in found]
    categories(renderer, rows, "string")
    symbols(renderer, "fill", "SimpleFill", [(f"{a.id}-{b.id}", fill(b.color)) for a, b in found])
    return qml_text(root)


def road_edges_qml() -> str:
    """White lines with a dark casing, as wide as the roads, drawn from a scale at which they are apart."""
    root, renderer = document("singleSymbol")
    drawn = [(color, line(color, "RenderMetersInMapUnits", "4", least)) for color, _, least in ROAD_WIDTHS]
    symbols(renderer, "line", "SimpleLine", drawn)
    casing, inner = renderer.iter("symbol")
    for symbol, (_, share, _) in zip((casing, inner), ROAD_WIDTHS, strict=True):
        data_defined(symbol, "outlineWidth", f'"width_m" * {share}')
    casing.set("name", "0")
    for layer in inner:
        layer.set("pass", "1")  # after the casings of all roads, so that crossings are open
        casing.append(layer)
    for parent in renderer.iter("symbols"):
        parent.remove(inner)
    renderer.set("symbollevels", "1")
    visible_from(root, ROADS_FROM)
    return qml_text(root)


def line(color: str, unit: str, width: str, least_mm: float) -> dict[str, str]:
    """Options of a line with round ends.

    Args:
        color: hexadecimal, such as ``#bb2e12``.
        unit: of the width, as QGIS calls it, such as ``MM``.
        width: a number as text.
        least_mm: millimetres on screen or paper below which it never gets.
    """
    return {
        "line_color": rgba(color),
        "line_width": width,
        "line_width_unit": unit,
        "line_width_map_unit_scale": f"3x:0,0,1,{least_mm},0,0",
        "line_style": "solid",
        "capstyle": "round",
        "joinstyle": "round",
    }


def outlines_qml() -> str:
    """Outlines of zones or buildings, through which the land cover is seen."""
    root, renderer = document("singleSymbol")
    outline = {
        "color": rgba(ROAD_COLOR),
        "style": "no",
        "outline_color": rgba(ROAD_COLOR),
        "outline_style": "solid",
        "outline_width": "0.6",
        "outline_width_unit": "MM",
        "joinstyle": "round",
    }
    symbols(renderer, "fill", "SimpleFill", [("0", outline)])
    return qml_text(root)


def features_qml(class_table: ClassTable, found: Iterable[tuple[str, str]]) -> str:
    """Features of OpenStreetMap in the colours of their classes, small ones above large ones.

    A file may hold areas and lines; QGIS makes a layer of each, and gives both the file's style.

    Args:
        class_table: the classes.
        found: name of the class, and ``Polygon`` or ``Line``, of features that there are.
    """
    root, renderer = document("RuleRenderer")
    rules = ET.SubElement(renderer, "rules", key="root")
    shown = sorted(set(found))
    kept = [(each, kind) for each in class_table for name, kind in shown if name == each.name]
    for each, kind in kept:
        name = f"{each.id}-{kind}"
        wanted = f"\"class\" = '{each.name}' AND geometry_type($geometry) = '{kind}'"
        ET.SubElement(rules, "rule", key=name, symbol=name, label=each.label, filter=wanted)
    symbols(
        renderer,
        "fill",
        "SimpleFill",
        [(f"{each.id}-{kind}", fill(each.color)) for each, kind in kept if kind == "Polygon"],
    )
    symbols(
        renderer,
        "line",
        "SimpleLine",
        [(f"{each.id}-{kind}", line(each.color, "MM", "0.5", 0)) for each, kind in kept if kind == "Line"],
    )
    areas, lines = renderer.iter("symbols")
    areas.extend(lines)
    renderer.remove(lines)
    order = ET.SubElement(renderer, "orderby")
    ET.SubElement(order, "orderByClause", asc="0", nullsFirst="0").text = "area($geometry)"
    renderer.set("enableorderby", "1")
    return qml_text(root)


def road_nodes_qml() -> str:
    """White dots with a dark rim, drawn where single junctions are looked at."""
    root, renderer = document("singleSymbol")
    symbols(renderer, "marker", "SimpleMarker", [("0", dot("#ffffff", "1.2"))])
    visible_from(root, NODES_FROM)
    return qml_text(root)
