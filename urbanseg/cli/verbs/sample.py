"""Draw a sample of a city's map for visual interpretation in QGIS.

Writes the points, stratified by mapped class, as the section sampling of params.yaml says;
`urbanseg assess` reads them back.
"""

import logging
from argparse import ArgumentParser, Namespace
from pathlib import Path


def arguments(parser: ArgumentParser) -> None:
    """Describe the arguments."""
    parser.add_argument("city", help="whose map is checked")
    parser.add_argument("file", type=Path, help="GeoPackage for the points; must not exist")


def run(asked: Namespace) -> None:
    """Read the prediction, and the split if only test pixels are wanted; write the points."""
    import numpy as np
    from numpy.typing import NDArray

    from urbanseg import paths
    from urbanseg.classes import IGNORE
    from urbanseg.config.params import load
    from urbanseg.errors import PipelineError
    from urbanseg.grid import BLOCK_PX, SPLITS, Window, strips
    from urbanseg.io import raster
    from urbanseg.io.class_raster import read_classes, require_classes
    from urbanseg.mapping.checkpoints import write_checkpoints
    from urbanseg.metrics.area import HECTARE_M2
    from urbanseg.metrics.sampling import stratified_sample

    params, city = load(paths.PARAMS), asked.city
    params.city(city)
    table, settings = params.class_table, params.sampling
    with raster.reading(paths.prediction(city)) as prediction, raster.reading(paths.split(city)) as split:
        grid = prediction.grid
        for each in (prediction, split):
            require_classes(each)
        raster.require_same_grid(paths.prediction(city), grid, paths.split(city), split.grid)

        def classes(strip: Window) -> NDArray[np.uint8]:
            mapped = table.position_lut[read_classes(prediction, table.ids, strip)]
            if settings.area == "test":
                mapped[split.read_band(strip) != SPLITS.index("test")] = IGNORE
            return mapped

        sample = stratified_sample(
            classes,
            list(strips(grid.shape, BLOCK_PX)),
            len(table),
            points=settings.points,
            least=settings.of_each(len(table)),
            seed=params.seed,
        )
    if not sample.population.any():
        raise PipelineError(
            f"{paths.prediction(city)} holds no class in the {settings.area} area: nothing to draw"
        )
    height_m, width_m = grid.pixel_m
    area_ha = sample.population.astype(np.float64) * (height_m * width_m / HECTARE_M2)
    pixels = np.stack([sample.rows, sample.cols], axis=1)
    write_checkpoints(asked.file, pixels, np.array(table.ids)[sample.mapped], area_ha, grid, table)
    logging.getLogger(__name__).info(
        "%s: %d points; open %s in QGIS and fill in the reference class", city, len(pixels), asked.file
    )
