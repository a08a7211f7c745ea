"""GeoParquet files with a covering, in the order of the Hilbert curve: https://geoparquet.org/releases/v1.1.0."""

from pathlib import Path

import geopandas as gpd
import numpy as np

ROW_GROUP = 10_000
"""Rows of a GeoParquet file that are read or left out together, by their bounding box."""


def write_geoparquet(table: gpd.GeoDataFrame, path: Path) -> None:
    """Write GeoParquet 1.1: a column ``bbox`` as covering, rows by Hilbert curve, in row groups.

    A reader of a part of the map skips the groups that lie elsewhere.
    """
    order = np.argsort(table.hilbert_distance(), kind="stable") if len(table) else slice(None)
    table.iloc[order].to_parquet(
        path,
        index=False,
        compression="zstd",
        schema_version="1.1.0",
        write_covering_bbox=True,
        row_group_size=ROW_GROUP,
    )
