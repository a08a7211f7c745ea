"""Polygons of a region: those of its cells, merged along the seams between cells.

A file of the data set is made at a time, so that what is in memory is its polygons and a few numbers for each
contact between cells. A polygon goes to the file of its lowest part. One that is too large for that, such as
the ground between all the buildings of a country, stays in pieces, one or more for each file, with one id.
"""

from collections.abc import Sequence
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pyarrow as pa
import shapely
from numpy.typing import NDArray

from urbanseg.region.dataset import (
    FILE_BYTES,
    ROW_BITS,
    Geometries,
    Ids,
    Layout,
    Part,
    geometries,
    lay_out,
    read_cell,
    write_dataset,
)
from urbanseg.region.seams_contacts import Merged, find_merged
from urbanseg.region.seams_vertices import without_seams

COLUMNS = ("class_id", "class_name", "area_m2", "confidence", "pixels", "geometry")
"""Columns of a cell's file."""

MOST_VERTICES = 2_000_000
"""A polygon of more vertices stays in pieces."""


def merge_polygons(
    parts: Sequence[Part], out: Path, file_bytes: int = FILE_BYTES, most_vertices: int = MOST_VERTICES
) -> int:
    """Merge the polygons of cells, and write them as a data set of GeoParquet files.

    Polygons of one class that share a stretch of the side between two cells are one polygon. Its id is the
    lowest of its parts, an id that depends on the cell's place and the row in the cell's file: not on the
    order of the cells, nor on which others there are. The same cells give the same bytes.

    Args:
        parts: the cells with their polygons, which must not overlap: `class_id`, `class_name`, `area_m2`,
            `confidence`, `pixels` (of which the confidence is the mean) and Polygons, clipped to the cell.
        out: folder of the data set, which is replaced. Its columns: `polygon_id` (int64), `class_id` (int16),
            `class_name`, `area_m2` (of the row), `confidence` (mean over the row's pixels, 0–1; NaN
            without any), `is_whole` (False if rows of the same id hold the rest) and a Polygon.
        file_bytes: geometry that a file may hold, in bytes, before the merge.
        most_vertices: a polygon of more stays in pieces.

    Returns:
        The number of rows.

    Raises:
        ValueError: if the cells are not squares of one side at multiples of it, or one is there twice.
        PipelineError: if a cell's file cannot be read.
    """
    layout = lay_out(parts, file_bytes)
    merged = find_merged(layout, most_vertices)
    cut = np.sort(merged.id)
    return write_dataset(out, (_of_file(layout, merged, cut, number) for number in range(layout.files)))


def _of_file(layout: Layout, merged: Merged, cut: Ids, number: int) -> gpd.GeoDataFrame:
    """The rows of a file, in the order of their ids; `cut` are the ids of all parts that are merged."""
    own = [_alone(layout, cell, cut) for cell in layout.in_file(number)]
    found = [*own, _dissolved(layout, merged.of_file(number))]
    table = pd.concat([each for each in found if len(each)] or found[-1:], ignore_index=True)
    order = np.argsort(table["polygon_id"].to_numpy(), kind="stable")
    return gpd.GeoDataFrame(table.iloc[order], geometry="geometry", crs=layout.crs)


def _alone(layout: Layout, cell: int, cut: Ids) -> pd.DataFrame:
    """Polygons of a cell that touch no other one of their class."""
    table = read_cell(layout.parts[cell], COLUMNS)
    first = layout.first_ids[cell]
    ids = first + np.arange(table.num_rows)
    start, end = np.searchsorted(cut, [first, first + (1 << ROW_BITS)])
    alone = np.ones(len(ids), bool)
    alone[cut[start:end] - first] = False
    chosen = table.filter(pa.array(alone))
    return _table(ids[alone], chosen, np.ones(len(chosen), bool), geometries(chosen))


def _table(ids: Ids, rows: pa.Table, is_whole: NDArray[np.bool_], shapes: Geometries) -> pd.DataFrame:
    """Rows of the data set.

    Args:
        ids: of the polygons.
        rows: of cells.
        is_whole: whether no other row has its id.
        shapes: their polygons.
    """
    return pd.DataFrame(
        {
            "polygon_id": ids,
            "class_id": rows["class_id"].to_numpy().astype(np.int16),
            "class_name": pd.array(rows["class_name"].to_pylist(), dtype="str"),
            "area_m2": rows["area_m2"].to_numpy().astype(np.float64),
            "confidence": rows["confidence"].to_numpy().astype(np.float64),
            "is_whole": is_whole,
            "geometry": shapes,
        }
    )


def _parts_of(layout: Layout, ids: Ids) -> pa.Table:
    """Rows of cells by their ids, in the order of these."""
    order = np.argsort(ids)
    cells, starts = np.unique(layout.cells_of(ids[order]), return_index=True)
    taken: list[pa.Table] = []
    for cell, own in zip(cells, np.split(ids[order], starts[1:]), strict=True):
        rows = read_cell(layout.parts[cell], COLUMNS).take(pa.array(own - layout.first_ids[cell]))
        taken.append(rows.cast(taken[0].schema) if taken else rows)
    return pa.concat_tables(taken).take(pa.array(np.argsort(order)))


def _dissolved(layout: Layout, merged: Merged) -> pd.DataFrame:
    """The polygons of parts that were cut by seams: a row each, or one for each piece that is left."""
    if not len(merged.id):
        empty = pa.schema([(name, pa.float64()) for name in COLUMNS]).empty_table()
        return _table(merged.id, empty, merged.is_whole, np.empty(0, object))
    rows = _parts_of(layout, merged.id)
    starts = np.flatnonzero(np.diff(merged.polygon, prepend=-1))
    unions = _unions(geometries(rows), starts)
    pieces, polygon = shapely.get_parts(without_seams(unions, *layout.lines()), return_index=True)
    table = _table(
        merged.polygon[starts][polygon],
        rows.take(pa.array(starts[polygon])),
        (merged.is_whole[starts] & (np.bincount(polygon, minlength=len(starts)) == 1))[polygon],
        pieces,
    )
    pixels = rows["pixels"].to_numpy().astype(np.float64)
    weighted = np.nan_to_num(rows["confidence"].to_numpy().astype(np.float64)) * pixels
    total, known = np.add.reduceat(weighted, starts), np.add.reduceat(pixels, starts)
    means = np.divide(total, known, out=np.full(len(starts), np.nan), where=known > 0)
    return table.assign(area_m2=shapely.area(pieces), confidence=means[polygon])


def _unions(shapes: Geometries, starts: Ids) -> Geometries:
    """The union of each group of polygons, ``(groups,)``.

    Args:
        shapes: ordered by group.
        starts: where each group begins.
    """
    ends = np.append(starts[1:], len(shapes))
    found = np.empty(len(starts), object)
    pairs = ends - starts == 2
    found[pairs] = shapely.union(shapes[starts[pairs]], shapes[starts[pairs] + 1])
    for i in np.flatnonzero(~pairs):
        found[i] = shapely.union_all(shapes[starts[i] : ends[i]])
    return found
