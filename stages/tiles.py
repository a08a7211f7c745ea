"""Index a city's tiles and split its blocks into train, validation and test."""

import logging

import numpy as np
from numpy.typing import NDArray

from stages._cli import city_stage
from urbanseg import paths
from urbanseg.config.params import Params
from urbanseg.dataset import splits, tiles
from urbanseg.display.raster_styles import splits_qml
from urbanseg.grid import SPLITS, Window
from urbanseg.io import files, image_sheet, raster, tables

log = logging.getLogger(__name__)


@city_stage(writes=paths.tiles)
def main(city: str, params: Params) -> None:
    classes, wanted = params.class_table, params.tiles
    table = paths.image_sheet(city)
    images = image_sheet.from_table(tables.read(table)) if table.exists() else []
    with raster.reading(paths.labels(city)) as labels:
        grid = labels.grid

        def histogram(window: Window) -> NDArray[np.int64]:
            return tiles.histogram(labels.read_band(window), classes.ids)

        laid = [image.window for image in images] or splits.lay_blocks(grid.shape, wanted.block)
        gap = 0 if images else splits.gap_between(laid, wanted.gap)  # images of a sheet lie apart on Earth
        counts = splits.count_blocks(labels, laid, classes.ids)
        split_of = image_sheet.split_values(images) or splits.split_blocks(
            laid, counts, wanted.split.values, params.seed, only_test=params.city(city).role == "holdout"
        )
        parts = splits.keep_apart(laid, split_of, gap)
        candidates = tiles.lay_tiles(grid.shape, parts, wanted.size, wanted.overlap, across=not images)
        index = tiles.index(laid, split_of, candidates, histogram, classes.names, gap=gap)

    splits.write_splits(paths.split(city), grid, laid, split_of)
    files.write_text(paths.split(city).with_suffix(".qml"), splits_qml())
    tables.write(paths.tiles(city), index)

    found = index["split"].value_counts()
    log.info(
        "%s: %s, %d pixels apart; %d of %d windows straddle splits or lie nearer and are dropped",
        city,
        ", ".join(f"{found.get(s, 0)} {s} tiles" for s in SPLITS),
        gap,
        len(candidates) - len(index),
        len(candidates),
    )


if __name__ == "__main__":
    main()
