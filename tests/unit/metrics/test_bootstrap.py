import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import stats

from urbanseg.metrics import bootstrap
from urbanseg.metrics.bootstrap import difference, interval, replicates
from urbanseg.metrics.segmentation import class_scores, mean

counts = hnp.arrays(np.int64, (7, 3, 3), elements=st.integers(0, 50))


def miou(total):
    return mean(class_scores(total).iou)


def share(total):
    """Right pixels of all, from ``(right, all)``."""
    return total[0] / total[1] if total[1] else np.nan


def blocks(rng, n, accuracy=0.7, spread=0.1, size=200):
    """Right and all pixels of blocks whose accuracies scatter."""
    chances = np.clip(rng.normal(accuracy, spread, n), 0, 1)
    return np.column_stack([rng.binomial(size, chances), np.full(n, size)])


def test_the_interval_is_that_of_scipy():
    made = blocks(np.random.default_rng(0), 60)
    expected = stats.bootstrap(
        (made[:, 0], made[:, 1]),
        lambda right, all_, axis: right.sum(axis=axis) / all_.sum(axis=axis),
        paired=True,
        method="percentile",
        n_resamples=5000,
        rng=np.random.default_rng(1),
    ).confidence_interval
    assert interval(made, share, seed=2, n=5000) == pytest.approx(tuple(expected), abs=0.003)


def test_the_interval_holds_the_truth_about_as_often_as_it_says():
    rng = np.random.default_rng(3)
    held = 0
    for _ in range(300):
        low, high = interval(blocks(rng, 40), share, seed=4, n=300)
        held += low <= 0.7 <= high
    assert 0.90 <= held / 300 <= 0.98


def test_pixels_drawn_one_by_one_would_be_far_too_sure():
    # What a binomial of 40 × 200 pixels would claim is a third of what the blocks tell.
    low, high = interval(blocks(np.random.default_rng(5), 40, spread=0.15), share, seed=6)
    naive = 2 * 1.96 * np.sqrt(0.7 * 0.3 / (40 * 200))
    assert high - low > 3 * naive


@given(counts)
@settings(max_examples=25)
def test_the_interval_lies_within_what_the_blocks_hold(made):
    made = made + 1
    low, high = interval(made, miou, seed=0, n=60)
    assert 0 <= low <= high <= 1


@given(counts, st.permutations(range(7)))
@settings(max_examples=25)
def test_equal_blocks_have_an_interval_without_width(made, order):
    same = np.repeat(made[:1] + 1, 7, axis=0)
    low, high = interval(same[order], miou, seed=0, n=60)
    assert low == high == pytest.approx(miou(same[0]))


def test_a_map_differs_from_itself_by_nothing():
    made = blocks(np.random.default_rng(7), 20)
    assert difference(made, made, share, seed=8) == (0, 0, 0)


def test_exchanging_the_maps_turns_the_difference_round():
    rng = np.random.default_rng(9)
    a, b = blocks(rng, 20), blocks(rng, 20, accuracy=0.75)
    delta, low, high = difference(a, b, share, seed=10)
    assert difference(b, a, share, seed=10) == pytest.approx((-delta, -high, -low))
    assert low < delta < high


def test_a_small_gain_in_every_block_is_real_though_the_single_intervals_overlap():
    a = blocks(np.random.default_rng(11), 30, spread=0.2)
    b = a + np.array([4, 0])
    b[:, 0] = np.minimum(b[:, 0], b[:, 1])
    assert interval(a, share, seed=12)[1] > interval(b, share, seed=12)[0]
    _, low, _ = difference(a, b, share, seed=12)
    assert low > 0


def test_chance_is_called_noise_about_as_often_as_it_says():
    rng = np.random.default_rng(13)
    called_real = 0
    for _ in range(300):
        _, low, high = difference(blocks(rng, 60), blocks(rng, 60), share, seed=14, n=200)
        called_real += low > 0 or high < 0
    assert 0.02 <= called_real / 300 <= 0.1


def test_other_blocks_can_not_be_paired():
    rng = np.random.default_rng(15)
    with pytest.raises(ValueError, match="the blocks differ"):
        difference(blocks(rng, 5), blocks(rng, 6), share, seed=0)


def test_one_block_has_no_interval():
    assert np.isnan(interval(np.array([[3, 4]]), share, seed=0)).all()


def test_samples_without_a_score_are_left_out():
    made = np.array([[1, 2], [0, 0], [0, 0]])
    assert interval(made, share, seed=0) == (0.5, 0.5)
    assert np.isnan(interval(np.zeros((3, 2), int), share, seed=0)).all()


def test_the_same_seed_draws_the_same_blocks_in_chunks_or_not(monkeypatch):
    made = blocks(np.random.default_rng(16), 50)
    whole = replicates(made, share, seed=17, n=200)
    assert (replicates(made, share, seed=17, n=200) == whole).all()
    monkeypatch.setattr(bootstrap, "_CHUNK", 500)
    assert (replicates(made, share, seed=17, n=200) == whole).all()


def test_a_statistic_may_be_several_scores_at_once():
    made = np.random.default_rng(18).integers(0, 50, (9, 3, 3))
    both = replicates(made, lambda total: np.array([miou(total), total.sum()]), seed=19, n=40)
    assert (both[:, 0] == replicates(made, miou, seed=19, n=40)).all()


def test_lengths_are_not_rounded_to_whole_numbers():
    made = np.array([[0.25, 0.5], [0.25, 0.5]])
    assert interval(made, share, seed=0) == (0.5, 0.5)
