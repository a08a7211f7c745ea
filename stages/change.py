"""Compare two predictions of one place: ``python -m stages.change BEFORE AFTER OUT``.

Before and after are cities or folders with classes.tif and, if there is one, confidence.tif.
"""

import logging
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
from tqdm import tqdm

from stages._cli import command
from urbanseg import paths
from urbanseg.config.params import Params
from urbanseg.grid import Grid, blocks
from urbanseg.imagery.local.warping import warped
from urbanseg.io import raster
from urbanseg.io.output_folder import output_folder
from urbanseg.mapping.change import UNKNOWN, Dated, change_codes, change_polygons, count, matrix_ha
from urbanseg.mapping.export import steady, write_layer

BLOCK = 1024


def arguments(parser: ArgumentParser) -> None:
    for name in ("before", "after"):
        parser.add_argument(name, help="a city, or a folder with classes.tif")
    parser.add_argument("out", type=Path, help="a folder for change.tif, matrix_ha.csv and change.gpkg")
    parser.add_argument("--overwrite", action="store_true", help="write into a folder that holds other files")


@command(arguments)
def main(asked: Namespace, params: Params) -> None:
    """Write change.tif, matrix_ha.csv and change.gpkg."""
    first, second = (
        paths.prediction_dir(word) if word in params.cities else Path(word)
        for word in (asked.before, asked.after)
    )
    table = params.class_table
    grid = raster.describe(first / "classes.tif").grid
    pixels = np.zeros((len(table), len(table)), np.int64)
    with (
        output_folder(asked.out, overwrite=asked.overwrite) as folder,
        steady(asked.out),
        opened(first, grid) as before,
        opened(second, grid) as after,
    ):
        target = folder / "change.tif"
        with raster.writing(target, grid, dtype=np.uint16, nodata=UNKNOWN) as writer:
            for block in tqdm(blocks(grid.shape, BLOCK), "change", unit="block"):
                classes, codes = change_codes(before, after, block, params.change)
                pixels += count(classes, codes, len(table))
                writer.write(codes, block)
        matrix = matrix_ha(pixels, grid, table)
        matrix.to_csv(folder / "matrix_ha.csv", float_format="%.4f")
        with raster.reading(target) as codes_again:
            polygons = change_polygons(codes_again, table)
        write_layer(polygons, folder / "change.gpkg", layer="change", geometry_type="Polygon")
    changed = matrix.to_numpy().sum() - np.trace(matrix.to_numpy())
    logging.getLogger(__name__).info("%.1f of %.1f ha changed", changed, matrix.to_numpy().sum())


@contextmanager
def opened(folder: Path, grid: Grid) -> Iterator[Dated]:
    """The map of a date, on `grid`."""
    with ExitStack() as stack:

        def on_grid(name: str) -> raster.Reader:
            reader = stack.enter_context(raster.reading(folder / name))
            if reader.grid.same_as(grid):
                return reader
            return stack.enter_context(warped(reader, grid, src_nodata=255, nodata=255))

        has_confidence = (folder / "confidence.tif").exists()
        yield Dated(on_grid("classes.tif"), on_grid("confidence.tif") if has_confidence else None)


if __name__ == "__main__":
    main()
