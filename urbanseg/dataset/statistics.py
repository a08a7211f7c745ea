"""The training set: which tiles of which cities, and the statistics that go with them.

One table over all cities with the role `train`, and a summary: bands, their mean and
standard deviation over the labelled training pixels, and the share of each class. The
digests of the rasters that the tiles point into are part of the summary, so that training
depends on exactly the pixels it reads and on nothing of a holdout city.
"""

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from tqdm import tqdm

from urbanseg.classes import IGNORE, REST, ClassTable
from urbanseg.errors import PipelineError
from urbanseg.grid import BLOCK_PX, SPLITS, strips
from urbanseg.io.raster import Reader, present

DIGITS = 6
"""Decimals of a figure in the summary."""

TRAIN = SPLITS.index("train")
"""Pixel value of the train split in a split raster."""


@dataclass
class BandMoments:
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


@dataclass
class Divisors(BandMoments):
    """A fixed divisor of each band in place of statistics; pixels are only counted."""

    divisors: tuple[float, ...] = ()

    def add(self, pixels: NDArray[Any]) -> None:
        """Count ``(bands, n)`` pixels."""
        self.count += pixels.shape[1]

    @property
    def mean(self) -> list[float]:
        """0 for each band."""
        return [0.0] * len(self.divisors)

    @property
    def std(self) -> list[float]:
        """The divisors."""
        return list(self.divisors)


@dataclass
class Percentiles(BandMoments):
    """Two percentiles of each band, which become 0 and 1; of floating-point pixels to 0.4 %.

    Pixels are counted by their values, floating-point ones by the upper 16 bits of those, whose order as
    numbers is theirs.
    """

    low: float = 2.0
    high: float = 98.0
    counts: NDArray[np.int64] = field(default_factory=lambda: np.zeros((0, 1 << 16), np.int64))
    kind: str = "u"

    def add(self, pixels: NDArray[Any]) -> None:
        """Add ``(bands, n)`` pixels of 8 or 16 bits, or of floating point."""
        if not self.count:
            self.counts, self.kind = np.zeros((len(pixels), 1 << 16), np.int64), pixels.dtype.kind
        self.count += pixels.shape[1]
        for place, band in enumerate(pixels):
            self.counts[place] += np.bincount(_codes(band), minlength=1 << 16)

    @property
    def mean(self) -> list[float]:
        """The lower percentile of each band."""
        return [float(low) for low in self._values(self.low)]

    @property
    def std(self) -> list[float]:
        """The distance of both percentiles of each band; 1 where they are the same."""
        spread = self._values(self.high) - self._values(self.low)
        return [float(each) if each > 0 else 1.0 for each in spread]

    def _values(self, percent: float) -> NDArray[np.float64]:
        """The least value that so many per cent of the pixels don't exceed, of each band."""
        wanted = max(1, math.ceil(self.count * percent / 100))
        codes = [int(np.searchsorted(each.cumsum(), wanted)) for each in self.counts]
        return _decoded(np.array(codes, np.uint16), self.kind)


def _codes(band: NDArray[Any]) -> NDArray[np.uint16]:
    """Values as 16 bits in the same order."""
    if band.dtype.kind == "u":
        return band.astype(np.uint16)
    if band.dtype.kind == "i":
        return (band.astype(np.int32) + (1 << 15)).astype(np.uint16)
    bits = np.ascontiguousarray(band, np.float32).view(np.uint32)
    return (np.where(bits >> 31, ~bits, bits | np.uint32(1 << 31)) >> 16).astype(np.uint16)


def _decoded(codes: NDArray[np.uint16], kind: str) -> NDArray[np.float64]:
    """The values of codes; of floating point the least that has the code, nearest to 0 of negative ones."""
    if kind in "ui":
        return codes.astype(np.float64) - (1 << 15) * (kind == "i")
    bits = codes.astype(np.uint32) << 16
    return (
        np.where(bits >> 31, bits ^ np.uint32(1 << 31), ~bits)
        .astype(np.uint32)
        .view(np.float32)
        .astype(float)
    )


def add_train_pixels(moments: BandMoments, scene: Reader, labels: Reader, split: Reader, name: str) -> None:
    """Add the labelled pixels of the train blocks of a scene, read strip by strip.

    Args:
        moments: what they are added to.
        scene: the bands.
        labels: class ids on the same grid, `IGNORE` where unknown.
        split: indices into `SPLITS`, on the same grid.
        name: of the scene, for the progress bar.
    """
    for strip in tqdm(list(strips(scene.grid.shape, BLOCK_PX)), desc=name, unit="strip"):
        train = (split.read_band(strip) == TRAIN) & (labels.read_band(strip) != IGNORE)
        if train.any():
            pixels = scene.read(strip)
            measured = train & present(pixels, [None] * len(pixels))  # labels may be older than the scene
            moments.add(pixels[:, measured])


def collect_tiles(tables: Mapping[str, pd.DataFrame], min_valid_share: float) -> tuple[pd.DataFrame, int]:
    """Tiles of all cities that lie in one split and hold enough labelled pixels.

    Tiles of the test split take part in no decision; they measure, after training, the gain by city.

    Args:
        tables: tile index of each city.
        min_valid_share: share of labelled pixels a tile needs.

    Returns:
        The table with a leading column `city`, ordered by city, row and column; and the
        number of tiles with too few labelled pixels.
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


def summary(
    tiles: pd.DataFrame,
    left_out: int,
    moments: BandMoments,
    bands: Sequence[str],
    dtype: str,
    resolutions: Sequence[float],
    classes: ClassTable,
) -> dict[str, Any]:
    """The training set as plain values for JSON, without the digests of its rasters.

    Args:
        tiles: the table from `collect_tiles`.
        left_out: number of tiles with too few labelled pixels.
        moments: of the bands over the train pixels.
        bands: names of the bands.
        dtype: of the scenes' pixels.
        resolutions: sides of the scenes' pixels, in metres.
        classes: their table.

    Returns:
        Nested plain values; pixel values and the rest of the classes are named where they are not as usual.

    Raises:
        PipelineError: if there was no train pixel.
    """
    if not moments.count:
        raise PipelineError("no labelled pixel lies in a train block; check the labels and tiles.split")
    names = classes.names
    shares = class_shares(tiles, names)
    ids = {} if classes.ids == list(range(len(names))) else {"ids": classes.ids}
    rest = {} if classes.rest in {REST, None} else {"rest": classes.rest}
    return {
        "bands": bands,
        "dtype": dtype,
        "resolution_m": [round(size, DIGITS) for size in (min(resolutions), max(resolutions))],
        "classes": names,
        **ids,
        **rest,
        "mean": [round(m, DIGITS) for m in moments.mean],
        "std": [round(s, DIGITS) for s in moments.std],
        "tiles": {split: int((tiles["split"] == split).sum()) for split in SPLITS},
        "tiles_left_out": left_out,
        "class_shares": {s: {n: round(v, DIGITS) for n, v in d.items()} for s, d in shares.items()},
    }


def code_digest(raster: Reader) -> str:
    """SHA-256 of the shape and the codes of a raster's first band, as hexadecimal, read strip by strip.

    Colours and names of classes are no part of it: who changes them trains nothing anew.
    """
    digest = hashlib.sha256(f"{raster.info.dtypes[0]} {raster.grid.shape}".encode())
    for strip in strips(raster.grid.shape, BLOCK_PX):
        digest.update(raster.read_band(strip).tobytes())
    return digest.hexdigest()


def absent_classes(shares: Mapping[str, Mapping[str, float]]) -> list[tuple[str, str]]:
    """Each split and class of which the split's tiles hold no pixel, from `class_shares`."""
    return [(split, name) for split, of in shares.items() for name, share in of.items() if share == 0]
