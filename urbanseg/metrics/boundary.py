"""Boundary F1: how well the outlines of each class are drawn, at a tolerance in metres.

Definition of Csurka et al. 2013, "What is a good evaluation measure for semantic
segmentation?", with the boundary matching of Perazzi et al. 2016 (DAVIS): precision is
the share of predicted boundary pixels within the tolerance of a reference boundary of
the same class, recall the converse. Counts are summed over windows; with a halo of
`halo_px` pixels the sum does not depend on how the scene is cut.
"""

from dataclasses import dataclass
from math import floor, sqrt

import numpy as np
from numpy.typing import NDArray

from urbanseg.classes import IGNORE

MAX_CLASSES = 64
"""One bit each in the widest unsigned integer."""

_ROUNDING = 1e-9
"""Keeps a distance equal to the tolerance inside it, whatever the rounding."""


@dataclass(frozen=True)
class BoundaryCounts:
    """Boundary pixels of each class, and those near the other raster's: ``(n,)`` int64 each."""

    predicted: NDArray[np.int64]
    predicted_matched: NDArray[np.int64]
    reference: NDArray[np.int64]
    reference_matched: NDArray[np.int64]

    @classmethod
    def none(cls, n: int) -> "BoundaryCounts":
        """No boundary pixel of any of `n` classes."""
        return cls(*(np.zeros(n, np.int64) for _ in range(4)))

    def __add__(self, other: "BoundaryCounts") -> "BoundaryCounts":
        return BoundaryCounts(
            self.predicted + other.predicted,
            self.predicted_matched + other.predicted_matched,
            self.reference + other.reference,
            self.reference_matched + other.reference_matched,
        )


@dataclass(frozen=True)
class BoundaryScores:
    """Scores of each class, ``(n,)`` float64 of 0–1; NaN where neither raster has a boundary."""

    precision: NDArray[np.float64]
    recall: NDArray[np.float64]
    f1: NDArray[np.float64]


def halo_px(tolerance_m: float, pixel_m: tuple[float, float]) -> int:
    """Pixels around a window that its boundary counts depend on."""
    return floor(tolerance_m / min(pixel_m) + _ROUNDING) + 1


def boundaries(classes: NDArray[np.uint8], counted: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Pixels with a 4-neighbour of another class: the inner boundary of every class mask.

    Only steps between two counted pixels make a boundary: the edge of the scene, of the
    test area or of an ignored patch is none.

    Args:
        classes: ``(height, width)`` uint8 class ids.
        counted: ``(height, width)`` bool, which pixels count.

    Returns:
        ``(height, width)`` bool.
    """
    edge = np.zeros(classes.shape, bool)
    step = (classes[1:] != classes[:-1]) & counted[1:] & counted[:-1]
    edge[1:] |= step
    edge[:-1] |= step
    step = (classes[:, 1:] != classes[:, :-1]) & counted[:, 1:] & counted[:, :-1]
    edge[:, 1:] |= step
    edge[:, :-1] |= step
    return edge


def boundary_counts(
    reference: NDArray[np.uint8],
    prediction: NDArray[np.uint8],
    counted: NDArray[np.bool_],
    *,
    n: int,
    tolerance_m: float,
    pixel_m: tuple[float, float],
    core: tuple[slice, slice] = (slice(None), slice(None)),
) -> BoundaryCounts:
    """Count the boundary pixels of a window and those matched in the other raster.

    Args:
        reference: ``(height, width)`` uint8 class ids of the window and its halo.
        prediction: same, predicted.
        counted: ``(height, width)`` bool, which pixels count.
        n: number of classes, at most `MAX_CLASSES`.
        tolerance_m: largest distance of a match between pixel centres, in metres.
        pixel_m: height and width of a pixel in metres.
        core: the window inside the halo; only its pixels are counted.

    Raises:
        ValueError: if there are more classes than `MAX_CLASSES`.
    """
    if n > MAX_CLASSES:
        raise ValueError(f"boundaries are counted for at most {MAX_CLASSES} classes, got {n}")
    table = np.zeros(IGNORE + 1, np.min_scalar_type(2**n - 1))
    table[:n] = 1 << np.arange(n, dtype=np.uint64)
    rasters = [prediction, reference]
    edges = [boundaries(classes, counted) for classes in rasters]
    near = [
        _spread(np.where(edge, table[classes], table.dtype.type(0)), tolerance_m, pixel_m)
        for edge, classes in zip(edges, rasters, strict=True)
    ]

    sums = []
    for classes, edge, other in zip(rasters, edges, reversed(near), strict=True):
        own = classes[core][edge[core]]
        matched = (other[core][edge[core]] & table[own]) > 0
        sums += [np.bincount(own, minlength=n), np.bincount(own[matched], minlength=n)]
    return BoundaryCounts(*sums)


def boundary_scores(counts: BoundaryCounts) -> BoundaryScores:
    """Precision, recall and their harmonic mean for each class.

    A class with a boundary in one raster only scores 0 throughout.
    """
    either = counts.predicted + counts.reference > 0
    precision = counts.predicted_matched / np.maximum(counts.predicted, 1)
    recall = counts.reference_matched / np.maximum(counts.reference, 1)
    total = precision + recall
    f1 = 2 * precision * recall / np.where(total > 0, total, 1)
    return BoundaryScores(*(np.where(either, score, np.nan) for score in (precision, recall, f1)))


def _spread(
    bits: NDArray[np.unsignedinteger], tolerance_m: float, pixel_m: tuple[float, float]
) -> NDArray[np.unsignedinteger]:
    """Every pixel's own bits and those of all pixels within the tolerance.

    It equals an exact Euclidean distance transform of each bit compared with the
    tolerance, but serves all classes at once: the disc is a stack of chords, and going
    from its rim to its centre each chord grows out of the one before.
    """
    height_m, width_m = pixel_m
    chord, reach = bits.copy(), 0
    disc = np.zeros_like(bits)
    for row in range(floor(tolerance_m / height_m + _ROUNDING), -1, -1):
        half_m = sqrt(max(0.0, tolerance_m**2 - (row * height_m) ** 2))
        while reach < floor(half_m / width_m + _ROUNDING):
            reach += 1
            chord[:, reach:] |= bits[:, :-reach]
            chord[:, :-reach] |= bits[:, reach:]
        disc[row:] |= chord[: -row or None]
        disc[: -row or None] |= chord[row:]
    return disc
