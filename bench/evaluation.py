"""How long the evaluation of a whole Sentinel-2 tile takes, and how much memory.

``python -m bench.evaluation [--city demo] [--side 10980] [--workers 2]``

A city's labels, map and confidence are mirrored until they fill a scene of 10,980 ×
10,980 pixels, all of it test area, which is the worst case: as dense as a city everywhere.
It needs the city's prediction, so run `dvc repro` first. The last line is one JSON object.
"""

import argparse
import json
import multiprocessing
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stages.evaluate import plan
from urbanseg import paths
from urbanseg.classes import IGNORE
from urbanseg.config.params import Params, load
from urbanseg.dataset import splits
from urbanseg.errors import PipelineError
from urbanseg.grid import SPLITS, Grid, strips
from urbanseg.io import cog, raster
from urbanseg.metrics.accumulate import accumulate
from urbanseg.metrics.counting import Files
from urbanseg.metrics.summary import evaluation, summary

LIMIT_S = 120


def mirrored(source: Path, target: Path, side: int) -> None:
    """Write the first band of `source` to `target`, mirrored at its edges to ``side × side`` pixels."""
    with raster.reading(source) as reader:
        values, grid = reader.read_band(), reader.grid
    rows, cols = (bounce(side, length) for length in values.shape)
    write(target, Grid(grid.crs, grid.transform, side, side), lambda at: values[np.ix_(rows[at], cols)])


def bounce(side: int, length: int) -> NDArray[np.int64]:
    """Indices 0 … length - 1 and back again, `side` of them."""
    there = np.arange(side) % (2 * length)
    return np.minimum(there, 2 * length - 1 - there)


def write(path: Path, grid: Grid, rows_of: Callable[[slice], NDArray[np.uint8]]) -> None:
    """Write a raster strip by strip; `rows_of` gives the rows of a slice."""
    with cog.writing(path, grid, dtype="uint8", nodata=IGNORE) as writer:
        for strip in strips(grid.shape, 512):
            writer.write(rows_of(strip.slices[0]), strip)


def scene(city: str, folder: Path, side: int) -> Files:
    """The rasters of the large scene."""
    files = Files(*(folder / f"{name}.tif" for name in Files._fields))
    for source, target in zip((paths.labels, paths.prediction, paths.confidence), files[:3], strict=True):
        mirrored(source(city), target, side)
    grid = raster.describe(files.labels).grid
    test = np.full((grid.height, grid.width), SPLITS.index("test"), np.uint8)
    write(files.split, grid, lambda at: test[at])
    return files


def measure(files: Files, params: Params, workers: int) -> dict[str, float]:
    """Time, CPU time and peak memory from the closed files to the finished figures, and the mIoU."""
    grid = raster.describe(files.labels).grid
    started = time.perf_counter()
    counts = accumulate(files, splits.lay_blocks(grid.shape, params.tiles.block), plan(params, grid), workers)
    settings = params.evaluate
    result = evaluation(
        counts, params.class_table, settings.targets, seed=params.seed, samples=settings.bootstrap.samples
    )
    figures = summary(result)
    seconds = time.perf_counter() - started
    usage = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return {
        "seconds": round(seconds, 1),
        "cpu_seconds": round(sum(use.ru_utime + use.ru_stime for use in usage), 1),
        "main_mb": round(usage[0].ru_maxrss / 1024),
        "worker_mb": round(usage[1].ru_maxrss / 1024),
        "miou": figures["miou"],
    }


def main() -> None:
    """Make the scene, score it in a fresh process, and print how it went."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--city", default="demo")
    parser.add_argument("--side", type=int, default=10_980, help="pixels")
    parser.add_argument("--workers", type=int, default=2, help="processes")
    given = parser.parse_args()
    try:
        params = load(paths.PARAMS)
        with (
            tempfile.TemporaryDirectory() as folder,
            ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as fresh,
        ):
            files = scene(given.city, Path(folder), given.side)
            found = fresh.submit(measure, files, params, given.workers).result()
    except PipelineError as error:
        sys.exit(f"error: {error}")
    print(
        f"{given.side} × {given.side} pixels in {found['seconds']} s ({found['cpu_seconds']} s of CPU) on "
        f"{given.workers} processes; peak memory {found['main_mb']} MB, in a worker {found['worker_mb']} MB"
    )
    print(json.dumps({"pixels": given.side**2, "within_limit": found["seconds"] < LIMIT_S, **found}))


if __name__ == "__main__":
    main()
