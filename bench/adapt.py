"""Adaptation without labels, judged on places that the models have not seen.

``python -m bench.adapt FOLDER [--row default] [--folds 24 15 36] [--seed 7] [--only source …]``

``python -m bench.adapt PROJECT --cities oasis [--only source …]``

FOLDER is that of `bench.left_out`, whose experiments of the row are taken: tiles of Dubai; PROJECT a folder
in which `make repro` has run, and the cities such with the role `holdout`. Nothing is trained but what
adapts. Each method sees the images of one place alone, never their labels, and is scored on it: mean
IoU over windows of 512 pixels without overlap, the same for all methods, so that figures differ a little
from those of the pipeline. "colours" brings mean and deviation of each band, wholly or by half, to those of
the training. Prints a Markdown table by tile; the last line is one JSON object with the agreement by which
each step was kept or not.
"""

import argparse
import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from bench.left_out import ALONE, CITY, FOLDS, KEPT
from urbanseg.dataset.samples import pad
from urbanseg.grid import SPLITS, Grid, Window
from urbanseg.infer.predictor import TorchPredictor
from urbanseg.io import raster
from urbanseg.learn import adaptation
from urbanseg.learn.adaptation import Options, Windows
from urbanseg.metrics import segmentation
from urbanseg.model import segmenter
from urbanseg.model.cpu import use_cpu
from urbanseg.model.segmenter import Segmenter
from urbanseg.model.spec import Spec
from urbanseg.workflows.adapt_model import MOST, sampled

SIDE, THREADS = 512, 2

Adapted = tuple[Segmenter, Spec, dict[str, Any]]
"""A network, how its images are normalised, and what is told of the way there."""


@dataclass(frozen=True)
class Tile:
    """A tile that was left out: the sheet of images that it is a part of."""

    name: str
    scene: raster.Reader
    labels: raster.Reader
    split: raster.Reader

    @property
    def grid(self) -> Grid:
        """Of the sheet."""
        return self.scene.grid

    def read(self, window: Window | None = None, bands: Any = None) -> NDArray[Any]:
        """Pixels, ``(bands, height, width)``."""
        return self.scene.read(window, bands)

    def valid(self, window: Window | None = None, bands: Any = None) -> NDArray[np.bool_]:
        """Which of them are of the tile, ``(height, width)``."""
        inside: NDArray[np.bool_] = self.split.read_band(window) == SPLITS.index("test")
        return inside & self.scene.valid(window, bands)

    def windows(self) -> Iterator[Window]:
        """Windows side by side that hold a pixel of the tile."""
        height, width = self.grid.shape
        for row in range(0, height, SIDE):
            for col in range(0, width, SIDE):
                window = Window(row, col, min(SIDE, height - row), min(SIDE, width - col))
                if self.valid(window).any():
                    yield window


def score(network: Segmenter, spec: Spec, tile: Tile) -> float:
    """Mean IoU on the tile."""
    predict = TorchPredictor(network, spec, torch.device("cpu"), THREADS)
    n = len(spec.classes)
    matrix = np.zeros((n, n), np.int64)
    for window in tile.windows():
        pixels = pad(tile.read(window), SIDE, mode="reflect")
        mapped = predict(pixels[None])[0].argmax(0).astype(np.uint8)[: window.height, : window.width]
        actual = tile.labels.read_band(window)
        inside = segmentation.counted(actual, mapped, tile.split.read_band(window))
        matrix += segmentation.confusion(actual[inside], mapped[inside], n)
    return float(segmentation.mean(segmentation.class_scores(matrix).iou))


def unlabelled(tile: Tile, spec: Spec) -> Windows:
    """Windows of the tile's images, as ``urbanseg adapt`` takes them."""
    numbers = list(range(1, len(spec.bands) + 1))
    found = list(sampled(tile, numbers, spec, 1 << 30))
    chosen = np.unique(np.linspace(0, len(found) - 1, min(MOST, len(found)), dtype=int))
    pixels, valid = zip(*(found[at] for at in chosen), strict=True)
    return Windows(torch.from_numpy(np.stack(pixels)), torch.from_numpy(np.stack(valid)))


def statistics(share: float) -> Callable[[Segmenter, Spec, Windows], Adapted]:
    """Batch statistics alone, whether they help or not."""

    def method(network: Segmenter, spec: Spec, windows: Windows) -> Adapted:
        return adaptation.mix_statistics(network, windows, share, 8), spec, {}

    return method


def colours(share: float) -> Callable[[Segmenter, Spec, Windows], Adapted]:
    """Images in the mean and deviation of the training, wholly or in part, by another normalisation."""

    def method(network: Segmenter, spec: Spec, windows: Windows) -> Adapted:
        held = windows.pixels.permute(1, 0, 2, 3)[:, windows.valid].double().numpy()
        mean, std = (np.asarray(values) for values in (spec.mean, spec.std))
        own_mean, own_std = mean + std * held.mean(1), std * held.std(1)
        own = replace(
            spec,
            mean=[float(each) for each in (1 - share) * mean + share * own_mean],
            std=[float(each) for each in (1 - share) * std + share * own_std],
        )
        return network, own, {}

    return method


def adapted(options: Options) -> Callable[[Segmenter, Spec, Windows], Adapted]:
    """As ``urbanseg adapt`` does it."""

    def method(network: Segmenter, spec: Spec, windows: Windows) -> Adapted:
        found, trials = adaptation.adapt(network, windows, options)
        return found, spec, {"trials": [[t.name, t.agreement, t.kept] for t in trials]}

    return method


METHODS: dict[str, Callable[[Segmenter, Spec, Windows], Adapted]] = {
    "source": lambda network, spec, _: (network, spec, {}),
    "statistics 0.1": statistics(0.1),
    "statistics 0.2": statistics(0.2),
    "statistics 0.4": statistics(0.4),
    "colours 0.5": colours(0.5),
    "colours 1": colours(1.0),
    "self-training": adapted(Options(statistics=0.0)),
    "adapt": adapted(Options()),
}
"""What is done with a network and the windows of a tile."""


def judged(kept: Path, cities: Sequence[str], names: Sequence[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Figures of the methods on the test pixels of cities, by name of the method."""
    network, spec = segmenter.load(kept / "models/segmenter")
    for city in cities:
        with (
            raster.reading(kept / f"data/scene/{city}/scene.tif") as scene,
            raster.reading(kept / f"data/labels/{city}.tif") as labels,
            raster.reading(kept / f"data/tiles/{city}_split.tif") as split,
        ):
            tile = Tile(city, scene, labels, split)
            windows = unlabelled(tile, spec)
            for name in names:
                began = time.perf_counter()
                found, own, told = METHODS[name](network, spec, windows)
                seconds = round(time.perf_counter() - began, 1)
                figure = round(score(found, own, tile), 4)
                yield name, {"city": city, "miou": figure, "seconds": seconds, **told}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--cities", nargs="*", default=[])
    parser.add_argument("--row", default="default")
    parser.add_argument("--folds", nargs="*", default=list(FOLDS), choices=FOLDS, metavar="fold")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--only", nargs="*", default=list(METHODS), choices=METHODS, metavar="method")
    asked = parser.parse_args()
    use_cpu(THREADS)
    kept = {
        fold: (
            asked.folder / KEPT / f"{asked.row}-{fold}-{asked.seed}",
            {city: f"tile {tile}" for city, tile in zip((CITY, ALONE), FOLDS[fold], strict=True)},
        )
        for fold in asked.folds
    }
    if asked.cities:
        kept = {"": (asked.folder, {city: city for city in asked.cities})}
    report: dict[str, dict[str, Any]] = {}
    for folder, places in kept.values():
        for name, figures in judged(folder, list(places), asked.only):
            place = places[figures.pop("city")]
            report.setdefault(place, {})[name] = figures
            print(place, name, figures, flush=True)
    print(f"| place | {' | '.join(asked.only)} |\n|{'---|' * (1 + len(asked.only))}")
    for tile, found in report.items():
        print(f"| {tile} | {' | '.join(format(found[name]['miou'], '.3f') for name in asked.only)} |")
    means = [np.mean([found[name]["miou"] for found in report.values()]) for name in asked.only]
    print(f"| mean | {' | '.join(f'{mean:.3f}' for mean in means)} |")
    print(json.dumps(report))


if __name__ == "__main__":
    main()
