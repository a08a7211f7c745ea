"""QGIS styles of the map's layers, and the table in which a GeoPackage carries them.

QGIS looks for a table `layer_styles` when it opens a GeoPackage and takes the default
style it finds there, so the map opens coloured. Style XML (QML) is what QGIS itself
saves, cut down to the renderer.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from xml.etree import ElementTree as ET

import pandas as pd

from urbanseg.classes import ClassTable
from urbanseg.mapping.vector_layers import GEOMETRY

DOCTYPE = "<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>\n"
ROAD_COLOR = "#2c3e50"


def layer_styles(class_table: ClassTable) -> pd.DataFrame:
    """Rows of the table `layer_styles`: the default style of each layer.

    The time of update is fixed, so that equal maps are equal files.
    """
    return style_table(
        {
            "land_cover": land_cover_qml(class_table),
            "road_edges": road_edges_qml(),
            "road_nodes": road_nodes_qml(),
        }
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
    """Fills by `class_id`; a hairline of the same colour hides the seams between polygons."""
    categories = [(str(c.id), c.label, _fill(c.color)) for c in class_table]
    root, renderer = document("categorizedSymbol", attr="class_id")
    listed = ET.SubElement(renderer, "categories")
    for value, label, _ in categories:
        ET.SubElement(
            listed, "category", value=value, type="integer", symbol=value, label=label, render="true"
        )
    symbols(renderer, "fill", "SimpleFill", ((value, options) for value, _, options in categories))
    return qml_text(root)


def road_edges_qml() -> str:
    """Dark lines."""
    root, renderer = document("singleSymbol")
    line = {
        "line_color": _rgba(ROAD_COLOR),
        "line_width": "0.4",
        "line_width_unit": "MM",
        "line_style": "solid",
        "capstyle": "round",
        "joinstyle": "round",
    }
    symbols(renderer, "line", "SimpleLine", [("0", line)])
    return qml_text(root)


def road_nodes_qml() -> str:
    """White dots with a dark rim."""
    root, renderer = document("singleSymbol")
    symbols(renderer, "marker", "SimpleMarker", [("0", dot("#ffffff", "1.2"))])
    return qml_text(root)


def dot(color: str, size_mm: str) -> dict[str, str]:
    """Options of a marker: a disc with a dark rim."""
    return {
        "name": "circle",
        "color": _rgba(color),
        "outline_color": _rgba(ROAD_COLOR),
        "outline_width": "0.3",
        "size": size_mm,
        "size_unit": "MM",
    }


def document(kind: str, categories: str = "Symbology", **attributes: str) -> tuple[ET.Element, ET.Element]:
    """An empty QML document and its renderer, of a kind that QGIS knows."""
    root = ET.Element("qgis", version="3.28.0", styleCategories=categories)
    renderer = ET.SubElement(
        root,
        "renderer-v2",
        {"type": kind, **attributes, "symbollevels": "0", "enableorderby": "0", "forceraster": "0"},
    )
    return root, renderer


def symbols(
    renderer: ET.Element, kind: str, layer_class: str, drawn: Iterable[tuple[str, Mapping[str, str]]]
) -> None:
    """Give a renderer its symbols, by name, each of one layer with its options.

    Args:
        renderer: element that takes the symbols.
        kind: ``fill``, ``line`` or ``marker``.
        layer_class: class of the symbol layer in QGIS.
        drawn: name and options of each symbol.
    """
    parent = ET.SubElement(renderer, "symbols")
    for name, options in drawn:
        symbol = ET.SubElement(
            parent, "symbol", name=name, type=kind, alpha="1", clip_to_extent="1", force_rhr="0"
        )
        layer = ET.SubElement(
            symbol, "layer", {"class": layer_class, "enabled": "1", "locked": "0", "pass": "0"}
        )
        mapping = ET.SubElement(layer, "Option", type="Map")
        for option, value in options.items():
            ET.SubElement(mapping, "Option", name=option, type="QString", value=value)


def _fill(color: str) -> dict[str, str]:
    return {
        "color": _rgba(color),
        "style": "solid",
        "outline_color": _rgba(color),
        "outline_style": "solid",
        "outline_width": "0.1",
        "outline_width_unit": "MM",
        "joinstyle": "bevel",
    }


def _rgba(color: str) -> str:
    return ",".join(str(part) for part in (*bytes.fromhex(color.removeprefix("#")), 255))


def qml_text(root: ET.Element) -> str:
    """A QML document as text."""
    ET.indent(root)
    return DOCTYPE + ET.tostring(root, encoding="unicode") + "\n"
