"""Score a city's predicted map against its labels, on its test blocks."""

import logging

from stages._cli import city_stage
from urbanseg import files, paths, raster
from urbanseg.metrics.roads import compare_masks
from urbanseg.metrics.summary import evaluation, summary, write_tables
from urbanseg.metrics.tally import tally
from urbanseg.params import Params

log = logging.getLogger(__name__)


@city_stage
def main(city: str, params: Params) -> None:
    """Read labels, prediction and split; write metrics and the tables for plots."""
    classes, settings = params.class_table, params.evaluate
    with (
        raster.reading(paths.labels(city)) as labels,
        raster.reading(paths.prediction(city)) as prediction,
        raster.reading(paths.split(city)) as split,
    ):
        counts = tally(
            labels,
            prediction,
            split,
            len(classes),
            tolerance_m=settings.boundary_tolerance_m,
            road=classes.id_of("road") if "road" in classes.names else None,
        )
    roads = compare_masks(
        counts.reference_roads,
        counts.predicted_roads,
        counts.area,
        counts.grid.pixel_m,
        min_spur_m=params.vectorize.min_spur_m,
        snap_m=settings.connectivity_snap_m,
    )
    result = evaluation(counts, roads, classes, settings.targets)
    figures = summary(result)

    files.write_json(paths.metrics(city), figures)
    with files.atomic(paths.evaluation_dir(city)) as folder:
        write_tables(folder, result)
    log.info("%s: mIoU %.3f on %d test pixels", city, figures["miou"], figures["test_pixels"])


if __name__ == "__main__":
    main()
