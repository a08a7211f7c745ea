"""Writing the map for GIS users: GeoPackage with styles, FlatGeobuf, GeoJSON, Shapefile, vector tiles.

Equal maps are equal bytes: GDAL is given a fixed clock, and the archive fixed times. All
tables go through Arrow in one call per layer, not feature by feature.
"""

import zipfile
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pyogrio
from pyogrio.errors import DataLayerError, DataSourceError, FeatureError, FieldError, GeometryError

from urbanseg import paths
from urbanseg.errors import PipelineError
from urbanseg.io.files import atomic, require_space
from urbanseg.mapping.styles import GEOMETRY

CLOCK = "2000-01-01T00:00:00.000Z"
"""Time of writing that is stored in the files."""

GEOMETRY_TYPES = {"land_cover": "Polygon", "road_edges": "LineString", "road_nodes": "Point"}
"""Layers of the map in the order they are written."""


def write_map(
    folder: Path,
    name: str,
    layers: Mapping[str, gpd.GeoDataFrame],
    styles: pd.DataFrame,
    formats: Collection[str] = ("gpkg", "geojson", "shapefile"),
) -> None:
    """Write the map into the files that `map_files` names; the folder is replaced atomically.

    The GeoPackage holds all layers and their styles; the others hold the land cover.

    Args:
        folder: what an earlier run wrote there is replaced.
        name: of the city.
        layers: a table for each of `GEOMETRY_TYPES`; may be empty but for the land cover.
        styles: as `urbanseg.mapping.styles.layer_styles` makes it.
        formats: keys of `paths.MAP_ENDINGS`.

    Raises:
        PipelineError: if the disk is full, GDAL cannot write, or the folder holds other files.
    """
    with atomic(folder, paths.map_files(name)) as temporary, reproducible_writing(folder):
        temporary.mkdir()
        targets = map_files(temporary, name)
        if "gpkg" in formats:
            write_geopackage(targets["gpkg"], layers, styles)
        for format_name, write in LAND_COVER_WRITERS.items():
            if format_name in formats:
                write(targets[format_name], layers["land_cover"])


def map_files(folder: Path, name: str) -> dict[str, Path]:
    """Where the map of a city lies, by format."""
    return {format_name: folder / f"{name}{ending}" for format_name, ending in paths.MAP_ENDINGS.items()}


def write_geopackage(path: Path, layers: Mapping[str, gpd.GeoDataFrame], styles: pd.DataFrame) -> None:
    """Write all layers, each with a spatial index, and the table of styles.

    Args:
        path: of the GeoPackage, a new file.
        layers: a table for each of `GEOMETRY_TYPES`.
        styles: as `urbanseg.mapping.styles.layer_styles` makes it.
    """
    for layer, kind in GEOMETRY_TYPES.items():
        write_layer(
            layers[layer],
            path,
            driver="GPKG",
            layer=layer,
            geometry_type=kind,
            append=path.exists(),
            layer_options={"GEOMETRY_NAME": GEOMETRY, "SPATIAL_INDEX": "YES"},
        )
    write_layer(styles, path, driver="GPKG", layer="layer_styles", append=True, layer_options={"FID": "id"})


def write_geojson(path: Path, land_cover: gpd.GeoDataFrame) -> None:
    """Write RFC 7946 GeoJSON: WGS 84, shells counter-clockwise, eight decimals.

    That is a millimetre. The usual seven, a centimetre, would change areas by some parts
    in a million where pixels are half a metre.
    """
    write_layer(
        land_cover,
        path,
        driver="GeoJSON",
        layer=path.stem,
        geometry_type="Polygon",
        layer_options={"RFC7946": "YES", "WRITE_BBOX": "YES", "COORDINATE_PRECISION": "8"},
    )


def write_shapefile(path: Path, land_cover: gpd.GeoDataFrame) -> None:
    """Write a zip archive of ``land_cover.shp`` and its sidecar files, in UTF-8."""
    folder = path.with_suffix("")
    folder.mkdir()
    write_layer(
        land_cover,
        folder / "land_cover.shp",
        driver="ESRI Shapefile",
        geometry_type="Polygon",
        layer_options={"ENCODING": "UTF-8", "DBF_DATE_LAST_UPDATE": CLOCK[:10]},
    )
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for part in sorted(folder.iterdir()):
            entry = zipfile.ZipInfo(part.name, date_time=(2000, 1, 1, 0, 0, 0))
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, part.read_bytes())
            part.unlink()
    folder.rmdir()


def write_flatgeobuf(path: Path, land_cover: gpd.GeoDataFrame) -> None:
    """Write FlatGeobuf with a spatial index, in whose order the polygons come."""
    write_layer(land_cover, path, driver="FlatGeobuf", layer=path.stem, geometry_type="Polygon")


def write_pmtiles(path: Path, land_cover: gpd.GeoDataFrame) -> None:
    """Write vector tiles for web maps, in one archive that any web server can serve.

    At the closest zoom a tile's 4096 steps are as fine as a fifth of the root of the
    smallest polygon's area; there are six zooms.
    """
    step = float(np.sqrt(land_cover.area.min())) / 5
    latitude = land_cover.geometry.iloc[[0]].representative_point().to_crs(4326).y.iloc[0]
    around = 2 * np.pi * 6_378_137 * np.cos(np.radians(latitude))
    closest = int(np.clip(np.ceil(np.log2(around / (4096 * step))), 5, 18))
    write_layer(
        land_cover,
        path,
        driver="PMTiles",
        layer="land_cover",
        geometry_type="Polygon",
        dataset_options={"NAME": path.stem, "MINZOOM": str(closest - 5), "MAXZOOM": str(closest)},
    )


LAND_COVER_WRITERS: dict[str, Callable[[Path, gpd.GeoDataFrame], None]] = {
    "fgb": write_flatgeobuf,
    "geojson": write_geojson,
    "shapefile": write_shapefile,
    "pmtiles": write_pmtiles,
}


def write_layer(table: pd.DataFrame, path: Path, **options: Any) -> None:
    """Write a table as a layer of a vector file; `options` as in `pyogrio.write_dataframe`."""
    pyogrio.write_dataframe(table, path, use_arrow=True, promote_to_multi=False, **options)


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
