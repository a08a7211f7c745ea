"""Completeness, correctness and quality of a road network, with a buffer around the other one.

Definitions of Wiedemann et al. 1998, "Empirical Evaluation of Automatically Extracted Road
Axes", and Heipke et al. 1997, "Evaluation of Automatic Road Extraction": a piece of road is
matched if it lies within the buffer width of the other network. Lengths add up over
areas. Lines are compared exactly, segment by segment, without constructing a buffer: the
points of a segment within some distance of another segment are an interval of it.
"""

from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray

Points = NDArray[np.float64]


@dataclass(frozen=True)
class MatchedLengths:
    """Lengths in metres: all of each network, and what lies within the buffer of the other."""

    reference: float = 0.0
    reference_matched: float = 0.0
    predicted: float = 0.0
    predicted_matched: float = 0.0

    def __add__(self, other: "MatchedLengths") -> "MatchedLengths":
        return MatchedLengths(
            self.reference + other.reference,
            self.reference_matched + other.reference_matched,
            self.predicted + other.predicted,
            self.predicted_matched + other.predicted_matched,
        )

    @property
    def completeness(self) -> float:
        """Matched share of the reference; NaN without reference roads."""
        return self.reference_matched / self.reference if self.reference else float("nan")

    @property
    def correctness(self) -> float:
        """Matched share of the prediction; NaN without predicted roads."""
        return self.predicted_matched / self.predicted if self.predicted else float("nan")

    @property
    def quality(self) -> float:
        """Matched prediction over prediction plus unmatched reference; NaN without any road."""
        whole = self.predicted + self.reference - self.reference_matched
        return self.predicted_matched / whole if whole else float("nan")


def match_lengths(
    reference: NDArray[np.object_], predicted: NDArray[np.object_], buffer_m: float
) -> MatchedLengths:
    """Lengths of both networks and how much of each lies within `buffer_m` of the other.

    Args:
        reference: ``(n,)`` shapely lines, coordinates in metres.
        predicted: same.
        buffer_m: width of the buffer on each side, in metres.

    Returns:
        Lengths in metres; they add up over areas.
    """
    sides = _segments(reference), _segments(predicted)
    lengths = [float(np.linalg.norm(ends[:, 1] - ends[:, 0], axis=1).sum()) for ends in sides]
    near = [_length_near(own, other, buffer_m) for own, other in (sides, sides[::-1])]
    return MatchedLengths(lengths[0], near[0], lengths[1], near[1])


def _segments(lines: NDArray[np.object_]) -> Points:
    """Straight pieces of some lines, ``(n, 2, 2)``: start and end, x and y; none of length 0."""
    points, line = shapely.get_coordinates(lines, return_index=True)
    pieces = np.stack([points[:-1], points[1:]], axis=1)[line[:-1] == line[1:]]
    return np.asarray(pieces[(pieces[:, 0] != pieces[:, 1]).any(axis=1)])


def _length_near(own: Points, other: Points, buffer_m: float) -> float:
    """Length of `own` within `buffer_m` of `other`."""
    if not len(own) or not len(other):
        return 0.0
    lines, others = (np.asarray(shapely.linestrings(each)) for each in (own, other))
    mine, theirs = shapely.STRtree(others).query(lines, predicate="dwithin", distance=buffer_m)
    start, stop = _within(own[mine], other[theirs], buffer_m)
    length = np.linalg.norm(own[:, 1] - own[:, 0], axis=1)
    return float(_union(mine, start, stop, len(own)) @ length)


def _within(own: Points, other: Points, reach: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Part of each segment within `reach` of its partner, as shares 0–1 of its length.

    The points within reach of a segment make a stadium, which is convex and the union of a
    rectangle and two discs: the part runs from the first to the last entry into any of them.
    """
    start = own[:, 0]
    step = own[:, 1] - start
    axis = other[:, 1] - other[:, 0]
    extent = np.linalg.norm(axis, axis=1)
    along = axis / extent[:, np.newaxis]
    across = np.stack([-along[:, 1], along[:, 0]], axis=1)

    offset = start - other[:, 0]
    rectangle = [
        _slab(_dot(offset, along), _dot(step, along), np.zeros(len(own)), extent),
        _slab(_dot(offset, across), _dot(step, across), np.full(len(own), -reach), np.full(len(own), reach)),
    ]
    low = np.maximum(rectangle[0][0], rectangle[1][0])
    high = np.minimum(rectangle[0][1], rectangle[1][1])
    empty = low > high
    low[empty], high[empty] = np.inf, -np.inf
    for centre in (other[:, 0], other[:, 1]):
        first, last = _disc(start - centre, step, reach)
        low, high = np.minimum(low, first), np.maximum(high, last)
    return np.clip(low, 0, 1), np.clip(high, 0, 1)


def _slab(
    at: NDArray[np.float64], speed: NDArray[np.float64], low: NDArray[np.float64], high: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """For which t the value ``at + t speed`` lies in ``[low, high]``; ``(inf, -inf)`` for none."""
    still = speed == 0
    rate = np.where(still, 1, speed)
    ends = np.sort([(low - at) / rate, (high - at) / rate], axis=0)
    inside = (at >= low) & (at <= high)
    first = np.where(still, np.where(inside, -np.inf, np.inf), ends[0])
    return first, np.where(still, -first, ends[1])


def _disc(offset: Points, step: Points, reach: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """For which t the point ``offset + t step`` lies within `reach` of 0; ``(inf, -inf)`` for none."""
    a, b = _dot(step, step), _dot(offset, step)
    root = b**2 - a * (_dot(offset, offset) - reach**2)
    miss = root < 0
    half = np.sqrt(np.where(miss, 0, root))
    return np.where(miss, np.inf, (-b - half) / a), np.where(miss, -np.inf, (-b + half) / a)


def _union(
    owner: NDArray[np.int64], start: NDArray[np.float64], stop: NDArray[np.float64], n: int
) -> NDArray[np.float64]:
    """Length of the union of each owner's intervals within 0–1: ``(n,)``."""
    order = np.lexsort((start, owner))
    owner, start, stop = owner[order], start[order], stop[order]
    # Owners are offset by two units each, so that one running maximum handles all of them.
    reached = np.maximum.accumulate(stop + 2.0 * owner) - 2.0 * owner
    before = np.concatenate([[0.0], reached[:-1]])
    before[np.flatnonzero(np.diff(owner, prepend=-1))] = 0.0
    added = np.maximum(0.0, stop - np.maximum(start, before))
    return np.bincount(owner, added, n).astype(np.float64)


def _dot(a: Points, b: Points) -> NDArray[np.float64]:
    return np.asarray(np.einsum("ij,ij->i", a, b))
