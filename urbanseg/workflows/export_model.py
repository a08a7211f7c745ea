"""A segmenter exported to other formats, each compared with the original on validation tiles."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from urbanseg.config.export import ExportParams
from urbanseg.config.predict import PredictParams
from urbanseg.infer import backends, export
from urbanseg.infer.backends.pixels import as_input
from urbanseg.infer.predictor import TorchPredictor
from urbanseg.metrics.agreement import agreement, require_agreement
from urbanseg.model import segmenter
from urbanseg.paths import EXPORT_FILES

log = logging.getLogger(__name__)

Samples = list[tuple[NDArray[Any], NDArray[np.uint8]]]
"""Tiles: pixels ``(bands, size, size)`` and labels ``(size, size)`` of each."""


def export_and_compare(
    folder: Path,
    model: Path,
    options: ExportParams,
    predict: PredictParams,
    read: Callable[[str, int], Samples],
    classes: Sequence[str],
    *,
    known: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Write a model in each format asked for, and in the one that prediction needs; compare each.

    Args:
        folder: an existing folder, which gets a folder for each format.
        model: the segmenter's folder.
        options: the `export` section.
        predict: the `predict` section.
        read: tiles of a split by its name, at most so many.
        classes: names of the labels' values, in order.
        known: statistics of the training, from `training_statistics`.

    Returns:
        The number of tiles compared, and the agreement of each format with the original.

    Raises:
        PipelineError: if the architecture can't be captured, a format differs too much, or the
            model knows other classes.
    """
    network, spec = segmenter.load(model)
    formats = [*options.formats, predict.backend]
    export.write(
        folder,
        formats,
        model,
        network,
        spec,
        calibration=lambda: [as_input(p[None]) for p, _ in read("train", options.calibration_tiles)],
        windows=predict,
        known=known,
    )
    checked = [name for name in EXPORT_FILES if name in formats and name != "torch"]
    validation = read("val", options.check_tiles) if checked else []
    tiles = [as_input(pixels[None]) for pixels, _ in validation]
    labels = [labels for _, labels in validation]
    torch_predict, _ = backends.for_classes(
        TorchPredictor(network, spec, torch.device("cpu"), predict.threads, "float32"), spec, classes, model
    )
    original = [export.classes_of(torch_predict, tile) for tile in tiles]
    metrics: dict[str, Any] = {"tiles": len(tiles)}
    for name in checked:
        exported, _ = backends.for_classes(
            export.predictor(folder / name, predict.threads), spec, classes, model
        )
        found = [export.classes_of(exported, tile) for tile in tiles]
        agreed = agreement(original, found, labels, len(classes))
        log.info("%s: %.4f %% of pixels as torch, mIoU %.4f", name, 100 * agreed.equal, agreed.miou)
        require_agreement(name, agreed, min_equal=options.min_equal, max_miou_loss=options.max_miou_loss)
        metrics[name] = asdict(agreed)
    return metrics
