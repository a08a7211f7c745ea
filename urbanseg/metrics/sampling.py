"""Points for visual checking: a stratified random sample of the pixels of a map.

The mapped classes are the strata. Each gets at least a few dozen points, so that rare
classes can be assessed, and the rest is allocated by area (Olofsson et al. 2014, "Good practices for
estimating area and assessing accuracy of land change", section 5.1.2). Within a stratum every
pixel is drawn with the same probability and at most once, as the estimators of
`stratified_estimates` assume. The map is read twice, by strips: memory is bounded by the strip.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from urbanseg.grid import Window, quotas

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Sample:
    """Pixels that were drawn, in random order, so that the order does not reveal the class.

    Attributes:
        rows: ``(points,)`` int64.
        cols: ``(points,)`` int64.
        mapped: ``(points,)`` int64, class of each in the map.
        population: ``(n,)`` int64, pixels of each class that could be drawn.
    """

    rows: Ints
    cols: Ints
    mapped: Ints
    population: Ints


def allocate(population: Ints, points: int, least: int) -> Ints:
    """How many points each stratum gets: `least`, or its share by area where that is more.

    Args:
        population: ``(n,)`` int64, pixels of each stratum.
        points: to be drawn in all; no more than there are pixels will be.
        least: for each stratum that isn't empty, or all its pixels if it has fewer.

    Returns:
        ``(n,)`` int64.

    Raises:
        ValueError: if `points` does not suffice for `least` in each stratum.
    """
    given = np.minimum(population, least)
    points = min(points, int(population.sum()))
    if given.sum() > points:
        raise ValueError(
            f"{points} points do not suffice for {least} in each of {(population > 0).sum()} classes"
        )
    rare = np.zeros(len(population), dtype=bool)
    while True:
        area = np.where(rare, 0, population)
        share = (points - given[rare].sum()) * area / max(area.sum(), 1)
        if not (fewer := ~rare & (share < given)).any():
            break
        rare |= fewer
    if area.any():
        given[~rare] = quotas(points - int(given[rare].sum()), (area / area.sum())[~rare].tolist())
    return given


def stratified_sample(
    read: Callable[[Window], NDArray[np.uint8]],
    strips: Sequence[Window],
    n: int,
    *,
    points: int,
    least: int,
    seed: int,
) -> Sample:
    """A stratified random sample of pixels, without replacement.

    Args:
        read: classes of a strip, ``(height, width)`` uint8; values of `n` and above are never drawn.
        strips: windows over the whole width, from top to bottom. Their height does not change the sample.
        n: number of classes.
        points: to be drawn in all.
        least: see `allocate`.
        seed: of the draw.

    Returns:
        The sampled pixels in random order, and the pixels of each class in the map.

    Raises:
        ValueError: if `points` does not suffice.
    """
    found = np.array(
        [np.bincount(read(strip).ravel(), minlength=n)[:n] for strip in tqdm(strips, "count", disable=None)]
    )
    population = found.sum(axis=0)
    rng = np.random.default_rng(seed)
    ranks = [
        np.sort(rng.choice(size, wanted, replace=False))
        for size, wanted in zip(population, allocate(population, points, least), strict=True)
    ]
    drawn = [np.zeros((0, 3), np.int64)]
    for strip, above, inside in zip(strips, found.cumsum(axis=0) - found, found, strict=True):
        here = [
            rank[(rank >= first) & (rank < first + count)] - first
            for rank, first, count in zip(ranks, above, inside, strict=True)
        ]
        if any(map(len, here)):
            drawn.append(_places(read(strip), strip, here))
    ordered = np.unique(np.concatenate(drawn), axis=0)  # by row and column, however the strips lay
    rows, cols, mapped = rng.permutation(ordered).T
    return Sample(rows, cols, mapped, population)


def _places(classes: NDArray[np.uint8], strip: Window, ranks: Sequence[Ints]) -> Ints:
    """Row, column and class, ``(points, 3)``, of the pixels with the given ranks within their classes."""
    found = []
    for index, wanted in enumerate(ranks):
        rows, cols = np.divmod(np.flatnonzero(classes == index)[wanted], strip.width)
        found.append(np.stack([rows + strip.row, cols + strip.col, np.full_like(rows, index)], axis=1))
    return np.concatenate(found)
