"""How much each class counts in the loss, from how often it occurs.

Rare classes weigh more, by one of the rules of the literature; the loss applies the
weights. Drawing tiles with rare classes more often is the alternative, in
`urbanseg.learn.batch_sampler`.
"""

from collections.abc import Callable
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Kind = Literal["none", "inverse_frequency", "effective_number", "median_frequency"]


def class_weights(counts: NDArray[np.int64], kind: Kind) -> NDArray[np.float64]:
    """Weight of each class: ``(classes,)`` float64, 0 for an absent one, the others with mean 1.

    Args:
        counts: labelled pixels of each class, ``(classes,)``, or ``(tiles, classes)``, which
            `median_frequency` needs to differ from `inverse_frequency`.
        kind: the rule, a key of `RULES`.
    """
    histograms = np.atleast_2d(counts).astype(np.float64)
    present = histograms.sum(axis=0) > 0
    weights = np.zeros(histograms.shape[1])
    if present.any():
        weights[present] = RULES[kind](histograms[:, present])
        weights /= weights[present].mean()
    return weights


def ones(histograms: NDArray[np.float64]) -> NDArray[np.float64]:
    """All classes alike."""
    return np.ones(histograms.shape[1])


def inverse_frequency(histograms: NDArray[np.float64]) -> NDArray[np.float64]:
    """One over the number of pixels of each class."""
    counts: NDArray[np.float64] = histograms.sum(axis=0)
    return 1 / counts


def effective_number(histograms: NDArray[np.float64]) -> NDArray[np.float64]:
    """``(1 − β) / (1 − β^n)`` of n pixels.

    Cui et al. 2019, "Class-balanced loss based on effective number of samples", where
    ``1 / (1 − β)`` is the number of samples beyond which more add nothing. Their 0.9999
    is for thousands of pictures; with millions of pixels all classes would weigh the same.
    Here that number is the mean count of the classes, ``β = 1 − classes / pixels``, which
    depends neither on the pixel's size nor on the overlap of tiles: classes rarer than the
    mean weigh nearly as by `inverse_frequency`, more common ones nearly alike.
    """
    counts: NDArray[np.float64] = histograms.sum(axis=0)
    enough = max(counts.mean(), 1)
    # 1 − β^n for a β so near to 1 that the plain form loses its digits
    log_beta = np.log1p(-1 / enough) if enough > 1 else -np.inf
    effective: NDArray[np.float64] = -np.expm1(counts * log_beta)
    return 1 / effective


def median_frequency(histograms: NDArray[np.float64]) -> NDArray[np.float64]:
    """The median frequency over that of each class, counted in the tiles that have the class.

    Eigen & Fergus 2015, "Predicting depth, surface normals and semantic labels". A class that
    is rare overall but fills the few tiles it is in weighs less than by `inverse_frequency`.
    """
    pixels = histograms.sum(axis=1)
    frequency: NDArray[np.float64] = histograms.sum(axis=0) / (pixels @ (histograms > 0))
    return np.median(frequency) / frequency


RULES: dict[Kind, Callable[[NDArray[np.float64]], NDArray[np.float64]]] = {
    "none": ones,
    "inverse_frequency": inverse_frequency,
    "effective_number": effective_number,
    "median_frequency": median_frequency,
}
