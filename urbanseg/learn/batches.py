"""Which tiles make a batch, in which order.

A batch is cut into ``accumulate × devices`` parts of equal size, in order; each process
computes every `devices`-th of them. So it is the same batch whatever it is cut into. The
order is a function of the seed and the number of the draw: a run that was broken goes on
where it was.
"""

from collections.abc import Callable, Iterator
from copy import copy
from functools import lru_cache
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import Sampler


class Draw(NamedTuple):
    """Which tile is drawn, and the number of the draw in the whole training."""

    tile: int
    number: int


class Draws(Sampler[list[Draw]]):
    """Parts of batches for one process, step after step through the whole training.

    Tiles come lap after lap, each in an order of its own; a step continues where the one
    before stopped, so a lap may be shorter or longer than an epoch.
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
        """Draws of the steps in `steps`.

        Args:
            order: numbers of the tiles in a lap, ``(n,)`` of the same n for each lap.
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
        """The same draws without the steps before `step`."""
        later = copy(self)
        later.steps = range(step, self.steps.stop)
        return later

    def batch(self, step: int) -> list[Draw]:
        """The whole batch of a step."""
        tiles = len(self.order(0))
        first = step * self.batch_size
        places = [(number, *divmod(number, tiles)) for number in range(first, first + self.batch_size)]
        return [Draw(int(self.order(lap)[place]), number) for number, lap, place in places]


def in_order(tiles: int, batch_size: int) -> list[list[Draw]]:
    """Batches of all tiles once, in order: for validation."""
    return [
        [Draw(i, i) for i in range(start, min(start + batch_size, tiles))]
        for start in range(0, tiles, batch_size)
    ]
