"""Collect the training set: tiles of all train cities, band statistics, class shares."""

import logging

from stages._cli import stage
from urbanseg import paths
from urbanseg.config.params import Params
from urbanseg.dataset import statistics
from urbanseg.errors import PipelineError
from urbanseg.io import files, raster, tables

log = logging.getLogger(__name__)


@stage(writes=paths.DATASET)
def main(params: Params) -> None:
    cities = [city for city, p in params.cities.items() if p.role == "train"]
    if not cities:
        raise PipelineError("params.yaml: no city has the role train, so there is nothing to learn from")

    scenes = {city: raster.describe(paths.scene(city)) for city in cities}
    statistics.require_same_bands({city: info.descriptions for city, info in scenes.items()})
    tiles, left_out = statistics.collect_tiles(
        {city: tables.read(paths.tiles(city)) for city in cities}, params.tiles.min_valid_share
    )
    statistics.require_splits(tiles)

    moments, digests = statistics.BandMoments(), {}
    for city in cities:
        with (
            raster.reading(paths.scene(city)) as scene,
            raster.reading(paths.training_labels(city)) as labels,
            raster.reading(paths.split(city)) as split,
        ):
            statistics.add_train_pixels(moments, scene, labels, split, city)
            digests[city] = {
                "scene": files.sha256(paths.scene(city)),
                "labels": statistics.code_digest(labels),
            }

    first = scenes[cities[0]]
    summary = statistics.summary(
        tiles,
        left_out,
        moments,
        first.descriptions,
        first.dtype,
        [info.grid.resolution for info in scenes.values()],
        params.class_table,
    )
    tables.write(paths.DATASET, tiles)
    files.write_json(paths.DATASET_SUMMARY, summary | {"sha256": digests})

    log.info(
        "%d train, %d val and %d test tiles; %d left out with less than %.0f %% labelled pixels",
        *summary["tiles"].values(),
        left_out,
        100 * params.tiles.min_valid_share,
    )
    for name, shares in summary["class_shares"].items():
        log.info("%s: %s", name, ", ".join(f"{c} {share:.1%}" for c, share in shares.items()))
    for name, absent in statistics.absent_classes(summary["class_shares"]):
        log.warning("%s: the class %s has no pixel here; it will not be learnt or checked", name, absent)


if __name__ == "__main__":
    main()
