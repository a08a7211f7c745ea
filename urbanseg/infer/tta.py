"""Predictors made of predictors: test-time augmentation, and fewer or other classes than were learnt."""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from urbanseg.infer.stitching import Predictor

Augment = Literal["none", "flips", "d4"]

SYMMETRIES = {
    "none": [(0, False)],
    "flips": [(0, False), (0, True), (2, False), (2, True)],
    "d4": [(turns, mirrored) for turns in range(4) for mirrored in (False, True)],
}
"""Quarter turns, and whether a mirror comes first: of the square's eight symmetries, those taken."""


def with_tta(predict: Predictor, augment: Augment) -> Predictor:
    """The mean of the probabilities of each window and its mirror images, turned back.

    ``flips`` takes the window, its two mirror images and its half turn; ``d4`` all eight
    symmetries of the square. It costs as many times the network.
    """
    symmetries = SYMMETRIES[augment]
    if len(symmetries) == 1:
        return predict

    def mean(pixels: NDArray[Any]) -> NDArray[np.float32]:
        total: NDArray[np.float32] | None = None
        for turns, mirrored in symmetries:
            seen = np.rot90(pixels[..., ::-1] if mirrored else pixels, turns, (-2, -1))
            back = np.rot90(predict(np.ascontiguousarray(seen)), -turns, (-2, -1))
            back = back[..., ::-1] if mirrored else back
            total = np.ascontiguousarray(back) if total is None else np.add(total, back, out=total)
        assert total is not None  # noqa: S101, there is a symmetry
        total /= len(symmetries)
        return total

    return mean


def restricted(predict: Predictor, kept: NDArray[np.bool_] | None, rest: int = 0) -> Predictor:
    """The softmax over the classes kept, a mask by class; the others get nothing.

    A softmax over some logits is the softmax over all, divided by the sum over those: it
    needs no logits, and so any back end can do it. Where the classes kept have no
    probability at all in float32, the answer is the class at the position `rest`.

    Args:
        predict: the network.
        kept: ``(classes,)`` bool; None for all.
        rest: position of a class that is kept.
    """
    if kept is None or kept.all():
        return predict

    def among_kept(pixels: NDArray[Any]) -> NDArray[np.float32]:
        answer = predict(pixels)
        probabilities = answer[:, : len(kept)]  # what is said of buildings besides stays
        probabilities[:, ~kept] = 0
        total = probabilities.sum(axis=1, keepdims=True)
        probabilities[:, rest : rest + 1][total == 0] = 1
        total[total == 0] = 1
        probabilities /= total
        return answer

    return among_kept


def in_columns(predict: Predictor, columns: Sequence[int], classes: int) -> Predictor:
    """The probabilities under other numbers of classes; those of no column are 0.

    Args:
        predict: the network.
        columns: new number of each of its classes.
        classes: how many there are then.
    """

    def moved(pixels: NDArray[Any]) -> NDArray[np.float32]:
        probabilities = predict(pixels)
        n, _, height, width = probabilities.shape
        result = np.zeros((n, classes, height, width), np.float32)
        result[:, list(columns)] = probabilities
        return result

    return moved
