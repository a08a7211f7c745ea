"""Points for visual interpretation: written to a GeoPackage with a form for QGIS, and read again.

Each point gets the class that an interpreter sees there. The interpretation must be blind to
the map (Olofsson et al. 2014, section 5.2), so the form hides the mapped class and the colours
show only what was filled in. The strata of the sample are stored in the same file.
"""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from xml.etree import ElementTree as ET

import geopandas as gpd
import numpy as np
import pandas as pd
import pyogrio
import shapely
from numpy.typing import NDArray
from pyogrio.errors import CRSError, DataLayerError, DataSourceError, FieldError

from urbanseg.classes import IGNORE, ClassTable
from urbanseg.display.qml import categories, document, dot, qml_text, symbols
from urbanseg.errors import PipelineError
from urbanseg.grid import Grid
from urbanseg.io import vector_files
from urbanseg.io.files import atomic
from urbanseg.mapping.styles import style_table
from urbanseg.mapping.vector_layers import reproducible_writing, write_layer

UNREADABLE = (
    PipelineError,
    CRSError,
    DataLayerError,
    DataSourceError,
    FieldError,
    KeyError,
    TypeError,
    ValueError,
)
"""What is raised by a file that is of another kind, or has other columns or values."""

POINTS, STRATA = "points", "strata"
"""Layers of the file."""

COLUMNS = ("fid", "point", "mapped", "reference", "note")
"""Of the points, as the file has them."""

UNFILLED_COLOR = "#ffee00"
CANNOT_TELL = "cannot tell"


@dataclass(frozen=True)
class CheckedSample:
    """A sample that was filled in.

    Attributes:
        counts: ``(n, n)`` int64, points by mapped class (rows) and reference class.
        area_ha: ``(n,)`` float64, mapped area of each class.
        unknown: points at which the class could not be interpreted.
    """

    counts: NDArray[np.int64]
    area_ha: NDArray[np.float64]
    unknown: int


def write_checkpoints(
    path: Path,
    pixels: NDArray[np.int64],
    mapped: NDArray[np.int64],
    area_ha: NDArray[np.float64],
    grid: Grid,
    classes: ClassTable,
) -> None:
    """Write points to be filled in.

    Args:
        path: of the GeoPackage.
        pixels: ``(points, 2)`` int64, row and column of each; points lie in their centres.
        mapped: ``(points,)`` int64, pixel value of each in the map.
        area_ha: ``(n,)`` area of each class that the points were drawn from.
        grid: of the map.
        classes: their table.

    Raises:
        PipelineError: if it exists, because it may be filled in already, or can't be written.
    """
    if path.exists():
        raise PipelineError(f"{path} exists, and may be filled in already; move it away first")
    table = pd.DataFrame(
        {
            "point": np.arange(1, len(mapped) + 1),
            "mapped": mapped,
            "reference": pd.array([None] * len(mapped), "Int32"),
            "note": pd.array([None] * len(mapped), "str"),
        }
    )
    centres = shapely.points(pixels[:, ::-1] + 0.5)
    placed = gpd.GeoSeries(centres, crs=grid.crs).affine_transform(grid.transform.to_shapely())
    points = gpd.GeoDataFrame(table, geometry=placed)
    strata = pd.DataFrame({"class_id": classes.ids, "name": classes.names, "area_ha": area_ha})
    _write(path, points, strata, classes)


def blind_points(path: Path) -> gpd.GeoDataFrame:
    """The points without what the map says: ``point``, ``reference`` (Int64, missing where open), geometry.

    Raises:
        PipelineError: if the file is no such sample.
    """
    try:
        vector_files.require_plain(path)
        points = pyogrio.read_dataframe(path, layer=POINTS, columns=["point", "reference"])
        return points.astype({"point": "int64", "reference": "Int64"})
    except UNREADABLE as error:
        raise PipelineError(f"{path} is no sample that urbanseg sample wrote ({error})") from error


def answer(path: Path, point: int, reference: int | None, classes: ClassTable) -> None:
    """Fill in, or open again, a point of a sample.

    Args:
        path: of the GeoPackage, which is replaced by one that has the answer.
        point: its number.
        reference: pixel value of the class; `IGNORE` if it cannot be told, None to open the point again.
        classes: their table.

    Raises:
        PipelineError: if the file is no such sample, or has no such point.
    """
    try:
        vector_files.require_plain(path)
        points, strata = (pyogrio.read_dataframe(path, layer=layer) for layer in (POINTS, STRATA))
        points = points.astype({"point": "int64", "reference": "Int32", "note": "str"})
        chosen = points["point"] == point
    except UNREADABLE as error:
        raise PipelineError(f"{path} is no sample that urbanseg sample wrote ({error})") from error
    if not chosen.any():
        raise PipelineError(f"{path} has no point {point}")
    points.loc[chosen, "reference"] = pd.NA if reference is None else reference
    _write(path, points, strata, classes)


def _write(path: Path, points: gpd.GeoDataFrame, strata: pd.DataFrame, classes: ClassTable) -> None:
    styles = style_table({POINTS: points_qml(classes)})
    with atomic(path) as temporary, reproducible_writing(path):
        write = partial(write_layer, path=temporary)
        write(points, layer=POINTS, title=f"{path.stem}: points to interpret", geometry_type="Point")
        write(strata, layer=STRATA, append=True)
        write(styles, layer="layer_styles", append=True)


def read_checkpoints(path: Path, classes: ClassTable) -> CheckedSample:
    """Read points that were filled in.

    Raises:
        PipelineError: if the file is no such sample, its classes are not ours, or points lack
            a reference class.
    """
    if not path.exists():
        raise PipelineError(f"{path} does not exist; draw a sample with urbanseg sample <city>")
    try:
        vector_files.require_plain(path)
        points = pyogrio.read_dataframe(path, layer=POINTS, read_geometry=False)
        strata = pyogrio.read_dataframe(path, layer=STRATA)
        names, area_ha = strata["name"].tolist(), strata["area_ha"].to_numpy(np.float64)
        numbers, mapped = (
            points[column].astype("Int64").to_numpy(np.int64, na_value=-1) for column in ("point", "mapped")
        )
        reference = points["reference"].astype("Int64")
    except UNREADABLE as error:
        raise PipelineError(f"{path} is no sample that urbanseg sample wrote ({error})") from error
    if names != classes.names:
        raise PipelineError(
            f"{path} was drawn for the classes {', '.join(map(str, names))}; "
            f"params.yaml has {', '.join(classes.names)}"
        )
    if not (area_ha >= 0).all() or not 0 < area_ha.sum() < np.inf:
        raise PipelineError(f"{path} has areas of classes (layer {STRATA}) that are none; draw a new sample")
    if not np.isin(mapped, classes.ids).all():
        raise PipelineError(f"{path} has points that are mapped as no class; draw a new sample")
    if len(open_points := numbers[reference.isna()]):
        first = ", ".join(map(str, open_points[:5]))
        raise PipelineError(
            f"{path}: {len(open_points)} of {len(points)} points have no reference class "
            f"(point {first}{', …' if len(open_points) > 5 else ''}); fill them in, or choose {CANNOT_TELL!r}"
        )
    said = reference.to_numpy(np.int64)
    if strange := sorted(set(said.tolist()) - {*classes.ids, IGNORE}):
        raise PipelineError(f"{path}: {strange[0]} is no class; the ids are {classes.span}")
    counts = np.zeros((len(classes), len(classes)), np.int64)
    known = said != IGNORE
    np.add.at(counts, tuple(classes.position_lut[ids[known]] for ids in (mapped, said)), 1)
    return CheckedSample(counts, area_ha, int((~known).sum()))


def points_qml(classes: ClassTable) -> str:
    """Dots in the colour of the class that was filled in, a form to fill in, a table without the map."""
    parts = "Symbology|Fields|Forms|AttributeTable"
    root, renderer = document("categorizedSymbol", attr="reference", categories=parts)
    choices = [(c.label, str(c.id), c.color) for c in classes] + [(CANNOT_TELL, str(IGNORE), "#000000")]
    every = [*choices, ("not filled in", "", "")]
    categories(renderer, [(value, value or "open", label) for label, value, _ in every])
    drawn = [(value, dot(color, "2.4")) for _, value, color in choices]
    symbols(renderer, "marker", "SimpleMarker", [*drawn, ("open", dot(UNFILLED_COLOR, "3.2"))])

    fields = ET.SubElement(root, "fieldConfiguration")
    _widget(fields, "mapped", "Hidden")
    _widget(fields, "note", "TextEdit")
    options = ET.SubElement(_widget(fields, "reference", "ValueMap"), "Option", type="List", name="map")
    for label, value, _ in choices:
        ET.SubElement(
            ET.SubElement(options, "Option", type="Map"), "Option", type="QString", name=label, value=value
        )
    editable = ET.SubElement(root, "editable")
    for name in ("point", "mapped"):
        ET.SubElement(editable, "field", name=name, editable="0")
    columns = ET.SubElement(ET.SubElement(root, "attributetableconfig"), "columns")
    for name in COLUMNS:
        hidden = str(int(name == "mapped"))
        ET.SubElement(columns, "column", name=name, type="field", width="-1", hidden=hidden)
    return qml_text(root)


def _widget(fields: ET.Element, name: str, kind: str) -> ET.Element:
    """How the form shows a field; returns the element that takes the widget's options."""
    field = ET.SubElement(fields, "field", name=name, configurationFlags="None")
    config = ET.SubElement(ET.SubElement(field, "editWidget", type=kind), "config")
    return ET.SubElement(config, "Option", type="Map")
