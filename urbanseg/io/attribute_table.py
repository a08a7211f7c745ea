"""What GDAL and ArcGIS read beside a class raster (``.aux.xml``): names, attribute table, statistics.

The raster attribute table has a row for each class, with its name, its colour and its pixels.
ArcGIS takes legend and colours from it, by the names of its columns. GDAL keeps statistics in
the same file: where they stand already, reading the raster changes nothing.
"""

import math
import warnings
from collections.abc import Iterable
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.errors import NotGeoreferencedWarning

from urbanseg.classes import IGNORE, ClassTable

INTEGER, REAL, STRING = "0", "1", "2"
"""GDAL's codes of column types (GDALRATFieldType)."""

COLUMNS = (
    ("Value", INTEGER, "5"),
    ("Count", REAL, "1"),
    ("Class_Name", STRING, "2"),
    ("Red", INTEGER, "6"),
    ("Green", INTEGER, "7"),
    ("Blue", INTEGER, "8"),
    ("Alpha", INTEGER, "9"),
)
"""Name, type and usage (GDALRATFieldUsage) of each column. Pixels are real, as whole numbers end at 2³¹."""


def class_sidecar(path: Path, classes: ClassTable) -> str:
    """The text of the ``.aux.xml`` of a class raster, whose pixels are read."""
    counts = np.zeros(IGNORE + 1, np.int64)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        raster = rasterio.open(path)
    with raster:
        for _, window in raster.block_windows(1):
            counts += np.bincount(raster.read(1, window=window).ravel(), minlength=IGNORE + 1)
    root = ET.Element("PAMDataset")
    band = ET.SubElement(root, "PAMRasterBand", band="1")
    names = ET.SubElement(band, "CategoryNames")
    labels = {each.id: each.label for each in classes} | {IGNORE: "ignore"}
    for value in range(IGNORE + 1):
        ET.SubElement(names, "Category").text = labels.get(value, "")
    known = counts.copy()
    known[IGNORE] = 0
    # In GDAL's own order, so that what it reads it need not write again.
    if known.any():
        _histogram(band, known)
    _attributes(band, classes, counts)
    if known.any():
        _statistics(band, known, int(counts.sum()))
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", short_empty_elements=False) + "\n"


def _attributes(band: ET.Element, classes: ClassTable, counts: NDArray[np.int64]) -> None:
    """The raster attribute table."""
    table = ET.SubElement(band, "GDALRasterAttributeTable", tableType="thematic")
    for index, (name, kind, usage) in enumerate(COLUMNS):
        column = ET.SubElement(table, "FieldDefn", index=str(index))
        _texts(column, [("Name", name), ("Type", kind), ("Usage", usage)])
    for index, each in enumerate(classes):
        row = ET.SubElement(table, "Row", index=str(index))
        values = each.id, int(counts[each.id]), each.label, *each.rgb, 255
        _texts(row, [("F", str(value)) for value in values])


def _histogram(band: ET.Element, known: NDArray[np.int64]) -> None:
    """Histogram of the known pixels, as GDAL keeps it."""
    item = ET.SubElement(ET.SubElement(band, "Histograms"), "HistItem")
    histogram = {
        "HistMin": "-0.5",
        "HistMax": "255.5",
        "BucketCount": "256",
        "IncludeOutOfRange": "0",
        "Approximate": "0",
        "HistCounts": "|".join(map(str, known.tolist())),
    }
    _texts(item, histogram.items())


def _statistics(band: ET.Element, known: NDArray[np.int64], pixels: int) -> None:
    """Statistics of the known pixels, as GDAL keeps them; `pixels` are all."""
    valid, present = int(known.sum()), np.flatnonzero(known).tolist()
    total, squares = (sum(int(known[k]) * k**power for k in present) for power in (1, 2))
    metadata = ET.SubElement(band, "Metadata")
    figures = {
        "MAXIMUM": f"{present[-1]}",
        "MEAN": f"{total / valid:.14g}",
        "MINIMUM": f"{present[0]}",
        "STDDEV": f"{math.sqrt(valid * squares - total**2) / valid:.14g}",
        "VALID_PERCENT": f"{100 * valid / pixels:.4g}",
    }
    for key, value in figures.items():
        ET.SubElement(metadata, "MDI", key=f"STATISTICS_{key}").text = value


def _texts(parent: ET.Element, children: Iterable[tuple[str, str]]) -> None:
    for name, text in children:
        ET.SubElement(parent, name).text = text
