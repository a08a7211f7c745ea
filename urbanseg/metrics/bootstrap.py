"""Block bootstrap: the sampling variation of a score over test blocks.

Errors of neighbouring pixels are correlated, so pixels are no independent sample; whole
blocks are drawn with replacement instead, and the score is computed again from their
summed counts (Efron & Tibshirani 1993, "An Introduction to the Bootstrap", chapter 13, for the
percentile interval; Künsch 1989, "The Jackknife and the Bootstrap for General Stationary
Observations", for blocks). Two maps of the same blocks are compared by drawing the
same blocks for both: the variation of difficulty between blocks, which both share, cancels.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

Statistic = Callable[[NDArray[Any]], float | NDArray[np.float64]]
"""A score, or several, from counts that were summed over blocks."""

SAMPLES = 1000
COVERAGE = 0.95

_CHUNK = 2**22
"""Largest array of multiplicities held at once: samples × blocks."""


def interval(
    block_counts: NDArray[Any], statistic: Statistic, seed: int, n: int = SAMPLES
) -> tuple[float, float]:
    """95 % percentile interval of a score over samples of blocks.

    Args:
        block_counts: ``(blocks, …)`` counts or lengths of each block; they add up over blocks.
        statistic: the score from the counts ``(…)`` of some blocks together.
        seed: of the samples.
        n: number of samples.

    Returns:
        Lower and upper end; both NaN for fewer than two blocks, or where the score is
        undefined in every sample. Samples in which it is undefined are left out.
    """
    low, high = bounds(replicates(block_counts, statistic, seed, n))
    return float(low), float(high)


def difference(
    block_counts_a: NDArray[Any],
    block_counts_b: NDArray[Any],
    statistic: Statistic,
    seed: int,
    n: int = SAMPLES,
) -> tuple[float, float, float]:
    """How much higher B scores than A, with the 95 % interval of the paired difference.

    If the interval excludes 0, the difference is more than the choice of blocks explains.

    Args:
        block_counts_a: ``(blocks, …)`` counts of each block in A.
        block_counts_b: same, of the same blocks in the same order, in B.
        statistic: as for `interval`.
        seed: of the samples.
        n: number of samples.

    Returns:
        ``score(B) - score(A)``, and lower and upper end of its interval.

    Raises:
        ValueError: if A and B have different shapes, so that their blocks can't be the same.
    """
    if block_counts_a.shape != block_counts_b.shape:
        raise ValueError(
            f"the blocks differ: counts of shape {block_counts_a.shape} against {block_counts_b.shape}"
        )
    delta = statistic(block_counts_b.sum(axis=0)) - statistic(block_counts_a.sum(axis=0))
    of_a, of_b = (replicates(counts, statistic, seed, n) for counts in (block_counts_a, block_counts_b))
    low, high = bounds(of_b - of_a)
    return float(delta), float(low), float(high)


def replicates(
    block_counts: NDArray[Any], statistic: Statistic, seed: int, n: int = SAMPLES
) -> NDArray[np.float64]:
    """The score in each sample: ``(n, …)``, whatever shape the statistic has.

    The blocks drawn depend on the seed and the number of blocks alone. One block gives no
    estimate of the variation between blocks: its replicates are NaN.

    Args:
        block_counts: ``(blocks, …)`` counts or lengths of each block; they add up over blocks.
        statistic: as for `interval`.
        seed: of the samples.
        n: number of samples.

    Returns:
        ``(n, …)`` float64.
    """
    blocks, shape = len(block_counts), block_counts.shape[1:]
    if blocks < 2:
        return np.full((n, *np.shape(statistic(block_counts.sum(axis=0)))), np.nan)
    # Whole numbers below 2**53 are exact in float64, whose products are fast.
    flat = block_counts.reshape(blocks, -1).astype(np.float64)
    values = [
        statistic(total.reshape(shape))
        for weights in _resample_counts(blocks, seed, n)
        for total in (weights @ flat).astype(block_counts.dtype)
    ]
    return np.asarray(values, dtype=np.float64)


def bounds(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Lower and upper end, ``(2, …)``, of the central 95 % of replicates ``(n, …)``.

    NaN replicates are left out; both ends are NaN where all are NaN.
    """
    flat = values.reshape(len(values), -1)
    ends = np.full((2, flat.shape[1]), np.nan)
    tails = 100 * np.array([(1 - COVERAGE) / 2, (1 + COVERAGE) / 2])
    for column, series in enumerate(flat.T):
        known = series[~np.isnan(series)]
        if known.size:
            ends[:, column] = np.percentile(known, tails)
    return ends.reshape(2, *values.shape[1:])


def _resample_counts(blocks: int, seed: int, n: int) -> Iterator[NDArray[np.float64]]:
    """How often each sample holds each block, ``(some, blocks)`` at a time."""
    rng = np.random.default_rng(seed)
    left = n
    while left:
        some = max(1, min(left, _CHUNK // blocks))
        yield rng.multinomial(blocks, np.full(blocks, 1 / blocks), size=some).astype(np.float64)
        left -= some
