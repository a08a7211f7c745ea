"""A QGIS project (.qgz) written without QGIS: layers with their styles, a tree, an extent and bookmarks.

Paths in it are relative to the project, so that a folder can be moved or given to others as a
whole. Equal projects are equal bytes.
"""

import os
import zipfile
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET

from pyproj import CRS

from urbanseg.display.qml import VERSION

Bounds = tuple[float, float, float, float]
"""Left, bottom, right and top, in the project's CRS."""

QGS_DOCTYPE = "<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>\n"

GEOMETRY = {"fill": "Polygon", "line": "Line", "marker": "Point"}
"""Geometry of a vector layer, in QGIS's words, by the type of its symbols."""


@dataclass(frozen=True)
class ProjectLayer:
    """A layer of a project.

    Attributes:
        title: what the tree of layers says.
        path: of the file.
        qml: its style.
        table: name of the layer in a vector file; None for a raster.
        visible: whether it is drawn when the project opens.
        crs: of the file.
    """

    title: str
    path: Path
    qml: str
    crs: CRS
    table: str | None = None
    visible: bool = True


@dataclass(frozen=True)
class Bookmark:
    """A place to go to."""

    name: str
    bounds: Bounds
    group: str = ""


def write_project(
    path: Path,
    title: str,
    crs: CRS,
    bounds: Bounds,
    layers: Sequence[ProjectLayer],
    bookmarks: Sequence[Bookmark] = (),
    base: Path | None = None,
) -> None:
    """Write a project.

    Args:
        path: a file that ends in ``.qgz``.
        title: of the project.
        crs: of the map.
        bounds: what is seen first.
        layers: from top to bottom.
        bookmarks: places to go to.
        base: folder in which the project will lie; its own if None.
    """
    text = project_xml(title, crs, bounds, layers, bookmarks, base or path.parent)
    entry = zipfile.ZipInfo(f"{path.name.split('.')[0]}.qgs", date_time=(2000, 1, 1, 0, 0, 0))
    entry.compress_type = zipfile.ZIP_DEFLATED
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(entry, text)


def project_xml(
    title: str,
    crs: CRS,
    bounds: Bounds,
    layers: Sequence[ProjectLayer],
    bookmarks: Sequence[Bookmark],
    base: Path,
) -> str:
    """The text of a project; see `write_project`."""
    root = ET.Element("qgis", projectname=title, version=VERSION, saveDateTime="2000-01-01T00:00:00")
    ET.SubElement(root, "homePath", path="")
    ET.SubElement(root, "title").text = title
    _reference_system(ET.SubElement(root, "projectCrs"), crs)
    tree = ET.SubElement(root, "layer-tree-group")
    canvas = ET.SubElement(root, "mapcanvas", name="theMapCanvas", annotationsVisible="1")
    ET.SubElement(canvas, "units").text = "meters"
    _extent(canvas, bounds)
    _reference_system(ET.SubElement(canvas, "destinationsrs"), crs)
    placed, order = ET.SubElement(root, "projectlayers"), ET.SubElement(root, "layerorder")
    for number, layer in enumerate(layers):
        name = f"urbanseg_layer_{number:02d}"  # QGIS gives ids of ten letters or fewer anew
        made = _layer(layer, name, base)
        placed.append(made)
        source = made.findtext("datasource", "")
        ET.SubElement(
            tree,
            "layer-tree-layer",
            id=name,
            name=layer.title,
            source=source,
            providerKey=made.findtext("provider", ""),
            checked="Qt::Checked" if layer.visible else "Qt::Unchecked",
            expanded="1" if layer.visible else "0",
        )
        ET.SubElement(order, "layer", id=name)
    properties = ET.SubElement(root, "properties")
    ET.SubElement(ET.SubElement(properties, "Paths"), "Absolute", type="bool").text = "false"
    enabled = ET.SubElement(ET.SubElement(properties, "SpatialRefSys"), "ProjectionsEnabled", type="int")
    enabled.text = "1"
    _bookmarks(ET.SubElement(root, "Bookmarks"), bookmarks, crs)
    ET.indent(root)
    return QGS_DOCTYPE + ET.tostring(root, encoding="unicode") + "\n"


def _layer(layer: ProjectLayer, name: str, base: Path) -> ET.Element:
    """A layer with its style, as a project keeps it."""
    style = ET.fromstring(layer.qml)  # noqa: S314, our own text
    kind = "raster" if layer.table is None else "vector"
    made = ET.Element("maplayer", {"type": kind, "autoRefreshEnabled": "0", "refreshOnNotifyEnabled": "0"})
    for key in ("hasScaleBasedVisibilityFlag", "minScale", "maxScale"):
        if key in style.attrib:
            made.set(key, style.attrib[key])
    if layer.table is not None:
        symbol = style.find(".//symbol")
        made.set("geometry", GEOMETRY["fill" if symbol is None else symbol.get("type", "fill")])
    relative = Path(os.path.relpath(layer.path, base)).as_posix()
    source = relative if relative.startswith(".") else f"./{relative}"
    ET.SubElement(made, "id").text = name
    ET.SubElement(made, "datasource").text = source + (f"|layername={layer.table}" if layer.table else "")
    ET.SubElement(made, "layername").text = layer.title
    _reference_system(ET.SubElement(made, "srs"), layer.crs)
    provider = ET.SubElement(made, "provider")
    provider.text = "gdal" if layer.table is None else "ogr"
    if layer.table is not None:
        provider.set("encoding", "UTF-8")
    made.extend(map(deepcopy, style))
    return made


def _reference_system(parent: ET.Element, crs: CRS) -> None:
    authority = crs.to_authority()
    system = ET.SubElement(parent, "spatialrefsys")
    ET.SubElement(system, "wkt").text = crs.to_wkt("WKT2_2019")
    if authority:
        ET.SubElement(system, "authid").text = ":".join(authority)
    ET.SubElement(system, "description").text = crs.name
    ET.SubElement(system, "geographicflag").text = str(crs.is_geographic).lower()


def _extent(parent: ET.Element, bounds: Bounds) -> None:
    extent = ET.SubElement(parent, "extent")
    for name, value in zip(("xmin", "ymin", "xmax", "ymax"), bounds, strict=True):
        ET.SubElement(extent, name).text = f"{value:.10g}"


def _bookmarks(parent: ET.Element, bookmarks: Sequence[Bookmark], crs: CRS) -> None:
    for number, each in enumerate(bookmarks):
        left, bottom, right, top = each.bounds
        corners = [(left, bottom), (right, bottom), (right, top), (left, top), (left, bottom)]
        ring = ", ".join(f"{x:.10g} {y:.10g}" for x, y in corners)
        made = ET.SubElement(
            parent,
            "Bookmark",
            id=f"bookmark_{number:02d}",
            name=each.name,
            group=each.group,
            extent=f"Polygon (({ring}))",
        )
        _reference_system(made, crs)
