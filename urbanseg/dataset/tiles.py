"""Tiles: the rows of a city's tile index, and the split of its blocks.

No pixel is copied: a tile is a window into the scene and its labels. Blocks go whole to
one split; a tile belongs to a split only if it lies wholly inside that split's blocks,
so no pixel is shared between splits, and tiles that straddle splits are dropped.
"""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray
from tqdm import tqdm

from urbanseg.classes import IGNORE
from urbanseg.errors import PipelineError
from urbanseg.grid import SPLITS, Grid, Window, assign_blocks, blocks, neighbours, windows
from urbanseg.io.cog import writing
from urbanseg.io.raster import Reader

MIN_BLOCKS = len(SPLITS)
"""A scene that is split needs at least one block for each split."""


def lay_blocks(shape: tuple[int, int], size: int) -> list[Window]:
    """Blocks of at least `size` pixels; of a small scene, as large as three blocks allow.

    Args:
        shape: ``(height, width)`` of the scene in pixels.
        size: smallest side of a block in pixels.
    """
    while size > 1 and len(blocks(shape, size)) < MIN_BLOCKS:
        size = size * 2 // 3
    return blocks(shape, size)


def lay_tiles(
    shape: tuple[int, int], laid: Sequence[Window], size: int, overlap: int, *, across: bool = True
) -> list[Window]:
    """Tiles of ``size × size`` pixels, neighbours sharing `overlap`, row by row.

    They cover the scene, and each block by itself, so that a block between others' splits
    is used to its edges too. Where a block is smaller than a tile (a small scene), its
    tiles are cut to the block; their readers pad them to the size.

    Args:
        shape: ``(height, width)`` of the scene in pixels.
        laid: the blocks.
        size: side of a tile in pixels.
        overlap: pixels that neighbours share.
        across: whether tiles may reach from one block into another.

    Returns:
        The windows, ascending by row and column.
    """
    in_blocks = {
        Window(b.row + w.row, b.col + w.col, min(size, b.height), min(size, b.width))
        for b in laid
        for w in windows((b.height, b.width), size, overlap)
    }
    if min(shape) < size or not across:
        return sorted(in_blocks)
    return sorted(in_blocks | set(windows(shape, size, overlap)))


def count_blocks(labels: Reader, laid: Sequence[Window], count: int) -> NDArray[np.int64]:
    """Pixels of each class in each block.

    Args:
        labels: class ids, `IGNORE` where unknown.
        laid: the blocks.
        count: number of classes.

    Returns:
        ``(blocks, count)`` int64.

    Raises:
        PipelineError: if no pixel is labelled.
    """
    counts = np.array(
        [histogram(labels.read_band(block), count) for block in tqdm(laid, desc="blocks", unit="block")]
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
    """Split of each block, index into `SPLITS`; see `urbanseg.grid.assign_blocks`.

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


def histogram(labels: NDArray[np.uint8], count: int) -> NDArray[np.int64]:
    """Pixels of each class in a label raster of any shape: ``(count,)`` int64.

    Ignored pixels are not counted.
    """
    return np.bincount(labels.ravel(), minlength=IGNORE + 1)[:count].astype(np.int64)


def index(
    laid: Sequence[Window],
    splits: Sequence[int],
    tiles: Iterable[Window],
    histogram_of: Callable[[Window], NDArray[np.int64]],
    class_names: Sequence[str],
) -> pd.DataFrame:
    """The tile index: one row per tile that lies wholly in one split.

    Args:
        laid: the blocks.
        splits: split of each block, index into `SPLITS`.
        tiles: candidate windows.
        histogram_of: counts of each class in a window, int64.
        class_names: names of the classes, in order of their ids.

    Returns:
        Columns row, col, height, width (pixels), split (name), block (number of the
        block that holds the tile's upper left corner), valid_share, and ``px_<class>``
        (pixels).
    """
    rows = []
    tree = shapely.STRtree([_box(block) for block in laid])
    for tile in tqdm(tiles, desc="tiles", unit="tile"):
        touched = sorted(tree.query(_box(tile)).tolist())
        if len({splits[i] for i in touched}) != 1:
            continue
        counts = histogram_of(tile)
        rows.append(
            {
                **tile._asdict(),
                "split": SPLITS[splits[touched[0]]],
                "block": touched[0],
                "valid_share": float(counts.sum()) / (tile.height * tile.width),
                **{f"px_{name}": int(n) for name, n in zip(class_names, counts, strict=True)},
            }
        )
    columns = [*Window._fields, "split", "block", "valid_share", *(f"px_{n}" for n in class_names)]
    return pd.DataFrame(rows, columns=columns)


def windows_of(table: pd.DataFrame) -> list[Window]:
    """The windows of a tile index, row by row."""
    columns = [table[name].tolist() for name in Window._fields]
    return [Window(*values) for values in zip(*columns, strict=True)]


def _box(window: Window) -> shapely.Polygon:
    """A window a little smaller, so that windows that only touch don't meet."""
    bottom, right = window.row + window.height, window.col + window.width
    return shapely.box(window.col + 0.25, window.row + 0.25, right - 0.25, bottom - 0.25)
