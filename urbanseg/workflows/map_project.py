"""The QGIS project of an image's map: the image, its classes, confidence, polygons and roads."""

from pathlib import Path

import numpy as np

from urbanseg.config.addresses import address
from urbanseg.display.project import Bounds, write_project
from urbanseg.display.raster_styles import true_color_qml
from urbanseg.display.stretch import rgb_bands, stretch_of
from urbanseg.grid import Grid
from urbanseg.io import gdal_access, georeference, raster
from urbanseg.io.georeference import UNKNOWN_CRS
from urbanseg.workflows.city_project import ProjectFiles, project_layers
from urbanseg.workflows.map_result import PROJECT_FILE, Mapped
from urbanseg.workflows.model_input.sources import Source

SAMPLE_PX = 512
"""Side of the small copy of the image by which its colours are stretched."""


def write_map_project(folder: Path, home: Path, mapped: Mapped, source: Source) -> None:
    """Write map.qgz, which shows the files of a map and the image itself, by relative paths.

    The image is shown if it is one file on this machine and lies where its map lies; bands in a file
    each, and images that ground control points place, are left out.

    Args:
        folder: with the files of the map.
        home: where the folder will lie.
        mapped: the map.
        source: the files of the image.
    """
    home = home.resolve()
    there = {name: home / name for name in ("map.gpkg", "classes.tif", "confidence.tif")}
    found = {name: path for name, path in there.items() if (folder / name).exists()}
    scene, style = _scene(source, mapped)
    if scene is not None:
        scene = home / scene.name if scene.parent == folder else scene.resolve()
    files = ProjectFiles(
        scene,
        found.get("map.gpkg"),
        found.get("classes.tif"),
        found.get("confidence.tif"),
        scene_style=style,
    )
    crs = mapped.frame.crs or UNKNOWN_CRS
    vector_crs = mapped.layers["land_cover"].crs or UNKNOWN_CRS if mapped.layers else crs
    layers = project_layers(mapped.name, files, mapped.table, crs, vector_crs)
    write_project(folder / PROJECT_FILE, mapped.name, crs, _bounds(mapped.frame.grid), layers, base=home)


def _scene(source: Source, mapped: Mapped) -> tuple[Path | None, str | None]:
    """The file of the image and its style, if it can be shown under its map."""
    (path, *others), frame = source.files, mapped.frame
    if others or address(path):
        return None, None
    with gdal_access.opened(path) as dataset:
        if georeference.is_placed_by_gcps(dataset) or not (frame.is_placed or frame.pixel_m is None):
            return None, None
        image = raster.Reader(path, dataset, frame.grid)
        bands = rgb_bands(image.info.descriptions)
        values = image.decimated(SAMPLE_PX, bands, "average")
    valid = np.asarray(~np.ma.getmaskarray(values).all(axis=0))
    return path, true_color_qml(bands, stretch_of(values.data, valid))


def _bounds(grid: Grid) -> Bounds:
    """Of the corners of a grid, which may be rotated."""
    corners = [grid.transform @ (col, row) for row in (0, grid.height) for col in (0, grid.width)]
    xs, ys = zip(*corners, strict=True)
    return min(xs), min(ys), max(xs), max(ys)
