"""Index a city's tiles and split its blocks into train, validation and test."""

import logging

from stages._cli import city_stage
from urbanseg import paths
from urbanseg.config.params import Params
from urbanseg.dataset import splits
from urbanseg.display.raster_styles import splits_qml
from urbanseg.grid import SPLITS
from urbanseg.io import files, image_sheet, raster, tables
from urbanseg.workflows.city_blocks import city_blocks, index_tiles

log = logging.getLogger(__name__)


@city_stage(writes=paths.tiles)
def main(city: str, params: Params) -> None:
    table = paths.image_sheet(city)
    images = image_sheet.from_table(tables.read(table)) if table.exists() else []
    with (
        raster.reading(paths.labels(city)) as labels,
        raster.reading(paths.training_labels(city)) as repaired,
    ):
        blocks = city_blocks(labels, images, params, city)
        index, candidates = index_tiles(blocks, blocks.split_of, repaired, params)

        splits.write_splits(paths.split(city), labels.grid, blocks.laid, blocks.split_of)
    files.write_text(paths.split(city).with_suffix(".qml"), splits_qml())
    tables.write(paths.tiles(city), index)

    found = index["split"].value_counts()
    log.info(
        "%s: %s, %d pixels apart; %d of %d windows straddle splits or lie nearer and are dropped",
        city,
        ", ".join(f"{found.get(s, 0)} {s} tiles" for s in SPLITS),
        blocks.gap,
        candidates - len(index),
        candidates,
    )


if __name__ == "__main__":
    main()
