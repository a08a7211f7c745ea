"""Does the network wait for data? The training loop against the same network fed from memory.

``python -m bench.loader [--steps 24] [--device auto] [--workers 0]``

Trains on the tiles of the train stage (run it, or `dvc pull`, first) with the recipe of
params.yaml for one epoch of `--steps` steps, three ways: read ahead as the train stage
does; read when it is wanted, as a plain loader would; and on one batch that stays in
memory. The first step of each warms up and does not count. The last line is one JSON
object: tiles per second of each, the ratio of the first to the last, and the share of
the time spent waiting for data.
"""

import argparse
import json
from collections.abc import Iterator
from contextlib import closing
from itertools import islice, repeat
from time import perf_counter
from typing import Any

import torch
from torch.utils.data import DataLoader

from stages.train import training_set
from urbanseg import paths
from urbanseg.config.params import load
from urbanseg.io import files
from urbanseg.learn import fabric, steps, training
from urbanseg.learn.data import TileDataset


class Plain:
    """Batches read when they are wanted, with the time that takes."""

    def __init__(self, loader: DataLoader[Any], tiles: TileDataset) -> None:
        self.waited_s, self._batches, self._tiles = 0.0, iter(loader), tiles

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        began = perf_counter()
        batch = next(self._batches)
        self.waited_s += perf_counter() - began
        return batch

    def close(self) -> None:
        """Close the files."""
        self._tiles.close()


class Memory:
    """One batch again and again."""

    waited_s = 0.0

    def __init__(self, batch: Any) -> None:
        self._batches = repeat(batch)

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        return next(self._batches)

    def close(self) -> None:
        """Nothing is open."""


def timed(run: steps.Run, batches: Any, count: int) -> dict[str, float]:
    """Tiles per second and share of waiting over `count` steps, after one that doesn't count."""
    run.network.train()
    steps.step(run, list(islice(batches, run.params.accumulate)))
    began, waited = perf_counter(), batches.waited_s
    for _ in range(count):
        steps.step(run, list(islice(batches, run.params.accumulate)))
    seconds = perf_counter() - began
    return {
        "tiles_per_s": round(count * run.params.batch_size / seconds, 2),
        "data_wait": round((batches.waited_s - waited) / seconds, 4),
    }


def main() -> None:
    """Time the three and print them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=24)
    parser.add_argument("--device", default="auto", choices=["auto", "cpu", "cuda"])
    parser.add_argument("--workers", type=int, default=0)
    options = parser.parse_args()

    params = load(paths.PARAMS)
    changes = {"device": options.device, "workers": options.workers, "epochs": 1, "devices": 1}
    recipe = params.train.model_copy(update=changes | {"steps_per_epoch": options.steps + 2})
    processes = fabric.launch(recipe, params.training_seed)
    data = training_set(files.read_json(paths.DATASET_SUMMARY), params)
    run = training.set_up(processes, training.create(recipe, data.spec), data, recipe, params.training_seed)

    results = {}
    with closing(training.train_batches(run, params.training_seed, 0)) as prefetched:
        results["read_ahead"] = timed(run, prefetched, options.steps)
    tiles = TileDataset(data.train, data, recipe.crop, recipe.augment, params.training_seed)
    loader = DataLoader(tiles, batch_sampler=run.sampler, num_workers=options.workers)
    with closing(Plain(loader, tiles)) as plain:
        results["read_when_wanted"] = timed(run, plain, options.steps)
        batch = tuple(processes.to_device(part) for part in next(iter(plain)))
    results["from_memory"] = timed(run, Memory(batch), options.steps)

    for name, figures in results.items():
        print(f"{name}: {figures['tiles_per_s']} tiles/s, {figures['data_wait']:.1%} of the time waiting")
    share = results["read_ahead"]["tiles_per_s"] / results["from_memory"]["tiles_per_s"]
    about = {
        "device": processes.device.type,
        "precision": fabric.precision_of(recipe.precision, processes.device),
    }
    print(
        json.dumps(
            {**about, "threads": torch.get_num_threads(), **results, "share_of_memory": round(share, 3)}
        )
    )


if __name__ == "__main__":
    main()
