"""Assemble the training set: tiles of all train cities, band statistics, class shares."""

import logging

from tqdm import tqdm

from stages._cli import stage
from urbanseg import grid, paths
from urbanseg.classes import IGNORE
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
    names = params.class_table.names

    scenes = {city: raster.describe(paths.scene(city)) for city in cities}
    statistics.require_same_bands({city: info.descriptions for city, info in scenes.items()})
    tiles, left_out = statistics.assemble(
        {city: tables.read(paths.tiles(city)) for city in cities}, params.tiles.min_valid_share
    )
    statistics.require_splits(tiles)

    bands = statistics.BandStatistics()
    for city in cities:
        _add_train_pixels(bands, city)
    if not bands.count:
        raise PipelineError("no labelled pixel lies in a train block; check the labels and tiles.split")

    shares = statistics.class_shares(tiles, names)
    tables.write(paths.DATASET, tiles)
    summary = {
        "bands": scenes[cities[0]].descriptions,
        "dtype": scenes[cities[0]].dtype,
        "classes": names,
        "mean": [round(m, 6) for m in bands.mean],
        "std": [round(s, 6) for s in bands.std],
        "tiles": {split: int((tiles["split"] == split).sum()) for split in grid.SPLITS},
        "tiles_left_out": left_out,
        "class_shares": {s: {n: round(v, 6) for n, v in d.items()} for s, d in shares.items()},
        "sha256": {
            city: {"scene": files.sha256(paths.scene(city)), "labels": files.sha256(paths.labels(city))}
            for city in cities
        },
    }
    files.write_json(paths.DATASET_SUMMARY, summary)
    _report(summary, left_out, params)


def _add_train_pixels(bands: statistics.BandStatistics, city: str) -> None:
    with (
        raster.reading(paths.scene(city)) as scene,
        raster.reading(paths.labels(city)) as labels,
        raster.reading(paths.split(city)) as split,
    ):
        for window in tqdm(list(grid.strips(scene.grid.shape, raster.BLOCK)), desc=city, unit="strip"):
            train = (split.read_band(window) == 0) & (labels.read_band(window) != IGNORE)
            if train.any():
                bands.add(scene.read(window)[:, train])


def _report(summary: dict, left_out: int, params: Params) -> None:  # type: ignore[type-arg]
    counts = summary["tiles"]
    log.info(
        "%d train, %d val and %d test tiles; %d left out with less than %.0f %% labelled pixels",
        counts["train"],
        counts["val"],
        counts["test"],
        left_out,
        100 * params.tiles.min_valid_share,
    )
    for split, shares in summary["class_shares"].items():
        log.info("%s: %s", split, ", ".join(f"{name} {share:.1%}" for name, share in shares.items()))
        for name in (name for name, share in shares.items() if share == 0):
            log.warning("%s: the class %s has no pixel here; it will not be learnt or checked", split, name)


if __name__ == "__main__":
    main()
