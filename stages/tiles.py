"""Index a city's tiles and split its blocks into train, validation and test."""

import logging

import numpy as np
from numpy.typing import NDArray

from stages._cli import city_stage
from urbanseg import paths
from urbanseg.config.params import Params
from urbanseg.dataset import tiles
from urbanseg.grid import SPLITS, Window
from urbanseg.io import image_sheet, raster, tables

log = logging.getLogger(__name__)


@city_stage(writes=paths.tiles)
def main(city: str, params: Params) -> None:
    names, wanted = params.class_table.names, params.tiles
    table = paths.image_sheet(city)
    images = image_sheet.from_table(tables.read(table)) if table.exists() else []
    with raster.reading(paths.labels(city)) as labels:
        grid = labels.grid

        def histogram(window: Window) -> NDArray[np.int64]:
            return tiles.histogram(labels.read_band(window), len(names))

        laid = [image.window for image in images] or tiles.lay_blocks(grid.shape, wanted.block)
        counts = tiles.count_blocks(labels, laid, len(names))
        splits = image_sheet.split_values(images) or tiles.split_blocks(
            laid, counts, wanted.split.values, params.seed, only_test=params.city(city).role == "holdout"
        )
        candidates = tiles.lay_tiles(grid.shape, laid, wanted.size, wanted.overlap, across=not images)
        index = tiles.index(laid, splits, candidates, histogram, names)

    tiles.write_splits(paths.split(city), grid, laid, splits)
    tables.write(paths.tiles(city), index)

    found = index["split"].value_counts()
    log.info(
        "%s: %s; %d of %d windows straddle splits and are dropped",
        city,
        ", ".join(f"{found.get(s, 0)} {s} tiles" for s in SPLITS),
        len(candidates) - len(index),
        len(candidates),
    )


if __name__ == "__main__":
    main()
