"""Zones that a user names, read and brought onto a map."""

from pathlib import Path

import geopandas as gpd
import pyogrio
import shapely
from pyogrio.errors import CRSError, DataLayerError, DataSourceError, FeatureError, FieldError, GeometryError

from urbanseg.errors import PipelineError
from urbanseg.io import vector_files
from urbanseg.mapping.zones import areas_in_zones
from urbanseg.redact import excerpt
from urbanseg.workflows.map_frame import OpenMap

PIECES = 100
"""Sides of a zone are cut into pieces of this share of its layer's extent, so that they bend with the CRS."""
DIGITS = 4
"""Decimals of hectares: a square metre."""


def read_zones(path: Path) -> gpd.GeoDataFrame:
    """The polygons of a vector file, with their attributes, in the file's CRS.

    Raises:
        PipelineError: if it cannot be read, has several layers, no CRS or no polygon.
    """
    if not path.exists():
        raise PipelineError(f"{path} does not exist; correct the path of --zones")
    try:
        layer = vector_files.only_layer(path, "put the zones into a file of their own")
        zones = pyogrio.read_dataframe(path, layer=layer)
    except (
        CRSError, DataLayerError, DataSourceError, FeatureError, FieldError, GeometryError,
        shapely.errors.GEOSException, ValueError,
    ) as error:  # fmt: skip
        raise PipelineError(
            f"{path} is not a vector file that GDAL can open, or is damaged ({excerpt(str(error))}); name "
            "another with --zones"
        ) from error
    if zones.crs is None:
        raise PipelineError(
            f"{path} has no coordinate reference system, so it is not known where its zones lie; assign one, "
            "for example with ogr2ogr -a_srs"
        )
    flat = zones[shapely.get_dimensions(zones.geometry.to_numpy()) == 2]
    if flat.empty:
        raise PipelineError(f"{path} holds no polygon; name a file with the polygons of zones")
    whole = shapely.make_valid(shapely.force_2d(flat.geometry.to_numpy()))
    return flat.set_geometry(gpd.GeoSeries(whole, index=flat.index, crs=zones.crs)).reset_index(drop=True)


def measured(zones: gpd.GeoDataFrame, found: OpenMap) -> gpd.GeoDataFrame:
    """Zones in the CRS of a map, with the columns of `areas_in_zones` after their own."""
    west, south, east, north = zones.total_bounds
    piece = max(east - west, north - south) / PIECES
    bent = gpd.GeoSeries(shapely.segmentize(zones.geometry.to_numpy(), piece), crs=zones.crs)
    placed = _polygonal(zones.set_geometry(bent.to_crs(found.grid.crs)))
    areas = areas_in_zones(placed, found.classes, found.grid, found.table).round(DIGITS)
    clashing = [name for name in areas if name in zones]
    return gpd.GeoDataFrame(
        placed.drop(columns=[*clashing, "geometry"]).join(areas), geometry=placed.geometry, crs=placed.crs
    )


def _polygonal(zones: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """Zones as multipolygons: lines and points that a repair left behind go."""
    shapes = []
    for shape in zones.geometry:
        parts = [part for part in shapely.get_parts(shape) if shapely.get_dimensions(part) == 2]
        polygons = [polygon for part in parts for polygon in shapely.get_parts(part)]
        shapes.append(shapely.MultiPolygon(polygons))
    return zones.set_geometry(gpd.GeoSeries(shapes, index=zones.index, crs=zones.crs))
