"""Collect the training set: tiles of all train cities, band statistics, class shares."""

import logging
from typing import Any

from stages._cli import stage
from urbanseg import paths
from urbanseg.config.params import Divide, Params, Percentiles
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

    moments, digests = scale(params.tiles.normalize, scenes[cities[0]]), {}
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
        if paths.corrected(city).exists():
            digests[city]["corrected"] = files.sha256(paths.corrected(city))
        if paths.cores(city).exists():
            digests[city]["cores"] = files.sha256(paths.cores(city))

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


def scale(normalize: Any, info: raster.RasterInfo) -> statistics.BandMoments:
    """What the pixels of the bands are normalised by.

    Raises:
        PipelineError: if the parameter names other bands than the scenes have, or cannot take their type.
    """
    if isinstance(normalize, Divide):
        divisors, bands = normalize.divide, info.descriptions
        if not isinstance(divisors, dict):
            return statistics.Divisors(divisors=(divisors,) * len(bands))
        if set(divisors) != set(bands):
            raise PipelineError(
                f"params.yaml: tiles.normalize.divide has {', '.join(divisors)}, but the bands are "
                f"{', '.join(bands)}; give each a number, or one number for all"
            )
        return statistics.Divisors(divisors=tuple(divisors[band] for band in bands))
    if isinstance(normalize, Percentiles):
        if info.dtype not in {"uint8", "uint16", "int16", "float32", "float64"}:
            raise PipelineError(
                f"params.yaml: tiles.normalize takes no percentiles of {info.dtype}, which the scenes hold; "
                "set it to statistics or divide"
            )
        low, high = normalize.percentiles
        return statistics.Percentiles(low=low, high=high)
    return statistics.BandMoments()


if __name__ == "__main__":
    main()
