"""Writing a table as a layer of a vector file, in any of the formats, with the precision of its pixels.

Equal tables are equal bytes: GDAL is given a fixed clock. Tables go through Arrow in one call
per layer, not feature by feature. Coordinates are rounded to a thousandth of a pixel: what is
finer is noise of the computation, and makes files large and neighbours differ.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType

import geopandas as gpd
import numpy as np
import pandas as pd
import pyogrio
import shapely
from numpy.typing import NDArray
from pyogrio.errors import DataLayerError, DataSourceError, FeatureError, FieldError, GeometryError

from urbanseg.errors import PipelineError
from urbanseg.io import vector_drivers  # noqa: F401, no other driver is left
from urbanseg.io.files import require_space
from urbanseg.io.geoparquet import write_geoparquet

CLOCK = "2000-01-01T00:00:00.000Z"
"""Time of writing that is stored in the files."""

GEOMETRY = "geom"
"""Name of the geometry column in a GeoPackage, by which QGIS finds a layer's style."""

STEPS_PER_PIXEL = 1000
"""Coordinates are rounded to steps of which a pixel has at least so many."""

DEGREE_M = 111_320
"""Metres in a degree of latitude, and of longitude at the equator."""

MEASURES: Mapping[str, Callable[[NDArray[np.object_]], NDArray[np.float64]]] = MappingProxyType(
    {"area_m2": shapely.area, "length_m": shapely.length}
)
"""Columns that are what the geometry measures, so that they are measured again when that is rounded."""

DIGITS = "12"
"""Significant figures of numbers in GeoJSON: areas to the cm², and no noise of binary fractions."""

DRIVERS = {
    ".gpkg": "GPKG",
    ".fgb": "FlatGeobuf",
    ".geojson": "GeoJSON",
    ".shp": "ESRI Shapefile",
    ".mbtiles": "MBTiles",
}
"""GDAL's drivers by the ending of the file; ``.parquet`` is written without GDAL."""


def write_layer(
    table: pd.DataFrame,
    path: Path,
    layer: str,
    *,
    pixel_m: float | None = None,
    title: str = "",
    geometry_type: str | None = None,
    append: bool = False,
    options: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """Write a table as a layer of a vector file of the format that its ending names.

    Args:
        table: with geometries or, in a GeoPackage, without.
        path: ends as one of `DRIVERS`, or in ``.parquet``.
        layer: its name.
        pixel_m: side of the pixels that the geometries come from, in metres; they are
            rounded as `rounded` says. None leaves them as they are.
        title: of the layer, for people, in formats that have one.
        geometry_type: of a layer that may be empty.
        append: whether the layer is put beside those that the file has.
        options: of the data set, by GDAL's names, besides ours.

    Raises:
        pyogrio.errors.DataSourceError: or another of pyogrio's, if GDAL cannot write; see
            `reproducible_writing`.
    """
    if pixel_m is not None and isinstance(table, gpd.GeoDataFrame):
        table = rounded(table, pixel_m)
    if path.suffix == ".parquet":
        write_geoparquet(table, path)
        return
    driver = DRIVERS[path.suffix]
    pyogrio.write_dataframe(
        table,
        path,
        layer=layer,
        driver=driver,
        use_arrow=True,
        promote_to_multi=False,
        append=append,
        geometry_type=geometry_type,
        layer_options=_layer_options(driver, table, title, pixel_m),
        dataset_options={**({"VERSION": "1.2"} if driver == "GPKG" and not append else {}), **options}
        or None,
    )


def _layer_options(driver: str, table: pd.DataFrame, title: str, pixel_m: float | None) -> dict[str, str]:
    """How a format writes a layer."""
    if driver == "GPKG":
        titled = {"IDENTIFIER": title} if title else {}
        if isinstance(table, gpd.GeoDataFrame):
            return titled | {"GEOMETRY_NAME": GEOMETRY, "SPATIAL_INDEX": "YES"}
        return titled | {"FID": "id"} if "styleQML" in table else titled
    if driver == "GeoJSON":
        described = {"DESCRIPTION": title} if title else {}
        places = {} if pixel_m is None else {"COORDINATE_PRECISION": str(degree_decimals(pixel_m))}
        return described | places | {"RFC7946": "YES", "WRITE_BBOX": "YES", "SIGNIFICANT_FIGURES": DIGITS}
    if driver == "ESRI Shapefile":
        return {"ENCODING": "UTF-8", "DBF_DATE_LAST_UPDATE": CLOCK[:10]}
    return {"TITLE": title} if driver == "FlatGeobuf" and title else {}


def rounded(table: gpd.GeoDataFrame, pixel_m: float) -> gpd.GeoDataFrame:
    """The table with coordinates rounded to `coordinate_step`, and lengths and areas alike.

    Neighbours stay neighbours: a vertex that they share is rounded to the same place for both.
    Where a shape is so narrow that it would become invalid, all are rounded less.

    Args:
        table: geometries in metres.
        pixel_m: side of the pixels that they come from, in metres.
    """
    step, shapes = coordinate_step(pixel_m), table.geometry.to_numpy()
    valid = shapely.is_valid(shapes)
    for finer in range(4):
        placed = shapely.set_precision(shapes, step / 10**finer, mode="pointwise")
        if (shapely.is_valid(placed) | ~valid).all():
            break
    else:
        placed = shapes
    made = table.set_geometry(gpd.GeoSeries(placed, index=table.index, crs=table.crs))
    decimals = max(0, -round(math.log10(step)))
    for name in table.columns:
        if name in MEASURES:
            made[name] = np.round(MEASURES[name](placed), decimals)
        elif name.endswith("_m"):
            made[name] = table[name].round(decimals)
    return made


def coordinate_step(pixel_m: float) -> float:
    """The power of ten in metres that is at most a thousandth of a pixel.

    >>> coordinate_step(10), coordinate_step(0.3)
    (0.01, 0.0001)
    """
    return float(10.0 ** math.floor(math.log10(pixel_m / STEPS_PER_PIXEL) + 1e-9))


def degree_decimals(pixel_m: float) -> int:
    """Decimals of degrees that are at most a thousandth of a pixel.

    >>> degree_decimals(10), degree_decimals(0.3)
    (8, 9)
    """
    return max(1, math.ceil(-math.log10(pixel_m / STEPS_PER_PIXEL / DEGREE_M)))


@contextmanager
def reproducible_writing(target: Path) -> Iterator[None]:
    """Give GDAL a fixed clock, and turn its errors into a `PipelineError`.

    Args:
        target: named in the error.

    Raises:
        OSError: naming the target, if the disk is full.
        PipelineError: if GDAL cannot write a layer for another reason.
    """
    before = pyogrio.get_gdal_config_option("OGR_CURRENT_DATE")
    pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": CLOCK})
    try:
        yield
    except (DataLayerError, DataSourceError, FeatureError, FieldError, GeometryError) as error:
        require_space(target)
        raise PipelineError(
            f"{target} cannot be written ({error}); check the disk and its permissions"
        ) from error
    finally:
        pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": before})
