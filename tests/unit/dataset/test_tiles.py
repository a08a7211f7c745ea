import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from urbanseg.classes import IGNORE
from urbanseg.dataset import tiles
from urbanseg.grid import blocks


@given(st.integers(32, 200), st.integers(32, 200), st.integers(0, 31))
def test_tiles_reach_across_blocks_unless_those_lie_apart(height, width, overlap):
    laid = blocks((height, width), 32)
    apart = tiles.lay_tiles((height, width), laid, 32, overlap, across=False)
    assert apart == sorted({*apart})
    for tile in apart:
        assert (
            sum(b.row <= tile.row < b.row + b.height and b.col <= tile.col < b.col + b.width for b in laid)
            == 1
        )
        inside = [b for b in laid if b.row <= tile.row and b.col <= tile.col]
        assert any(
            tile.row + tile.height <= b.row + b.height and tile.col + tile.width <= b.col + b.width
            for b in inside
        )
    assert set(apart) <= set(tiles.lay_tiles((height, width), laid, 32, overlap))


def test_the_histogram_counts_each_class_and_no_ignored_pixel():
    labels = np.array([[0, 2, 2], [IGNORE, 5, IGNORE]], np.uint8)
    assert tiles.histogram(labels, range(6)).tolist() == [1, 0, 2, 0, 0, 1]
    assert tiles.histogram(labels, [2, 5]).tolist() == [2, 1]
