"""The training set: which tiles of which cities, and the statistics that go with them.

One table over all cities with the role `train`, and a summary that says what the model
will see: bands, their mean and spread over the labelled training pixels, and how often
each class occurs. The digests of the rasters it points into are part of the summary, so
that training depends on exactly the pixels it reads and on nothing of a holdout city.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from urbanseg.errors import PipelineError
from urbanseg.grid import SPLITS


@dataclass
class BandStatistics:
    """Running mean and standard deviation of each band, over any number of windows."""

    count: int = 0
    total: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    squares: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))

    def add(self, pixels: NDArray[Any]) -> None:
        """Add ``(bands, n)`` pixels of any dtype."""
        values = pixels.astype(np.float64)
        if not self.count:
            self.total, self.squares = np.zeros(len(values)), np.zeros(len(values))
        self.count += values.shape[1]
        self.total += values.sum(axis=1)
        self.squares += (values**2).sum(axis=1)

    @property
    def mean(self) -> list[float]:
        """Mean of each band, in units of the scene."""
        return [float(m) for m in self.total / self.count]

    @property
    def std(self) -> list[float]:
        """Standard deviation of each band; 1 for a constant band, so that one can divide by it."""
        variance = self.squares / self.count - (self.total / self.count) ** 2
        std = np.sqrt(np.maximum(variance, 0))
        return [float(s) if s > 1e-6 * max(1, abs(m)) else 1.0 for s, m in zip(std, self.mean, strict=True)]


def assemble(tables: Mapping[str, pd.DataFrame], min_valid_share: float) -> tuple[pd.DataFrame, int]:
    """Tiles of all cities that lie in one split and hold enough labelled pixels.

    Those of the test split are for no decision: they tell, after training, what it brought.

    Args:
        tables: tile index of each city.
        min_valid_share: share of labelled pixels a tile needs.

    Returns:
        The table with a leading column `city`, ordered by city, row and column; and how
        many tiles were left out.
    """
    parts = [table.assign(city=city) for city, table in tables.items()]
    tiles = pd.concat(parts, ignore_index=True)
    enough = tiles["valid_share"] >= min_valid_share
    kept = tiles[enough].sort_values(["city", "row", "col"], kind="stable", ignore_index=True)
    columns = ["city", *(c for c in kept.columns if c != "city")]
    return kept[columns], int((~enough).sum())


def require_splits(tiles: pd.DataFrame) -> None:
    """Check that there is something to train on and something to validate on.

    Raises:
        PipelineError: if a split has no tile.
    """
    for split in SPLITS[:2]:
        if not (tiles["split"] == split).any():
            raise PipelineError(
                f"no {split} tile is left in any city; make tiles.size, tiles.block or "
                "tiles.min_valid_share in params.yaml smaller, or add a larger city"
            )


def require_same_bands(bands: Mapping[str, Sequence[str]]) -> None:
    """Check that all cities of a training set have the same bands in the same order.

    Raises:
        PipelineError: naming two cities that differ.
    """
    first, *rest = bands
    for city in rest:
        if tuple(bands[city]) != tuple(bands[first]):
            raise PipelineError(
                f"{first} has the bands {', '.join(bands[first])} but {city} has {', '.join(bands[city])}; "
                "train on cities with the same bands only"
            )


def class_shares(tiles: pd.DataFrame, names: Sequence[str]) -> dict[str, dict[str, float]]:
    """Share of each class among the labelled pixels of each split's tiles."""
    shares = {}
    for split in SPLITS[:2]:
        counts = tiles.loc[tiles["split"] == split, [f"px_{name}" for name in names]].sum()
        total = max(1, int(counts.sum()))
        shares[split] = {name: float(counts[f"px_{name}"]) / total for name in names}
    return shares
