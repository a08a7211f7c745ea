"""The split of a scene's blocks into training, validation and test.

Blocks go whole to one split, because overlapping tiles of a random split leak (Roberts et
al. 2017, "Cross-validation strategies for data with temporal, spatial, hierarchical, or
phylogenetic structure"). Pixels near a border learn from what lies across it all the same:
a gap is kept between splits, which training and validation leave out and the test keeps.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import shapely
from numpy.typing import NDArray
from tqdm import tqdm

from urbanseg.dataset.tiles import histogram
from urbanseg.errors import PipelineError
from urbanseg.grid import SPLITS, Grid, Window, blocks, quotas
from urbanseg.io.cog import writing
from urbanseg.io.raster import Reader

MIN_BLOCKS = len(SPLITS)
"""A scene that is split needs at least one block for each split."""

DRAWN_AT_ONCE = 1 << 22
"""Blocks of all the assignments that `assign_blocks` holds at once."""

MOST_OF_SIDE = 4
"""A gap is at most the shortest side of a block divided by this, so that half of each block is left."""


def lay_blocks(shape: tuple[int, int], size: int) -> list[Window]:
    """Blocks of at least `size` pixels; of a small scene, as large as three blocks allow.

    Args:
        shape: ``(height, width)`` of the scene in pixels.
        size: smallest side of a block in pixels.
    """
    while size > 1 and len(blocks(shape, size)) < MIN_BLOCKS:
        size = size * 2 // 3
    return blocks(shape, size)


def count_blocks(labels: Reader, laid: Sequence[Window], ids: Sequence[int]) -> NDArray[np.int64]:
    """Pixels of each class in each block.

    Args:
        labels: class ids, `IGNORE` where unknown.
        laid: the blocks.
        ids: pixel values of the classes.

    Returns:
        ``(blocks, len(ids))`` int64.

    Raises:
        PipelineError: if no pixel is labelled.
    """
    counts = np.array(
        [histogram(labels.read_band(block), ids) for block in tqdm(laid, desc="blocks", unit="block")]
    )
    if not counts.any():
        raise PipelineError(f"{labels.path} holds no labelled pixel; check clouds, AOI and label source")
    return counts


def split_blocks(
    laid: Sequence[Window],
    histograms: NDArray[np.int64],
    shares: Sequence[float],
    seed: int,
    *,
    only_test: bool = False,
) -> list[int]:
    """Split of each block, index into `SPLITS`; see `assign_blocks`.

    Args:
        laid: the blocks.
        histograms: ``(blocks, classes)`` pixel counts, int64.
        shares: share of the blocks wanted for train, val and test.
        seed: seed of the random assignments.
        only_test: whether all blocks belong to the test split.

    Returns:
        One index for each block.
    """
    if only_test:
        return [SPLITS.index("test")] * len(laid)
    return [int(split) for split in assign_blocks(histograms, shares, seed, neighbours(laid))]


def write_splits(path: Path, grid: Grid, laid: Sequence[Window], splits: Sequence[int]) -> None:
    """Write the split raster: uint8, index into `SPLITS` of the block that a pixel lies in.

    Args:
        path: of the GeoTIFF.
        grid: of the scene.
        laid: the blocks; pixels outside them are 0.
        splits: split of each block.
    """
    with writing(path, grid, dtype="uint8") as writer:
        for block, split in zip(laid, splits, strict=True):
            writer.write(np.full((block.height, block.width), split, np.uint8), block)


def gap_between(laid: Sequence[Window], wanted: int) -> int:
    """The gap that blocks have room for, in pixels: `wanted`, or a quarter of the shortest side."""
    return min(wanted, min(min(block.height, block.width) for block in laid) // MOST_OF_SIDE)


def keep_apart(laid: Sequence[Window], splits: Sequence[int], gap: int) -> list[Window]:
    """What of each block is at least `gap` pixels from the blocks that it must be kept apart from.

    Of two neighbours of different splits, the one for training gives way, else the one for validation;
    test blocks stay whole. Where blocks touch at a corner alone, rows are given up.

    Args:
        laid: the blocks.
        splits: split of each block, index into `SPLITS`.
        gap: in pixels, see `gap_between`.

    Returns:
        A window for each block, inside it.
    """
    cuts = np.zeros((len(laid), 4), dtype=np.int64)  # top, left, bottom, right
    for i, j in neighbours(laid):
        for one, other in ((i, j), (j, i)):
            if splits[one] < splits[other]:
                cuts[one, _side(laid[one], laid[other])] = gap
    return [
        Window(b.row + top, b.col + left, b.height - top - bottom, b.width - left - right)
        for b, (top, left, bottom, right) in zip(laid, cuts.tolist(), strict=True)
    ]


def _side(block: Window, other: Window) -> int:
    """On which side of a block another lies that touches it: 0 top, 1 left, 2 bottom, 3 right."""
    if other.row + other.height <= block.row:
        return 0
    if other.row >= block.row + block.height:
        return 2
    return 1 if other.col < block.col else 3


def neighbours(laid: Sequence[Window]) -> list[tuple[int, int]]:
    """Pairs of blocks that share an edge or a corner, as ascending indices ``(i, j)`` into `laid`, j < i."""
    if not laid:
        return []
    top, left, height, width = np.array(laid).T
    boxes = shapely.box(left, top, left + width, top + height)
    first, second = shapely.STRtree(boxes).query(boxes)
    pairs = np.stack([first, second], axis=1)[second < first]
    return [(int(i), int(j)) for i, j in pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]]


def assign_blocks(
    histograms: NDArray[np.int64],
    shares: Sequence[float],
    seed: int,
    pairs: Sequence[tuple[int, int]] = (),
    trials: int = 4000,
) -> NDArray[np.int64]:
    """Split of each block, so that every split holds every class in like proportion.

    Of `trials` seeded random assignments with the right number of blocks per split, those
    are kept whose splits resemble the whole best (the 2 % with the smallest worst relative
    difference between a class's share in a split and its share overall). Of these, the
    one is taken that keeps most neighbours together, because tiles that straddle splits
    are lost.

    Args:
        histograms: ``(blocks, classes)`` pixel counts, int64.
        shares: share of the blocks wanted for train, val and test.
        seed: seed of the random assignments.
        pairs: neighbouring blocks, see `neighbours`.
        trials: how many assignments are drawn.

    Returns:
        ``(blocks,)`` int64, index into `SPLITS`.
    """
    base = np.repeat(np.arange(len(shares), dtype=np.int8), quotas(len(histograms), shares))
    overall = histograms.sum(0) / max(1, histograms.sum())
    counted = histograms[:, overall > 0].astype(np.float64)  # exact below 2**53, and multiplied faster
    rng = np.random.default_rng(seed)
    best, unlike = np.empty((0, len(base)), np.int8), np.empty(0)
    at_once = max(1, DRAWN_AT_ONCE // max(1, len(base)))
    for first in range(0, trials, at_once):
        drawn = rng.permuted(np.tile(base, (min(at_once, trials - first), 1)), axis=1)
        best = np.concatenate([best, drawn])
        unlike = np.concatenate([unlike, _unlike(drawn, counted, overall[overall > 0])])
        order = np.argsort(unlike, kind="stable")[: max(1, trials // 50)]
        best, unlike = best[order], unlike[order]
    i, j = np.asarray(pairs, dtype=np.int64).reshape(-1, 2).T
    together = (best[:, i] == best[:, j]).sum(axis=1)
    chosen: NDArray[np.int64] = best[np.argmax(together)].astype(np.int64)
    return chosen


def _unlike(
    drawn: NDArray[np.int8], counted: NDArray[np.float64], overall: NDArray[np.float64]
) -> NDArray[np.float64]:
    """How much the splits of assignments differ from the whole, at worst: ``(assignments,)``.

    Args:
        drawn: ``(assignments, blocks)``, split of each block.
        counted: ``(blocks, classes)``, pixels; only of classes that exist.
        overall: ``(classes,)``, their shares.
    """
    worst = np.zeros(len(drawn))
    for split in np.unique(drawn[:1]):
        counts = (drawn == split).astype(np.float64) @ counted
        share = counts / np.maximum(1, counts.sum(axis=1, keepdims=True))
        worst = np.maximum(worst, np.abs(share / overall - 1).max(axis=1, initial=0))
    return worst
