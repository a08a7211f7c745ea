"""The table of OpenStreetMap features that have a class, and its GeoParquet file.

One row is one feature in one class, sorted by class, type and id, so that the same
features make the same bytes. What is known of the source (snapshot date, extent) travels
in ``attrs`` and in the file's metadata.
"""

import json
from collections.abc import Iterable
from pathlib import Path

import geopandas as gpd
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from shapely.geometry.base import BaseGeometry

from urbanseg.errors import PipelineError
from urbanseg.io.files import atomic

CRS = "EPSG:4326"
COLUMNS = ["class", "osm_type", "osm_id", "tags", "geometry"]
SOURCE = b"osm_source"
"""Key of the file's metadata that holds ``attrs`` as JSON."""

Bounds = tuple[float, float, float, float]
"""West, south, east, north."""

Row = tuple[str, str, int, str, BaseGeometry]


def table(rows: Iterable[Row] = ()) -> gpd.GeoDataFrame:
    """Features as a sorted table with the columns `COLUMNS`, in EPSG:4326."""
    frame = pd.DataFrame(list(rows), columns=COLUMNS)
    frame = frame.astype({"class": "str", "osm_type": "str", "osm_id": "int64", "tags": "str"})
    frame = frame.sort_values(["class", "osm_type", "osm_id"], kind="stable", ignore_index=True)
    return gpd.GeoDataFrame(frame, geometry="geometry", crs=CRS)


def write_features(path: Path, features: gpd.GeoDataFrame) -> None:
    """Write features as GeoParquet, with their ``attrs`` in the file's metadata."""
    source = json.dumps(features.attrs, sort_keys=True).encode()
    bare = features.copy()
    bare.attrs = {}
    with atomic(path) as temporary:
        bare.to_parquet(temporary, index=False)
        encoded = pq.read_table(temporary)
        metadata = {**encoded.schema.metadata, SOURCE: source}
        pq.write_table(encoded.replace_schema_metadata(metadata), temporary)


def load_features(path: Path) -> gpd.GeoDataFrame:
    """Read what `write_features` wrote.

    Raises:
        PipelineError: if the file is missing or is no GeoParquet.
    """
    if not path.exists():
        raise PipelineError(f"{path} does not exist; run the osm stage that makes it")
    try:
        features = gpd.read_parquet(path)
        features.attrs = json.loads(pq.read_schema(path).metadata.get(SOURCE, b"{}"))
    except (pa.ArrowException, ValueError, KeyError) as error:
        raise PipelineError(f"{path} is not a GeoParquet of features; run the osm stage again") from error
    return features
