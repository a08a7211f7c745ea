from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from skimage.measure import label

from urbanseg.grid import Window
from urbanseg.metrics.objects import Detections, ObjectMerger, fragments, precision_recall_f1

SHAPE = (12, 14)
masks = hnp.arrays(bool, SHAPE, elements=st.integers(0, 2).map(lambda v: v > 0), fill=st.booleans())
cuts = st.tuples(st.sets(st.integers(1, SHAPE[0] - 1)), st.sets(st.integers(1, SHAPE[1] - 1)))


def detect(reference, predicted, cut=((), ()), min_iou=0.5, units=None) -> Detections:
    """Detections of a scene that is cut at some rows and columns."""
    work = ObjectMerger()
    units = np.zeros(reference.shape, np.int64) if units is None else units
    rows, cols = (sorted({0, *at, size}) for at, size in zip(cut, reference.shape, strict=True))
    for top, bottom in pairwise(rows):
        for left, right in pairwise(cols):
            window = Window(top, left, bottom - top, right - left)
            part = window.slices
            work.add(fragments(reference[part], predicted[part], window, units[part]))
    return work.detections(int(units.max()) + 1, min_iou)


def counts(found: Detections) -> tuple[int, ...]:
    return tuple(
        int(values.sum())
        for values in (
            found.reference,
            found.reference_matched,
            found.predicted,
            found.predicted_matched,
        )
    )


def best_matching(good, left, used=frozenset()) -> int:
    """Most pairs that can be made, by trying all."""
    if not left:
        return 0
    first, *rest = left
    skip = best_matching(good, rest, used)
    return max(
        [skip, *(1 + best_matching(good, rest, used | {p}) for p in good.get(first, ()) if p not in used)]
    )


@given(masks, masks)
def test_matches_are_those_of_trying_every_pair(reference, predicted):
    ours = [label(mask, connectivity=1) for mask in (reference, predicted)]
    good = {}
    for r in range(1, ours[0].max() + 1):
        for p in range(1, ours[1].max() + 1):
            both = ((ours[0] == r) & (ours[1] == p)).sum()
            either = ((ours[0] == r) | (ours[1] == p)).sum()
            if 2 * both >= either:
                good.setdefault(r, []).append(p)
    matched = best_matching(good, list(good))
    assert counts(detect(reference, predicted)) == (ours[0].max(), matched, ours[1].max(), matched)


@given(masks, masks, cuts)
def test_detections_do_not_depend_on_how_the_scene_is_cut(reference, predicted, cut):
    assert counts(detect(reference, predicted, cut)) == counts(detect(reference, predicted))


@given(masks)
def test_a_perfect_map_finds_every_object(mask):
    found = detect(mask, mask)
    assert (found.reference_matched == found.reference).all()
    if mask.any():
        assert precision_recall_f1(found) == (1, 1, 1)


@given(masks, masks)
def test_exchanging_the_rasters_exchanges_precision_and_recall(reference, predicted):
    one, other = (
        precision_recall_f1(detect(*pair)) for pair in ((reference, predicted), (predicted, reference))
    )
    np.testing.assert_array_equal((one[0], one[1], one[2]), (other[1], other[0], other[2]))


@given(masks, masks, st.tuples(st.integers(0, 5), st.integers(0, 5)))
def test_detections_are_invariant_under_translation(reference, predicted, shift):
    offsets = [(before, 5 - before) for before in shift]
    moved = [np.pad(mask, offsets) for mask in (reference, predicted)]
    assert counts(detect(*moved)) == counts(detect(reference, predicted))


def squares(*corners, side=4):
    mask = np.zeros(SHAPE, bool)
    for row, col in corners:
        mask[row : row + side, col : col + side] = True
    return mask


def test_of_three_houses_two_are_found_and_one_is_invented():
    reference = squares((0, 0), (0, 6), (6, 0))
    predicted = squares((0, 0), (1, 6), (7, 9))
    assert counts(detect(reference, predicted)) == (3, 2, 3, 2)
    assert precision_recall_f1(detect(reference, predicted)) == pytest.approx((2 / 3, 2 / 3, 2 / 3))


@pytest.mark.parametrize(("min_iou", "found"), [(0.6, 1), (0.61, 0)])
def test_an_iou_that_equals_the_threshold_is_a_match(min_iou, found):
    # One row off: 12 of 20 pixels are shared.
    assert counts(detect(squares((0, 0)), squares((1, 0)), min_iou=min_iou))[1] == found


def test_of_two_halves_of_a_house_one_is_right():
    halves = np.zeros(SHAPE, bool)
    halves[0:4, 0:2] = True
    halves[0:4, 3:5] = True
    house = np.zeros(SHAPE, bool)
    house[0:4, 0:4] = True
    assert counts(detect(house, halves)) == (1, 1, 2, 1)


def test_houses_that_touch_by_a_corner_are_two():
    assert counts(detect(squares((0, 0), (4, 4)), squares((0, 0), (4, 4))))[0] == 2


def test_an_object_belongs_to_the_unit_of_its_first_fragment():
    units = np.zeros(SHAPE, np.int64)
    units[:, 7:] = 1
    wide = np.zeros(SHAPE, bool)
    wide[2:4, 3:12] = wide[8, 9:12] = True
    found = detect(wide, wide, ((), {7}), units=units)
    assert found.reference.tolist() == [1, 1]
    assert found.predicted_matched.tolist() == [1, 1]


def test_objects_on_one_side_only_score_zero_and_none_at_all_nothing():
    empty = np.zeros(SHAPE, bool)
    assert precision_recall_f1(detect(squares((0, 0)), empty)) == (0, 0, 0)
    assert np.isnan(precision_recall_f1(detect(empty, empty))).all()
