"""Label a city's scene from its sources: OpenStreetMap, rasters, annotation, masks or polygons of images."""

import logging
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import geopandas as gpd
import numpy as np
from tqdm import tqdm

from stages._cli import city_stage
from urbanseg import labels, osm, paths
from urbanseg.classes import IGNORE, ClassTable
from urbanseg.config.folder import FolderScene
from urbanseg.config.labels import (
    CorrectionLabels,
    LabelSource,
    MaskLabels,
    OsmLabels,
    PolygonLabels,
    RasterLabels,
    VectorLabels,
    is_corrected,
    label_sources,
)
from urbanseg.config.params import Params
from urbanseg.display.raster_styles import classes_qml
from urbanseg.errors import PipelineError
from urbanseg.grid import Grid, Window, strips
from urbanseg.io import cog, files, image_sheet, raster, tables

log = logging.getLogger(__name__)

BLOCK_PX = 512
"""Rows that are marked at once."""


@city_stage(writes=paths.labels)
def main(city: str, params: Params) -> None:
    classes, target = params.class_table, paths.labels(city)
    counts = np.zeros(256, np.int64)
    with ExitStack() as inputs:
        scene = inputs.enter_context(raster.reading(paths.scene(city)))
        labelled = _labelled(city, params, scene, inputs)
        scl = inputs.enter_context(raster.reading(paths.scl(city))) if paths.scl(city).exists() else None
        clouded = labels.cloud_mask(scene, scl, params.labels)
        output = inputs.enter_context(
            cog.writing(target, scene.grid, dtype="uint8", nodata=IGNORE, classes=classes, resampling="mode")
        )
        for window, values in labelled:
            values[~scene.valid(window) | clouded(window)] = IGNORE
            output.write(values, window)
            counts += np.bincount(values.ravel(), minlength=256)
        if not counts[:IGNORE].any():
            raise PipelineError(
                f"{scene.path} has no pixel that can be labelled: all of it is nodata, cloud or unmapped; "
                "take another date or area"
            )
    files.write_text(target.with_suffix(".qml"), classes_qml(classes))
    if is_corrected(params.city(city).labels):
        write_corrected(city, classes)
    else:
        files.remove(paths.corrected(city))
    log.info("%s: %s", city, labels.shares(counts, classes))


def write_corrected(city: str, classes: ClassTable) -> None:
    """Write where the labels of a city are corrections, which training may weigh otherwise."""
    with raster.reading(paths.labels(city)) as kept:
        label = labels.corrected(paths.corrections(city), kept.grid, classes)
        with cog.writing(paths.corrected(city), kept.grid, dtype="uint8", resampling="mode") as output:
            for strip in strips(kept.grid.shape, BLOCK_PX):
                known = kept.read_band(strip) != IGNORE
                output.write((known & (label(strip) != IGNORE)).astype(np.uint8), strip)


def _labelled(
    city: str, params: Params, scene: raster.Reader, inputs: ExitStack
) -> Iterator[tuple[Window, labels.LabelArray]]:
    """The windows of the scene and their labels."""
    sources, trusted = list(label_sources(params.city(city).labels).values()), [params.city(city).inputs]
    if isinstance(sources[0], MaskLabels | PolygonLabels):
        yield from _of_images(city, sources[0], params, trusted)
        return
    tallies = [labels.Tally(source.remap if isinstance(source, RasterLabels) else {}) for source in sources]
    label = labels.stacked(
        [
            _layer(city, source, params, scene, inputs, tally)
            for source, tally in zip(sources, tallies, strict=True)
        ]
    )
    for window in tqdm(labels.windows(scene.grid.shape, params.labels), desc=city, unit="window"):
        yield window, label(window)
    for source, tally in zip(sources, tallies, strict=True):
        if isinstance(source, RasterLabels):
            tally.check(source.max_unknown_share)


def _of_images(
    city: str, source: MaskLabels | PolygonLabels, params: Params, trusted: list[Path]
) -> Iterator[tuple[Window, labels.LabelArray]]:
    """The labels of each image of a folder, from its mask or what is drawn on it."""
    scene, classes = params.city(city).scene, params.class_table
    assert isinstance(scene, FolderScene)  # noqa: S101, the parameters are checked
    images = image_sheet.from_table(tables.read(paths.image_sheet(city)))
    [pattern, _], *_ = scene.files.values()
    places = partial(image_sheet.one_of_each, pattern, images[0].fields)
    shown = tqdm(images, desc=city, unit="image")
    if isinstance(source, MaskLabels):
        masks = image_sheet.find(source.masks)
        yield from labels.masks(shown, masks, source, classes, trusted, places() if source.by_place else None)
        return
    files_of, side = image_sheet.find(source.files), scene.resolution_m
    for window, grid, features in labels.drawn(shown, files_of, source, side, places(), trusted):
        if features is None:
            yield window, np.full(window[2:], IGNORE, np.uint8)
            continue
        label = _labeller(features, grid, params, source.background, IGNORE)
        for piece in labels.windows(grid.shape, params.labels):
            yield Window(window.row + piece.row, window.col + piece.col, *piece[2:]), label(piece)


def _labeller(
    features: gpd.GeoDataFrame, grid: Grid, params: Params, background: str, ignored: int
) -> labels.Labeller:
    """The labels of features that are drawn; where nothing is drawn is known, too."""
    polygons = osm.polygons(features, grid.crs, params.labels)
    everywhere = params.labels.model_copy(update={"unmapped_cell_m": 0})
    return labels.labeller(
        polygons, grid, params.class_table, everywhere, background=background, ignored=ignored
    )


def _layer(
    city: str,
    source: LabelSource,
    params: Params,
    scene: raster.Reader,
    inputs: ExitStack,
    tally: labels.Tally,
) -> labels.Labeller:
    """The labels of one source; `tally` counts the values of a raster."""
    grid, classes = scene.grid, params.class_table
    if isinstance(source, OsmLabels):
        features = osm.load_features(paths.osm(city))
        polygons, extent = osm.polygons(features, grid.crs, params.labels), features.attrs.get("extent")
        return labels.labeller(polygons, grid, classes, params.labels, extent, background=source.background)
    if isinstance(source, VectorLabels):
        return _labeller(labels.read_vector(source, grid), grid, params, source.background, labels.HIDDEN)
    if isinstance(source, CorrectionLabels):
        return labels.corrected(paths.corrections(city), grid, classes)
    assert isinstance(source, RasterLabels)  # noqa: S101, masks are no layer
    classified = inputs.enter_context(raster.reading(source.path, trusted=[params.city(city).inputs]))
    if source.same_grid:
        raster.require_same_grid(classified.path, classified.grid, scene.path, grid)
    return inputs.enter_context(labels.classified(classified, grid, source.remap, classes, tally))


if __name__ == "__main__":
    main()
