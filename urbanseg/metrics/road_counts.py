"""What is kept of the roads of a test block, and the figures computed from sums of it.

The network in the raster and the delivered one are counted alike; of the first, the skeleton
before its repair is kept, too.
"""

from dataclasses import astuple

import numpy as np
from numpy.typing import NDArray

from urbanseg.metrics.apls import PathSums
from urbanseg.metrics.road_matching import MatchedLengths
from urbanseg.metrics.roads import RoadScores

NETWORK_COUNTS = (
    "pairs",
    "pairs_connected",
    "reference_m",
    "reference_matched_m",
    "predicted_m",
    "predicted_matched_m",
    "reference_paths",
    "reference_difference",
    "predicted_paths",
    "predicted_difference",
)
"""What connectivity, completeness, correctness and APLS need."""

ROAD_COUNTS = (*NETWORK_COUNTS, "skeleton_pairs_connected", "skeleton_m", "skeleton_matched_m")
"""The same of the network in the raster, and of its skeleton before the repair."""

NETWORK_FIGURES = ("connectivity", "apls_pooled", "apls_mean", "completeness", "correctness", "quality")
"""Figures of a network, as `network_figures` gives them."""

ROAD_FIGURES = (
    "apls_pooled",
    "apls_mean",
    "completeness",
    "correctness",
    "quality",
    "connectivity",
    "connectivity_raw",
    "correctness_raw",
)
"""Figures of the network in the raster, as `road_figures` gives them."""

Floats = NDArray[np.float64]


def network_counts(scores: RoadScores) -> list[float]:
    """What is kept of a block's network, in the order of `NETWORK_COUNTS`."""
    return [scores.pairs, scores.pairs_connected, *astuple(scores.lengths), *astuple(scores.paths)]


def road_counts(scores: RoadScores) -> list[float]:
    """What is kept of a block's roads in the raster, in the order of `ROAD_COUNTS`."""
    before = scores.skeleton
    skeleton = [before.pairs_connected, before.lengths.predicted, before.lengths.predicted_matched]
    return [*network_counts(scores), *skeleton]


def with_apls(counts: Floats) -> Floats:
    """The counts of each block, its own APLS, and 1 if it has one: the last two sums give their mean.

    Args:
        counts: ``(blocks, n)``, those of `NETWORK_COUNTS` first.

    Returns:
        ``(blocks, n + 2)``.
    """
    first = NETWORK_COUNTS.index("reference_paths")
    apls = np.array([PathSums(*row).apls for row in counts[:, first : first + 4].tolist()])
    known = ~np.isnan(apls)
    return np.column_stack([counts, np.where(known, apls, 0), known])


def network_figures(total: Floats) -> dict[str, float]:
    """The `NETWORK_FIGURES` of several blocks together, NaN where undefined.

    Args:
        total: sums over the blocks, as `with_apls` makes them; what is between the `NETWORK_COUNTS` and
            the last two is not looked at.
    """
    pairs, connected, *rest = total[: len(NETWORK_COUNTS)].tolist()
    lengths, paths = MatchedLengths(*rest[:4]), PathSums(*rest[4:])
    apls, blocks_with_paths = total[-2:].tolist()
    return {
        "connectivity": connected / pairs if pairs else np.nan,
        "apls_pooled": paths.apls,
        "apls_mean": apls / blocks_with_paths if blocks_with_paths else np.nan,
        "completeness": lengths.completeness,
        "correctness": lengths.correctness,
        "quality": lengths.quality,
    }


def road_figures(total: Floats) -> dict[str, float]:
    """The same of the roads in the raster, with those of the skeleton before its repair.

    Args:
        total: sums over the blocks of `ROAD_COUNTS`, as `with_apls` makes them.
    """
    pairs = total[0]
    connected, skeleton, matched = total[len(NETWORK_COUNTS) : len(ROAD_COUNTS)].tolist()
    return network_figures(total) | {
        "connectivity_raw": connected / pairs if pairs else np.nan,
        "correctness_raw": matched / skeleton if skeleton else np.nan,
    }
