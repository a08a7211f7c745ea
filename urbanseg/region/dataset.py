"""The files of a region's vector data set: which cells one file holds, and reading the files of cells.

Cells follow each other along a Hilbert curve, and so many go into a file as have about as many bytes of
geometry as it may hold. Rows of a file follow the curve again, through the centres of their bounding boxes.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import shapely
from numpy.typing import NDArray
from pyproj import CRS

from urbanseg.errors import PipelineError
from urbanseg.io.files import atomic
from urbanseg.io.geoparquet import write_geoparquet

FILE_BYTES = 32 << 20
"""Geometry that a file holds, in bytes of well-known binary, before parts are merged."""

FILES = "part-*.parquet"

DATA_SETS = {"land_cover": "polygons", "road_edges": "roads", "road_nodes": "road_nodes"}
"""Folder of a region's data set of each layer of a map."""

CELL_BITS, ROW_BITS = 20, 23
"""Bits of a cell's column and of its row in an id, and of the number of a row in the cell's file."""

Ids = NDArray[np.int64]
Geometries = NDArray[np.object_]


@dataclass(frozen=True)
class Part:
    """The vector file of a finished cell.

    Attributes:
        id: of the cell.
        bounds: of the cell: left, bottom, right and top in metres.
        path: GeoParquet, clipped to the cell.
    """

    id: str
    bounds: tuple[float, float, float, float]
    path: Path


@dataclass(frozen=True)
class Layout:
    """Cells in ascending order of their first id, and the file of the data set that each belongs to."""

    parts: tuple[Part, ...]
    first_ids: Ids  # (cells,): id of the first row of each; column, row and number in the cell's file
    file: NDArray[np.int64]  # (cells,)
    crs: CRS | None

    @property
    def files(self) -> int:
        """How many there are; one even without a cell."""
        return int(self.file.max(initial=0)) + 1

    def cells_of(self, ids: Ids) -> NDArray[np.int64]:
        """Position of the cell of each id."""
        return np.searchsorted(self.first_ids, ids, side="right") - 1

    def in_file(self, number: int) -> NDArray[np.int64]:
        """Positions of the cells of a file, ascending."""
        return np.flatnonzero(self.file == number)

    def lines(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Coordinates of all sides of cells: x of the vertical ones, and y of the others."""
        bounds = np.array([part.bounds for part in self.parts]).reshape(-1, 4)
        return np.unique(bounds[:, [0, 2]]), np.unique(bounds[:, [1, 3]])


def lay_out(parts: Sequence[Part], file_bytes: int) -> Layout:
    """Order cells, and deal them out to files.

    Args:
        parts: cells of one side, at multiples of it, in any order.
        file_bytes: see `FILE_BYTES`.

    Raises:
        ValueError: if the cells are no such squares, or one is there twice.
        PipelineError: if a file cannot be read, or is in another CRS than the others.
    """
    first = first_ids(parts)
    order = np.argsort(first)
    ordered = tuple(parts[i] for i in order)
    described = [_described(part.path) for part in ordered]
    crs = described[0][1] if described else None
    for part, (_, own) in zip(ordered, described, strict=True):
        if own != crs:
            raise PipelineError(
                f"{part.path} has another coordinate reference system than {ordered[0].path}; remove the "
                "folders of both cells and run the region again"
            )
    sizes = np.array([size for size, _ in described], np.int64)
    files = _files(ordered, sizes, file_bytes)
    return Layout(ordered, first[order], files, None if crs is None else CRS.from_user_input(crs))


def first_ids(parts: Sequence[Part]) -> Ids:
    """The id of the first row of each cell, ``(n,)``, which depends on the cell's place alone.

    Raises:
        ValueError: if the cells are not squares of one side at multiples of it, or one is there twice.
    """
    bounds = np.array([part.bounds for part in parts], float).reshape(-1, 4)
    if not len(bounds):
        return np.zeros(0, np.int64)
    side = bounds[0, 2] - bounds[0, 0]
    places = np.round(bounds[:, :2] / side).astype(np.int64)
    if not np.allclose(np.hstack([places, places + 1]) * side, bounds, rtol=0, atol=1e-6 * side):
        raise ValueError(f"cells are not squares of {side:g} m at multiples of that")
    places += 1 << (CELL_BITS - 1)
    if (places < 0).any() or (places >= 1 << CELL_BITS).any():
        raise ValueError(f"cells of {side:g} m are too small for ids at their distance from the origin")
    found = ((places[:, 0] << CELL_BITS) | places[:, 1]) << ROW_BITS
    if len(np.unique(found)) < len(found):
        raise ValueError("a cell is there twice")
    return np.asarray(found, np.int64)


def _described(path: Path) -> tuple[int, Any]:
    """Bytes of geometry of a file, and its CRS as PROJJSON."""
    try:
        with pq.ParquetFile(path) as file:
            about = json.loads(file.schema_arrow.metadata[b"geo"])
            column = file.schema_arrow.names.index("geometry")
            groups = range(file.metadata.num_row_groups)
            size = sum(file.metadata.row_group(i).column(column).total_uncompressed_size for i in groups)
            return size, about["columns"]["geometry"]["crs"]
    except (OSError, pa.ArrowException, KeyError, TypeError, ValueError) as error:
        raise _unreadable(path) from error


def _unreadable(path: Path) -> PipelineError:
    return PipelineError(
        f"{path} cannot be read as vectors of a cell; remove the cell's folder and run the region again"
    )


def _files(parts: Sequence[Part], sizes: Ids, file_bytes: int) -> NDArray[np.int64]:
    """Number of the file of each cell: runs of cells along the Hilbert curve, full or the last."""
    if not parts:
        return np.zeros(0, np.int64)
    bounds = np.array([part.bounds for part in parts])
    left, bottom = bounds[:, :2].min(axis=0)
    reach = max(bounds[:, 2].max() - left, bounds[:, 3].max() - bottom)
    middle = gpd.GeoSeries(gpd.points_from_xy(*(bounds[:, :2] + bounds[:, 2:]).T / 2))
    along = np.argsort(
        middle.hilbert_distance((left, bottom, left + reach, bottom + reach)).to_numpy(), kind="stable"
    )
    found = np.zeros(len(parts), np.int64)
    number, held = 0, 0
    for cell in along:
        if held and held + sizes[cell] > file_bytes:
            number, held = number + 1, 0
        found[cell] = number
        held += int(sizes[cell])
    return found


def read_cell(part: Part, columns: Sequence[str]) -> pa.Table:
    """Columns of a cell's file.

    Args:
        part: the cell.
        columns: their names.

    Raises:
        PipelineError: if the file or a column is missing, or it has more rows than ids.
    """
    try:
        with pq.ParquetFile(part.path) as file:  # a quarter of the time of `pq.read_table`
            table = file.read(list(columns), use_threads=False)
    except (OSError, pa.ArrowException) as error:
        raise _unreadable(part.path) from error
    if table.num_columns < len(columns):
        raise _unreadable(part.path)
    if table.num_rows >= 1 << ROW_BITS:
        raise PipelineError(
            f"{part.path} has {table.num_rows} rows, and a cell at most {1 << ROW_BITS}; set smaller cells"
        )
    return table


def geometries(table: pa.Table) -> Geometries:
    """Shapes of the column `geometry`, ``(n,)``."""
    return np.asarray(shapely.from_wkb(table["geometry"].to_numpy()), dtype=object)


def write_dataset(out: Path, tables: Iterable[gpd.GeoDataFrame]) -> int:
    """Write tables as the files of a data set, one after the other; returns the number of rows.

    Args:
        out: a folder, which is replaced.
        tables: with the same columns.
    """
    rows = 0
    with atomic(out, [FILES]) as made:
        made.mkdir()
        for number, table in enumerate(tables):
            write_geoparquet(table, made / f"part-{number:05d}.parquet")
            rows += len(table)
    return rows
