"""The accuracy of a city's map by people: points are drawn from it, and what was said of them is judged."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from urbanseg import paths
from urbanseg.classes import IGNORE
from urbanseg.config.params import Params
from urbanseg.errors import PipelineError
from urbanseg.grid import BLOCK_PX, SPLITS, Window, strips
from urbanseg.io import raster
from urbanseg.io.class_raster import read_classes, require_classes
from urbanseg.mapping.checkpoints import read_checkpoints, write_checkpoints
from urbanseg.metrics.area import HECTARE_M2
from urbanseg.metrics.sampling import stratified_sample
from urbanseg.metrics.stratified_estimates import estimate_accuracy
from urbanseg.report.accuracy import accuracy_page, accuracy_values


def draw(city: str, params: Params, file: Path, root: Path = Path()) -> int:
    """Draw points from a city's prediction, stratified by class, as the section sampling says.

    Args:
        city: whose map is checked.
        params: the parameters.
        file: GeoPackage for the points; must not exist.
        root: folder of the project.

    Returns:
        How many points there are.

    Raises:
        PipelineError: if there is no prediction, or no class in it where points are wanted.
    """
    params.city(city)
    table, settings = params.class_table, params.sampling
    predicted, splits = root / paths.prediction(city), root / paths.split(city)
    with raster.reading(predicted) as prediction, raster.reading(splits) as split:
        grid = prediction.grid
        for each in (prediction, split):
            require_classes(each)
        raster.require_same_grid(predicted, grid, splits, split.grid)

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
        raise PipelineError(f"{predicted} holds no class in the {settings.area} area: nothing to draw")
    height_m, width_m = grid.pixel_m
    area_ha = sample.population.astype(np.float64) * (height_m * width_m / HECTARE_M2)
    pixels = np.stack([sample.rows, sample.cols], axis=1)
    write_checkpoints(file, pixels, np.array(table.ids)[sample.mapped], area_ha, grid, table)
    return len(pixels)


def assess(city: str, params: Params, file: Path) -> tuple[str, dict[str, Any]]:
    """Estimate the accuracy from points that were filled in.

    Args:
        city: whose map was checked.
        params: the parameters.
        file: GeoPackage with the points.

    Returns:
        The table as Markdown, and the figures; see `accuracy_values`.

    Raises:
        PipelineError: if points are not filled in, or nobody could tell at any point of a class.
    """
    names, title = params.class_table.names, params.city(city).title
    checked = read_checkpoints(file, params.class_table)
    unknown = np.flatnonzero((checked.area_ha > 0) & (checked.counts.sum(axis=1) == 0))
    if unknown.size:
        raise PipelineError(
            f"{file}: at no point mapped as {names[unknown[0]]} could anyone tell; check more points"
        )
    found = estimate_accuracy(checked.counts, checked.area_ha)
    page = accuracy_page(
        found,
        checked.counts,
        checked.area_ha,
        params.class_table.labels,
        title=title,
        unknown=checked.unknown,
    )
    return page, accuracy_values(found, checked.counts, checked.area_ha, names)
