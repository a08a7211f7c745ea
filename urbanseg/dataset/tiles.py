"""Tiles: the rows of a city's tile index.

No pixel is copied: a tile is a window into the scene and its labels. A tile belongs to a
split only if it lies wholly inside that split's blocks and keeps the gap from others', so
no pixel is shared between splits, and tiles that straddle splits are dropped.
"""

from collections.abc import Callable, Iterable, Sequence

import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray
from tqdm import tqdm

from urbanseg.classes import IGNORE
from urbanseg.grid import SPLITS, Window, windows


def lay_tiles(
    shape: tuple[int, int], parts: Sequence[Window], size: int, overlap: int, *, across: bool = True
) -> list[Window]:
    """Tiles of ``size × size`` pixels, neighbours sharing `overlap`, row by row.

    They cover the scene, and each block's part by itself, so that a block between others'
    splits is used to its edges too. Where a part is smaller than a tile, its tiles are cut
    to the part; their readers pad them to the size.

    Args:
        shape: ``(height, width)`` of the scene in pixels.
        parts: what of each block may be used, see `urbanseg.dataset.splits.keep_apart`.
        size: side of a tile in pixels.
        overlap: pixels that neighbours share.
        across: whether tiles may reach from one block into another.

    Returns:
        The windows, ascending by row and column.
    """
    in_blocks = {
        Window(b.row + w.row, b.col + w.col, min(size, b.height), min(size, b.width))
        for b in parts
        for w in windows((b.height, b.width), size, overlap)
    }
    if min(shape) < size or not across:
        return sorted(in_blocks)
    return sorted(in_blocks | set(windows(shape, size, overlap)))


def histogram(labels: NDArray[np.uint8], ids: Sequence[int]) -> NDArray[np.int64]:
    """Pixels of each class in a label raster of any shape: ``(len(ids),)`` int64.

    Ignored pixels are not counted.
    """
    return np.bincount(labels.ravel(), minlength=IGNORE + 1)[list(ids)].astype(np.int64)


def index(
    laid: Sequence[Window],
    splits: Sequence[int],
    tiles: Iterable[Window],
    histogram_of: Callable[[Window], NDArray[np.int64]],
    class_names: Sequence[str],
    *,
    gap: int = 0,
) -> pd.DataFrame:
    """The tile index: one row per tile that lies wholly in one split and keeps its distance from others.

    Args:
        laid: the blocks.
        splits: split of each block, index into `SPLITS`.
        tiles: candidate windows.
        histogram_of: counts of each class in a window, int64.
        class_names: names of the classes, in order of their ids.
        gap: pixels between a tile and blocks for validation and test, or for test if it is for validation.

    Returns:
        Columns row, col, height, width (pixels), split (name), block (number of the
        block that holds the tile's upper left corner), valid_share, and ``px_<class>``
        (pixels).
    """
    rows = []
    tree = shapely.STRtree([box(block) for block in laid])
    for tile in tqdm(tiles, desc="tiles", unit="tile"):
        touched = sorted(tree.query(box(tile)).tolist())
        split = splits[touched[0]]
        if any(splits[i] != split for i in touched):
            continue
        if any(splits[i] > split for i in tree.query(box(tile, gap)).tolist()):
            continue
        counts = histogram_of(tile)
        rows.append(
            {
                **tile._asdict(),
                "split": SPLITS[split],
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


def box(window: Window, margin: int = 0) -> shapely.Polygon:
    """A window with a margin in pixels, and a little smaller, so that windows that only touch don't meet."""
    around = margin - 0.25
    bottom, right = window.row + window.height, window.col + window.width
    return shapely.box(window.col - around, window.row - around, right + around, bottom + around)
