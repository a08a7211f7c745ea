"""Zones that a user names, read and brought onto a map."""

import logging
from pathlib import Path

import geopandas as gpd
import numpy as np
import pyogrio
import shapely
from pyogrio.errors import CRSError, DataLayerError, DataSourceError, FeatureError, FieldError, GeometryError
from pyproj import CRS, Geod

from urbanseg.errors import PipelineError
from urbanseg.grid import Grid
from urbanseg.io import vector_files
from urbanseg.mapping.zones import OUTSIDE, areas_in_zones
from urbanseg.redact import excerpt
from urbanseg.workflows.map_frame import OpenMap

log = logging.getLogger(__name__)

PIECES = 100
"""Sides of a zone are cut into pieces of this share of its layer's extent, so that they bend with the CRS."""
DIGITS = 4
"""Decimals of hectares: a square metre."""
DISTORTION = 0.05
"""Share of a zone's area on the ellipsoid by which that in the map's CRS may differ."""


def read_zones(path: Path, named: str = "--zones") -> gpd.GeoDataFrame:
    """The polygons of a vector file, with their attributes, in the file's CRS.

    Args:
        path: of the file.
        named: what names it, for errors.

    Raises:
        PipelineError: if it cannot be read, has several layers, no CRS or no polygon.
    """
    if not path.exists():
        raise PipelineError(f"{path} does not exist; correct the path of {named}")
    try:
        layer = vector_files.only_layer(path, "put the zones into a file of their own")
        zones = pyogrio.read_dataframe(path, layer=layer)
    except (
        CRSError, DataLayerError, DataSourceError, FeatureError, FieldError, GeometryError,
        shapely.errors.GEOSException, ValueError,
    ) as error:  # fmt: skip
        raise PipelineError(
            f"{path} is not a vector file that GDAL can open, or is damaged ({excerpt(str(error))}); name "
            f"another with {named}"
        ) from error
    if zones.crs is None:
        raise PipelineError(
            f"{path} has no coordinate reference system, so it is not known where its zones lie; assign one, "
            "for example with ogr2ogr -a_srs"
        )
    flat = zones[shapely.get_dimensions(zones.geometry.to_numpy()) == 2]
    if flat.empty:
        raise PipelineError(f"{path} holds no polygon; name a file with the polygons of zones")
    if others := len(zones) - len(flat):
        log.warning("%s: %d of its %d features have no polygon and are left out", path, others, len(zones))
    whole = shapely.make_valid(shapely.force_2d(flat.geometry.to_numpy()))
    return flat.set_geometry(gpd.GeoSeries(whole, index=flat.index, crs=zones.crs)).reset_index(drop=True)


def measured(zones: gpd.GeoDataFrame, found: OpenMap) -> gpd.GeoDataFrame:
    """Zones in the CRS of a map, with the columns of `areas_in_zones` after their own.

    Raises:
        PipelineError: if a zone is so large that it has no shape in the CRS of the map.
    """
    west, south, east, north = zones.total_bounds
    piece = max(east - west, north - south) / PIECES
    bent = gpd.GeoSeries(shapely.segmentize(zones.geometry.to_numpy(), piece), crs=zones.crs)
    placed = _polygonal(zones.set_geometry(bent.to_crs(found.grid.crs)))
    _require_within_reach(bent, placed, found.grid)
    areas = areas_in_zones(placed, found.classes, found.grid, found.table).round(DIGITS)
    if (areas["note"] == OUTSIDE).all():
        log.warning("none of the zones lies in the image")
    measured_names = {str(name).lower() for name in areas}
    clashing = [name for name in zones if str(name).lower() in measured_names]
    if clashing:
        log.warning("columns of the zones that are called %s give way to those measured", ", ".join(clashing))
    return gpd.GeoDataFrame(
        placed.drop(columns=[*clashing, "geometry"]).join(areas), geometry=placed.geometry, crs=placed.crs
    )


def placed_in(zones: gpd.GeoDataFrame, crs: CRS) -> gpd.GeoDataFrame:
    """Zones as multipolygons in another CRS; their sides bend with it."""
    west, south, east, north = zones.total_bounds
    bent = shapely.segmentize(zones.geometry.to_numpy(), max(east - west, north - south) / PIECES)
    return _polygonal(zones.set_geometry(gpd.GeoSeries(bent, crs=zones.crs).to_crs(crs)))


def _require_within_reach(zones: gpd.GeoSeries, placed: gpd.GeoDataFrame, grid: Grid) -> None:
    """Refuse zones that a CRS folds or tears, as UTM does a continent, but for those beside the map.

    Args:
        zones: with the vertices that were transformed.
        placed: the same in the CRS of the map.
        grid: of the map.
    """
    degrees, ellipsoid = zones.to_crs(4326), Geod(ellps="WGS84")
    edge = shapely.segmentize(shapely.box(*grid.bounds), max(grid.bounds[2:]) / PIECES)
    footprint = gpd.GeoSeries([edge], crs=grid.crs).to_crs(4326).iloc[0]
    for number, (zone, shape) in enumerate(zip(degrees, placed.geometry, strict=True), start=1):
        true = abs(ellipsoid.geometry_area_perimeter(zone)[0])
        is_whole = bool(np.isfinite(shapely.get_coordinates(shape)).all())
        if is_whole and (abs(shape.area - true) <= DISTORTION * true or not zone.intersects(footprint)):
            continue
        raise PipelineError(
            f"zone {number} is too large for the coordinate reference system of the map, {grid.crs.name}; "
            "cut it to the surroundings of the image, for example with ogr2ogr -clipsrc"
        )


def _polygonal(zones: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """Zones as multipolygons: lines and points that a repair left behind go."""
    shapes = []
    for shape in zones.geometry:
        parts = [part for part in shapely.get_parts(shape) if shapely.get_dimensions(part) == 2]
        polygons = [polygon for part in parts for polygon in shapely.get_parts(part)]
        shapes.append(shapely.MultiPolygon(polygons))
    return zones.set_geometry(gpd.GeoSeries(shapes, index=zones.index, crs=zones.crs))
