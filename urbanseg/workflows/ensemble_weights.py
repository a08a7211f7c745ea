"""Weights of an ensemble's members, by the validation tiles of the project in this folder."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from urbanseg import paths
from urbanseg.calibration.mixture import mixture_weights
from urbanseg.classes import IGNORE, position_lut
from urbanseg.config.params import load
from urbanseg.config.predict import PredictParams
from urbanseg.dataset.samples import read_spread
from urbanseg.errors import PipelineError
from urbanseg.infer import backends
from urbanseg.infer.backends.pixels import as_input
from urbanseg.io import files, tables

PIXELS = 1 << 12
"""Labelled pixels of a tile that count, at most: evenly spread."""


def fitted(members: Sequence[Path]) -> list[float]:
    """Weights by which the mean of the members' probabilities makes the validation labels most likely.

    Args:
        members: folders of segmenters that know the classes of the dataset.

    Returns:
        Of each member, 0–1; 0 for one that adds nothing.

    Raises:
        PipelineError: if there is no dataset, no labelled validation tile, or a member has other classes.
    """
    params = load(paths.PARAMS)
    if not paths.DATASET.is_file():
        raise PipelineError(
            f"{paths.DATASET} is missing; run the dataset stage, or give --weights as numbers"
        )
    table, summary = tables.read(paths.DATASET), files.read_json(paths.DATASET_SUMMARY)
    samples = read_spread(
        table, "val", params.export.confidence_tiles, params.tiles.size,
        scene_of=paths.scene, labels_of=paths.labels,
    )  # fmt: skip
    position = position_lut(summary.get("ids", range(len(summary["classes"]))))
    given = []
    for member in members:
        options = PredictParams(backend="torch", threads=params.predict.threads)
        predict, spec = backends.load(member, paths.EXPORT, options)
        predict, _ = backends.for_classes(predict, spec, summary["classes"], member)
        parts = []
        for pixels, stored in samples:
            labels = position[stored].ravel()
            at = np.flatnonzero(labels != IGNORE)
            at = at[:: max(1, -(-len(at) // PIXELS))]
            answer = predict(as_input(pixels[None]))[0].reshape(len(summary["classes"]), -1)
            parts.append(answer[labels[at], at])
        given.append(np.concatenate(parts) if parts else np.empty(0, np.float32))
    if not given[0].size:
        raise PipelineError(
            "no validation tile holds a labelled pixel to weigh the members by; give --weights as numbers"
        )
    return list(mixture_weights(np.stack(given)))
