"""Hectares by class in administrative units, from the class rasters of a region's cells.

A pixel on the border of a unit counts by its share inside. Where the model has a calibration, the shares of
actual classes by predicted class and confidence that were counted on validation pixels say what area is to
be expected, and which part of it may be wrong. `low` is the area that is mapped as the class and expected to
be it; `high` adds what is mapped as the class and expected not to be it, and what is expected to be it where
another class is mapped. So the area is between them however omission and commission cancel out, as far as
the shares of the validation pixels hold in the unit. This is no confidence interval: how far the shares
differ from one place to another is not in it.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray

from urbanseg.calibration.forecast import BINS, LEVELS, binned
from urbanseg.classes import IGNORE, ClassTable
from urbanseg.grid import Grid, Window, strips

ROWS = 512
"""Rows of a cell that are in memory at once."""

HECTARE_M2 = 10_000.0
DIGITS = 4
"""Decimals of hectares: a square metre."""

Floats = NDArray[np.float64]
Pixels = tuple[NDArray[np.uint8], NDArray[np.uint8]]
"""Class ids and confidences of a window, ``(height, width)`` each; `IGNORE` where unknown."""
Coverage = Callable[[Any, Window], Floats]
"""Share of each pixel of a window in a polygon in pixels; see `urbanseg.mapping.zones.coverage`."""


@dataclass(frozen=True)
class CellRasters:
    """The rasters of a finished cell."""

    grid: Grid
    read: Callable[[Window], Pixels]


def hectares(
    units: gpd.GeoDataFrame,
    cells: Iterable[CellRasters],
    table: ClassTable,
    coverage: Coverage,
    shares: NDArray[np.float64] | None = None,
) -> pd.DataFrame:
    """Hectares of each class in each unit; a cell is read at a time, by strips.

    Args:
        units: valid polygons in the CRS of the cells; they may overlap.
        cells: finished cells, which don't overlap, in metres.
        table: the classes.
        coverage: see `Coverage`.
        shares: ``(classes, BINS, classes)`` of a calibration's forecast in the order of `table`, fitted on
            confidences of the same kind as those of the cells; None without one.

    Returns:
        A row for each unit, with its index: ``area_ha``; ``<class>_ha`` of each class as mapped, with
        `shares` also ``<class>_expected_ha``, ``<class>_low_ha`` and ``<class>_high_ha``; ``unknown_ha``, in
        the cells but of no known class; and ``outside_ha``, in no finished cell.
    """
    shapes = units.geometry.to_numpy()
    tree = shapely.STRtree(shapes)
    known, unknown = np.zeros((len(units), len(table), BINS)), np.zeros(len(units))
    for cell in cells:
        frame = shapely.box(*cell.grid.bounds)
        pixel_ha = abs(cell.grid.transform.determinant) / HECTARE_M2
        for unit in np.sort(tree.query(frame, predicate="intersects")):
            own, lost = _counts(shapely.intersection(shapes[unit], frame), cell, table, coverage)
            known[unit] += own * pixel_ha
            unknown[unit] += lost * pixel_ha
    area = shapely.area(shapes) / HECTARE_M2
    columns = {"area_ha": area}
    for position, name in enumerate(table.names):
        columns |= {f"{name}_{kind}": each for kind, each in _of_class(known, position, shares).items()}
    outside = np.clip(area - known.sum(axis=(1, 2)) - unknown, 0, None)
    columns |= {"unknown_ha": unknown, "outside_ha": outside}
    return pd.DataFrame(columns, index=units.index).round(DIGITS)


def _counts(unit: Any, cell: CellRasters, table: ClassTable, coverage: Coverage) -> tuple[Floats, float]:
    """Pixels of a unit in a cell by class and bin of confidence, and those of no known class.

    Args:
        unit: its part in the cell, in the CRS of the cell.
        cell: the cell.
        table: the classes.
        coverage: see `Coverage`.
    """
    to_pixels = ~cell.grid.transform
    placed = shapely.transform(unit, lambda xy: np.column_stack(to_pixels @ xy.T))
    polygons = [part for part in shapely.get_parts(placed) if part.area > 0]
    counts = np.zeros((len(table) + 1) * LEVELS)
    if polygons:
        outline = shapely.MultiPolygon(polygons)
        for window in strips(cell.grid.shape, ROWS):
            classes, confidence = cell.read(window)
            position = np.where(classes == IGNORE, len(table), table.position_lut[classes]).astype(np.int64)
            level = np.where(confidence == IGNORE, 0, confidence)
            inside = coverage(outline, window)
            counts += np.bincount((position * LEVELS + level).ravel(), inside.ravel(), len(counts))
    by_level: Any = counts.reshape(len(table) + 1, LEVELS)
    by_bin: Any = binned(by_level[:-1, :, None])[..., 0]
    return by_bin, float(by_level[-1].sum())


def _of_class(known: Floats, position: int, shares: Floats | None) -> dict[str, Floats]:
    """Columns of a class.

    Args:
        known: ``(units, classes, BINS)`` hectares by mapped class and bin of confidence.
        position: of the class.
        shares: of actual classes, or None.
    """
    mapped = known[:, position].sum(axis=1)
    if shares is None:
        return {"ha": mapped}
    expected = np.einsum("upb,pb->u", known, shares[:, :, position])
    right = known[:, position] @ shares[position, :, position]
    return {"ha": mapped, "expected_ha": expected, "low_ha": right, "high_ha": mapped + expected - right}
