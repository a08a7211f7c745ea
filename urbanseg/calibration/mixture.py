"""Weights of an ensemble's members by how likely their mean makes labels that none of them learnt from."""

import numpy as np
from numpy.typing import NDArray

ROUNDS = 200
"""Of the expectation maximisation, whose likelihood never falls."""

LEAST = 1e-9
"""Probability below which that of a label does not fall."""

DIGITS = 4


def mixture_weights(probabilities: NDArray[np.floating]) -> tuple[float, ...]:
    """Weights that make labels most likely, by expectation maximisation; the likelihood has one maximum.

    Args:
        probabilities: that each member gives the label of each pixel, ``(members, pixels)``.

    Returns:
        Of each member, 0–1, adding up to 1 but for rounding; a member that adds nothing gets 0.

    Raises:
        ValueError: without a member or a pixel.
    """
    if probabilities.ndim != 2 or 0 in probabilities.shape:
        raise ValueError(f"members and pixels are needed, not an array of {probabilities.shape}")
    given = np.maximum(probabilities.astype(np.float64), LEAST)
    weights = np.full(len(given), 1 / len(given))
    for _ in range(ROUNDS):
        shares = weights[:, None] * given
        weights = (shares / shares.sum(0)).mean(1)
    return tuple(round(float(weight), DIGITS) for weight in weights)
