"""Index a city's tiles and split its blocks into train, validation and test."""

import logging

import numpy as np
from tqdm import tqdm

from stages._cli import city_stage
from urbanseg import grid, paths
from urbanseg.config.params import Params
from urbanseg.dataset import tiles
from urbanseg.errors import PipelineError
from urbanseg.io import image_sheet, raster, tables

log = logging.getLogger(__name__)


@city_stage(writes=paths.tiles)
def main(city: str, params: Params) -> None:
    names = params.class_table.names
    with raster.reading(paths.labels(city)) as labels:
        area = labels.grid

        def histogram(window: grid.Window) -> np.ndarray:
            return tiles.histogram(labels.read_band(window), len(names))

        own = (
            image_sheet.from_table(tables.read(paths.pictures(city))) if paths.pictures(city).exists() else []
        )
        laid = [picture.window for picture in own] or tiles.lay_blocks(area.shape, params.tiles.block)
        counts = np.array([histogram(block) for block in tqdm(laid, desc="blocks", unit="block")])
        if not counts.any():
            raise PipelineError(
                f"{paths.labels(city)} holds no labelled pixel; check clouds, AOI and label source"
            )
        if own:
            splits = image_sheet.split_values(own)
        elif params.city(city).role == "holdout":
            splits = [grid.SPLITS.index("test")] * len(laid)
        else:
            splits = grid.assign_blocks(
                counts, params.tiles.split.values, params.seed, grid.neighbours(laid)
            ).tolist()

        candidates = tiles.lay_tiles(
            area.shape, laid, params.tiles.size, params.tiles.overlap, across=not own
        )
        table = tiles.index(
            laid,
            splits,
            tqdm(candidates, desc="tiles", unit="tile"),
            histogram,
            names,
        )

    with raster.writing(paths.split(city), area, dtype="uint8") as writer:
        for block, split in zip(laid, splits, strict=True):
            writer.write(np.full((block.height, block.width), split, np.uint8), block)
    tables.write(paths.tiles(city), table)

    found = table["split"].value_counts()
    log.info(
        "%s: %s; %d of %d windows straddle splits and are dropped",
        city,
        ", ".join(f"{found.get(s, 0)} {s} tiles" for s in grid.SPLITS),
        len(candidates) - len(table),
        len(candidates),
    )


if __name__ == "__main__":
    main()
