"""Block bootstrap: the standard error of a score over test blocks, and its interval.

Errors of neighbouring pixels are correlated, so pixels are no independent sample; whole
blocks are drawn with replacement instead, and the score is computed again from their
summed counts (Efron & Tibshirani 1993, "An Introduction to the Bootstrap"; Künsch 1989, "The
Jackknife and the Bootstrap for General Stationary Observations", for blocks). Blocks are
correlated, too: of n with the worth of n' independent ones (`correlation`) the standard error
grows by ``√(n / (n' − 1))``, and the interval is Student's t with n' − 1 degrees of freedom.
Two maps of the same blocks are compared by drawing the same blocks for both: the variation of
difficulty between blocks, which both share, cancels. Cities are given, not drawn: each keeps
its number of blocks in every sample.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import isnan
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtr, stdtrit

from urbanseg.grid import Window
from urbanseg.metrics.correlation import effective_units

Counts = NDArray[Any]
Floats = NDArray[np.float64]
Areas = Sequence[Sequence[Window]]
Statistic = Callable[[Counts], Floats]
"""Several scores, ``(figures,)``, from counts that were summed over blocks."""

SAMPLES = 1000
COVERAGE = 0.95

MIN_UNITS = 10
"""Fewer cells or blocks give no interval: neither their variation nor their correlation can be measured."""

_LEAST_DEGREES = 1.0
"""Where all units of a city are worth one or two, it is taken for two, so that the error stays finite."""

_ROUNDING_DIGITS = 12
"""Of what a unit adds to a score: less is the rounding of sums."""

_CHUNK = 2**22
"""Largest array of multiplicities held at once: samples × blocks."""


class Interval(NamedTuple):
    """How sure a figure is.

    Attributes:
        low: lower end of the 95 % interval; NaN without one.
        high: upper end; NaN without one.
        units: number of cells or test blocks that the interval rests on.
        unit: ``cells`` or ``blocks``.
        effective: how many independent ones they are worth; NaN where unknown.
        p_drop: of a difference, the one-sided p-value of a drop; NaN where unknown.
    """

    low: float
    high: float
    units: int
    unit: str
    effective: float = float("nan")
    p_drop: float = float("nan")

    @property
    def basis(self) -> str:
        """What the interval rests on, or why there is none, in words."""
        if not isnan(self.low):
            worth = "" if isnan(self.effective) else f" worth {self.effective:.0f}"
            return f"{self.units} {self.unit}{worth}"
        if self.units < MIN_UNITS:
            return f"none: {self.units} {self.unit}, and {MIN_UNITS} are needed"
        return f"none: undefined, or without one of the {self.units} {self.unit}"


@dataclass(frozen=True)
class Estimate:
    """Scores, or differences of scores, and how sure they are; ``(figures,)`` float64 each.

    Attributes:
        value: the scores; NaN where undefined.
        error: their standard errors; NaN where unknown.
        degrees: degrees of freedom of the errors.
        correlation: of neighbouring units; NaN where unknown.
        effective: how many independent units they are worth.
        units: number of cells or blocks that hold anything.
    """

    value: Floats
    error: Floats
    degrees: Floats
    correlation: Floats
    effective: Floats
    units: int

    def intervals(
        self, names: Sequence[str], unit: str, least: ArrayLike = -np.inf, most: ArrayLike = np.inf
    ) -> dict[str, Interval]:
        """The intervals by the names of the scores.

        Args:
            names: of the scores.
            unit: what the units are: ``cells`` or ``blocks``.
            least: where intervals end at the latest below, of all scores or of each.
            most: likewise above.
        """
        low, high = np.clip(self.interval, least, most)
        columns = (column.tolist() for column in (low, high, self.effective, self.p_drop))
        rows = zip(names, *columns, strict=True)
        return {name: Interval(start, end, self.units, unit, worth, p) for name, start, end, worth, p in rows}

    @property
    def interval(self) -> Floats:
        """Lower and upper end of the 95 % intervals: ``(2, figures)``; NaN where unknown."""
        half = stdtrit(self.degrees, (1 + COVERAGE) / 2) * self.error
        return np.stack([self.value - half, self.value + half])

    @property
    def p_drop(self) -> Floats:
        """One-sided p-values of a drop: how likely so low a value is where the true one is 0."""
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = np.where(self.error > 0, self.value / self.error, np.sign(self.value) * np.inf)
        certain = (self.error == 0) & (self.value == 0)
        return np.where(np.isnan(self.error), np.nan, np.where(certain, 0.5, stdtr(self.degrees, ratio)))


def estimate(
    block_counts: Counts, statistic: Statistic, areas: Areas, seed: int, n: int = SAMPLES
) -> Estimate:
    """Scores with their standard errors.

    Args:
        block_counts: ``(blocks, …)`` counts or lengths of each block; they add up over blocks.
        statistic: the scores from the counts ``(…)`` of some blocks together.
        areas: where the blocks of each city lie, in the order of the counts.
        seed: of the samples.
        n: number of samples.

    Returns:
        The scores of all blocks together. Standard errors are NaN with fewer than `MIN_UNITS`
        blocks that hold anything, and where the score is undefined without one of them.
    """
    return _estimate([block_counts], lambda one: statistic(one[0]), areas, seed, n)


def difference(
    block_counts_a: Counts,
    block_counts_b: Counts,
    statistic: Statistic,
    areas: Areas,
    seed: int,
    n: int = SAMPLES,
) -> Estimate:
    """How much higher B scores than A, with the standard error of the paired difference.

    Args:
        block_counts_a: ``(blocks, …)`` counts of each block in A.
        block_counts_b: same, of the same blocks in the same order, in B.
        statistic: as for `estimate`.
        areas: as for `estimate`.
        seed: of the samples.
        n: number of samples.

    Returns:
        ``scores(B) - scores(A)``. Equal counts differ by 0, however few they are.

    Raises:
        ValueError: if A and B have different shapes, so that their blocks can't be the same.
    """
    if block_counts_a.shape != block_counts_b.shape:
        raise ValueError(
            f"the blocks differ: counts of shape {block_counts_a.shape} against {block_counts_b.shape}"
        )
    both = [block_counts_a, block_counts_b]
    found = _estimate(both, lambda pair: statistic(pair[1]) - statistic(pair[0]), areas, seed, n)
    if np.array_equal(block_counts_a, block_counts_b):
        nothing = np.where(np.isnan(found.value), np.nan, 0.0)
        return Estimate(
            nothing, nothing, np.ones_like(nothing), found.correlation, found.effective, found.units
        )
    return found


def replicates(
    sides: Sequence[Counts],
    statistic: Callable[[list[Counts]], Floats],
    sizes: Sequence[int],
    seed: int,
    n: int = SAMPLES,
) -> Floats:
    """The scores in each sample: ``(n, figures)``; the same blocks are drawn on each side.

    Args:
        sides: ``(blocks, …)`` counts of the same blocks in each map.
        statistic: the scores from the summed counts of each side.
        sizes: number of blocks in each city, each of which keeps its number in a sample.
        seed: of the samples.
        n: number of samples.

    Returns:
        ``(n, figures)`` float64.
    """
    # Whole numbers below 2**53 are exact in float64, whose products are fast.
    flat = [side.reshape(len(side), -1).astype(np.float64) for side in sides]
    values = []
    for weights in _resample_counts(sizes, seed, n):
        sums = [(weights @ counts).astype(side.dtype) for counts, side in zip(flat, sides, strict=True)]
        values += [
            statistic([one.reshape(side.shape[1:]) for one, side in zip(sample, sides, strict=True)])
            for sample in zip(*sums, strict=True)
        ]
    return np.asarray(values, dtype=np.float64)


def _estimate(
    sides: Sequence[Counts], statistic: Callable[[list[Counts]], Floats], areas: Areas, seed: int, n: int
) -> Estimate:
    value = statistic([side.sum(axis=0) for side in sides])
    held = np.any([side.reshape(len(side), -1).any(axis=1) for side in sides], axis=0)
    sides, areas, units = [side[held] for side in sides], _held(areas, held), int(held.sum())
    if units < MIN_UNITS:
        unknown = np.full(len(value), np.nan)
        return Estimate(value, unknown, unknown, unknown, unknown, units)

    # What each unit adds to a score: its jackknife pseudo-value, less the mean of its city.
    added = ((units - 1) * (value - _without_each(sides, statistic))).round(_ROUNDING_DIGITS)
    sizes = np.array([len(area) for area in areas])
    by_city = [part - part.mean(axis=0) for part in np.split(added, np.cumsum(sizes)[:-1])]
    worth = effective_units(by_city, areas)
    squares = np.array([(part**2).sum(axis=0) for part in by_city])
    degrees = np.maximum(worth.units - 1, _LEAST_DEGREES)
    grown = squares * sizes[:, np.newaxis] / degrees
    # Where nothing varies, nothing grows.
    growth = _ratio(grown.sum(axis=0), squares.sum(axis=0))
    error = _deviation(replicates(sides, statistic, sizes.tolist(), seed, n)) * np.sqrt(growth)
    return Estimate(
        value=value,
        error=np.where(np.isnan(value), np.nan, error),
        # Welch and Satterthwaite, for the sum of the cities' variances.
        degrees=_ratio(grown.sum(axis=0) ** 2, (grown**2 / degrees).sum(axis=0)),
        correlation=worth.correlation,
        effective=worth.units.sum(axis=0),
        units=units,
    )


def _deviation(drawn: Floats) -> Floats:
    """Standard deviation over the samples that are defined; NaN where fewer than two are."""
    known = ~np.isnan(drawn)
    count = known.sum(axis=0)
    mean = np.where(known, drawn, 0).sum(axis=0) / np.maximum(count, 1)
    squares = np.where(known, drawn - mean, 0) ** 2
    return np.where(count > 1, np.sqrt(squares.sum(axis=0) / np.maximum(count, 1)), np.nan)


def _held(areas: Areas, held: NDArray[np.bool_]) -> list[list[Window]]:
    """The areas without the blocks that hold nothing, and without areas that are left empty."""
    left = iter(held.tolist())
    found = [[window for window in area if next(left)] for area in areas]
    return [area for area in found if area]


def _without_each(sides: Sequence[Counts], statistic: Callable[[list[Counts]], Floats]) -> Floats:
    """The scores without each unit: ``(units, figures)``."""
    total = [side.sum(axis=0) for side in sides]

    def rest(i: int) -> list[Counts]:
        # Rounded, so that nothing is left of a length that one unit had alone.
        return [(whole - side[i]).round(6) for whole, side in zip(total, sides, strict=True)]

    return np.array([statistic(rest(i)) for i in range(len(sides[0]))])


def _ratio(above: Floats, below: Floats) -> Floats:
    """A quotient; 1 for 0 / 0."""
    return np.where(below == 0, 1.0, above / np.where(below == 0, 1, below))


def _resample_counts(sizes: Sequence[int], seed: int, n: int) -> Iterator[Floats]:
    """How often each sample holds each block, ``(some, blocks)`` at a time."""
    rngs = np.random.default_rng(seed).spawn(len(sizes))
    left = n
    while left:
        some = max(1, min(left, _CHUNK // sum(sizes)))
        drawn = [
            rng.multinomial(size, np.full(size, 1 / size), size=some)
            for rng, size in zip(rngs, sizes, strict=True)
        ]
        yield np.concatenate(drawn, axis=1).astype(np.float64)
        left -= some
