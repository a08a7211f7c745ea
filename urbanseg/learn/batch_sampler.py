"""Which tiles make a batch, how often each is drawn, and in which order.

Tiles with rare classes can come more often (`tile_probabilities`), and a small share of
the tiles can stand for all (`choose_fraction`). A batch is cut into ``accumulate ×
devices`` parts of equal size, in order; each process computes every `devices`-th of them.
So it is the same batch whatever it is cut into. The order is a function of the seed and
the number of the draw: a run that was interrupted continues where it was. No pixel is read
here; weights in the loss are those of `urbanseg.learn.class_weights`.
"""

from collections.abc import Callable, Iterator, Sequence
from copy import copy
from functools import lru_cache
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import Sampler

CANDIDATES = 16
"""Tiles that `choose_fraction` compares for each that it takes. All of them would give
the same choice for every seed, and one of average tiles only."""


class Draw(NamedTuple):
    """Which tile is drawn, and the number of the draw in the whole training."""

    tile: int
    number: int


class BatchSampler(Sampler[list[Draw]]):
    """Parts of batches for one process, step after step through the whole training.

    Tiles come in passes, each in an order of its own; a step continues where the one
    before stopped, so a pass may be shorter or longer than an epoch.
    """

    def __init__(
        self,
        order: Callable[[int], NDArray[np.int64]],
        steps: range,
        batch_size: int,
        *,
        accumulate: int = 1,
        devices: int = 1,
        rank: int = 0,
    ) -> None:
        """Sample the steps in `steps`.

        Args:
            order: numbers of the tiles in a pass by its number, ``(n,)`` of the same n for each.
            steps: numbers of the optimiser steps, from 0 at the start of the training.
            batch_size: tiles of a step, over all parts.
            accumulate: parts that a process computes one after another.
            devices: processes.
            rank: number of this process, from 0.
        """
        self.order = lru_cache(maxsize=2)(order)
        self.steps, self.batch_size = steps, batch_size
        self.accumulate, self.devices, self.rank = accumulate, devices, rank

    def __len__(self) -> int:
        return len(self.steps) * self.accumulate

    def __iter__(self) -> Iterator[list[Draw]]:
        for step in self.steps:
            drawn = self.batch(step)
            size = self.batch_size // (self.accumulate * self.devices)
            for part in range(self.rank, self.accumulate * self.devices, self.devices):
                yield drawn[part * size : (part + 1) * size]

    def starting_at(self, step: int) -> Self:
        """The same sampler without the steps before `step`."""
        later = copy(self)
        later.steps = range(step, self.steps.stop)
        return later

    def batch(self, step: int) -> list[Draw]:
        """The whole batch of a step."""
        tiles = len(self.order(0))
        first = step * self.batch_size
        places = [(number, *divmod(number, tiles)) for number in range(first, first + self.batch_size)]
        return [Draw(int(self.order(pass_)[place]), number) for number, pass_, place in places]


def in_order(tiles: int, batch_size: int) -> list[list[Draw]]:
    """Batches of all tiles once, in order: for validation."""
    return [
        [Draw(i, i) for i in range(start, min(start + batch_size, tiles))]
        for start in range(0, tiles, batch_size)
    ]


def tile_probabilities(histograms: NDArray[np.int64], balance: float) -> NDArray[np.float64]:
    """Probability of each tile to be drawn: ``(tiles,)`` float64 that sums to 1.

    A mixture: at 0, all tiles alike; at 1, a class is picked evenly among those that
    occur, then a tile in proportion to its share of the class's pixels (class-aware
    sampling: Shen et al. 2016, "Relay backpropagation for effective learning of deep
    convolutional neural networks"). A tile without any labelled pixel comes by the first
    part alone.

    Args:
        histograms: ``(tiles, classes)`` labelled pixels.
        balance: weight of the second part, 0–1.
    """
    even = np.full(len(histograms), 1 / len(histograms))
    totals = histograms.sum(axis=0)
    present = totals > 0
    if not present.any():
        return even
    aware: NDArray[np.float64] = (histograms[:, present] / totals[present]).mean(axis=1)
    return (1 - balance) * even + balance * aware


def class_shares(
    histograms: NDArray[np.int64], probabilities: NDArray[np.float64] | None = None
) -> NDArray[np.float64]:
    """Expected share of each class in the labelled pixels of what is drawn: ``(classes,)`` float64.

    Args:
        histograms: ``(tiles, classes)`` labelled pixels.
        probabilities: ``(tiles,)`` of each tile; None for all alike.
    """
    pixels = histograms.sum(axis=0) if probabilities is None else probabilities @ histograms
    return np.asarray(pixels / max(pixels.sum(), np.finfo(float).tiny), np.float64)


def shares_sentence(names: Sequence[str], before: NDArray[np.float64], after: NDArray[np.float64]) -> str:
    """What sampling does to the classes, as in ``class shares drawn: road 4.1 % → 9.8 %, …``.

    Args:
        names: names of the classes.
        before: ``(classes,)`` shares of an even draw.
        after: ``(classes,)`` shares of what is drawn.

    Returns:
        The sentence.
    """
    changes = (
        f"{name} {was:.1%} → {now:.1%}".replace("%", " %")
        for name, was, now in zip(names, before, after, strict=True)
    )
    return f"class shares drawn: {', '.join(changes)}"


def order(tiles: int, probabilities: NDArray[np.float64] | None, seed: int, pass_: int) -> NDArray[np.int64]:
    """Order of one pass of as many draws as there are tiles: ``(tiles,)`` int64 indices.

    Without probabilities each tile comes once. With them each comes as often as expected,
    rounded down or up by systematic resampling (Kitagawa 1996, "Monte Carlo filter and
    smoother"), so that no pass misses a tile that is due in each; over many passes the mean
    is exact. Equal probabilities give the same order as none.

    Args:
        tiles: how many there are.
        probabilities: ``(tiles,)`` of each tile, which sum to 1, or None.
        seed: of the training.
        pass_: number of the pass.
    """
    rng = np.random.default_rng((seed, pass_))
    places = rng.permutation(tiles)
    if probabilities is None:
        return places
    due = np.cumsum(probabilities)
    # rounded, so that a whole number is one in spite of the sum's error
    due = np.round(due / due[-1] * tiles, 9)
    drawn = np.floor(due + rng.random()).astype(np.int64)
    return np.repeat(np.arange(tiles), np.diff(drawn, prepend=0))[places]


def choose_fraction(histograms: NDArray[np.int64], fraction: float, seed: int) -> NDArray[np.int64]:
    """A share of the tiles whose classes are those of the whole: sorted indices, int64.

    Greedy stratification after Sechidis et al. 2011, "On the stratification of multi-label
    data": classes that lack a tile come first, the one that fewest tiles have before the
    others; then, of a few tiles drawn at random, the one after which the class shares are
    nearest to the whole's is taken. So each class is in the choice if that has as many
    tiles as there are classes; if fewer, tiles with many classes are preferred.

    Args:
        histograms: ``(tiles, classes)`` labelled pixels.
        fraction: share of the tiles above 0, at most 1; at least one tile is chosen.
        seed: of the training.
    """
    rng = np.random.default_rng(seed)
    has = histograms > 0
    wanted = class_shares(histograms)
    free = np.ones(len(histograms), dtype=bool)
    missing = has.any(axis=0)
    chosen = np.zeros(histograms.shape[1], np.int64)
    count = min(len(histograms), max(1, round(fraction * len(histograms))))
    for left in range(count, 0, -1):
        pool = np.flatnonzero(free)
        if missing.any():
            rarest = np.where(missing, has[pool].sum(axis=0), len(histograms) + 1).argmin()
            pool = pool[has[pool, rarest]]
        if missing.sum() > left:
            found = (has[pool] & missing).sum(axis=1)
            pool = pool[found == found.max()]
        pool = rng.choice(pool, min(CANDIDATES, len(pool)), replace=False)
        best = pool[_distances(chosen + histograms[pool], wanted).argmin()]
        free[best], missing = False, missing & ~has[best]
        chosen += histograms[best]
    return np.flatnonzero(~free)


def _distances(histograms: NDArray[np.int64], wanted: NDArray[np.float64]) -> NDArray[np.float64]:
    """χ² distance of each row's class shares from those wanted, in which rare classes count as much."""
    occurs = wanted > 0
    shares = histograms / np.maximum(histograms.sum(axis=1, keepdims=True), 1)
    squares = (shares[:, occurs] - wanted[occurs]) ** 2 / wanted[occurs]
    return np.asarray(squares.sum(axis=1), np.float64)
