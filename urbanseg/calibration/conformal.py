"""Prediction sets: the classes that a pixel may have, so many that the right one is among them often enough.

Split conformal prediction by class (Vovk 2012, "Conditional validity of inductive conformal predictors"): of
each class, a threshold on a score of nonconformity is fitted on labelled pixels, and a set holds the
classes whose score is below theirs. Pixels of a block are alike, so the block is what is exchangeable: each
counts the same, and a further one counts as beyond any threshold (Lee, Barber and Willett 2023,
"Distribution-free inference with hierarchical data"). The score is one less the class's probability, by
which the sets are smallest on average (Sadinle, Lei and Wasserman 2019, "Least Ambiguous Set-Valued
Classifiers With Bounded Error Levels"). It may be divided by the difficulty of the pixel, as Papadopoulos
et al. 2008, "Normalized nonconformity measures for regression conformal prediction", do for regression:
sets grow where the model is uncertain, and shrink elsewhere.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from urbanseg.calibration.temperature import LEAST
from urbanseg.classes import IGNORE

PER_BAND = 7
"""Classes whose membership one band of uint8 holds, so that 255 stays nodata."""


def bands(classes: int) -> int:
    """Number of bands of the sets of so many classes: their size, and 7 classes a band."""
    return 1 + -(-classes // PER_BAND)


def descriptions(names: Sequence[str]) -> list[str]:
    """What each band holds, in words: the size, or what each class adds to a band of alternatives."""
    parts = [names[at : at + PER_BAND] for at in range(0, len(names), PER_BAND)]
    told = [", ".join(f"{1 << bit} {name}" for bit, name in enumerate(part)) for part in parts]
    return ["size", *(f"alternatives: sum of {each}" for each in told)]


def difficulty(probabilities: NDArray[np.float32]) -> NDArray[np.float32]:
    """Shannon's entropy along the first axis as a share of its greatest value, 0–1, float32."""
    logs = np.log(np.maximum(probabilities, LEAST))
    found: NDArray[np.float32] = -(probabilities * logs).sum(axis=0) / np.float32(np.log(len(probabilities)))
    return found


def nonconformity(probabilities: NDArray[np.float32], scale: float) -> NDArray[np.float32]:
    """Score of each class, lower where it is likelier: ``(1 - p) / (1 + scale · difficulty)``.

    Args:
        probabilities: ``(classes, …)`` float32, calibrated.
        scale: how much the difficulty counts; 0 for not at all.

    Returns:
        ``(classes, …)`` float32.
    """
    scores: NDArray[np.float32] = 1 - probabilities
    if scale:
        scores /= 1 + np.float32(scale) * difficulty(probabilities)
    return scores


def thresholds(
    scores: NDArray[np.float32], labels: NDArray[np.uint8], groups: NDArray[np.int64], coverage: float
) -> tuple[float, ...]:
    """The threshold of each class by which its pixels of a new block are covered, at least so often.

    The quantile of the scores at `coverage`, where each of the ``m`` blocks that hold the class has the
    weight ``1 / (m + 1)``, spread over its pixels, and infinity has the last one (Lee et al. 2023).

    Args:
        scores: ``(classes, pixels)`` from `nonconformity`.
        labels: ``(pixels,)`` class ids, uint8.
        groups: ``(pixels,)`` int64, the block that each lies in.
        coverage: share that is wanted, 0–1.

    Returns:
        One for each class; infinity, with which the class is in each set, where too few blocks hold it:
        fewer than ``coverage / (1 - coverage)``.
    """
    found = []
    for number, score in enumerate(scores):
        own = labels == number
        _, block, pixels = np.unique(groups[own], return_inverse=True, return_counts=True)
        order = np.argsort(score[own], kind="stable")
        weights = 1 / ((len(pixels) + 1) * pixels[block[order]])
        at = int(np.searchsorted(weights.cumsum(), coverage - 1e-9))
        found.append(float(score[own][order][at]) if at < len(order) else np.inf)
    return tuple(found)


def members(probabilities: NDArray[np.float32], limits: Sequence[float], scale: float) -> NDArray[np.bool_]:
    """Which classes are in each pixel's set; the likeliest always is.

    Args:
        probabilities: ``(classes, …)`` float32, calibrated.
        limits: of `thresholds`.
        scale: of `nonconformity`.

    Returns:
        ``(classes, …)``, of the same shape.
    """
    # Scores and limits in one precision, so that a score that is the limit is within it.
    allowed = np.asarray(limits, np.float32).reshape(-1, *[1] * (probabilities.ndim - 1))
    inside = nonconformity(probabilities, scale) <= allowed
    np.put_along_axis(inside, probabilities.argmax(axis=0)[None], True, axis=0)
    return inside


def encode(inside: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Sets as bands ``(bands, …)`` uint8: the size, then for each 7 classes the sum of ``2 ** bit``."""
    parts = (inside[at : at + PER_BAND].astype(np.uint8) for at in range(0, len(inside), PER_BAND))
    sums = [np.tensordot(1 << np.arange(len(part)), part, axes=1) for part in parts]
    return np.stack([inside.sum(axis=0), *sums]).astype(np.uint8)


def holds(stored: NDArray[np.uint8], classes: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Whether each pixel's set holds a class.

    Args:
        stored: ``(bands, …)`` of `encode`.
        classes: ``(…)`` class ids, uint8; `IGNORE` is in no set.
    """
    band = np.minimum(1 + classes // PER_BAND, len(stored) - 1)
    sums = np.take_along_axis(stored, band[None].astype(np.intp), axis=0)[0]
    known = (classes != IGNORE) & (stored[0] != IGNORE)
    return np.asarray(((sums >> (classes % PER_BAND)) & 1).astype(bool) & known)
