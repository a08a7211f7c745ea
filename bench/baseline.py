"""What colour alone tells: a per-pixel classifier on the same test pixels as the model.

``python -m bench.baseline <city> [--trees 60] [--pixels 60000]``

Gradient-boosted trees (scikit-learn) see the scene's bands of one pixel at a time. They
learn from a sample of the training split with equally many pixels of each class (of all
train cities, where the city is a target) and are scored on the pixels that the
evaluate stage counts, by the same code. Balanced classes flatter the rare ones and
natural shares the common ones, so both are tried and the better one stands: the margin
is never in the model's favour. The last line is one JSON object.
"""

import argparse
import json
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from urbanseg import paths
from urbanseg.classes import IGNORE
from urbanseg.config.params import Params, load
from urbanseg.errors import PipelineError
from urbanseg.grid import SPLITS, strips
from urbanseg.io import raster
from urbanseg.metrics.segmentation import class_scores, confusion, counted, mean

TRAIN = SPLITS.index("train")
ROWS = 512
"""Height of the strips that are read, in pixels."""
TREES, PIXELS = 60, 60_000
"""Boosting rounds, each a tree per class; and training pixels, shared by the classes."""


def strips_of(
    city: str,
) -> Iterator[tuple[NDArray[np.generic], NDArray[np.uint8], NDArray[np.bool_], NDArray[np.bool_]]]:
    """Strips of a city: bands ``(bands, h, w)``, labels, training pixels, and test pixels that count."""
    with ExitStack() as stack:

        def opened(path: Path) -> raster.Reader:
            return stack.enter_context(raster.reading(path))

        scene, labels, split = (opened(path(city)) for path in (paths.scene, paths.labels, paths.split))
        predicted = opened(paths.prediction(city)) if paths.prediction(city).exists() else None
        for other in (labels, split):
            raster.require_same_grid(scene.path, scene.grid, other.path, other.grid)
        for strip in tqdm(list(strips(scene.grid.shape, ROWS)), desc=city, unit="strip"):
            reference, splits = labels.read_band(strip), split.read_band(strip)
            known = reference if predicted is None else predicted.read_band(strip)
            training = (splits == TRAIN) & (reference != IGNORE)
            yield scene.read(strip), reference, training, counted(reference, known, splits)


def sample(
    cities: list[str], n: int, pixels: int, rng: np.random.Generator
) -> tuple[NDArray[np.float32], NDArray[np.uint8], NDArray[np.int64]]:
    """At most ``pixels / n`` training pixels of each class, drawn evenly without replacement.

    Each pixel gets a random key, and the smallest keys of a class are kept, so memory is
    bounded by the sample.

    Returns:
        Their bands ``(pixels, bands)``, their classes, and how often each class occurs in all.
    """
    quota = pixels // n
    found: list[tuple[NDArray[np.float64], NDArray[np.float32]]] = [
        (np.empty(0), np.empty((0, 0), np.float32))
    ] * n
    counts = np.zeros(n, np.int64)
    for city in cities:
        for bands, reference, training, _ in strips_of(city):
            for c in range(n):
                values = bands[:, training & (reference == c)].T.astype(np.float32)
                if not len(values):
                    continue
                counts[c] += len(values)
                keys = rng.random(len(values))
                if len(found[c][0]):
                    keys = np.concatenate([found[c][0], keys])
                    values = np.concatenate([found[c][1], values])
                kept = np.argsort(keys)[:quota]
                found[c] = keys[kept], values[kept]
    if not counts.any():
        raise PipelineError(f"{', '.join(cities)}: no labelled pixel lies in the training split")
    drawn = [(values, np.full(len(keys), c, np.uint8)) for c, (keys, values) in enumerate(found) if len(keys)]
    return np.concatenate([v for v, _ in drawn]), np.concatenate([y for _, y in drawn]), counts


def fitted(
    cities: list[str], params: Params, trees: int = TREES, pixels: int = PIXELS
) -> tuple[HistGradientBoostingClassifier, NDArray[np.float64]]:
    """The classifier of the training pixels of some cities, and the share of each class that it knows."""
    values, classes, counts = sample(cities, len(params.classes), pixels, np.random.default_rng(params.seed))
    model = HistGradientBoostingClassifier(max_iter=trees, early_stopping=False, random_state=params.seed)
    model.fit(values, classes)
    return model, counts[model.classes_] / counts.sum()


def score(city: str, params: Params, trees: int, pixels: int) -> NDArray[np.int64]:
    """Confusion matrix of the better of the two baselines on the city's test pixels."""
    n = len(params.classes)
    own = params.city(city).role == "train"
    teachers = [city] if own else [name for name, c in params.cities.items() if c.role == "train"]
    model, shares = fitted(teachers, params, trees, pixels)
    matrices = [np.zeros((n, n), np.int64) for _ in range(2)]
    for bands, reference, _, test in strips_of(city):
        if not test.any():
            continue
        chances = model.predict_proba(bands[:, test].T.astype(np.float32))
        for i, weights in enumerate((1, shares)):
            guess = model.classes_[(chances * weights).argmax(axis=1)]
            matrices[i] += confusion(reference[test], guess, n)
    return max(matrices, key=lambda matrix: mean(class_scores(matrix).iou))


def main() -> None:
    """Print the IoU of each class, and last the comparison with the model as JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("city")
    parser.add_argument("--trees", type=int, default=TREES, help="boosting rounds, each a tree per class")
    parser.add_argument("--pixels", type=int, default=PIXELS, help="training pixels, shared by the classes")
    given = parser.parse_args()
    try:
        params = load(paths.PARAMS)
        params.city(given.city)
        with threadpool_limits(1):
            matrix = score(given.city, params, given.trees, given.pixels)
    except PipelineError as error:
        sys.exit(f"error: {error}")

    iou = class_scores(matrix).iou
    for name, value in zip(params.class_table.names, iou, strict=True):
        print(f"{name:<12} {value:6.3f}" if not np.isnan(value) else f"{name:<12} absent")
    file = paths.metrics(given.city)
    model_miou = json.loads(file.read_text())["miou"] if file.exists() else None
    baseline_miou = round(mean(iou), 6)
    comparison = {
        "city": given.city,
        "baseline_miou": baseline_miou,
        "model_miou": model_miou,
        "margin": None if model_miou is None else round(model_miou - baseline_miou, 6),
    }
    print(json.dumps(comparison))


if __name__ == "__main__":
    main()
