import tracemalloc

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from urbanseg.dataset import tiles
from urbanseg.dataset.splits import assign_blocks, gap_between, keep_apart, lay_blocks, neighbours
from urbanseg.grid import SPLITS, Window, blocks, quotas

lengths = st.integers(1, 400)


@st.composite
def split_scenes(draw):
    """A scene in blocks, their splits, the gap, and the tiles that are laid."""
    shape = draw(st.integers(1, 300)), draw(st.integers(1, 300))
    size = draw(st.sampled_from([32, 64]))
    overlap = draw(st.integers(0, size - 1))
    seed = draw(st.integers(0, 1000))
    laid = lay_blocks(shape, size * draw(st.integers(1, 2)))
    gap = gap_between(laid, draw(st.integers(0, 40)))
    histograms = np.random.default_rng(seed).integers(0, 50, (len(laid), 3))
    splits = assign_blocks(histograms, (0.5, 0.25, 0.25), seed, trials=10).tolist()
    parts = keep_apart(laid, splits, gap)
    table = tiles.index(
        laid,
        splits,
        tiles.lay_tiles(shape, parts, size, overlap),
        lambda window: np.array([window.height * window.width, 0, 0]),
        ["a", "b", "c"],
        gap=gap,
    )
    return shape, laid, splits, parts, gap, table


def owners(shape, laid, splits):
    """Split of each pixel."""
    owner = np.full(shape, -1)
    for block, split in zip(laid, splits, strict=True):
        owner[block.slices] = split
    return owner


@given(split_scenes())
def test_no_pixel_of_a_tile_is_in_another_split_or_nearer_to_it_than_the_gap(scene):
    shape, laid, splits, _, gap, table = scene
    owner = owners(shape, laid, splits)
    for window, name in zip(tiles.windows_of(table), table["split"], strict=True):
        split = SPLITS.index(name)
        assert (owner[window.slices] == split).all()
        around, _ = window.grown(gap, shape)
        assert (owner[around.slices] <= split).all()


@given(split_scenes())
def test_tiles_cover_what_is_far_enough_from_other_splits_and_all_of_the_test(scene):
    shape, laid, splits, parts, gap, table = scene
    covered = np.zeros(shape, bool)
    for window in tiles.windows_of(table):
        covered[window.slices] = True
    for block, part, split in zip(laid, parts, splits, strict=True):
        assert covered[part.slices].all()
        assert part.height * 2 >= block.height
        assert part.width * 2 >= block.width
        assert part == block or (gap > 0 and SPLITS[split] != "test")
    assert (table["valid_share"] <= 1).all()


@given(st.integers(1, 60), st.integers(1, 60), st.integers(0, 50))
def test_blocks_of_one_split_are_kept_whole(height, width, gap):
    laid = lay_blocks((height, width), 16)
    assert keep_apart(laid, [0] * len(laid), gap_between(laid, gap)) == laid


def test_the_training_gives_way_to_the_validation_and_both_to_the_test():
    laid = blocks((20, 60), 20)
    assert keep_apart(laid, [0, 1, 2], 3) == [Window(0, 0, 20, 17), Window(0, 20, 20, 17), laid[2]]
    laid = blocks((40, 40), 20)
    cornered = keep_apart(laid, [2, 0, 0, 0], 5)
    assert cornered == [laid[0], Window(0, 25, 20, 15), Window(25, 0, 15, 20), Window(25, 20, 15, 20)]


@given(st.integers(2, 60), st.integers(2, 60))
def test_a_scene_smaller_than_a_tile_still_gets_a_block_for_each_split(height, width):
    assume(height * width >= 9)
    laid = lay_blocks((height, width), 256)
    assert len(laid) >= 3
    for tile in tiles.lay_tiles((height, width), laid, 256, 128):
        assert tile.row + tile.height <= height
        assert tile.col + tile.width <= width


def test_every_split_gets_every_class_where_that_is_possible():
    rng = np.random.default_rng(0)
    histograms = rng.integers(50, 100, (20, 4))
    histograms[:, 3] = 0
    histograms[[2, 7, 11, 19], 3] = 500  # a rare class, in four blocks only
    splits = assign_blocks(histograms, (0.6, 0.15, 0.25), seed=1)
    assert np.bincount(splits).tolist() == [12, 3, 5]
    for split in range(3):
        assert (histograms[splits == split].sum(0) > 0).all()


def test_neighbours_are_kept_together_where_the_classes_allow_it():
    laid = blocks((500, 400), 100)
    histograms = np.random.default_rng(0).integers(90, 110, (20, 4))
    pairs = neighbours(laid)
    assert len(pairs) == 4 * 4 + 3 * 5 + 2 * 4 * 3  # down, across, diagonal

    def together(splits):
        return sum(splits[i] == splits[j] for i, j in pairs)

    shares = (0.6, 0.15, 0.25)
    loose = np.mean([together(assign_blocks(histograms, shares, seed)) for seed in range(10)])
    kept = np.mean([together(assign_blocks(histograms, shares, seed, pairs)) for seed in range(10)])
    assert kept > loose + 3


def adjacent_one_by_one(laid):
    """The definition of neighbours, pair by pair."""
    return [
        (i, j)
        for i, a in enumerate(laid)
        for j, b in enumerate(laid[:i])
        if a.row <= b.row + b.height
        and b.row <= a.row + a.height
        and a.col <= b.col + b.width
        and b.col <= a.col + a.width
    ]


@given(st.one_of(
    st.builds(blocks, st.tuples(lengths, lengths), st.integers(40, 128)),
    st.lists(st.builds(Window, *[st.integers(0, 30)] * 2, *[st.integers(1, 12)] * 2), max_size=20),
))  # fmt: skip
def test_neighbours_are_found_as_if_each_pair_were_compared(laid):
    assert neighbours(laid) == adjacent_one_by_one(laid)


def assigned_at_once(histograms, shares, seed, pairs=(), trials=4000):
    """The definition of the assignment: all trials drawn together."""
    base = np.repeat(np.arange(len(shares)), quotas(len(histograms), shares))
    drawn = np.random.default_rng(seed).permuted(np.tile(base, (trials, 1)), axis=1)
    overall = histograms.sum(0) / max(1, histograms.sum())
    present = overall > 0
    worst = np.zeros(trials)
    for split in np.unique(base):
        counts = (drawn == split) @ histograms[:, present]
        share = counts / np.maximum(1, counts.sum(axis=1, keepdims=True))
        worst = np.maximum(worst, np.abs(share / overall[present] - 1).max(axis=1, initial=0))
    best = np.argsort(worst, kind="stable")[: max(1, trials // 50)]
    together = sum((drawn[best, i] == drawn[best, j]).astype(int) for i, j in pairs)
    return drawn[best[np.argmax(together)]]


@pytest.mark.parametrize(("across", "down", "trials"), [(1, 1, 60), (2, 1, 60), (4, 3, 400), (20, 12, 150)])
def test_an_assignment_does_not_depend_on_how_many_are_drawn_at_once(across, down, trials, monkeypatch):
    laid = blocks((100 * down, 100 * across), 100)
    histograms = np.random.default_rng(across).integers(0, 40, (len(laid), 5)) // 9 * 100
    histograms[:, 2] = 0
    shares, pairs = (0.6, 0.15, 0.25), neighbours(laid)
    expected = assigned_at_once(histograms, shares, 5, pairs, trials)
    for at_once in (1, 700, 1 << 22):
        monkeypatch.setattr("urbanseg.dataset.splits.DRAWN_AT_ONCE", at_once)
        assert (assign_blocks(histograms, shares, 5, pairs, trials) == expected).all()


def test_the_split_of_a_scene_of_a_gigapixel_takes_little_memory():
    laid = blocks((32_768, 32_768), 256)
    histograms = np.random.default_rng(0).integers(0, 65_536, (len(laid), 6))
    tracemalloc.start()
    splits = assign_blocks(histograms, (0.6, 0.15, 0.25), 7, neighbours(laid), trials=300)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert np.bincount(splits).tolist() == quotas(len(laid), (0.6, 0.15, 0.25))
    assert peak < 150e6  # 300 × 16,384 int64 and their copies would be 160 MB


def test_the_same_seed_gives_the_same_split_and_another_seed_another():
    histograms = np.random.default_rng(0).integers(1, 100, (30, 5))
    first, again, other = (assign_blocks(histograms, (0.6, 0.2, 0.2), seed=s) for s in (4, 4, 5))
    assert (first == again).all()
    assert (first != other).any()
