"""QGIS styles of the map's layers, and the table in which a GeoPackage carries them.

QGIS looks for a table `layer_styles` when it opens a GeoPackage and takes the default
style it finds there, so the map opens coloured.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

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

ROADS_FROM, NODES_FROM = 50_000, 10_000
"""Scales, as 1 : n, from which roads and their nodes are drawn."""

ROAD_WIDTH = '"width_m" * 0.4'
"""Width of the line of a road in metres: narrower than the road, so that what it lies on is seen, too."""

AT_LEAST_MM = "3x:0,0,1,0.3,0,0"
"""QGIS's text for: never thinner than 0.3 mm."""


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
    """Fills by `class_id`."""
    root, renderer = document("categorizedSymbol", attr="class_id")
    categories(renderer, [(str(c.id), str(c.id), c.label) for c in class_table])
    symbols(renderer, "fill", "SimpleFill", [(str(c.id), fill(c.color)) for c in class_table])
    return qml_text(root)


def change_qml(class_table: ClassTable, pairs: Iterable[tuple[int, int]]) -> str:
    """Fills of change by what it became.

    Args:
        class_table: the classes of both dates.
        pairs: ids of the class before and the class after of each change that there is.
    """
    table = list(class_table)
    found = [(table[before], table[after]) for before, after in pairs]
    root, renderer = document("categorizedSymbol", attr='"before" || \' → \' || "after"')
    rows = [(f"{a.name} → {b.name}", f"{a.id}-{b.id}", f"{a.label} → {b.label}") for a, b in found]
    categories(renderer, rows, "string")
    symbols(renderer, "fill", "SimpleFill", [(f"{a.id}-{b.id}", fill(b.color)) for a, b in found])
    return qml_text(root)


def road_edges_qml() -> str:
    """Dark lines as wide as the roads, drawn from a scale at which they are apart."""
    root, renderer = document("singleSymbol")
    line = {
        "line_color": rgba(ROAD_COLOR),
        "line_width": "4",
        "line_width_unit": "RenderMetersInMapUnits",
        "line_width_map_unit_scale": AT_LEAST_MM,
        "line_style": "solid",
        "capstyle": "round",
        "joinstyle": "round",
    }
    symbols(renderer, "line", "SimpleLine", [("0", line)])
    data_defined(renderer, "outlineWidth", ROAD_WIDTH)
    visible_from(root, ROADS_FROM)
    return qml_text(root)


def road_nodes_qml() -> str:
    """White dots with a dark rim, drawn where single junctions are looked at."""
    root, renderer = document("singleSymbol")
    symbols(renderer, "marker", "SimpleMarker", [("0", dot("#ffffff", "1.2"))])
    visible_from(root, NODES_FROM)
    return qml_text(root)
