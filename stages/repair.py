"""Compare the labels of a city's training blocks with its image; those of other blocks stay as they are.

Where buildings are to be told apart, also write their insides, by which that is learnt.
"""

import logging
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stages._cli import city_stage
from urbanseg import labels, osm, paths
from urbanseg.classes import IGNORE
from urbanseg.config.labels import OsmLabels, VectorLabels, is_corrected, label_sources
from urbanseg.config.params import Params
from urbanseg.errors import PipelineError
from urbanseg.grid import Grid, Window
from urbanseg.io import cog, files, image_sheet, raster, tables
from urbanseg.workflows import repair_files, repair_labels
from urbanseg.workflows.city_blocks import Labelled, city_blocks

log = logging.getLogger(__name__)


@city_stage(writes=paths.repaired_dir)
def main(city: str, params: Params) -> None:
    with files.atomic(paths.repaired_dir(city), paths.REPAIRED_FILES) as folder:
        folder.mkdir()
        is_trained_on = params.city(city).role == "train"
        if params.repair.is_wanted and is_trained_on:
            _repair(city, params, folder)
        else:
            log.info("%s: labels are trained on as they are", city)
            files.write_json(folder / paths.REPAIRED_FILES[0], {"shifts": [], "doubts": []})
        if params.train.instances and is_trained_on:
            repaired = folder / paths.repaired_labels(city).name
            _write_cores(city, params, repaired if repaired.exists() else paths.labels(city), folder)
    files.remove(paths.repair_state(city))


def _repair(city: str, params: Params, folder: Path) -> None:
    """Write repaired labels, and what was found, into a folder."""
    from urbanseg.workflows import label_folds  # noqa: PLC0415, PyTorch takes seconds to import

    table = paths.image_sheet(city)
    images = image_sheet.from_table(tables.read(table)) if table.exists() else []
    with raster.reading(paths.labels(city)) as file:
        blocks = city_blocks(file, images, params, city)
        corrected = _corrected(city, params, file.grid)
    labelled = Labelled(city, paths.scene(city), paths.labels(city), blocks, corrected)
    repaired = folder / paths.repaired_labels(city).name
    judge = partial(label_folds.judge, params=params, state=paths.repair_state(city))
    found = repair_labels.repair(labelled, params, repaired, judge)
    repair_files.write(folder, found, labelled, params.class_table, params.repair.align.max_px)


def _corrected(city: str, params: Params, grid: Grid) -> Callable[[Window], NDArray[np.bool_]] | None:
    """Which pixels of a window people corrected; None if the labels have no such layer."""
    if not is_corrected(params.city(city).labels):
        return None
    drawn = labels.corrected(paths.corrections(city), grid, params.class_table)
    return lambda window: drawn(window) != IGNORE


def _write_cores(city: str, params: Params, labels_path: Path, folder: Path) -> None:
    """Write the insides of buildings of the training labels."""
    classes = [each.id for each in params.class_table.of_kind("building")]
    with raster.reading(labels_path) as file:
        footprints = labels.core_polygons(_footprints(city, params, file.grid), file.grid)
        with cog.writing(folder / paths.cores(city).name, file.grid, dtype="uint8", nodata=IGNORE) as output:
            for window in labels.windows(file.grid.shape, params.labels):
                output.write(labels.cores(footprints, window, file.read_band(window), classes), window)


def _footprints(city: str, params: Params, grid: Grid) -> NDArray[Any]:
    """Polygons of buildings in the CRS of a grid, from all sources of labels that have them.

    Raises:
        PipelineError: if none has.
    """
    names = [each.name for each in params.class_table.of_kind("building")]
    found = []
    for source in label_sources(params.city(city).labels).values():
        if isinstance(source, OsmLabels):
            found.append(osm.polygons(osm.load_features(paths.osm(city)), grid.crs, params.labels))
        elif isinstance(source, VectorLabels):
            found.append(osm.polygons(labels.read_vector(source, grid), grid.crs, params.labels))
    if not found:
        raise PipelineError(
            f"train.instances learns from footprints of buildings, but the labels of {city} are rasters, in "
            "which attached buildings are one; add a layer of OpenStreetMap or of vectors to its labels, or "
            "set train.instances to false"
        )
    return np.concatenate([each.geometry.to_numpy()[each["class"].isin(names)] for each in found])


if __name__ == "__main__":
    main()
