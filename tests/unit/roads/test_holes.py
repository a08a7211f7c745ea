import numpy as np
import pytest
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from urbanseg.grid import Window
from urbanseg.roads.holes import without_holes
from urbanseg.roads.skeleton import centre_line_graph

masks = arrays.arrays(bool, (20, 24), elements=st.integers(0, 3).map(bool), fill=st.booleans())


def filled(mask, max_px, window=None, known=None, narrow_px=0.0):
    known = np.ones_like(mask) if known is None else known
    read = without_holes(lambda w: mask[w.slices], lambda w: known[w.slices], mask.shape, max_px, narrow_px)
    return read(window or Window(0, 0, *mask.shape))


def test_holes_below_the_limit_are_filled_and_those_at_the_edge_or_with_unknown_pixels_stay():
    mask = np.ones((12, 30), bool)
    mask[4, 3] = mask[4:6, 8:10] = mask[4, 14:19] = mask[0, 22] = mask[8, 26:28] = False
    known = np.ones_like(mask)
    known[8, 26] = False
    made = filled(mask, 5, known=known)
    assert made[4, 3]
    assert made[4:6, 8:10].all()
    assert not made[4, 14:19].any()  # 5 pixels are not below 5
    assert not made[0, 22]
    assert not made[8, 26:28].any()


@given(masks, st.integers(0, 40), st.sampled_from([0, 2, 3]), st.integers(0, 14), st.integers(0, 14))
def test_a_window_is_filled_as_the_whole_mask_is(mask, max_px, narrow_px, row, col):
    window = Window(row, col, 6, 10)
    whole = filled(mask, max_px, narrow_px=narrow_px)
    assert (filled(mask, max_px, window, narrow_px=narrow_px) == whole[window.slices]).all()


def test_narrow_holes_are_filled_but_not_long_ones_and_not_the_middle_of_a_roundabout():
    mask = np.ones((60, 200), bool)
    short, long, round_, bent = mask.copy(), mask.copy(), mask.copy(), mask.copy()
    short[20:24, 20:70] = False
    long[20:24, 20:100] = False
    round_[20:30, 20:30] = False
    bent[20:23, 20:50] = bent[20:50, 47:50] = False
    for hole, goes in ((short, True), (long, False), (round_, False), (bent, True)):
        assert filled(hole, 20, narrow_px=4).all() == goes
        assert (filled(hole, 20) == hole).all()


@pytest.mark.parametrize("every", [3, 7])
def test_a_wide_road_with_holes_is_one_line_and_no_ladder(every):
    mask = np.zeros((30, 120), bool)
    mask[10:17, 5:-5] = True
    mask[13, 10:-10:every] = False
    read = without_holes(lambda w: mask[w.slices], lambda w: np.ones_like(mask[w.slices]), mask.shape, 5)
    graph = centre_line_graph(read, mask.shape, Affine.scale(1, -1), min_spur=12)
    assert len(graph.edges) == 1
    assert (
        len(centre_line_graph(lambda w: mask[w.slices], mask.shape, Affine.scale(1, -1), min_spur=12).edges)
        > 1
    )


@given(
    st.integers(24, 40),
    st.lists(
        st.tuples(st.integers(20, 340), st.integers(0, 30), st.integers(2, 40), st.integers(2, 8)),
        max_size=12,
    ),
)
def test_a_straight_wide_road_with_any_narrow_holes_is_one_line(width, holes):
    """Pixels of 0.5 m: holes of up to 20 m by 4 m, anywhere in the road and a pixel apart or more."""
    mask = np.zeros((width + 20, 400), bool)
    mask[10 : 10 + width, 10:-10] = True
    taken = ~mask
    for col, row, length, across in holes:
        place = slice(min(12 + row, 8 + width - across), None), slice(col, col + length)
        top = place[0].start
        around = taken[top - 1 : top + across + 1, col - 1 : col + length + 1]
        if not around.any():
            taken[top : top + across, col : col + length] = True
            mask[top : top + across, col : col + length] = False
    read = without_holes(lambda w: mask[w.slices], lambda w: np.ones_like(mask[w.slices]), mask.shape, 48, 8)
    graph = centre_line_graph(read, mask.shape, Affine.scale(0.5, -0.5), min_spur=width)
    assert len(graph.edges) == 1
    [(*_, length)] = graph.edges(data="length")
    assert length > 0.5 * (380 - 1.5 * width)
