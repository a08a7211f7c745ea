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


def filled(mask, max_px, window=None, known=None):
    known = np.ones_like(mask) if known is None else known
    read = without_holes(lambda w: mask[w.slices], lambda w: known[w.slices], mask.shape, max_px)
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


@given(masks, st.integers(0, 40), st.integers(0, 14), st.integers(0, 14))
def test_a_window_is_filled_as_the_whole_mask_is(mask, max_px, row, col):
    window = Window(row, col, 6, 10)
    assert (filled(mask, max_px, window) == filled(mask, max_px)[window.slices]).all()


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
