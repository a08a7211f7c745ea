"""Change between the dated maps in two folders, brought onto one grid and compared block by block.

What counts as a change is a matter of `urbanseg.mapping.change`; here its raster, matrix and
polygons are made from files and written to files.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from tqdm import tqdm

from urbanseg.classes import ClassTable
from urbanseg.config.change import ChangeParams
from urbanseg.grid import Grid, blocks
from urbanseg.imagery.local.warping import warped
from urbanseg.io import cog, raster
from urbanseg.mapping.change import UNKNOWN, DatedMap, change_codes, change_polygons, count_changes, matrix_ha
from urbanseg.mapping.export import write_layer

BLOCK = 1024
"""Side of a block in pixels, at least."""


def compare_maps(
    before: Path, after: Path, folder: Path, table: ClassTable, rules: ChangeParams
) -> pd.DataFrame:
    """Write change.tif, matrix_ha.csv and change.gpkg into a folder, on the grid of the first map.

    Args:
        before: folder with classes.tif and, if there is one, confidence.tif.
        after: same, of the later date.
        folder: where to write; must exist.
        table: the classes of both maps.
        rules: what counts as a change.

    Returns:
        Hectares by class before (rows) and class after.

    Raises:
        PipelineError: if a map is missing or can't be read, or the disk is full.
    """
    grid = raster.describe(before / "classes.tif").grid
    target = folder / "change.tif"
    with opened(before, grid) as first, opened(after, grid) as second:
        pixels = _write_codes(target, first, second, len(table), rules)
    matrix = matrix_ha(pixels, grid, table)
    matrix.to_csv(folder / "matrix_ha.csv", float_format="%.4f")
    with raster.reading(target) as codes:
        polygons = change_polygons(codes, table)
    write_layer(polygons, folder / "change.gpkg", layer="change", geometry_type="Polygon")
    return matrix


@contextmanager
def opened(folder: Path, grid: Grid) -> Iterator[DatedMap]:
    """The map in a folder, on `grid`."""
    with ExitStack() as stack:

        def on_grid(name: str) -> raster.Reader:
            reader = stack.enter_context(raster.reading(folder / name))
            if reader.grid.same_as(grid):
                return reader
            return stack.enter_context(warped(reader, grid, src_nodata=255, nodata=255))

        has_confidence = (folder / "confidence.tif").exists()
        yield DatedMap(on_grid("classes.tif"), on_grid("confidence.tif") if has_confidence else None)


def _write_codes(
    target: Path, before: DatedMap, after: DatedMap, n: int, rules: ChangeParams
) -> NDArray[np.int64]:
    """Write the from-to codes; count pixels by class before and after, ``(n, n)`` int64."""
    grid = before.classes.grid
    pixels = np.zeros((n, n), np.int64)
    with cog.writing(target, grid, dtype=np.uint16, nodata=UNKNOWN) as writer:
        for block in tqdm(blocks(grid.shape, BLOCK), "change", unit="block"):
            classes, codes = change_codes(before, after, block, rules)
            pixels += count_changes(classes, codes, n)
            writer.write(codes, block)
    return pixels
