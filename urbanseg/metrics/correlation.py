"""How many independent units a sample of neighbouring ones is worth.

Errors of a map cluster, so cells or blocks side by side tell less than as many far apart.
The correlation of neighbours is measured (Moran 1950, "Notes on Continuous Stochastic
Phenomena", of rook neighbours), taken to decline exponentially with the distance, and gives the
effective number of units: ``n² / ΣΣ ρ(distance)`` (Cressie 1993, "Statistics for Spatial
Data", section 1.3; Clifford, Richardson & Hémon 1989, "Assessing the significance of the
correlation between two spatial processes"). Deviations from a mean of the same units are
correlated negatively; the measure is held against what it would be for deviations, not for errors.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from urbanseg.grid import Window

Floats = NDArray[np.float64]

RANGES = np.concatenate([[1e-3], np.geomspace(0.15, 10, 60)])
"""Ranges of the exponential correlation that are tried, in sides of a unit; the first is none."""


@dataclass(frozen=True)
class Effective:
    """What the units of each area are worth, for several figures.

    Attributes:
        correlation: ``(figures,)`` of neighbours, −1 to 1; NaN where nothing varies or no two units
            are neighbours.
        units: ``(areas, figures)`` effective number of units, at most the number there are.
    """

    correlation: Floats
    units: Floats


@dataclass(frozen=True)
class _Pairs:
    """Pairs of an area's units, counted by the offset between them on the grid of units."""

    rows: NDArray[np.int64]
    cols: NDArray[np.int64]
    shape: tuple[int, int]
    distance: Floats
    pairs: Floats
    neighbours_of_first: Floats
    """The same, each pair counted as often as its first unit has neighbours."""
    size: int
    links: float
    """Ordered pairs of neighbours."""


def effective_units(deviations: Sequence[Floats], areas: Sequence[Sequence[Window]]) -> Effective:
    """The effective number of units of each area, by the correlation of all their neighbours.

    Args:
        deviations: for each area ``(units, figures)``, what each unit adds to each figure, less
            the mean of the area.
        areas: where the units of each area lie, in pixels; units of one area are about equal in size.

    Returns:
        Correlation of neighbours, and effective units.
    """
    laid = [_pairs(area) for area in areas]
    measured = _measured(deviations, laid)
    sums = np.array([[_sums(area, reach) for area in laid] for reach in RANGES])
    links, total = sum(area.links for area in laid), sum(area.size for area in laid)
    if links:
        expected = sums[:, :, 1].sum(axis=1) / links / (sums[:, :, 2].sum(axis=1) / total)
        place = np.interp(measured, np.maximum.accumulate(expected), np.arange(len(RANGES)))
    else:
        place = np.zeros(len(measured))
    place = np.nan_to_num(place)
    units = np.array([np.interp(place, np.arange(len(RANGES)), worth) for worth in sums[:, :, 0].T])
    return Effective(measured, units)


def _measured(deviations: Sequence[Floats], laid: Sequence[_Pairs]) -> Floats:
    """Mean product of neighbours over the mean square, for each figure."""
    products: Floats = np.zeros(deviations[0].shape[1])
    for values, area in zip(deviations, laid, strict=True):
        on_grid = np.zeros((*area.shape, values.shape[1]))
        np.add.at(on_grid, (area.rows, area.cols), values)
        products += 2 * (on_grid[1:] * on_grid[:-1]).sum(axis=(0, 1))
        products += 2 * (on_grid[:, 1:] * on_grid[:, :-1]).sum(axis=(0, 1))
    squares = sum((values**2).sum(axis=0) for values in deviations)
    total, links = sum(area.size for area in laid), sum(area.links for area in laid)
    known = (squares > 0) & (links > 0)
    ratio = (products / max(links, 1)) / np.where(known, squares / total, 1)
    return np.where(known, ratio, np.nan)


def _pairs(windows: Sequence[Window]) -> _Pairs:
    """Count pairs by offset with the autocorrelation of the occupied cells of a grid."""
    boxes = np.array(windows, dtype=np.float64).reshape(-1, 4)
    places = np.floor(boxes[:, :2] / np.median(boxes[:, 2:], axis=0) + 0.25).astype(np.int64)
    rows, cols = (places - places.min(axis=0)).T
    shape = int(rows.max()) + 1, int(cols.max()) + 1
    taken = np.zeros(shape)
    np.add.at(taken, (rows, cols), 1)
    beside = np.zeros(shape)
    beside[1:] += taken[:-1]
    beside[:-1] += taken[1:]
    beside[:, 1:] += taken[:, :-1]
    beside[:, :-1] += taken[:, 1:]
    padded = (2 * shape[0], 2 * shape[1])
    spectrum = np.fft.rfft2(taken, padded)
    counts, first = (
        np.fft.irfft2(np.conj(np.fft.rfft2(grid, padded)) * spectrum, padded).round()
        for grid in (taken, taken * beside)
    )
    down, right = (np.fft.fftfreq(side, 1 / side) for side in padded)
    return _Pairs(
        rows, cols, shape, np.hypot(down[:, np.newaxis], right), counts, first, len(windows),
        float((taken * beside).sum()),
    )  # fmt: skip


def _sums(area: _Pairs, reach: float) -> tuple[float, float, float]:
    """Effective units; and of deviations, per unit variance, what neighbours' products and squares add up to.

    With R the correlations, W the neighbours and M the removal of the mean, the latter are the
    traces of W M R M and of M R M.
    """
    n, fall = area.size, np.exp(-area.distance / reach)
    every = float((area.pairs * fall).sum())
    first = float((area.neighbours_of_first * fall).sum())
    products = area.links * np.exp(-1 / reach) - 2 * first / n + area.links * every / n**2
    return n**2 / every, float(products), n - every / n
