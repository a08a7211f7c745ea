"""The XML of QGIS styles (QML): what QGIS itself saves, cut down to what draws a layer."""

from collections.abc import Iterable, Mapping
from xml.etree import ElementTree as ET

DOCTYPE = "<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>\n"
VERSION = "3.22.0"
"""The oldest QGIS that the styles are tested with."""

ROAD_COLOR = "#2c3e50"


def document(kind: str, categories: str = "Symbology", **attributes: str) -> tuple[ET.Element, ET.Element]:
    """An empty style of a vector layer and its renderer, of a kind that QGIS knows.

    Args:
        kind: ``singleSymbol``, ``categorizedSymbol`` …
        categories: parts of a style that it sets, of which QGIS keeps the others.
        **attributes: of the renderer.
    """
    root = ET.Element("qgis", version=VERSION, styleCategories=categories)
    renderer = ET.SubElement(
        root,
        "renderer-v2",
        {"type": kind, **attributes, "symbollevels": "0", "enableorderby": "0", "forceraster": "0"},
    )
    return root, renderer


def visible_from(root: ET.Element, scale: int) -> None:
    """Hide a layer at scales smaller than 1 : `scale`."""
    root.set("hasScaleBasedVisibilityFlag", "1")
    root.set("minScale", str(scale))
    root.set("maxScale", "0")
    root.set("styleCategories", f"{root.get('styleCategories')}|Rendering")


def categories(renderer: ET.Element, rows: Iterable[tuple[str, str, str]], kind: str = "integer") -> None:
    """Give a categorized renderer its categories.

    Args:
        renderer: element that takes the categories.
        rows: value, name of the symbol and label of each.
        kind: type of the values in QGIS.
    """
    listed = ET.SubElement(renderer, "categories")
    for value, symbol, label in rows:
        ET.SubElement(listed, "category", value=value, type=kind, symbol=symbol, label=label, render="true")


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


def data_defined(renderer: ET.Element, option: str, expression: str) -> None:
    """Let an expression set an option of every symbol.

    Args:
        renderer: with its symbols.
        option: by QGIS's name, such as ``outlineWidth``.
        expression: in QGIS's language.
    """
    for layer in renderer.iter("layer"):
        outer = ET.SubElement(ET.SubElement(layer, "data_defined_properties"), "Option", type="Map")
        ET.SubElement(outer, "Option", name="name", type="QString", value="")
        properties = ET.SubElement(outer, "Option", name="properties", type="Map")
        one = ET.SubElement(properties, "Option", name=option, type="Map")
        ET.SubElement(one, "Option", name="active", type="bool", value="true")
        ET.SubElement(one, "Option", name="expression", type="QString", value=expression)
        ET.SubElement(one, "Option", name="type", type="int", value="3")
        ET.SubElement(outer, "Option", name="type", type="QString", value="collection")


def fill(color: str) -> dict[str, str]:
    """Options of a fill; a hairline of the same colour hides the seams between polygons."""
    return {
        "color": rgba(color),
        "style": "solid",
        "outline_color": rgba(color),
        "outline_style": "solid",
        "outline_width": "0.1",
        "outline_width_unit": "MM",
        "joinstyle": "bevel",
    }


def dot(color: str, size_mm: str) -> dict[str, str]:
    """Options of a marker: a disc with a dark rim."""
    return {
        "name": "circle",
        "color": rgba(color),
        "outline_color": rgba(ROAD_COLOR),
        "outline_width": "0.3",
        "size": size_mm,
        "size_unit": "MM",
    }


def rgba(color: str) -> str:
    """A colour ``#rrggbb`` as QGIS writes it."""
    return ",".join(str(part) for part in (*bytes.fromhex(color.removeprefix("#")), 255))


def qml_text(root: ET.Element) -> str:
    """A style as text."""
    ET.indent(root)
    return DOCTYPE + ET.tostring(root, encoding="unicode") + "\n"
