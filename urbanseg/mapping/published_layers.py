"""Layers on their way to a database: read in batches, their tables described as people and QGIS expect.

A layer is never held as a whole, so that a map of any size takes the memory of a batch.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import geopandas as gpd
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pyogrio
import shapely
from numpy.typing import NDArray
from pyproj import CRS, Transformer

from urbanseg.io import vector_drivers  # noqa: F401, no other driver is left

BATCH_ROWS = 5_000
"""Features that are read, transformed and sent at once."""

EPSG = 4326
"""CRS of the tables: cities lie in different UTM zones, and a table has one."""

TABLE_COMMENTS: Mapping[str, str] = MappingProxyType(
    {
        "land_cover": "Land cover as polygons without gaps or overlaps, of all cities; made by urbanseg",
        "road_edges": "Roads as lines between nodes, of all cities; made by urbanseg",
        "road_nodes": "Ends and junctions of the roads, of all cities; made by urbanseg",
    }
)

COLUMN_COMMENTS: Mapping[str, str] = MappingProxyType(
    {
        "id": "key of the row in this table; new with each publication",
        "city": "name of the city in params.yaml",
        "run": "digest of the published map; see the table runs",
        "polygon_id": "number of the polygon in its region; rows of a very large one share it",
        "is_whole": "false if other rows of the same polygon_id hold the rest of the polygon",
        "class_id": "pixel value of the class",
        "class_name": "name of the class",
        "area_m2": "area in m², in the CRS of the map (runs.source_crs)",
        "confidence": "mean confidence of the prediction over the polygon, 0 to 1",
        "edge_id": "number of the edge in its city",
        "u": "node at which the edge begins (road_nodes.node_id)",
        "v": "node at which the edge ends (road_nodes.node_id)",
        "length_m": "length in metres, in the CRS of the map",
        "width_m": "width of the road in metres, the median along the edge, smoothed along the road",
        "highway_guess": "value of OpenStreetMap's highway, guessed by the width alone",
        "node_id": "number of the node in its city",
        "degree": "edges that end at the node",
        "geom": "geometry in longitude and latitude, WGS 84",
    }
)

Batch = tuple[pa.Table, NDArray[np.object_]]
"""Attributes, and geometries in the tables' CRS."""


@dataclass(frozen=True)
class LayerSource:
    """A layer to publish.

    Attributes:
        crs: of its geometries before they are transformed.
        columns: types of its attributes by name.
        geometry_type: ``Polygon``, ``LineString`` or ``Point``; ``Geometry`` if there are several.
        batches: gives its rows, in order.
        rows: how many there are.
    """

    crs: CRS
    columns: Mapping[str, pa.DataType]
    geometry_type: str
    batches: Callable[[], Iterable[Batch]]
    rows: int


def of_table(layer: gpd.GeoDataFrame) -> LayerSource:
    """A layer that is held in memory."""
    attributes = pa.Table.from_pandas(
        pd.DataFrame(layer.drop(columns=layer.geometry.name)), preserve_index=False
    )
    kinds = set(layer.geom_type)
    return LayerSource(
        layer.crs,
        dict(zip(attributes.column_names, attributes.schema.types, strict=True)),
        kinds.pop() if len(kinds) == 1 else "Geometry",
        lambda: [(attributes, _transformed(layer.geometry.to_numpy(), layer.crs))],
        len(layer),
    )


def of_file(path: Path, layer: str) -> LayerSource:
    """A layer of a vector file.

    Raises:
        pyogrio.errors.DataSourceError: or another of pyogrio's, if it has no such layer.
        ValueError: if it has no geometries, or no CRS of the Earth.
    """
    info = pyogrio.read_info(path, layer=layer)
    crs = CRS(info["crs"]) if info["crs"] else None
    if not info["geometry_type"] or crs is None or not (crs.is_projected or crs.is_geographic):
        raise ValueError(f"has no CRS, or no geometries, in the layer {layer}")
    with pyogrio.open_arrow(path, layer=layer, use_pyarrow=True) as (meta, reader):
        geometry = meta["geometry_name"] or "wkb_geometry"
        columns = {field.name: field.type for field in reader.schema if field.name != geometry}
    columns.pop(info["fid_column"], None)
    known = info["geometry_type"] in {"Polygon", "LineString", "Point"}

    def batches() -> Iterator[Batch]:
        with pyogrio.open_arrow(path, layer=layer, use_pyarrow=True, batch_size=BATCH_ROWS) as (_, reader):
            for batch in reader:
                table = pa.Table.from_batches([batch])
                shapes = shapely.from_wkb(table[geometry].to_numpy())
                yield table.select(list(columns)), _transformed(shapes, crs)

    kind = info["geometry_type"] if known else "Geometry"
    return LayerSource(crs, columns, kind, batches, info["features"])


def of_dataset(folder: Path, geometry_type: str) -> LayerSource:
    """A layer of a folder of GeoParquet files, which are read one after the other.

    Args:
        folder: with files of the same columns.
        geometry_type: of all of them.

    Raises:
        ValueError: if it holds none, or one that is no GeoParquet.
    """
    paths = sorted(folder.glob("*.parquet"))
    if not paths:
        raise ValueError("holds no GeoParquet")
    try:
        schema = pq.read_schema(paths[0])
        crs = CRS.from_user_input(json.loads(schema.metadata[b"geo"])["columns"]["geometry"]["crs"])
        rows = sum(pq.read_metadata(path).num_rows for path in paths)
    except (OSError, pa.ArrowException, KeyError, TypeError, ValueError) as error:
        raise ValueError("holds files that are no GeoParquet") from error
    columns = {field.name: field.type for field in schema if field.name not in {"geometry", "bbox"}}

    def batches() -> Iterator[Batch]:
        for path in paths:
            with pq.ParquetFile(path) as file:
                for batch in file.iter_batches(BATCH_ROWS, columns=[*columns, "geometry"]):
                    table = pa.Table.from_batches([batch])
                    shapes = shapely.from_wkb(table["geometry"].to_numpy())
                    yield table.select(list(columns)), _transformed(shapes, crs)

    return LayerSource(crs, columns, geometry_type, batches, rows)


def _transformed(shapes: NDArray[np.object_], crs: CRS) -> NDArray[np.object_]:
    """Geometries in the CRS of the tables."""
    to_degrees = Transformer.from_crs(crs, EPSG, always_xy=True)
    moved = shapely.transform(
        shapes, lambda places: np.column_stack(to_degrees.transform(places[:, 0], places[:, 1]))
    )
    return np.asarray(shapely.set_srid(moved, EPSG), dtype=object)
