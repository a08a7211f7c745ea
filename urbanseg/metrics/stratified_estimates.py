"""Accuracy and area from a stratified sample, with standard errors.

The map's classes are the strata, their mapped areas the weights: Olofsson et al. 2014,
"Good practices for estimating area and assessing accuracy of land change", Remote
Sensing of Environment 148, whose equations are named below. The standard errors hold for
samples drawn at random within each stratum, as `sampling` draws them; pixels of test
blocks are no such sample; their intervals come from `bootstrap`.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Z_95 = 1.959964
"""Half-width of a 95 % interval in standard errors."""


@dataclass(frozen=True)
class AccuracyEstimates:
    """Estimates and their standard errors; ``(n,)`` where they are of a class, all float64.

    Attributes:
        overall: share of the map's area that is correct (equation 1), and its error (5).
        users: correct share of the area mapped as a class (2), error (6); NaN if not sampled.
        producers: correctly mapped share of a class's area (3), error (7); NaN if there is none.
        area: estimated area of each class, in the unit of the mapped areas (9), error (11).
    """

    overall: float
    overall_error: float
    users: NDArray[np.float64]
    users_error: NDArray[np.float64]
    producers: NDArray[np.float64]
    producers_error: NDArray[np.float64]
    area: NDArray[np.float64]
    area_error: NDArray[np.float64]


def adjusted_area(sample: NDArray[np.int64], mapped: NDArray[np.float64]) -> NDArray[np.float64]:
    """Area of each class, corrected for the map's errors in the sample.

    Equations 4 and 9: ``Â_k = Σ_i A_i n_ik / n_i.`` with the mapped areas ``A_i``.

    Args:
        sample: ``(n, n)`` int64, sampled points by mapped class (rows) and reference class.
        mapped: ``(n,)`` area of each class in the map, any unit.

    Returns:
        ``(n,)`` float64; NaN throughout if a class that is mapped was never sampled.
    """
    per_stratum = sample.sum(axis=1)
    if ((mapped > 0) & (per_stratum == 0)).any():
        return np.full(len(mapped), np.nan)
    return np.asarray((mapped / np.maximum(per_stratum, 1)) @ sample, dtype=np.float64)


def estimate_accuracy(sample: NDArray[np.int64], mapped: NDArray[np.float64]) -> AccuracyEstimates:
    """Accuracies and areas with their standard errors.

    Args:
        sample: ``(n, n)`` int64, points by mapped class (rows) and reference class; drawn
            at random within each mapped class, two at least of each for an error.
        mapped: ``(n,)`` area of each class in the map, any unit.

    Raises:
        ValueError: if a class that is mapped was never sampled.
    """
    points = sample.sum(axis=1).astype(np.float64)
    if (unsampled := np.flatnonzero((mapped > 0) & (points == 0))).size:
        raise ValueError(f"no sample in the strata {unsampled.tolist()}")
    weight = mapped / mapped.sum()
    share = sample / np.maximum(points, 1)[:, np.newaxis]
    spare = np.where(points > 1, points - 1, np.nan)
    spare[points == 0] = 1  # an empty stratum without area adds nothing
    hits = np.diagonal(share)
    right = np.diagonal(sample)

    users = np.where(points > 0, hits, np.nan)
    users_variance = hits * (1 - hits) / spare
    proportion = weight @ share
    variance = (weight**2 / spare) @ (share * (1 - share))
    area = proportion * mapped.sum()

    strata = np.where(points > 0, mapped / np.maximum(points, 1), 0)
    own = np.eye(len(mapped), dtype=bool)
    with np.errstate(invalid="ignore", divide="ignore"):
        producers = strata * right / area
        within = mapped**2 * (1 - producers) ** 2 * hits * (1 - hits) / spare
        others = np.where(own, 0, (mapped**2 / spare)[:, np.newaxis] * share * (1 - share)).sum(axis=0)
        producers_variance = (within + producers**2 * others) / area**2
    return AccuracyEstimates(
        overall=float(weight @ hits),
        overall_error=float(np.sqrt(weight**2 @ users_variance)),
        users=users,
        users_error=np.where(points > 0, np.sqrt(users_variance), np.nan),
        producers=producers,
        producers_error=np.sqrt(producers_variance),
        area=area,
        area_error=mapped.sum() * np.sqrt(variance),
    )
