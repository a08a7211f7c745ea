"""Labels are brought to where the image has them: known shifts are found, and none is made up."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from urbanseg.classes import IGNORE
from urbanseg.grid import Window
from urbanseg.labels import align

CLASSES, SIDE, MARGIN, MAX_PX = 4, 96, 12, 6


def ground(seed):
    """Patches of four classes, a margin larger on each side than a block."""
    noise = np.random.default_rng(seed).normal(size=(CLASSES, SIDE + 2 * MARGIN, SIDE + 2 * MARGIN))
    smooth = np.stack(
        [ndimage.gaussian_filter(layer, sigma) for layer, sigma in zip(noise, (2, 3, 4, 6), strict=True)]
    )
    return (smooth / smooth.std(axis=(1, 2), keepdims=True)).argmax(axis=0).astype(np.uint8)


def soft(classes, blur=2.0, sure=0.6):
    """What a model that is never quite sure says of a block of the ground."""
    layers = [ndimage.gaussian_filter((classes == each).astype(float), blur) for each in range(CLASSES)]
    inside = slice(MARGIN, -MARGIN)
    return (sure * np.stack(layers) + (1 - sure) / CLASSES)[:, inside, inside].astype(np.float32)


def mapped(classes, offset):
    """Labels of a block that have to be moved by `offset`, rows and columns in parts of a pixel."""
    rows, cols = np.mgrid[MARGIN : MARGIN + SIDE, MARGIN : MARGIN + SIDE].astype(float)
    at = np.rint(rows + offset[0]).astype(int), np.rint(cols + offset[1]).astype(int)
    return classes[at]


offsets = st.tuples(*[st.integers(-4, 4)] * 2)
seeds = st.integers(0, 10_000)


@settings(max_examples=15)
@given(offsets, seeds)
def test_a_known_shift_is_found_to_half_a_pixel(offset, seed):
    classes = ground(seed)
    found = align.estimate(align.agreement(soft(classes), mapped(classes, offset), MAX_PX))
    assert np.hypot(*(found.offset - offset)) <= 0.5
    assert np.linalg.eigvalsh(found.precision)[0] > 0


def test_a_shift_is_found_though_labels_lack_objects_and_the_model_is_wrong_of_a_third():
    classes = ground(3)
    labels, wrong = mapped(classes, (3, -2)), classes.copy()
    labels[20:50, 30:60] = 0
    labels[70:80, 5:40] = IGNORE
    wrong[: MARGIN + SIDE // 3] = ground(4)[: MARGIN + SIDE // 3]
    found = align.estimate(align.agreement(soft(wrong), labels, MAX_PX))
    assert np.hypot(*(found.offset - (3, -2))) <= 0.5


@settings(max_examples=10)
@given(seeds)
def test_labels_that_are_not_shifted_stay_where_they_are(seed):
    classes = ground(seed)
    found = align.estimate(align.agreement(soft(classes), mapped(classes, (0, 0)), MAX_PX))
    assert align.whole_px(found.offset) == (0, 0)


def test_a_block_of_one_class_an_unlabelled_and_a_small_one_tell_nothing():
    classes = ground(1)
    one = np.full((SIDE, SIDE), 2, np.uint8)
    nothing = np.full((SIDE, SIDE), IGNORE, np.uint8)
    small = np.zeros((2 * MAX_PX, SIDE), np.uint8)
    for labels in (one, nothing):
        assert not align.estimate(align.agreement(soft(classes), labels, MAX_PX)).precision.any()
    flat = np.full((CLASSES, *small.shape), 0.25, np.float32)
    assert not align.estimate(align.agreement(flat, small, MAX_PX)).precision.any()


def test_a_shift_beyond_the_farthest_is_not_taken_for_the_farthest():
    classes = ground(2)
    found = align.estimate(align.agreement(soft(classes), mapped(classes, (9, 0)), 4))
    assert not found.precision.any() or np.abs(found.offset).max() <= 4


def sure(offset, precision=100.0):
    return align.Shift(np.array(offset, float), np.eye(2) * precision)


UNKNOWN = align.Shift(np.zeros(2), np.zeros((2, 2)))


def test_a_block_that_tells_nothing_takes_the_shift_between_those_around_it():
    smoothed = align.smooth([sure((2, 0)), UNKNOWN, sure((4, -2))], [(1, 0), (2, 1)], 2, 8)
    assert np.allclose(smoothed, [(2, 0), (3, -1), (4, -2)], atol=0.05)


def test_without_a_neighbour_and_without_evidence_nothing_is_shifted():
    assert np.allclose(align.smooth([UNKNOWN, sure((3, 3))], [], 2, 8), [(0, 0), (3, 3)], atol=1e-3)
    assert align.smooth([], [], 2, 8).shape == (0, 2)


@given(st.lists(st.tuples(*[st.floats(-50, 50)] * 2), min_size=1, max_size=6), st.floats(0.1, 8))
def test_no_shift_is_beyond_its_bound_and_alike_ones_stay_as_they_are(found, spread):
    pairs = [(i + 1, i) for i in range(len(found) - 1)]
    assert np.abs(align.smooth([sure(each) for each in found], pairs, spread, 5)).max() <= 5
    alike = align.smooth([sure((2, -1)) for _ in found], pairs, spread, 5)
    assert np.allclose(alike, (2, -1), atol=1e-3)


@pytest.mark.parametrize("offset", [(0, 0), (3, -2), (-4, 4)])
def test_moving_labels_undoes_the_shift_except_for_what_came_from_outside(offset):
    classes = ground(5)
    block = Window(MARGIN, MARGIN, SIDE, SIDE)
    around = classes.copy()
    around[block.slices] = mapped(classes, offset)
    usable = np.zeros(around.shape, bool)
    usable[block.slices] = True
    moved = align.move(around, usable, block, offset)
    known = moved != IGNORE
    assert np.array_equal(moved[known], classes[block.slices][known])
    assert known.sum() == (SIDE - abs(offset[0])) * (SIDE - abs(offset[1]))


def test_what_was_ignored_stays_ignored_and_moves_with_the_map_besides():
    labels = np.zeros((8, 8), np.uint8)
    labels[2, 3] = IGNORE
    moved = align.move(labels, np.ones((8, 8), bool), Window(0, 0, 8, 8), (1, 0))
    assert list(moved[2:4, 3]) == [IGNORE, IGNORE]
    assert (moved == IGNORE).sum() == 2 + 8


@pytest.mark.parametrize(("offset", "whole"), [((0.49, -0.49), (0, 0)), ((0.5, -1.5), (1, -2))])
def test_halves_are_rounded_away_from_zero(offset, whole):
    assert align.whole_px(np.array(offset)) == whole
