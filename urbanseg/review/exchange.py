"""Corrections to and from QGIS: a file of the strokes in effect, to be edited and brought back."""

from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import geopandas as gpd
import pyogrio
import shapely
from pyogrio.errors import CRSError, DataLayerError, DataSourceError, FieldError, GeometryError

from urbanseg.classes import ClassTable
from urbanseg.config.labels import IGNORE_NAME
from urbanseg.display.qml import categories, document, fill, qml_text, symbols
from urbanseg.errors import PipelineError
from urbanseg.io import vector_files
from urbanseg.labels.corrections import LAYER
from urbanseg.mapping.styles import style_table
from urbanseg.mapping.vector_layers import reproducible_writing, write_layer
from urbanseg.review.corrections import Record, polygons_of
from urbanseg.review.frames import Frame
from urbanseg.review.refusals import RefusedError

EXPORTED = ("id", "class", "class_before", "tool", "user", "time")
"""Columns of the file; QGIS may change the class and the shape."""

UNKNOWN_COLOR = "#ff00ff"
MOST_FEATURES = 20_000

UNREADABLE = (CRSError, DataLayerError, DataSourceError, FieldError, GeometryError)

Change = tuple[str | None, str | None, Any]
"""Id of a stroke that is undone, and class and shape of one that is added; either may be None."""


def style(classes: ClassTable) -> str:
    """Fills by class, and a form whose classes are a list to choose from."""
    root, renderer = document("categorizedSymbol", "Symbology|Fields|Forms", attr="class")
    rows = [(c.name, c.label, c.color) for c in classes] + [(IGNORE_NAME, "unknown", UNKNOWN_COLOR)]
    categories(renderer, [(name, name, label) for name, label, _ in rows], "string")
    symbols(renderer, "fill", "SimpleFill", [(name, fill(color)) for name, _, color in rows])
    field = ET.SubElement(ET.SubElement(root, "fieldConfiguration"), "field", name="class")
    widget = ET.SubElement(ET.SubElement(field, "editWidget", type="ValueMap"), "config")
    choices = ET.SubElement(ET.SubElement(widget, "Option", type="Map"), "Option", type="List", name="map")
    for name, label, _ in rows:
        entry = ET.SubElement(choices, "Option", type="Map")
        ET.SubElement(entry, "Option", type="QString", name=label, value=name)
    editable = ET.SubElement(root, "editable")
    for name in EXPORTED:
        ET.SubElement(editable, "field", name=name, editable=str(int(name == "class")))
    return qml_text(root)


def write(path: Path, strokes: list[Record], frame: Frame, qml: str) -> None:
    """Write strokes as a GeoPackage in the scene's CRS; later ones lie on top, and come later.

    Args:
        path: of the file.
        strokes: in effect, the lowest first.
        frame: of the scene.
        qml: style of the layer, as `style` makes it.
    """
    columns = {name: [stroke.values[name] or "" for stroke in strokes] for name in EXPORTED}
    shapes = gpd.GeoSeries([stroke.shape for stroke in strokes], crs=frame.grid.crs)
    table = gpd.GeoDataFrame(columns, geometry=shapes).astype(dict.fromkeys(EXPORTED, "str"))
    with reproducible_writing(path):
        write_layer(table, path, LAYER, geometry_type="MultiPolygon")
        write_layer(style_table({LAYER: qml}), path, "layer_styles", append=True)


def changes(path: Path, strokes: list[Record], frame: Frame, classes: ClassTable) -> list[Change]:
    """What a file that was edited changes of the strokes in effect.

    Strokes that it lacks are undone, those of another class or shape are replaced, and features without
    the id of a stroke are added. A feature's class is in the column ``class``.

    Args:
        path: of a GeoPackage or GeoJSON with a CRS.
        strokes: in effect, as they are stored.
        frame: of the scene.
        classes: of the scene; ``ignore`` may be named besides them.

    Raises:
        RefusedError: if it is no vector file, or a class is none.
    """
    names = {*classes.names, IGNORE_NAME}
    known = {stroke.values["id"]: stroke for stroke in strokes}
    kept: set[str] = set()
    found: list[Change] = []
    for name, class_name, shape in _features(path, frame):
        if class_name not in names:
            raise RefusedError(422, f"the file names the class {str(class_name)[:40]!r}, which is none")
        old = known.get(name) if name not in kept else None
        if old is None:
            found.append((None, class_name, polygons_of(shape)))
            continue
        kept.add(old.values["id"])
        if old.values["class"] != class_name or not _is_same(shape, old.shape, frame.grid.resolution):
            found.append((old.values["id"], class_name, polygons_of(shape)))
    return [(name, None, None) for name in known if name not in kept] + found


def _is_same(one: Any, other: Any, pixel: float) -> bool:
    """Whether two shapes differ by rounding alone."""
    return bool(shapely.hausdorff_distance(one, other) < pixel / 100)


def _features(path: Path, frame: Frame) -> list[tuple[str, str, Any]]:
    """Id (empty without), class and shape in the scene's CRS of each feature."""
    try:
        vector_files.require_plain(path)
        layers = [name for name, kind in pyogrio.list_layers(path) if kind is not None]
        layer = LAYER if LAYER in layers else layers[0]
        info = pyogrio.read_info(path, layer=layer, force_feature_count=True)
        if "class" not in info["fields"]:
            raise RefusedError(422, "the file has no column class")
        if info["features"] > MOST_FEATURES:
            raise RefusedError(413, f"the file has more than {MOST_FEATURES} features")
        columns = [name for name in ("id", "class") if name in info["fields"]]
        frame_read = pyogrio.read_dataframe(path, layer=layer, columns=columns).to_crs(frame.grid.crs)
    except (*UNREADABLE, IndexError, PipelineError, ValueError) as error:
        raise RefusedError(422, "the file is no GeoPackage or GeoJSON with a CRS; export it again") from error
    ids = frame_read["id"].tolist() if "id" in columns else [""] * len(frame_read)
    rows = zip(ids, frame_read["class"], frame_read.geometry, strict=True)
    return [(str(name), str(kind), shape) for name, kind, shape in rows if shape is not None]
