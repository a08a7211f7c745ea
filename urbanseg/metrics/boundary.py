"""Boundary F1 and boundary IoU: accuracy of the outlines of each class.

Definition of Csurka et al. 2013, "What is a good evaluation measure for semantic
segmentation?", with the boundary matching of Perazzi et al. 2016 (DAVIS): precision is
the share of predicted boundary pixels within the tolerance of a reference boundary of
the same class, recall the converse. Boundary IoU: Cheng et al. 2021,
"Boundary IoU: Improving Object-Centric Image Segmentation Evaluation". Counts are summed
over windows; with a halo of `halo_px` pixels the sum does not depend on how the scene is cut.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import floor, prod, sqrt

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter, minimum_filter

from urbanseg.classes import IGNORE

MAX_CLASSES = 64
"""One bit each in the widest unsigned integer."""

EVERYWHERE = (slice(None), slice(None))
"""The core of a window without a halo."""

_ROUNDING = 1e-9
"""Keeps a distance equal to the tolerance inside it, whatever the rounding."""


@dataclass(frozen=True)
class BoundaryCounts:
    """Boundary pixels of each class, and those near the other raster's.

    Each is ``(n,)`` int64, or ``(cells, n)`` where they were counted by cell.
    """

    predicted: NDArray[np.int64]
    predicted_matched: NDArray[np.int64]
    reference: NDArray[np.int64]
    reference_matched: NDArray[np.int64]

    @classmethod
    def none(cls, n: int) -> "BoundaryCounts":
        """No boundary pixel of any of `n` classes."""
        return cls(*(np.zeros(n, np.int64) for _ in range(4)))

    @classmethod
    def stacked(cls, parts: Sequence["BoundaryCounts"]) -> "BoundaryCounts":
        """The counts by cell of several areas, one after the other."""
        return cls(
            np.concatenate([part.predicted for part in parts]),
            np.concatenate([part.predicted_matched for part in parts]),
            np.concatenate([part.reference for part in parts]),
            np.concatenate([part.reference_matched for part in parts]),
        )

    def total(self) -> "BoundaryCounts":
        """The counts of all cells together."""
        return BoundaryCounts(
            self.predicted.sum(axis=0),
            self.predicted_matched.sum(axis=0),
            self.reference.sum(axis=0),
            self.reference_matched.sum(axis=0),
        )

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
    core: tuple[slice, slice] = EVERYWHERE,
    cells: NDArray[np.int64] | None = None,
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
        cells: ``(height, width)`` int64 of the core, the cell that each pixel belongs to,
            the last pixel to the last; None counts all of them together.

    Returns:
        Boundary pixels of each class in both rasters, and those matched; by cell if `cells` is
        given.

    Raises:
        ValueError: if there are more classes than `MAX_CLASSES`.
    """
    table = _bit_table(n)
    rasters = [prediction, reference]
    edges = [boundaries(classes, counted) for classes in rasters]
    near = [
        spread(np.where(edge, table[classes], table.dtype.type(0)), tolerance_m, pixel_m)
        for edge, classes in zip(edges, rasters, strict=True)
    ]

    shape = (n,) if cells is None else (int(cells[-1, -1]) + 1, n)
    sums = []
    for classes, edge, other in zip(rasters, edges, reversed(near), strict=True):
        at = edge[core]
        own = classes[core][at]
        matched = (other[core][at] & table[own]) > 0
        key = own if cells is None else cells[at] * n + own
        sums += [
            np.bincount(kept, minlength=prod(shape)).reshape(shape).astype(np.int64)
            for kept in (key, key[matched])
        ]
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


@dataclass(frozen=True)
class BandCounts:
    """Pixels of each class near its own outline, ``(n,)`` int64 each: in one raster, and in both."""

    reference: NDArray[np.int64]
    predicted: NDArray[np.int64]
    both: NDArray[np.int64]

    @classmethod
    def none(cls, n: int) -> "BandCounts":
        """No pixel of any of `n` classes."""
        return cls(*(np.zeros(n, np.int64) for _ in range(3)))

    def __add__(self, other: "BandCounts") -> "BandCounts":
        return BandCounts(
            self.reference + other.reference, self.predicted + other.predicted, self.both + other.both
        )


def band_counts(
    reference: NDArray[np.uint8],
    prediction: NDArray[np.uint8],
    counted: NDArray[np.bool_],
    *,
    n: int,
    width_m: float,
    pixel_m: tuple[float, float],
    core: tuple[slice, slice] = EVERYWHERE,
) -> BandCounts:
    """Count the pixels of each class that erosion takes off: those near its outline.

    As published: the mask of a class less its erosion, `band_px` times, by a square of 3 × 3
    pixels. What is beyond the scene's edge or isn't counted belongs to no class, so that, unlike the
    boundaries above, bands lie along these edges, too.

    Args:
        reference: as for `boundary_counts`.
        prediction: same, predicted.
        counted: same.
        n: number of classes, at most `IGNORE`.
        width_m: width of the bands in metres.
        pixel_m: height and width of a pixel in metres.
        core: as for `boundary_counts`.

    Returns:
        Pixels of the bands of each class, in each raster and in both.
    """
    bands = [
        (counted & _is_near_other(np.where(counted, classes, IGNORE), band_px(width_m, pixel_m)))[core]
        for classes in (reference, prediction)
    ]
    of_reference, of_prediction = reference[core], prediction[core]
    shared = bands[0] & bands[1] & (of_reference == of_prediction)
    masks = ((of_reference, bands[0]), (of_prediction, bands[1]), (of_reference, shared))
    return BandCounts(*(np.bincount(classes[mask], minlength=n) for classes, mask in masks))


def band_px(width_m: float, pixel_m: tuple[float, float]) -> int:
    """How often masks are eroded for bands of a width: it in whole pixels, at least once."""
    return max(1, round(width_m / sqrt(prod(pixel_m))))


def _is_near_other(classes: NDArray[np.uint8], reach: int) -> NDArray[np.bool_]:
    """Whether a square of `reach` pixels to each side holds another class or ends outside the array."""
    around = {"size": 2 * reach + 1, "mode": "constant", "cval": IGNORE}
    return np.asarray(maximum_filter(classes, **around) != minimum_filter(classes, **around))


def boundary_iou(counts: BandCounts) -> NDArray[np.float64]:
    """IoU of the bands of each class, ``(n,)`` of 0–1; NaN where neither raster has a band."""
    union = counts.reference + counts.predicted - counts.both
    return np.where(union > 0, counts.both / np.maximum(union, 1), np.nan)


def _bit_table(n: int) -> NDArray[np.unsignedinteger]:
    """One bit for each class id, none for `IGNORE`, in the narrowest type."""
    if n > MAX_CLASSES:
        raise ValueError(f"boundaries are counted for at most {MAX_CLASSES} classes, got {n}")
    table = np.zeros(IGNORE + 1, np.min_scalar_type(2**n - 1))
    table[:n] = 1 << np.arange(n, dtype=np.uint64)
    return table


def spread(
    bits: NDArray[np.unsignedinteger], tolerance_m: float, pixel_m: tuple[float, float]
) -> NDArray[np.unsignedinteger]:
    """Every pixel's own bits and those of all pixels within the tolerance.

    It equals an exact Euclidean distance transform of each bit compared with the
    tolerance, but processes all classes at once: the disc is decomposed into rows of chords, and
    from its edge to its centre each chord is dilated from the previous one.

    Args:
        bits: ``(height, width)``, one bit for each class.
        tolerance_m: radius of the disc in metres.
        pixel_m: height and width of a pixel in metres.

    Returns:
        ``(height, width)`` of the same dtype.
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
