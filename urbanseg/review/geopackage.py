"""Records in a GeoPackage, each written in a transaction of its own that is on the disk when it returns.

SQLite itself writes, and not GDAL, because it says when a record is safe: whoever is killed between two
records, or within one, leaves the file as it was before that one. The file is one of
https://www.geopackage.org/spec131/, so that QGIS opens it.
"""

import fcntl
import sqlite3
import struct
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import geopandas as gpd
import pandas as pd
import shapely
from pyproj import CRS

from urbanseg.io import files
from urbanseg.io.locks import locked
from urbanseg.mapping.styles import style_table
from urbanseg.mapping.vector_layers import GEOMETRY, reproducible_writing, write_layer

WAIT_S = 20.0
"""How long a writer waits for another."""

_creating = threading.Lock()

HEADER = struct.Struct("<2sBBi4d")
"""Of a geometry: magic, version, flags (little endian, an envelope of two axes), CRS, and the envelope."""


def create(path: Path, layer: str, columns: Mapping[str, str], crs: CRS, style: str) -> None:
    """Make an empty file, unless there is one.

    Args:
        path: of the file.
        layer: its table.
        columns: and their types by pandas' names.
        crs: of the geometries.
        style: QML for QGIS.
    """
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    # The lock of a file is of a process: threads need one of their own. Who waited finds the file made.
    with _creating, locked(path):
        if not path.exists():
            _create(path, layer, columns, crs, style)


def _create(path: Path, layer: str, columns: Mapping[str, str], crs: CRS, style: str) -> None:
    table = pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in columns.items()})
    empty = gpd.GeoDataFrame(table, geometry=gpd.GeoSeries([], crs=crs))
    with files.atomic(path) as made, reproducible_writing(path):
        write_layer(empty, made, layer, geometry_type="MultiPolygon")
        write_layer(style_table({layer: style}), made, "layer_styles", append=True)
        with _connected(made) as database:
            database.execute(f'CREATE UNIQUE INDEX "{layer}_id" ON "{layer}" (id)')


@contextmanager
def unmoved(path: Path, *, alone: bool = False) -> Iterator[None]:
    """Keep the file where it is; `alone`, be the only one at it, so that it may be put into place anew.

    DVC moves a file away and a copy of it back when it tracks it: what was written meanwhile would be lost.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_name(f".{path.name}.part.moved").open("ab") as guard:
        fcntl.flock(guard, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)  # closing the file releases it
        yield


@contextmanager
def transaction(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection on which nobody else writes meanwhile; what is written is safe when the block ends."""
    with _connected(path) as database:
        database.execute("BEGIN IMMEDIATE")
        try:
            yield database
        except BaseException:
            database.execute("ROLLBACK")
            raise
        database.execute("COMMIT")


@contextmanager
def reading(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection to read from."""
    with _connected(path) as database:
        yield database


def insert(database: sqlite3.Connection, layer: str, record: Mapping[str, Any], shape: Any) -> int:
    """Add a record; returns its number.

    Args:
        database: within a transaction.
        layer: the table.
        record: values by column.
        shape: geometry in the table's CRS; None for none.
    """
    names = ", ".join(f'"{name}"' for name in (*record, GEOMETRY))
    marks = ", ".join("?" * (len(record) + 1))
    blob = None if shape is None else encoded(shape, _srs_id(database, layer))
    done = database.execute(f'INSERT INTO "{layer}" ({names}) VALUES ({marks})', (*record.values(), blob))  # noqa: S608
    if shape is not None:
        _extend(database, layer, shape.bounds)
    assert done.lastrowid is not None  # noqa: S101, it was inserted
    return done.lastrowid


def select(
    database: sqlite3.Connection, layer: str, columns: Sequence[str], rest: str, values: Any = ()
) -> Any:
    """Rows with their number first and their geometry last.

    Args:
        database: that holds them.
        layer: the table.
        columns: of it.
        rest: of the statement, with a question mark for each of `values`.
        values: of the question marks.
    """
    names = ", ".join(f'"{name}"' for name in columns)
    rows = database.execute(f'SELECT fid, {names}, "{GEOMETRY}" FROM "{layer}" {rest}', values)  # noqa: S608
    return [(*row[:-1], decoded(row[-1])) for row in rows]


def encoded(shape: Any, srs_id: int) -> bytes:
    """A geometry as a GeoPackage has it."""
    left, bottom, right, top = shape.bounds
    written: bytes = shapely.to_wkb(shape)
    return HEADER.pack(b"GP", 0, 0b011, srs_id, left, right, bottom, top) + written


def decoded(blob: bytes | None) -> Any:
    """The geometry of a blob of a GeoPackage, whatever envelope it has; None for none."""
    if blob is None:
        return None
    return shapely.from_wkb(blob[8 + (0, 32, 48, 48, 64)[blob[3] >> 1 & 0b111] :])


@contextmanager
def _connected(path: Path) -> Iterator[sqlite3.Connection]:
    address = f"file:{_quoted(path)}?mode=rw"
    database = sqlite3.connect(address, WAIT_S, isolation_level=None, uri=True)
    try:
        database.execute("PRAGMA synchronous = FULL")
        # The triggers of the spatial index call these, which a program that writes has to bring.
        database.create_function("ST_IsEmpty", 1, lambda b: int(b is None or decoded(b).is_empty))
        for number, name in enumerate(("MinX", "MinY", "MaxX", "MaxY")):
            database.create_function(f"ST_{name}", 1, lambda b, at=number: decoded(b).bounds[at])
        yield database
    finally:
        database.close()


def _quoted(path: Path) -> str:
    return str(path.resolve()).replace("%", "%25").replace("?", "%3f").replace("#", "%23")


def _srs_id(database: sqlite3.Connection, layer: str) -> int:
    query = "SELECT srs_id FROM gpkg_geometry_columns WHERE table_name = ?"
    [(found,)] = database.execute(query, (layer,))
    return int(found)


def _extend(database: sqlite3.Connection, layer: str, bounds: Sequence[float]) -> None:
    """Let the extent that the file states take in a new geometry."""
    database.execute(
        "UPDATE gpkg_contents SET min_x = min(ifnull(min_x, ?1), ?1), min_y = min(ifnull(min_y, ?2), ?2), "
        "max_x = max(ifnull(max_x, ?3), ?3), max_y = max(ifnull(max_y, ?4), ?4) WHERE table_name = ?5",
        (*bounds, layer),
    )
