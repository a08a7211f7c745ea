"""Tables of a region: hectares by class, of all cells and of each zone, and what is to be expected."""

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray

from urbanseg.calibration.areas import Errors, areas_of, errors_of
from urbanseg.calibration.forecast import BINS, LEVELS, binned
from urbanseg.calibration.stored import Calibration
from urbanseg.classes import CONFIDENCE_SCALE, IGNORE, ClassTable
from urbanseg.grid import Window
from urbanseg.io import files, raster
from urbanseg.io.class_raster import read_classes
from urbanseg.mapping.zones import HECTARE_M2, pixels_in_zones
from urbanseg.region.cells import Cell, Lattice
from urbanseg.workflows.region_cell import AREAS

log = logging.getLogger(__name__)

DIGITS = 4
"""Decimals of hectares: a square metre."""

AT_ONCE = IGNORE // BINS
"""Classes whose bins of confidence have a code each in one byte."""


def write_tables(
    folder: Path,
    lattice: Lattice,
    cells: Sequence[Cell],
    table: ClassTable,
    calibration: Calibration | None,
    zones: gpd.GeoDataFrame | None,
) -> dict[str, float]:
    """Write areas.csv and, if there are zones, zones.csv.

    Args:
        folder: of the region, with the files of each cell.
        lattice: of the cells.
        cells: that are done.
        table: the classes.
        calibration: of the model; without it the tables hold the mapped areas alone.
        zones: polygons in the CRS of the lattice, with columns of their own.

    Returns:
        Hectares that are mapped, by class.
    """
    counts = np.zeros((len(table), LEVELS), np.int64)
    for cell in cells:
        told = files.read_json(folder / "cells" / cell.id / AREAS)["classes"]
        for position, name in enumerate(table.names):
            for level, pixels in told[name].items():
                counts[position, int(level)] += pixels
    pixel_ha = lattice.resolution**2 / HECTARE_M2
    by_bin = binned(counts[..., None])[..., 0]
    said = calibration.forecast(counts) if calibration else None
    errors = None
    if calibration and said:
        errors = errors_of(by_bin, calibration.forecast, said)
    row = _hectares(by_bin.astype(float), pixel_ha, table, calibration, errors)
    by_class = [[name, *(row[name + end] for end in ENDINGS if name + end in row)] for name in table.names]
    columns = ["class", *(end[1:] for end in ENDINGS)][: len(by_class[0])]
    _write(folder / "areas.csv", pd.DataFrame(by_class, columns=columns))
    if zones is not None:
        found = _in_zones(folder, lattice, cells, table, zones)
        rows = [_hectares(each, pixel_ha, table, calibration, errors) for each in found]
        own = zones.drop(columns="geometry")
        taken = [name for name in own if name in rows[0] or name in {"area_ha", "mapped_ha"}]
        if taken:
            log.warning("columns of the zones called %s give way to those measured", ", ".join(taken))
        head = pd.DataFrame({"area_ha": shapely.area(zones.geometry) / HECTARE_M2}).round(DIGITS)
        head["mapped_ha"] = np.round(found.sum(axis=(1, 2)) * pixel_ha, DIGITS)
        parts = [own.drop(columns=taken).reset_index(drop=True), head, pd.DataFrame(rows)]
        _write(folder / "zones.csv", pd.concat(parts, axis=1))
    return dict(zip(table.names, (by_bin.sum(axis=1) * pixel_ha).tolist(), strict=True))


ENDINGS = ("_ha", "_expected_ha", "_low_ha", "_high_ha")
"""Of the columns of a class."""


def _hectares(
    by_bin: NDArray[np.float64],
    pixel_ha: float,
    table: ClassTable,
    calibration: Calibration | None,
    errors: Errors | None,
) -> dict[str, float]:
    """The columns of all classes, of pixels by class and bin ``(n, BINS)``."""
    if calibration is None or errors is None:
        mapped = by_bin.sum(axis=1) * pixel_ha
        return {f"{name}_ha": round(float(v), DIGITS) for name, v in zip(table.names, mapped, strict=True)}
    found = areas_of(by_bin, calibration.forecast, errors)
    return {
        f"{name}{ending}": round(float(values[i] * pixel_ha), DIGITS)
        for i, name in enumerate(table.names)
        for ending, values in zip(ENDINGS, found, strict=True)
    }


def _in_zones(
    folder: Path, lattice: Lattice, cells: Sequence[Cell], table: ClassTable, zones: gpd.GeoDataFrame
) -> NDArray[np.float64]:
    """Pixels by zone, class and bin of confidence, ``(zones, n, BINS)``; a cell is read at a time."""
    found = np.zeros((len(zones), len(table), BINS))
    shapes = zones.geometry.to_numpy()
    tree = shapely.STRtree(shapes)
    for cell in cells:
        near = np.sort(tree.query(shapely.box(*lattice.bounds(cell)), predicate="intersects"))
        if not len(near):
            continue
        grid = lattice.grid(*lattice.pixels(cell))
        at = folder / "cells" / cell.id
        with raster.reading(at / "classes.tif") as classes, raster.reading(at / "confidence.tif") as sure:
            for first, read in _coded(classes, sure, table):
                counts = pixels_in_zones(list(shapes[near]), read, grid)
                some = min(AT_ONCE, len(table) - first)
                found[near, first : first + some] += counts[:, : some * BINS].reshape(-1, some, BINS)
    return found


def _coded(classes: raster.Reader, sure: raster.Reader, table: ClassTable) -> Iterator[tuple[int, Any]]:
    """Readers of class and bin as one code, for some classes at a time; and the first of these."""
    for first in range(0, len(table), AT_ONCE):

        def read(window: Window, first: int = first) -> NDArray[np.uint8]:
            codes, levels = read_classes(classes, table.ids, window), sure.read_band(window)
            bins = np.minimum(levels.astype(np.int64) * BINS // CONFIDENCE_SCALE, BINS - 1)
            position = table.position_lut[codes].astype(np.int64) - first
            kept = (codes != IGNORE) & (levels != IGNORE) & (position >= 0) & (position < AT_ONCE)
            return np.where(kept, position * BINS + bins, IGNORE).astype(np.uint8)

        yield first, read


def _write(path: Path, table: pd.DataFrame) -> None:
    files.write_text(path, table.to_csv(index=False, lineterminator="\n"))
