"""Why a place gets its class: what the answer loses where parts of the image, or whole bands, are hidden.

Occlusion works with any back end (Zeiler & Fergus 2014, "Visualizing and understanding convolutional
networks", section 4.2). What is hidden takes the mean of the training, which says the network nothing.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from urbanseg.infer.stitching import Predictor

AROUND = 1
"""Pixels around the place, over which its probabilities are averaged."""

BATCH = 8


def probabilities_at(answers: NDArray[np.float32], row: int, col: int) -> NDArray[np.float32]:
    """Class probabilities of a place.

    Args:
        answers: of a predictor, ``(n, classes, height, width)``.
        row: of the place.
        col: of the place.

    Returns:
        ``(n, classes)``, the mean of the pixels around it.
    """
    rows, cols = (slice(max(0, at - AROUND), at + AROUND + 1) for at in (row, col))
    mean: NDArray[np.float32] = answers[:, :, rows, cols].mean(axis=(2, 3))
    return mean


def occlusion(
    predict: Predictor,
    pixels: NDArray[Any],
    place: tuple[int, int],
    value: int,
    *,
    fill: Sequence[float],
    side: int,
) -> NDArray[np.float32]:
    """By how much the probability of a class at a place falls where each square of an image is hidden.

    Args:
        predict: the model.
        pixels: ``(bands, height, width)`` in the units of the training.
        place: row and column.
        value: position of the class.
        fill: of each band, what stands in a square that is hidden.
        side: of the squares in pixels.

    Returns:
        ``(height, width)``, -1 to 1; above 0 where the square speaks for the class.
    """
    height, width = pixels.shape[1:]
    corners = [(row, col) for row in range(0, height, side) for col in range(0, width, side)]
    whole = float(probabilities_at(predict(pixels[None]), *place)[0, value])
    fallen = np.zeros((height, width), np.float32)
    for first in range(0, len(corners), BATCH):
        batch = corners[first : first + BATCH]
        hidden = np.repeat(pixels[None].astype(np.float32), len(batch), axis=0)
        for image, (row, col) in zip(hidden, batch, strict=True):
            image[:, row : row + side, col : col + side] = np.asarray(fill, np.float32)[:, None, None]
        found = probabilities_at(predict(hidden), *place)[:, value]
        for (row, col), probability in zip(batch, found, strict=True):
            fallen[row : row + side, col : col + side] = whole - float(probability)
    return fallen


def band_importance(
    predict: Predictor, pixels: NDArray[Any], place: tuple[int, int], value: int, *, fill: Sequence[float]
) -> list[float]:
    """By how much the probability of a class at a place falls where each band is hidden.

    Args:
        predict: the model.
        pixels: ``(bands, height, width)`` in the units of the training.
        place: row and column.
        value: position of the class.
        fill: of each band, what stands in it where it is hidden.

    Returns:
        Of each band, -1 to 1.
    """
    whole = float(probabilities_at(predict(pixels[None]), *place)[0, value])
    fallen = []
    for band, level in enumerate(fill):
        hidden = pixels.astype(np.float32)
        hidden[band] = level
        fallen.append(whole - float(probabilities_at(predict(hidden[None]), *place)[0, value]))
    return fallen
