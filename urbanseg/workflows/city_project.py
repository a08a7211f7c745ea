"""The QGIS project of a city: its scene, map, confidence, labels and errors, and where it is worst."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pyproj import CRS

from urbanseg.classes import IGNORE, ClassTable
from urbanseg.display.project import Bookmark, ProjectLayer, write_project
from urbanseg.display.raster_styles import classes_qml, paletted_qml, share_qml
from urbanseg.grid import BLOCK_PX, SPLITS, Grid, strips
from urbanseg.io import cog, raster
from urbanseg.mapping.styles import land_cover_qml, road_edges_qml, road_nodes_qml
from urbanseg.metrics.block_counts import CountsByBlock

ERRORS = (
    (0, "#e9f0ea", "right"),
    (1, "#d62839", "wrong"),
    (2, "#bac0c4", "right, outside the test"),
    (3, "#bb8c92", "wrong, outside the test"),
)
"""Value, colour and meaning of the raster of errors, in the colours of the report; 255 is not compared."""

MOST = 10
"""Blocks that get a bookmark."""

LEAST_SHARE = 0.25
"""Least share of a block's pixels that were compared; fewer are no reliable sample."""


@dataclass(frozen=True)
class ProjectFiles:
    """The files that a project shows; None for what there is not.

    Attributes:
        scene: raster.
        geopackage: the map.
        classes: the map as a raster.
        confidence: of the map.
        labels: class raster of the reference.
        errors: as `write_errors` makes it.
        scene_style: of the scene, as QML; that which lies beside it if None.
    """

    scene: Path | None = None
    geopackage: Path | None = None
    classes: Path | None = None
    confidence: Path | None = None
    labels: Path | None = None
    errors: Path | None = None
    scene_style: str | None = None


def write_errors(target: Path, labels: Path, prediction: Path, split: Path) -> None:
    """Write where the map is right and wrong, and its QGIS style.

    Args:
        target: raster of the values of `ERRORS`; 255 where one of the two is unknown.
        labels: class raster.
        prediction: class raster on the same grid.
        split: values are positions in `grid.SPLITS`.

    Raises:
        PipelineError: if the rasters lie on different grids, or can't be read.
    """
    with raster.reading(labels) as actual, raster.reading(prediction) as mapped, raster.reading(split) as of:
        for each in (mapped, of):
            raster.require_same_grid(each.path, each.grid, labels, actual.grid)
        with cog.writing(target, actual.grid, dtype="uint8", nodata=IGNORE, resampling="mode") as writer:
            for strip in strips(actual.grid.shape, BLOCK_PX):
                codes = error_codes(*(file.read_band(strip) for file in (actual, mapped, of)))
                writer.write(codes, strip)


def error_codes(
    reference: NDArray[np.uint8], prediction: NDArray[np.uint8], split: NDArray[np.uint8]
) -> NDArray[np.uint8]:
    """Values of `ERRORS`, `IGNORE` where one of the two is unknown.

    Args:
        reference: ``(height, width)`` class ids and `IGNORE`.
        prediction: likewise.
        split: likewise, positions in `SPLITS`.
    """
    codes = np.where(split == SPLITS.index("test"), 0, 2) + (reference != prediction)
    codes[(reference == IGNORE) | (prediction == IGNORE)] = IGNORE
    return np.asarray(codes, np.uint8)


def worst_blocks(found: CountsByBlock, grid: Grid, most: int = MOST) -> list[Bookmark]:
    """Bookmarks of the blocks with the lowest share of right pixels, worst first; none without an error.

    Args:
        found: counts of the blocks.
        grid: of the city's rasters.
        most: how many, at most.
    """
    pixels = found.pixels.sum(axis=(1, 2))
    right = np.trace(found.pixels, axis1=1, axis2=2)
    sizes = np.array([cell.height * cell.width for cell in found.cells])
    share = right / np.maximum(pixels, 1)
    worst = [int(i) for i in np.argsort(share, kind="stable") if pixels[i] >= LEAST_SHARE * sizes[i]]
    return [
        Bookmark(
            f"{rank}. {share[i]:.0%} right",
            grid.window(found.cells[i]).bounds,
            "Worst blocks",
        )
        for rank, i in enumerate((i for i in worst[:most] if right[i] < pixels[i]), start=1)
    ]


def write_city_project(
    path: Path,
    title: str,
    files: ProjectFiles,
    table: ClassTable,
    bookmarks: list[Bookmark] | None = None,
    base: Path | None = None,
) -> None:
    """Write the project of a map.

    Args:
        path: a file that ends in ``.qgz``.
        title: of the city.
        files: what it shows.
        table: the classes.
        bookmarks: see `worst_blocks`.
        base: folder in which the project will lie; its own if None.
    """
    assert files.scene is not None  # noqa: S101, a city has one
    grid = raster.describe(files.scene).grid
    layers = project_layers(title, files, table, grid.crs, grid.crs)
    write_project(path, title, grid.crs, grid.bounds, layers, bookmarks or [], base)


def project_layers(
    title: str, files: ProjectFiles, table: ClassTable, raster_crs: CRS, vector_crs: CRS
) -> list[ProjectLayer]:
    """The layers of a project, from top to bottom.

    Args:
        title: of the map, before the name of each layer.
        files: what there is.
        table: the classes.
        raster_crs: of the rasters.
        vector_crs: of the GeoPackage.
    """
    return [
        ProjectLayer(
            f"{title}: {name}",
            file,
            qml,
            vector_crs if file == files.geopackage else raster_crs,
            layer,
            visible,
        )
        for name, file, qml, layer, visible in _shown(files, table)
        if file is not None
    ]


def _shown(
    files: ProjectFiles, table: ClassTable
) -> Iterator[tuple[str, Path | None, str, str | None, bool]]:
    """Name, file, style, layer and visibility of each layer, from top to bottom."""
    yield "road nodes", files.geopackage, road_nodes_qml(), "road_nodes", False
    yield "roads", files.geopackage, road_edges_qml(), "road_edges", True
    yield "errors", files.errors, paletted_qml(ERRORS), None, False
    yield "labels", files.labels, classes_qml(table), None, False
    yield "confidence", files.confidence, share_qml(), None, False
    yield "land cover", files.geopackage, land_cover_qml(table), "land_cover", True
    yield "land cover, pixels", files.classes, classes_qml(table), None, files.geopackage is None
    style = files.scene_style
    if files.scene is not None and style is None:
        style = files.scene.with_suffix(".qml").read_text(encoding="utf-8")
    yield "scene", files.scene, style or "", None, True
