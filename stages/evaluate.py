"""Score a city's predicted map against its labels, and its vectors against theirs, on its test blocks."""

import logging
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stages._cli import city_stage
from urbanseg import labels, osm, paths
from urbanseg.calibration import stored
from urbanseg.config.evaluate import MAX_TOLERANCE_PX
from urbanseg.config.labels import CorrectionLabels, OsmLabels, VectorLabels, label_sources
from urbanseg.config.params import Params
from urbanseg.dataset import splits
from urbanseg.errors import PipelineError
from urbanseg.grid import Grid, Window
from urbanseg.io import files, image_sheet, raster, tables
from urbanseg.mapping.tidiness import chosen_for
from urbanseg.metrics import block_tables, plots
from urbanseg.metrics.accumulate import accumulate
from urbanseg.metrics.batches import batch_scores
from urbanseg.metrics.counting import Files, Plan
from urbanseg.metrics.delivered import score_delivered
from urbanseg.metrics.delivered_reference import PARTS, Reference, no_reference, reference_from
from urbanseg.metrics.forecasts import forecast_figures
from urbanseg.metrics.sets import count_sets, set_figures
from urbanseg.metrics.summary import Evaluation, evaluation, summary

log = logging.getLogger(__name__)


@city_stage(writes=paths.evaluation_dir)
def main(city: str, params: Params) -> None:
    """Read the labels, the map and the split; write metrics, counts by block and plot tables."""
    settings = params.evaluate
    grid = raster.describe(paths.labels(city)).grid
    chances = paths.road_probability(city)
    rasters = Files(
        paths.labels(city),
        paths.prediction(city),
        paths.confidence(city),
        paths.split(city),
        chances if chances.exists() else None,
    )
    wanted = plan(params, grid)
    laid = splits.lay_blocks(grid.shape, params.tiles.block)
    counts = accumulate(rasters, laid, wanted, settings.workers)
    vectors = score_delivered(
        rasters,
        paths.geopackage(city),
        reference(city, params, grid),
        counts.blocks,
        wanted,
        settings.workers,
    )
    result = evaluation(
        counts,
        params.class_table,
        settings.targets,
        seed=params.seed,
        samples=settings.bootstrap.samples,
        delivered=vectors,
    )
    sets = paths.prediction_sets(city)
    held = count_sets(rasters, sets, laid, wanted.ids) if sets.exists() else None
    figures = with_trust(summary(result), result, held, city, params)
    if settings.batch_size is not None:
        figures["by_batch"] = by_batch(city, rasters, counts.blocks, settings.batch_size, wanted.ids)

    files.write_json(paths.metrics(city), figures)
    with files.atomic_files(paths.evaluation_dir(city)) as folder:
        plots.write_tables(folder, result)
        block_tables.write(folder, result.by_block)
    interval = result.intervals["miou"]
    for part, (kind, _) in PARTS.items():
        if not params.class_table.of_kind(kind):
            log.info("%s: no class is of the kind %s, so %s are not scored", city, kind, part)
    log.info(
        "%s: mIoU %.3f (95 %% interval %.3f to %.3f from %s) on %d test pixels",
        city,
        figures["miou"],
        interval.low,
        interval.high,
        interval.basis,
        figures["test_pixels"],
    )


def with_trust(
    figures: dict[str, Any], result: Evaluation, held: NDArray[np.int64] | None, city: str, params: Params
) -> dict[str, Any]:
    """The metrics with what was said beforehand, beside the truth: prediction sets, and the forecast.

    Args:
        figures: the metrics so far.
        result: all scores of the city.
        held: counts of the sets, None without sets.
        city: its name.
        params: for the order of the classes.
    """
    of_all, coverage = set_figures(held, len(params.classes))
    for name, share in zip(params.classes, coverage, strict=True):
        figures["classes"][name]["set_coverage"] = share
    found = stored.read(paths.prediction_dir(city))
    forecast = found.for_classes(list(params.classes)).forecast if found else None
    return figures | {
        "sets": of_all,
        "forecast": forecast_figures(forecast, result.counts.confidence, result.figures["miou"]),
    }


def by_batch(
    city: str, rasters: Files, blocks: Sequence[Window], size: int, ids: Sequence[int]
) -> dict[str, Any]:
    """Scores averaged over batches of the test images, or of the test blocks of any other scene."""
    sheet = paths.image_sheet(city)
    images = image_sheet.from_table(tables.read(sheet)) if sheet.exists() else []
    windows = [image.window for image in images if image.split == "test"] or list(blocks)
    with raster.reading(rasters.labels) as own, raster.reading(rasters.prediction) as mapped:
        found = batch_scores(own, mapped, windows, size, ids)
    log.info("%s: averaged over %d batches, IoU %s and F1 %s", city, *list(found.values())[1:])
    return found


def reference(city: str, params: Params, grid: Grid) -> Reference:
    """The vectors that the labels were made from: OpenStreetMap's, or those of the only file."""
    if not grid.is_metric:
        return no_reference("the scene's units are not metres, in which vectors are measured")
    named, table = label_sources(params.city(city).labels).values(), params.class_table
    sources = [source for source in named if not isinstance(source, CorrectionLabels)]
    if any(isinstance(source, OsmLabels) for source in sources):
        return reference_from(osm.load_features(paths.osm(city)), grid.crs, str(paths.osm(city)), table)
    if len(sources) == 1 and isinstance(sources[0], VectorLabels):
        features, name = labels.read_vector(sources[0], grid), str(sources[0].path)
        return reference_from(features, grid.crs, name, table)
    kinds = ", ".join(dict.fromkeys(source.source for source in sources))
    return no_reference(f"the labels are made from {kinds}, not from OpenStreetMap or one vector file")


def plan(params: Params, grid: Grid) -> Plan:
    """What is counted, by the parameters.

    Raises:
        PipelineError: if a tolerance is too many pixels of this grid.
    """
    table, settings = params.class_table, params.evaluate
    height_m, width_m = grid.pixel_m
    largest = max([settings.boundary_tolerance_m, *settings.boundary_tolerances_m])
    if largest > MAX_TOLERANCE_PX * min(height_m, width_m):
        raise PipelineError(
            f"params.yaml: evaluate: a boundary tolerance of {largest:g} m is more than {MAX_TOLERANCE_PX} "
            f"pixels of {min(height_m, width_m):g} m; choose smaller ones"
        )
    return Plan(
        ids=table.ids,
        tolerance_m=settings.boundary_tolerance_m,
        tolerances={f"{t:g}px": t * (height_m * width_m) ** 0.5 for t in settings.boundary_tolerances_px}
        | {f"{t:g}m": t for t in settings.boundary_tolerances_m},
        cell_m=settings.bootstrap.cell_m,
        road=[c.id for c in table.of_kind("road")],
        road_rules=settings.roads,
        road_repair=chosen_for(params.vectorize, (height_m * width_m) ** 0.5, table.kinds).roads,
        building=[c.id for c in table.of_kind("building")],
    )


if __name__ == "__main__":
    main()
