"""Writing the map for GIS users, in all formats, each with its style beside it.

Equal maps are equal bytes: GDAL is given a fixed clock, and archives fixed times. QGIS styles lie
under the names by which QGIS looks for them.
"""

import zipfile
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

import geopandas as gpd
import pandas as pd

from urbanseg import paths
from urbanseg.classes import ClassTable
from urbanseg.io.files import atomic, write_json
from urbanseg.mapping.vector_layers import reproducible_writing, write_layer
from urbanseg.mapping.vector_tiles import web_style, write_tiles

GEOMETRY_TYPES = {
    "land_cover": "Polygon",
    "road_edges": "LineString",
    "road_nodes": "Point",
    "buildings": "MultiPolygon",
}
"""Layers of the map in the order they are written; that of buildings one by one only where there are."""

NEEDED_LAYERS = ("land_cover", "road_edges", "road_nodes")
"""Layers that every map has."""

LAND_COVER_FILES = {"fgb": "FlatGeobuf", "geojson": "GeoJSON", "parquet": "GeoParquet"}
"""Formats that are one file of the land cover."""

DEFAULT_PIXEL_M = 10.0


@dataclass(frozen=True)
class About:
    """What files say of the map for people: what it shows, and who is to be credited for it."""

    title: str
    attribution: str = ""

    def of(self, layer: str) -> str:
        """Title of a layer: ``Town: land cover``."""
        return f"{self.title}: {layer.replace('_', ' ')}"


def write_map(
    folder: Path,
    name: str,
    layers: Mapping[str, gpd.GeoDataFrame],
    styles: pd.DataFrame,
    formats: Collection[str] = ("gpkg", "geojson", "shapefile"),
    pixel_m: float = DEFAULT_PIXEL_M,
    about: About | None = None,
    classes: ClassTable | None = None,
) -> None:
    """Write the map into the files that `map_files` names; the folder is replaced atomically.

    The GeoPackage holds all layers and their styles, vector tiles the land cover and the
    roads; the others hold the land cover. Beside them lie QGIS styles (``.qml``), and the
    style of the vector tiles for MapLibre.

    Args:
        folder: what an earlier run wrote there is replaced.
        name: of the city.
        layers: a table for each of `GEOMETRY_TYPES`, perhaps without buildings one by one; may be empty but
            for the land cover.
        styles: as `urbanseg.mapping.styles.layer_styles` makes it.
        formats: keys of `paths.MAP_ENDINGS`.
        pixel_m: side of the pixels that the map was made of, in metres; coordinates are
            rounded to a thousandth of it.
        about: title and attribution; the name is the title if None.
        classes: for the style of the vector tiles, which is left out if None.

    Raises:
        PipelineError: if the disk is full, GDAL cannot write, or the folder holds other files.
    """
    about = about or About(name)
    qml = dict(zip(styles["f_table_name"], styles["styleQML"], strict=True))
    land_cover, title = layers["land_cover"], about.of("land_cover")
    with atomic(folder, paths.map_files(name)) as temporary, reproducible_writing(folder):
        temporary.mkdir()
        targets = map_files(temporary, name)
        for form in [form for form in targets if form in formats]:
            target = targets[form]
            if form == "gpkg":
                write_geopackage(target, layers, styles, pixel_m, about)
            elif form == "shapefile":
                write_shapefile(target, land_cover, qml["land_cover"], pixel_m)
            elif form == "pmtiles":
                write_tiles(target, land_cover, layers["road_edges"], name, about.title, about.attribution)
            else:
                write_layer(
                    land_cover, target, "land_cover", pixel_m=pixel_m, title=title, geometry_type="Polygon"
                )
            if form == "pmtiles" and classes is not None:
                style = web_style(target.name, classes, about.title, about.attribution)
                write_json(temporary / f"{name}_style.json", style)
            if form in {*LAND_COVER_FILES, "shapefile"}:
                target.with_suffix(".qml").write_text(qml["land_cover"], encoding="utf-8")


def map_files(folder: Path, name: str) -> dict[str, Path]:
    """Where the map of a city lies, by format."""
    return {format_name: folder / f"{name}{ending}" for format_name, ending in paths.MAP_ENDINGS.items()}


def write_geopackage(
    path: Path,
    layers: Mapping[str, gpd.GeoDataFrame],
    styles: pd.DataFrame,
    pixel_m: float = DEFAULT_PIXEL_M,
    about: About | None = None,
) -> None:
    """Write all layers, each with a spatial index and a title, and the table of styles.

    Args:
        path: of the GeoPackage, a new file.
        layers: a table for each of `GEOMETRY_TYPES`.
        styles: as `urbanseg.mapping.styles.layer_styles` makes it.
        pixel_m: as in `write_map`.
        about: as in `write_map`.
    """
    about = about or About(path.stem)
    for layer, kind in GEOMETRY_TYPES.items():
        if layer not in layers:
            continue
        write_layer(
            layers[layer],
            path,
            layer,
            pixel_m=pixel_m,
            title=about.of(layer),
            geometry_type=kind,
            append=path.exists(),
        )
    write_layer(styles, path, "layer_styles", append=True)


def write_shapefile(path: Path, land_cover: gpd.GeoDataFrame, qml: str, pixel_m: float) -> None:
    """Write a zip archive of ``land_cover.shp``, its sidecar files in UTF-8, and its QGIS style.

    Args:
        path: of the archive, a new file.
        land_cover: polygons.
        qml: the style.
        pixel_m: as in `write_map`.
    """
    folder = path.with_suffix("")
    folder.mkdir()
    write_layer(land_cover, folder / "land_cover.shp", "land_cover", pixel_m=pixel_m, geometry_type="Polygon")
    (folder / "land_cover.qml").write_text(qml, encoding="utf-8")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for part in sorted(folder.iterdir()):
            entry = zipfile.ZipInfo(part.name, date_time=(2000, 1, 1, 0, 0, 0))
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, part.read_bytes())
            part.unlink()
    folder.rmdir()
