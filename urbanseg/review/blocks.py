"""Figures of the blocks of a scene: how sure the map is, how wrong or expected to be, of which classes."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rasterio.io import DatasetReader

from urbanseg.calibration import stored
from urbanseg.calibration.forecast import LEVELS, Forecast
from urbanseg.classes import CONFIDENCE_SCALE, IGNORE
from urbanseg.dataset.splits import lay_blocks
from urbanseg.grid import SPLITS, Window
from urbanseg.io.raster import rasterio_window
from urbanseg.review.frames import Frame
from urbanseg.review.readers import Readers
from urbanseg.review.scenes import Scene

LAYERS = ("prediction", "confidence", "labels", "split", "entropy")


@dataclass(frozen=True)
class BlockFigures:
    """What is known of the blocks of a scene; arrays are by block.

    Attributes:
        windows: of pixels.
        ids: such as ``r0c256``: row and column of the first pixel.
        counts: ``(blocks, classes)`` predicted pixels.
        labelled: pixels with a label and a prediction.
        wrong: of these, those in which they differ.
        confidence: mean, 0–1; NaN without any.
        entropy: mean, 0–1; NaN without any.
        forecast: mean IoU that is expected without labels, 0–1; NaN where nothing is known of the model.
        splits: name of the split, or None.
    """

    windows: list[Window]
    ids: list[str]
    counts: NDArray[np.int64]
    labelled: NDArray[np.int64]
    wrong: NDArray[np.int64]
    confidence: NDArray[np.float64]
    entropy: NDArray[np.float64]
    forecast: NDArray[np.float64]
    splits: list[str | None]


def block_id(window: Window) -> str:
    """The name of a block."""
    return f"r{window.row}c{window.col}"


def measure(scene: Scene, readers: Readers) -> BlockFigures:
    """Measure the blocks of a scene, a row of blocks at a time.

    Args:
        scene: with a prediction or without.
        readers: of its rasters.
    """
    shape = scene.frame(readers).grid.shape
    windows = lay_blocks(shape, scene.block)
    counts = np.zeros((len(windows), len(scene.table)), np.int64)
    labelled, wrong = np.zeros(len(windows), np.int64), np.zeros(len(windows), np.int64)
    means, expected = np.full((2, len(windows)), np.nan), np.full(len(windows), np.nan)
    forecast = forecast_of(scene)
    splits: list[str | None] = []
    for number, found in enumerate(_pixels(scene, readers, windows)):
        splits.append(_split_of(found.get("split")))
        predicted = found.get("prediction")
        if predicted is not None:
            counts[number] = np.bincount(predicted.ravel(), minlength=256)[scene.table.ids]
            if "labels" in found:
                known = (found["labels"] != IGNORE) & (predicted != IGNORE)
                labelled[number] = known.sum()
                wrong[number] = (known & (found["labels"] != predicted)).sum()
            if forecast is not None and "confidence" in found:
                estimate = forecast(by_confidence(predicted, found["confidence"], scene))
                expected[number] = np.nan if estimate is None else estimate.miou
        for which, name in enumerate(("confidence", "entropy")):
            if name in found and (shares := found[name][found[name] != IGNORE]).size:
                means[which, number] = shares.mean() / CONFIDENCE_SCALE
    return BlockFigures(
        windows, list(map(block_id, windows)), counts, labelled, wrong, means[0], means[1], expected, splits
    )


def calibration_file(scene: Scene) -> Path | None:
    """Where the calibration of a scene's prediction lies; None without a prediction."""
    return scene.rasters["prediction"].parent / stored.FILE if scene.has("prediction") else None


def forecast_of(scene: Scene) -> Forecast | None:
    """The forecast of the model that made a scene's prediction; None where none is kept, or of other classes.

    Raises:
        PipelineError: if what is kept makes no sense.
    """
    file = calibration_file(scene)
    kept = stored.read(file.parent) if file else None
    if kept is None or not set(kept.classes) <= set(scene.table.names):
        return None
    return kept.for_classes(scene.table.names).forecast


def by_confidence(
    predicted: NDArray[np.uint8], confidence: NDArray[np.uint8], scene: Scene
) -> NDArray[np.int64]:
    """Pixels by class and stored confidence, ``(classes, LEVELS)``.

    Args:
        predicted: ``(height, width)`` pixel values of classes.
        confidence: of the same shape, 0–254.
        scene: with the classes.
    """
    places, n = scene.table.position_lut[predicted], len(scene.table)
    known = (places < n) & (confidence != IGNORE)
    keys = places[known].astype(np.intp) * LEVELS + confidence[known]
    return np.bincount(keys, minlength=n * LEVELS).reshape(n, LEVELS).astype(np.int64)


def _split_of(pixels: NDArray[np.uint8] | None) -> str | None:
    """The split of a block, which is that of its middle."""
    if pixels is None:
        return None
    value = int(pixels[pixels.shape[0] // 2, pixels.shape[1] // 2])
    return SPLITS[value] if value < len(SPLITS) else None


def _pixels(scene: Scene, readers: Readers, windows: list[Window]) -> Iterator[dict[str, NDArray[np.uint8]]]:
    """The rasters of each block by name; a row of blocks is read at once, as it lies in the files."""
    names = [name for name in LAYERS if scene.has(name)]
    rows: dict[str, NDArray[np.uint8]] = {}
    current: tuple[int, int] | None = None
    for window in windows:
        if current != (window.row, window.height):
            current = (window.row, window.height)
            for name in names:
                with readers.reading(scene.rasters[name]) as dataset:
                    rows[name] = _row(dataset, window)
        cols = slice(window.col, window.col + window.width)
        yield {name: values[:, cols] for name, values in rows.items()}


def _row(dataset: DatasetReader, window: Window) -> NDArray[np.uint8]:
    whole = Window(window.row, 0, window.height, dataset.width)
    values: NDArray[np.uint8] = dataset.read(1, window=rasterio_window(whole))
    return values


def as_features(figures: BlockFigures, frame: Frame, names: list[str]) -> list[dict[str, Any]]:
    """The blocks as features of GeoJSON.

    Args:
        figures: of the blocks.
        frame: of the scene.
        names: of the classes.
    """
    totals = np.maximum(1, figures.counts.sum(axis=1))
    features = []
    for number, window in enumerate(figures.windows):
        shares = figures.counts[number] / totals[number]
        labelled, confidence = int(figures.labelled[number]), figures.confidence[number]
        expected = figures.forecast[number]
        properties = {
            "id": figures.ids[number],
            "split": figures.splits[number],
            "pixels": labelled,
            "wrong": round(int(figures.wrong[number]) / labelled, 4) if labelled else None,
            "confidence": None if np.isnan(confidence) else round(float(confidence), 4),
            "forecast": None if np.isnan(expected) else round(float(expected), 4),
            "classes": {name: round(float(s), 4) for name, s in zip(names, shares, strict=True) if s > 0},
        }
        ring = frame.block_in_degrees(window)
        shape = {"type": "Polygon", "coordinates": [ring]}
        features.append({"type": "Feature", "geometry": shape, "properties": properties})
    return features
