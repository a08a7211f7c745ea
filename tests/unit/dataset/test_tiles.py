import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from urbanseg.classes import IGNORE
from urbanseg.dataset import tiles
from urbanseg.grid import assign_blocks


@st.composite
def split_scenes(draw):
    shape = draw(st.integers(1, 300)), draw(st.integers(1, 300))
    size = draw(st.sampled_from([32, 64]))
    overlap = draw(st.integers(0, size - 1))
    block = size * draw(st.integers(1, 2))
    seed = draw(st.integers(0, 1000))
    laid = tiles.lay_blocks(shape, block)
    histograms = np.random.default_rng(seed).integers(0, 50, (len(laid), 3))
    splits = assign_blocks(histograms, (0.5, 0.25, 0.25), seed, trials=10)
    table = tiles.index(
        laid,
        splits.tolist(),
        tiles.lay_tiles(shape, laid, size, overlap),
        lambda window: np.array([window.height * window.width, 0, 0]),
        ["a", "b", "c"],
    )
    return shape, laid, splits, size, table


@settings(max_examples=60)
@given(split_scenes())
def test_no_pixel_is_shared_between_splits(scene):
    shape, laid, splits, _, table = scene
    owner = np.full(shape, -1)
    for block, split in zip(laid, splits, strict=True):
        owner[block.slices] = split
    names = np.array(["train", "val", "test"])
    for window, split in zip(tiles.windows_of(table), table["split"], strict=True):
        assert (names[owner[window.slices]] == split).all()


@settings(max_examples=60)
@given(split_scenes())
def test_every_block_is_covered_by_tiles_of_its_split(scene):
    shape, laid, _, _, table = scene
    covered = np.zeros(shape, bool)
    for window in tiles.windows_of(table):
        covered[window.slices] = True
    assert (table["valid_share"] <= 1).all()
    for block in laid:
        assert covered[block.slices].all()


@settings(max_examples=30)
@given(st.integers(2, 60), st.integers(2, 60))
def test_a_scene_smaller_than_a_tile_still_gets_a_block_for_each_split(height, width):
    laid = tiles.lay_blocks((height, width), 256)
    if height * width >= 9:
        assert len(laid) >= 3
    for tile in tiles.lay_tiles((height, width), laid, 256, 128):
        assert tile.row + tile.height <= height
        assert tile.col + tile.width <= width


def test_the_histogram_counts_each_class_and_no_ignored_pixel():
    labels = np.array([[0, 2, 2], [IGNORE, 5, IGNORE]], np.uint8)
    assert tiles.histogram(labels, 6).tolist() == [1, 0, 2, 0, 0, 1]
