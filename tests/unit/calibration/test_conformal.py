import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special

from urbanseg.calibration import conformal
from urbanseg.classes import IGNORE


def blocks(rng, count, pixels=60, classes=3):
    """Pixels of blocks of which some are easy and some are hard: probabilities, labels, groups."""
    clear = np.repeat(rng.uniform(0.2, 3, count), pixels)
    labels = rng.integers(0, classes, count * pixels).astype(np.uint8)
    logits = rng.normal(0, 1, (classes, len(labels)))
    logits[labels, np.arange(len(labels))] += clear
    return special.softmax(logits, axis=0).astype(np.float32), labels, np.repeat(np.arange(count), pixels)


@pytest.mark.parametrize("scale", [0.0, 1.0])
def test_of_each_class_so_many_pixels_of_new_blocks_are_covered_as_was_asked_for(scale):
    rng = np.random.default_rng(4)
    covered = []
    for _ in range(60):
        chances, labels, groups = blocks(rng, 21)
        seen = groups < 20
        limits = conformal.thresholds(
            conformal.nonconformity(chances[:, seen], scale), labels[seen], groups[seen], 0.8
        )
        inside = conformal.members(chances[:, ~seen], limits, scale)
        held = inside[labels[~seen], np.arange((~seen).sum())]
        covered.append([held[labels[~seen] == number].mean() for number in range(3)])
    assert np.mean(covered, axis=0) == pytest.approx([0.84] * 3, abs=0.06)  # by theory from 0.8 to 0.8 + 1/21


def test_each_block_counts_the_same_however_many_pixels_it_has():
    score = np.array([np.r_[np.full(1000, 0.1), np.full(10, 0.5), np.full(10, 0.7)]], np.float32)
    groups = np.repeat([0, 1, 2], [1000, 10, 10])
    labels = np.zeros(1020, np.uint8)
    assert conformal.thresholds(score, labels, groups, 0.25) == pytest.approx((0.1,))
    assert conformal.thresholds(score, labels, groups, 0.5) == pytest.approx((0.5,))
    assert conformal.thresholds(score, labels, groups, 0.75) == pytest.approx((0.7,))


def test_of_too_few_blocks_a_class_is_in_every_set():
    score, labels = np.full((2, 8), 0.3, np.float32), np.zeros(8, np.uint8)
    assert conformal.thresholds(score, labels, np.arange(8), 0.9) == (np.inf, np.inf)
    nine = np.full((2, 9), 0.3, np.float32), np.zeros(9, np.uint8), np.arange(9)
    assert conformal.thresholds(*nine, 0.9) == (pytest.approx(0.3), np.inf)
    chances = np.array([[0.999], [0.001]], np.float32)
    assert conformal.members(chances, (0.3, np.inf), 0.0).all()


def test_the_likeliest_class_is_in_each_set_whatever_the_threshold():
    chances = special.softmax(np.random.default_rng(0).normal(0, 1, (4, 50)), axis=0).astype(np.float32)
    inside = conformal.members(chances, (-1.0,) * 4, 0.0)
    np.testing.assert_array_equal(inside.argmax(axis=0), chances.argmax(axis=0))
    assert (inside.sum(axis=0) == 1).all()


def test_with_difficulty_sets_grow_where_the_model_is_uncertain():
    sure, unsure = np.array([[0.96], [0.03], [0.01]]), np.array([[0.4], [0.35], [0.25]])
    limits = (0.7, 0.7, 0.7)
    plain, scaled = (conformal.members(unsure.astype(np.float32), limits, scale).sum() for scale in (0, 1))
    assert (plain, scaled) == (2, 3)
    assert conformal.members(sure.astype(np.float32), limits, 1.0).sum() == 1


@given(st.integers(1, 20), st.integers(0, 1000))
def test_what_is_stored_tells_of_each_class_whether_it_is_in_the_set(classes, seed):
    inside = np.random.default_rng(seed).random((classes, 3, 5)) < 0.4
    stored = conformal.encode(inside)
    assert stored.shape == (conformal.bands(classes), 3, 5)
    assert stored.max() < IGNORE
    assert len(conformal.descriptions([f"c{i}" for i in range(classes)])) == len(stored)
    np.testing.assert_array_equal(stored[0], inside.sum(axis=0))
    for number in range(classes):
        np.testing.assert_array_equal(
            conformal.holds(stored, np.full((3, 5), number, np.uint8)), inside[number]
        )
    assert not conformal.holds(stored, np.full((3, 5), IGNORE, np.uint8)).any()
