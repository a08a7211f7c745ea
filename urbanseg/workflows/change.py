"""Change between the dated maps in two folders, brought onto one grid and compared block by block.

What counts as a change is a matter of `urbanseg.mapping.change`; here its raster, matrix and
polygons are made from files and written to files.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from tqdm import tqdm

from urbanseg.classes import IGNORE, ClassTable
from urbanseg.config.change import ChangeParams
from urbanseg.config.scene import LocalScene
from urbanseg.display.raster_styles import paletted_qml
from urbanseg.errors import PipelineError
from urbanseg.grid import BLOCK_PX, Grid, Window, strips
from urbanseg.imagery.local import warping
from urbanseg.io import cog, raster
from urbanseg.io.class_raster import require_classes, require_confidence
from urbanseg.io.files import write_text
from urbanseg.mapping import change
from urbanseg.mapping.change import UNKNOWN, Codes, DatedMap
from urbanseg.mapping.styles import change_qml, style_table
from urbanseg.mapping.vector_layers import write_layer


def compare_maps(
    before: Path, after: Path, folder: Path, table: ClassTable, rules: ChangeParams
) -> pd.DataFrame:
    """Write change.tif, matrix_ha.csv and change.gpkg, with QGIS styles, on the grid of the first map.

    If that is not in metres on the ground, all are on one in its UTM zone, so that areas are areas.

    Args:
        before: folder with classes.tif and, if there is one, confidence.tif.
        after: same, of the later date.
        folder: where to write; must exist.
        table: the classes of both maps.
        rules: what counts as a change.

    Returns:
        Hectares by class before (rows) and class after.

    Raises:
        PipelineError: if a map is missing, can't be read or is no class raster, if the maps don't
            overlap, or the disk is full.
    """
    grid, classes = metric_grid(before / "classes.tif"), list(table)
    target = folder / "change.tif"
    with opened(before, grid, table.ids) as first, opened(after, grid, table.ids) as second:
        pixels = _write_codes(target, first, second, rules)
    matrix = change.matrix_ha(pixels, grid, table)
    matrix.to_csv(folder / "matrix_ha.csv", float_format="%.4f")
    with raster.reading(target) as codes:
        polygons = change.change_polygons(codes, table)
    pairs = [(a, b) for a, b in np.argwhere(pixels).tolist() if a != b]
    colors = [
        (256 * a.id + b.id, b.color, f"{a.label} → {b.label}")
        for a, b in ((classes[a], classes[b]) for a, b in pairs)
    ]
    write_text(target.with_suffix(".qml"), paletted_qml(colors))
    styles = style_table({"change": change_qml(table, pairs)})
    geopackage, title = folder / "change.gpkg", f"{before.name} to {after.name}: change"
    write_layer(polygons, geopackage, "change", pixel_m=grid.resolution, title=title, geometry_type="Polygon")
    write_layer(styles, geopackage, "layer_styles", append=True)
    return matrix


def metric_grid(path: Path) -> Grid:
    """The grid of a class raster, if it is in metres on the ground; else one around it in its UTM zone.

    Raises:
        PipelineError: if it is no class raster, or no such grid exists.
    """
    with raster.reading(path) as reader:
        require_classes(reader)
        if reader.grid.is_metric:
            return reader.grid
        same = LocalScene(provider="local", path=path, bands={"classes": 1})
        grid = warping.target(reader, same) or reader.grid
    if not grid.is_metric:
        raise PipelineError(
            f"{path} is too large for metres to be metres in one UTM zone; cut it, or warp it to another CRS"
        )
    return grid


@contextmanager
def opened(folder: Path, grid: Grid, ids: Sequence[int]) -> Iterator[DatedMap]:
    """Open the map in a folder, warped if it lies on another grid.

    Args:
        folder: with classes.tif and, if they are there, confidence.tif and road_probability.tif.
        grid: that the map is wanted on.
        ids: pixel values of the classes, in order.

    Yields:
        The map.

    Raises:
        PipelineError: if a file cannot be read, or is no class raster or confidence raster.
    """
    with ExitStack() as stack:

        def on_grid(reader: raster.Reader, src_nodata: float | None) -> raster.Reader:
            if reader.grid.same_as(grid):
                return reader
            return stack.enter_context(warping.warped(reader, grid, src_nodata=src_nodata, nodata=IGNORE))

        classes = stack.enter_context(raster.reading(folder / "classes.tif"))
        require_classes(classes)
        nodata = classes.info.nodata
        placed = on_grid(classes, IGNORE if nodata is None else nodata)

        def share(name: str) -> raster.Reader | None:
            if not (folder / name).exists():
                return None
            reader = stack.enter_context(raster.reading(folder / name))
            require_confidence(reader)
            return on_grid(reader, IGNORE)

        yield DatedMap(placed, share("confidence.tif"), ids, share("road_probability.tif"))


def _write_codes(target: Path, before: DatedMap, after: DatedMap, rules: ChangeParams) -> NDArray[np.int64]:
    """Write the from-to codes; count pixels by class before and after, ``(n, n)`` int64.

    In a first pass over strips patches are measured, in a second the large ones are written.
    """
    grid, count = before.classes.grid, len(before.ids)
    laid = list(strips(grid.shape, BLOCK_PX))

    def codes_of(strip: Window) -> Codes:
        return change.change_codes(before, after, strip, rules)[1]

    measured = map(codes_of, tqdm(laid, "patches", unit="strip"))
    large = change.large_patches(measured, change.least_pixels(rules, grid))
    pixels = np.zeros((count, count), np.int64)
    with cog.writing(target, grid, dtype=np.uint16, nodata=UNKNOWN) as writer:
        for strip, kept in zip(tqdm(laid, "change", unit="strip"), large, strict=True):
            classes, codes = change.change_codes(before, after, strip, rules)
            codes = change.keep_patches(codes, kept)
            pixels += change.count_changes(classes, codes, before.ids)
            writer.write(codes, strip)
        if not pixels.any():
            raise PipelineError(
                f"{before.classes.path} and {after.classes.path} have no pixel in common whose class is "
                "known at both dates; compare maps of one place"
            )
    return pixels
