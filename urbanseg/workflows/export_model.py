"""A segmenter exported to other formats, each compared with the original on validation tiles."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import partial
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
from urbanseg.infer.stitching import Predictor
from urbanseg.metrics.agreement import agreement, require_agreement
from urbanseg.model import segmenter
from urbanseg.model.spec import Spec
from urbanseg.paths import EXPORT_FILES

log = logging.getLogger(__name__)

Samples = list[tuple[NDArray[Any], NDArray[np.uint8]]]
"""Tiles: pixels ``(bands, size, size)`` and labels ``(size, size)`` of each."""

Read = Callable[[str, int], Samples]
"""Tiles of a split by its name, at most so many."""


def export_and_compare(
    folder: Path,
    model: Path,
    options: ExportParams,
    predict: PredictParams,
    read: Read,
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
        read: gives tiles of a split.
        classes: names of the labels' values, in order.
        known: statistics of the training, see `urbanseg.model.domain`.

    Returns:
        The number of tiles compared, and the agreement of each format with the original.

    Raises:
        PipelineError: if the architecture can't be captured, a format differs too much, or classes differ.
    """
    network, spec = segmenter.load(model)
    formats = [*options.formats, predict.backend]
    calibration = partial(_calibration, read, options.calibration_tiles)
    export.write(folder, formats, model, network, spec, calibration, windows=predict, known=known)
    original = TorchPredictor(network, spec, torch.device("cpu"), predict.threads, "float32")
    exported = _exported(folder, formats, predict.threads)
    samples = read("val", options.check_tiles) if exported else []
    matched = partial(backends.for_classes, spec=spec, classes=classes, model=model)
    return _compare(original, exported, matched, samples, len(classes), options)


def _calibration(read: Read, n: int) -> list[NDArray[np.float32]]:
    """Pixels ``(1, bands, size, size)`` of at most so many training tiles."""
    return [as_input(pixels[None]) for pixels, _ in read("train", n)]


def _exported(folder: Path, formats: Sequence[str], threads: int) -> dict[str, Callable[[], Predictor]]:
    """What loads each format but torch, by its name."""
    names = [name for name in EXPORT_FILES if name in formats and name != "torch"]
    return {name: partial(export.predictor, folder / name, threads) for name in names}


def _compare(
    original: Predictor,
    exported: Mapping[str, Callable[[], Predictor]],
    matched: Callable[[Predictor], tuple[Predictor, Spec]],
    samples: Samples,
    classes: int,
    options: ExportParams,
) -> dict[str, Any]:
    """The agreement of each format with the original, which must be enough; see `export_and_compare`.

    Args:
        original: the segmenter itself.
        exported: what loads each format, by its name; one is loaded at a time.
        matched: makes a predictor answer for the classes of the labels.
        samples: the tiles.
        classes: how many the labels have.
        options: the `export` section.
    """
    tiles = [as_input(pixels[None]) for pixels, _ in samples]
    labels = [labels for _, labels in samples]

    def classes_by(predictor: Predictor) -> list[NDArray[np.uint8]]:
        predict, _ = matched(predictor)
        return [export.classes_of(predict, tile) for tile in tiles]

    expected = classes_by(original)
    metrics: dict[str, Any] = {"tiles": len(tiles)}
    for name, load in exported.items():
        agreed = agreement(expected, classes_by(load()), labels, classes)
        log.info("%s: %.4f %% of pixels as torch, mIoU %.4f", name, 100 * agreed.equal, agreed.miou)
        require_agreement(name, agreed, min_equal=options.min_equal, max_miou_loss=options.max_miou_loss)
        metrics[name] = asdict(agreed)
    return metrics
