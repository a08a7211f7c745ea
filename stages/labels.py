"""Label a city's scene, from its OpenStreetMap features or from a classified raster."""

import logging
from contextlib import ExitStack

import numpy as np
from tqdm import tqdm

from stages._cli import city_stage
from stages._clouds import clouded
from urbanseg import labels, osm, paths, raster
from urbanseg.classes import IGNORE
from urbanseg.errors import PipelineError
from urbanseg.grid import Window
from urbanseg.params import Params, RasterLabels

log = logging.getLogger(__name__)


@city_stage
def main(city: str, params: Params) -> None:
    classes, target = params.class_table, paths.labels(city)
    counts = np.zeros(256, np.int64)
    with ExitStack() as inputs:
        scene = inputs.enter_context(raster.reading(paths.scene(city)))
        label = _labeller(city, params, scene, inputs)
        under_cloud = clouded(city, params.labels, scene, inputs)
        output = inputs.enter_context(
            raster.writing(
                target, scene.grid, dtype="uint8", nodata=IGNORE, classes=classes, resampling="mode"
            )
        )
        for window in tqdm(labels.windows(scene.grid.shape, params.labels), desc=city, unit="window"):
            values = label(window)
            values[~scene.valid(window) | under_cloud(window)] = IGNORE
            output.write(values, window)
            counts += np.bincount(values.ravel(), minlength=256)
        if not counts[:IGNORE].any():
            raise PipelineError(
                f"{scene.path} has no pixel that can be labelled: all of it is nodata, cloud or unmapped; "
                "take another date or area"
            )
    log.info("%s: %s", city, labels.shares(counts, classes))


def _labeller(city: str, params: Params, scene: raster.Reader, inputs: ExitStack) -> labels.Labeller:
    source, classes = params.city(city).labels, params.class_table
    if not isinstance(source, RasterLabels):
        features = osm.load_features(paths.osm(city))
        ground = osm.polygons(features, scene.grid.crs, params.labels)
        return labels.labeller(ground, scene.grid, classes, params.labels, features.attrs.get("extent"))

    classified = inputs.enter_context(raster.reading(source.path))
    place = labels.crop(classified.grid, scene.grid) or Window(0, 0, *classified.grid.shape)
    raster.require_same_grid(classified.path, classified.grid.window(place), scene.path, scene.grid)
    return lambda window: labels.remap(
        classified.read_band(window._replace(row=window.row + place.row, col=window.col + place.col)),
        source.remap,
        classes,
    )


if __name__ == "__main__":
    main()
