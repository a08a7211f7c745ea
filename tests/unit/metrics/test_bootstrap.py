import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import stats

from tests.unit.metrics.test_correlation import GRID, clustered
from urbanseg.grid import blocks as lay
from urbanseg.metrics import bootstrap
from urbanseg.metrics.bootstrap import MIN_UNITS, difference, estimate, replicates
from urbanseg.metrics.segmentation import class_scores, mean

counts = hnp.arrays(np.int64, (12, 3, 3), elements=st.integers(0, 50))


def row(n):
    """Where n blocks lie: in one row."""
    return [lay((10, 10 * n), 10)]


def miou(total):
    return np.array([mean(class_scores(total).iou)])


def share(total):
    """Right pixels of all, from ``(right, all)``."""
    return np.array([total[0] / total[1] if total[1] else np.nan])


def blocks(rng, n, accuracy=0.7, spread=0.1, size=200):
    """Right and all pixels of blocks whose accuracies scatter."""
    chances = np.clip(rng.normal(accuracy, spread, n), 0, 1)
    return np.column_stack([rng.binomial(size, chances), np.full(n, size)])


def clusters(rng, reach=1.0, spread=0.1):
    """The same, of blocks in a grid of which neighbours are alike."""
    chances = np.clip(0.7 + spread * clustered(reach, rng, 1)[:, 0], 0, 1)
    return np.column_stack([rng.binomial(200, chances), np.full(len(GRID), 200)])


def interval(made, statistic=share, areas=None, n=200):
    return estimate(made, statistic, areas or row(len(made)), 1, n).interval[:, 0]


def test_independent_blocks_have_the_t_interval_of_their_mean():
    made = blocks(np.random.default_rng(0), 60)
    found = estimate(
        made, share, [[window for window in lay((10, 6000), 50) if window.col % 100 == 0]], 2, 5000
    )
    shares = made[:, 0] / 200
    expected = stats.t.interval(0.95, 59, shares.mean(), shares.std(ddof=1) / 60**0.5)
    np.testing.assert_allclose(found.interval[:, 0], expected, atol=0.002)
    assert found.effective == pytest.approx(60)


@pytest.mark.parametrize("reach", [0.1, 0.7])
def test_the_interval_holds_the_truth_about_as_often_as_it_says_also_where_blocks_cluster(reach):
    rng = np.random.default_rng(3)
    made = [interval(clusters(rng, reach), areas=[GRID], n=80) for _ in range(150)]
    assert 0.90 <= np.mean([low <= 0.7 <= high for low, high in made]) <= 0.99


@pytest.mark.parametrize("reach", [0.1, 0.7])
def test_chance_is_called_noise_about_as_often_as_it_says_also_where_blocks_cluster(reach):
    rng = np.random.default_rng(13)
    made = [difference(clusters(rng, reach), clusters(rng, reach), share, [GRID], 14, 80) for _ in range(150)]
    called_real = [change.interval[0, 0] > 0 or change.interval[1, 0] < 0 for change in made]
    assert 0.01 <= np.mean(called_real) <= 0.09
    assert 0.01 <= np.mean([change.p_drop[0] < 0.05 for change in made]) <= 0.09


def test_what_one_city_scores_better_than_another_is_no_doubt_about_both():
    rng = np.random.default_rng(4)
    made = np.concatenate([blocks(rng, 40, 0.9, 0.01), blocks(rng, 40, 0.5, 0.01)])
    apart, together = (interval(made, areas=areas) for areas in (row(40) * 2, row(80)))
    assert apart[1] - apart[0] < 0.02 < together[1] - together[0]


@given(counts)
@settings(max_examples=10)
def test_the_interval_holds_the_score(made):
    low, high = interval(made + 1, miou, n=60)
    assert low <= miou((made + 1).sum(axis=0)) <= high


@given(counts)
@settings(max_examples=10)
def test_equal_blocks_have_an_interval_without_width(made):
    same = np.repeat(made[:1] + 1, 12, axis=0)
    np.testing.assert_allclose(interval(same, miou, n=20), np.tile(miou(same[0]), 2), atol=1e-9)


def test_a_map_differs_from_itself_by_nothing_however_few_its_blocks():
    for n in (2, 20):
        made = blocks(np.random.default_rng(7), n)
        found = difference(made, made, share, row(n), 8)
        assert (found.interval == 0).all()
        assert found.p_drop == 0.5


def test_exchanging_the_maps_turns_the_difference_round():
    rng = np.random.default_rng(9)
    a, b = blocks(rng, 20), blocks(rng, 20, accuracy=0.75)
    one, other = difference(a, b, share, row(20), 10), difference(b, a, share, row(20), 10)
    np.testing.assert_allclose(other.interval[::-1], -one.interval)
    assert one.p_drop == pytest.approx(1 - other.p_drop)
    assert one.interval[0] < one.value < one.interval[1]


def test_a_small_gain_in_every_block_is_real_though_the_single_intervals_overlap():
    a = blocks(np.random.default_rng(11), 30, spread=0.2)
    b = a + np.array([4, 0])
    b[:, 0] = np.minimum(b[:, 0], b[:, 1])
    assert interval(a)[1] > interval(b)[0]
    gain = difference(a, b, share, row(30), 12)
    assert gain.interval[0, 0] > 0
    assert gain.p_drop > 0.97


def test_other_blocks_can_not_be_paired():
    rng = np.random.default_rng(15)
    with pytest.raises(ValueError, match="the blocks differ"):
        difference(blocks(rng, 5), blocks(rng, 6), share, row(5), 0)


def test_too_few_blocks_have_no_interval_and_empty_ones_do_not_count():
    made = blocks(np.random.default_rng(17), MIN_UNITS)
    assert not np.isnan(interval(made)).any()
    few = np.concatenate([made[1:], np.zeros((5, 2), int)])
    found = estimate(few, share, row(len(few)), 0)
    assert found.units == MIN_UNITS - 1
    assert np.isnan(found.interval).all()
    assert np.isnan(found.p_drop).all()
    assert not np.isnan(found.value)


def test_a_score_that_one_block_alone_defines_has_no_interval():
    made = np.array([[1, 2]] + [[0, 0]] * 11)

    def both(total):
        return np.array([*share(total[:2]), *share(total[2:])])

    found = estimate(np.column_stack([made, blocks(np.random.default_rng(5), 12)]), both, row(12), 0)
    assert np.isnan(found.interval).any(axis=0).tolist() == [True, False]
    assert np.isnan(found.p_drop).tolist() == [True, False]


def test_the_same_seed_draws_the_same_blocks_in_chunks_or_not(monkeypatch):
    made = [blocks(np.random.default_rng(16), 50)]
    whole = replicates(made, lambda one: share(one[0]), [30, 20], seed=17, n=200)
    monkeypatch.setattr(bootstrap, "_CHUNK", 500)
    assert (replicates(made, lambda one: share(one[0]), [30, 20], seed=17, n=200) == whole).all()


def test_lengths_are_not_rounded_to_whole_numbers():
    assert interval(np.array([[0.25, 0.5]] * 12)).tolist() == [0.5, 0.5]
